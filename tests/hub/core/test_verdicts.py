"""What is offered, what is let through, and how it is said to Claude Code."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core import verdicts
from hub.core.model import Decision, DecisionKind, DecisionState, Verdict
from hub.core.verdicts import Unfit
from tests.hub.claude import ALWAYS, FORM, build_question
from wire.frames import AnsweredBy

PLAN = {"plan": "# Plan", "planFilePath": "/home/maya/.claude/plans/a.md"}
INPUTS: dict[str, dict[str, Any]] = {
    "permission": {"command": "ls", "description": "List"},
    "question": {"questions": [build_question(), build_question("Which colours?", multi=True, labels=("red", "a, b"))]},
    "plan": PLAN,
    "elicitation": {"message": "Who?", "mode": "form", "schema": FORM},
}
MODE = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
ANSWERS = {"Which size?": "S", "Which colours?": ["red", "a, b"]}


def build(kind: DecisionKind = "permission", **fields: Any) -> Decision:
    fields = {"input": INPUTS[kind], "answered_by": "hook", "suggestions": [MODE, ALWAYS], **fields}
    if kind != "permission":
        fields["suggestions"] = []
    return Decision(
        decision_id="d", session_id="s", machine_id="m", pid=1, kind=kind, tool_name="T", opened_at=1, **fields
    )


def ask_url() -> Decision:
    return build("elicitation", input={"message": "Sign in", "mode": "url", "url": "https://example.com/"})


def say(decision: Decision, behavior: Any, **fields: Any) -> Any:
    """The answer to a verdict that fits."""
    verdict = Verdict(behavior=behavior, **fields)
    verdicts.check(decision, verdict)
    said = verdicts.build_answer(decision, verdict)["hookSpecificOutput"]
    return said["decision"] if said["hookEventName"] == "PermissionRequest" else said


def refuse(decision: Decision, behavior: Any, **fields: Any) -> str:
    """Why it doesn't fit."""
    with pytest.raises(Unfit) as caught:
        verdicts.check(decision, Verdict(behavior=behavior, **fields))
    return str(caught.value)


REFUSE = ("deny", "message", "stop")


@pytest.mark.parametrize(
    ("decision", "offers"),
    [
        (build(), ("allow", "edit", "remember", *REFUSE)),
        (build(suggestions=[]), ("allow", "edit", *REFUSE)),
        (build("question"), ("answer", *REFUSE)),
        (build("plan"), ("allow", "edit", "mode", *REFUSE)),
        (build("plan", input={}), ("allow", "mode", *REFUSE)),
        (build("elicitation"), ("answer", "deny", "stop")),
        (ask_url(), ("allow", "deny", "stop")),
        (build(is_whole=False), REFUSE),
        (build("question", is_whole=False), REFUSE),
        (build("elicitation", is_whole=False), ("deny", "stop")),
        (build("question", input={"questions": [build_question(), {"header": "?"}]}), REFUSE),
        (build("question", input={"questions": [build_question(), build_question()]}), REFUSE),
        (build("question", input={}), REFUSE),
        (build(answered_by="relay"), ("allow", "deny")),
        (build(answered_by="relay", is_whole=False), ("deny",)),
        (build("question", answered_by="relay"), ()),
        (build("plan", answered_by="relay"), ()),
        (build("elicitation", answered_by="relay"), ()),
        (build(answered_by="none"), ()),
    ],
)
def test_offered_is_what_can_be_said_of_what_is_shown(decision: Decision, offers: tuple[str, ...]) -> None:
    assert verdicts.list_offers(decision) == offers


@pytest.mark.parametrize("state", [state for state in get_args(DecisionState) if state != "open"])
def test_once_given_nothing_is_offered(state: DecisionState) -> None:
    assert verdicts.list_offers(build(state=state)) == ()
    assert refuse(build(state=state), "allow")
    assert refuse(build(state=state), "deny")


def test_allowed_once() -> None:
    assert say(build(), "allow") == {"behavior": "allow"}


def test_allowed_with_another_input() -> None:
    assert say(build(), "allow", input={"command": "ls -l"}) == {
        "behavior": "allow",
        "updatedInput": {"command": "ls -l"},
    }


@pytest.mark.parametrize("number", [0, 1])
def test_always_allowed_by_the_very_suggestion_that_was_offered(number: int) -> None:
    assert say(build(), "allow", remember=number)["updatedPermissions"] == [[MODE, ALWAYS][number]]


@pytest.mark.parametrize("number", [-1, 2])
def test_what_was_not_offered_is_not_remembered(number: int) -> None:
    assert "no suggestion" in refuse(build(), "allow", remember=number)


def test_denied() -> None:
    assert say(build(), "deny") == {"behavior": "deny"}
    assert say(build("plan"), "deny", message="Shorter") == {"behavior": "deny", "message": "Shorter"}
    assert say(build("question"), "deny", stop=True) == {"behavior": "deny", "interrupt": True}


def test_a_denial_has_a_message_or_stops_claude_and_an_allowance_neither() -> None:
    assert "drops the message" in refuse(build(), "deny", message="no", stop=True)
    assert refuse(build(), "allow", message="go on")
    assert refuse(build(), "allow", stop=True)
    assert refuse(build(), "deny", message="x" * 8_001)


def test_a_rule_for_the_input_as_it_was_goes_with_no_other() -> None:
    assert "as it was" in refuse(build(), "allow", remember=0, input={"command": "ls -a"})


@pytest.mark.parametrize("field", [{"input": {}}, {"remember": 0}, {"answers": {}}, {"mode": "default"}])
def test_what_goes_with_an_allowance_goes_with_no_denial(field: dict[str, Any]) -> None:
    assert "goes with allow" in refuse(build(), "deny", **field)


def test_questions_are_answered_with_all_of_their_input() -> None:
    said = say(build("question"), "allow", answers=ANSWERS)
    answers = {"Which size?": "S", "Which colours?": 'red, "a, b"'}
    assert said == {"behavior": "allow", "updatedInput": {**INPUTS["question"], "answers": answers}}
    assert say(build("question"), "allow", answers={**ANSWERS, "Which size?": "odd, own"})


@pytest.mark.parametrize(
    "answers",
    [
        None,
        {},
        {"Which size?": "S"},
        {**ANSWERS, "Nobody asked?": "S"},
        {**ANSWERS, "Which size?": ["S", "L"]},
        {**ANSWERS, "Which size?": " "},
        {**ANSWERS, "Which size?": 7},
        {**ANSWERS, "Which colours?": []},
        {**ANSWERS, "Which colours?": ["red", None]},
    ],
)
def test_every_question_needs_its_answer(answers: Any) -> None:
    assert refuse(build("question"), "allow", answers=answers)


def test_a_plan_is_approved_as_it_is_or_edited_into_a_mode() -> None:
    mode = {"type": "setMode", "mode": "default", "destination": "session"}
    assert say(build("plan"), "allow") == {"behavior": "allow", "updatedInput": PLAN}
    said = say(build("plan"), "allow", input={"plan": "# Other"}, mode="default")
    assert said == {"behavior": "allow", "updatedInput": {**PLAN, "plan": "# Other"}, "updatedPermissions": [mode]}


def test_a_plan_is_approved_into_no_other_mode_and_nothing_but_its_text_is_edited() -> None:
    assert refuse(build("plan"), "allow", mode="bypassPermissions")
    assert refuse(build("plan"), "allow", input={"plan": 7})
    assert refuse(build("plan"), "allow", input={**PLAN, "planFilePath": "/etc/passwd"})
    assert refuse(build("plan"), "allow", input={**PLAN, "other": None})
    assert refuse(build(), "allow", mode="default")


def test_a_form_is_submitted_declined_or_cancelled() -> None:
    answers = {"name": "Maya"}
    accepted = {"hookEventName": "Elicitation", "action": "accept", "content": answers}
    assert say(build("elicitation"), "allow", answers=answers) == accepted
    assert say(build("elicitation"), "deny")["action"] == "decline"
    assert say(build("elicitation"), "deny", stop=True)["action"] == "cancel"
    assert refuse(build("elicitation"), "deny", message="no")


@pytest.mark.parametrize("answers", [None, {}, {"name": 7}, {"name": "Maya", "age": 17}, {"name": "M", "other": 1}])
def test_a_form_is_not_submitted_unless_it_is_filled_in(answers: Any) -> None:
    assert refuse(build("elicitation"), "allow", answers=answers)


def test_an_address_that_was_opened_has_no_content() -> None:
    assert say(ask_url(), "allow") == {"hookEventName": "Elicitation", "action": "accept"}
    assert refuse(ask_url(), "allow", answers={})


def test_the_relay_is_told_no_more_than_it_can_say() -> None:
    for behavior in ("allow", "deny"):
        assert verdicts.find_behavior(build(), Verdict(behavior=behavior)) == behavior
        for kind in ("question", "plan", "elicitation"):
            assert verdicts.find_behavior(build(kind), Verdict(behavior=behavior)) is None
    for verdict in (
        Verdict(behavior="deny", message="no"),
        Verdict(behavior="deny", stop=True),
        Verdict(behavior="allow", remember=0),
        Verdict(behavior="allow", input={}),
    ):
        assert verdicts.find_behavior(build(), verdict) is None
    assert refuse(build(answered_by="relay"), "deny", message="no")
    assert "be allowed" not in refuse(build(answered_by="relay"), "allow", remember=0)
    assert "not allowed" in refuse(build(answered_by="relay", is_whole=False), "allow")
    assert "terminal" in refuse(build(answered_by="none"), "deny")


def test_a_call_shows_which_answer_it_follows() -> None:
    asked, edited = INPUTS["permission"], {"command": "ls -l"}
    assert verdicts.explains(build(), Verdict(behavior="allow"), asked)
    assert not verdicts.explains(build(), Verdict(behavior="deny"), asked)
    assert verdicts.explains(build(), Verdict(behavior="allow", input=edited), edited)
    assert verdicts.explains(build(), Verdict(behavior="allow", input=edited), {"command": "ls -l", "timeout": 9})
    assert not verdicts.explains(build(), Verdict(behavior="allow", input=edited), asked)
    assert verdicts.explains(build(), Verdict(behavior="allow", input=asked), asked)
    assert verdicts.explains(build("plan"), Verdict(behavior="allow", input={"plan": "x"}), {})
    answered = Verdict(behavior="allow", answers={"Which size?": ["S"]})
    assert verdicts.explains(build("question"), answered, {"answers": {"Which size?": "S"}})
    assert not verdicts.explains(build("question"), answered, {"answers": {"Which size?": "L"}})
    assert not verdicts.explains(build("question"), answered, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "S", "red", "a, b", "ls", "Maya", "# Plan"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["plan", "command", "name", "age", *ANSWERS]), inner, max_size=3)
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["plan", "planFilePath", "command", "name", "age", *ANSWERS]), JSON, max_size=3
)
VERDICTS = st.builds(
    Verdict,
    behavior=st.sampled_from(["allow", "deny"]),
    message=st.none() | st.sampled_from(["", "no", "x" * 9_000]),
    input=st.none() | OBJECTS,
    remember=st.none() | st.integers(-1, 2),
    answers=st.none() | st.just(ANSWERS) | st.just({"name": "Maya"}) | OBJECTS,
    mode=st.none() | st.sampled_from(["default", "acceptEdits", "bypassPermissions", ""]),
    stop=st.booleans(),
)
PLAIN = st.builds(Verdict, behavior=st.sampled_from(["allow", "deny"]), answers=st.none() | st.just(ANSWERS))
DECISIONS = st.builds(
    lambda kind, answered_by, **fields: build(kind, answered_by=answered_by, **fields),
    st.sampled_from(get_args(DecisionKind)),
    st.sampled_from(get_args(AnsweredBy)),
    is_whole=st.booleans(),
    suggestions=st.sampled_from([[], [MODE], [ALWAYS, MODE]]),
    state=st.sampled_from(["open", "open", "open", "sending"]),
)


@settings(max_examples=1500, deadline=None)
@given(DECISIONS | st.builds(ask_url), VERDICTS | PLAIN)
def test_whatever_is_let_through_is_an_answer_that_claude_code_takes(decision: Decision, verdict: Verdict) -> None:
    try:
        verdicts.check(decision, verdict)
    except Unfit:
        return
    offers = verdicts.list_offers(decision)
    assert decision.state == "open"
    assert decision.answered_by != "none"
    assert verdict.behavior == "deny" or (decision.is_whole and {"allow", "answer"} & set(offers))
    said = msgspec.json.decode(msgspec.json.encode(verdicts.build_answer(decision, verdict)))["hookSpecificOutput"]
    if decision.answered_by == "relay":
        assert verdicts.find_behavior(decision, verdict) == verdict.behavior
    if decision.kind == "elicitation":
        check_form_answer(decision, verdict, said)
    else:
        assert said["hookEventName"] == "PermissionRequest"
        check_answer(decision, verdict, said["decision"])


def check_answer(decision: Decision, verdict: Verdict, said: dict[str, Any]) -> None:
    assert said["behavior"] == verdict.behavior
    assert set(said) <= {"behavior", "updatedInput", "updatedPermissions", "message", "interrupt"}
    if verdict.behavior == "deny":
        assert not {"updatedInput", "updatedPermissions"} & set(said)
        assert not ("message" in said and "interrupt" in said)
        return
    assert not {"message", "interrupt"} & set(said)
    assert ("updatedInput" in said) == (decision.kind != "permission" or verdict.input is not None)
    if decision.kind == "permission":
        chosen = [] if verdict.remember is None else [decision.suggestions[verdict.remember]]
        assert said.get("updatedPermissions", []) == chosen
    elif decision.kind == "plan":
        assert set(said["updatedInput"]) == set(PLAN)
        assert said["updatedInput"]["planFilePath"] == PLAN["planFilePath"]
        for update in said.get("updatedPermissions", []):
            assert (update["type"], update["destination"]) == ("setMode", "session")
            assert update["mode"] in verdicts.MODES
    else:
        assert "updatedPermissions" not in said
        assert said["updatedInput"]["questions"] == decision.input["questions"]
        answers = said["updatedInput"]["answers"]
        assert list(map(type, answers.values())) == [str] * len(decision.input["questions"])


def check_form_answer(decision: Decision, verdict: Verdict, said: dict[str, Any]) -> None:
    assert said["hookEventName"] == "Elicitation"
    if verdict.behavior == "deny":
        assert said["action"] == ("cancel" if verdict.stop else "decline")
        assert "content" not in said
    else:
        assert said["action"] == "accept"
        assert ("content" in said) == (decision.input["mode"] == "form")
        assert isinstance(said.get("content", {"name": ""})["name"], str)


@given(st.sampled_from(["tool_name", "input", "is_whole", "suggestions", "decision_id", "kind"]))
def test_the_digest_is_of_all_that_is_shown(name: str) -> None:
    other: dict[str, Any] = {
        "tool_name": "U",
        "input": {"command": "ls "},
        "is_whole": False,
        "suggestions": [ALWAYS, MODE],
        "decision_id": "e",
        "kind": "plan",
    }
    changed = msgspec.structs.replace(build(), **{name: other[name]})
    assert verdicts.digest(changed) != verdicts.digest(build())


@pytest.mark.parametrize(
    "text", ['{"b": 1.0, "a": [1e22, -0.0, 5e-324, 1E5]}', '{"n": 123456789012345678901234567890}']
)
def test_the_digest_outlives_the_database(text: str) -> None:
    decision = build(input=msgspec.json.decode(text))
    read = msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
    assert verdicts.digest(read) == verdicts.digest(decision)
    shuffled = build(input=dict(reversed(decision.input.items())))
    assert verdicts.digest(shuffled) == verdicts.digest(decision)
