"""Cards of decisions: every kind in every state, all of what is asked, and only what may be answered."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from markupsafe import escape

from hub.core import verdicts
from hub.core.model import Decision, DecisionKind, Machine, Session, Verdict
from hub.needs import Needs
from hub.pages.decision_forms import build_address, build_fields, build_questions
from hub.pages.decision_inputs import Given, build_edit, build_input, say_quickly, say_target
from hub.pages.decision_results import build_result
from hub.pages.decisions import DecisionView, build_decision, read_decision
from hub.pages.markdown import Prose
from hub.pages.render import Chosen, Pages, Viewer
from tests.pages.test_render import EVIL, check

MakeDecision = Callable[..., Decision]
MakeSession = Callable[..., Session]

QUESTION = {"question": "Which?", "header": "H", "multiSelect": False, "options": [{"label": "A"}, {"label": "B, C"}]}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
INPUTS: dict[DecisionKind, dict[str, Any]] = {
    "permission": {"command": "git push"},
    "question": {"questions": [QUESTION]},
    "plan": {"plan": "# Do\n\n1. it", "planFilePath": "/p.md"},
    "elicitation": {"message": "Who?", "mode": "form", "schema": SCHEMA},
}
VERDICTS = [
    Verdict(behavior="allow"),
    Verdict(behavior="allow", input={"command": "git pull"}),
    Verdict(behavior="allow", remember=0),
    Verdict(behavior="allow", answers={"Which?": "A", "name": "x"}),
    Verdict(behavior="allow", mode="acceptEdits"),
    Verdict(behavior="deny"),
    Verdict(behavior="deny", message="Rather not"),
    Verdict(behavior="deny", stop=True),
]


@pytest.fixture
def show(make_session: MakeSession, machine: Machine, now: int) -> Callable[..., DecisionView]:
    def build(decision: Decision, **session: Any) -> DecisionView:
        return build_decision(decision, make_session(**session), machine, Prose(), now)

    return build


def of_kind(make: MakeDecision, kind: DecisionKind, **fields: Any) -> Decision:
    tool = {"question": "AskUserQuestion", "plan": "ExitPlanMode", "elicitation": "orders"}.get(kind, "Bash")
    return make(kind=kind, tool_name=tool, input=INPUTS[kind], **fields)


def test_without_a_plan_it_is_said_that_there_is_none(
    show: Callable[..., DecisionView], make_decision: MakeDecision
) -> None:
    card = show(make_decision(kind="plan", tool_name="ExitPlanMode", input={}))
    assert card.title == "Claude asks to leave plan mode"
    assert "no plan" in str(card.plan)
    assert card.edit is None


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("state", ["open", "sending", "decided", "answered_locally", "expired", "withdrawn"])
def test_every_kind_can_be_shown_in_every_state(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine, kind: Any, state: Any
) -> None:
    given: list[Verdict | None] = [None] if state == "open" else [*VERDICTS, None]
    ways = ("hook", "relay", "none") if state == "open" else ("none",)
    for verdict, way, whole, offline in itertools.product(given, ways, (True, False), (None, 5)):
        decision = of_kind(
            make_decision, kind, state=state, answered_by=way, is_whole=whole, verdict=verdict, where="hub", by="Maya"
        )
        session = make_session(offline_since=offline, linked=offline is None)
        html = pages.card_stream(decision, session, machine)
        check(html, page=False)
        assert f"is-{state}" in html
        assert ("<form" in html) == bool(verdicts.list_offers(decision))
        check(pages.inbox_streams(decision, session, machine), page=False)


def test_allow_is_only_there_where_all_is_shown_and_somebody_takes_it(
    show: Callable[..., DecisionView], make_decision: MakeDecision
) -> None:
    whole = show(make_decision())
    assert "allow" in whole.offers
    assert whole.where == "Also asked in the terminal on atlas. The first answer counts."
    part = show(make_decision(is_whole=False, answered_by="relay", input={"description": "d", "preview": "{ }"}))
    assert part.offers == ("deny",)
    assert "Only a part" in part.obstacle
    gone = show(make_decision(answered_by="none"))
    assert gone.offers == ()
    assert gone.obstacle.startswith("Answer it in the terminal on atlas.")
    assert gone.where == ""


def test_what_holds_the_terminal_back_does_not_claim_to_be_asked_there(
    show: Callable[..., DecisionView], make_decision: MakeDecision
) -> None:
    for decision in (make_decision(agent_id="a", agent_type="Triage"), of_kind(make_decision, "elicitation")):
        assert "Also asked" not in show(decision).where
    assert show(make_decision(agent_id="a", agent_type="Triage")).agent == "Triage"


def test_an_input_is_shown_whole_with_all_that_cannot_be_seen(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    lines = "\n".join(f"line {n} \u202e\u200b\x1b[2K" for n in range(6000))
    assert len(lines) > 100_000
    inputs: list[tuple[str, dict[str, Any]]] = [
        ("Bash", {"command": lines, "timeout": 7}),
        ("Write", {"file_path": "/a", "content": lines}),
        ("Edit", {"file_path": "/a", "old_string": "", "new_string": lines, "replace_all": True}),
        ("Other", {"text": lines, "deep": {"a": ["\u2066x"]}}),
    ]
    for tool, given in inputs:
        html = pages.card_stream(make_decision(tool_name=tool, input=given), make_session(), machine)
        shown = html.partition("<form")[0]
        for n in (0, 999, 1001, 5999):
            assert f"line {n} ⟨U+202E⟩⟨U+200B⟩⟨U+001B⟩[2K" in shown
        assert "<details" not in shown
        assert ("replace_all" in html) == (tool == "Edit")
        assert not re.search("[\u202e\u200b\x1b\u2066]", shown)


def test_a_long_line_of_a_diff_is_not_cut() -> None:
    shown = build_input("Write", {"file_path": "/a", "content": "x" * 50_000})
    assert shown.diff is not None
    assert sum(len(part.text) for part in shown.diff.hunks[0].rows[0].parts) == 50_000


def test_a_diff_shows_line_ends_and_separators_that_are_no_newlines() -> None:
    shown = build_input("Edit", {"file_path": "/a", "old_string": "a\n", "new_string": "a\u2028b\r"})
    assert shown.diff is not None
    added = ["".join(part.text for part in row.parts) for row in shown.diff.hunks[0].rows if row.sign == "+"]
    assert added == ["a⟨U+2028⟩b⟨U+000D⟩"]


def test_an_edit_that_says_more_than_two_texts_is_shown_by_its_fields() -> None:
    edits = [{"old_string": "a", "new_string": "b", "replace_all": True}]
    shown = build_input("MultiEdit", {"file_path": "/a", "edits": edits})
    assert shown.diff is None
    assert "replace_all" in shown.fields[1].value
    odd = build_input("Bash", {"command": ["rm"]})
    assert (odd.command, odd.fields[0].value) == (None, '["rm"]')


def test_what_is_edited_goes_back_with_all_the_rest() -> None:
    edit = build_edit("Bash", {"command": "a\nb", "timeout": 3})
    assert (edit.field, edit.text, msgspec.json.decode(edit.rest)) == ("command", "a\nb", {"timeout": 3})
    other = build_edit("mcp__x__y", {"a": 1})
    assert (other.field, msgspec.json.decode(other.text)) == ("", {"a": 1})


def test_what_a_shell_takes_for_no_space_or_no_newline_is_spelled_out() -> None:
    command = "cat >a <<EOF\nEOF\r\ncd\u00a0/tmp/build\u2800&&\u3000rm -rf *"
    seen = "cat >a <<EOF\nEOF⟨U+000D⟩\ncd⟨U+00A0⟩/tmp/build⟨U+2800⟩&&⟨U+3000⟩rm -rf *"
    assert build_input("Bash", {"command": command}).command == seen
    assert build_input("Other", {"a\u00a0": command}).fields == [Given("a⟨U+00A0⟩", seen)]
    assert say_quickly("Bash", {"command": "cd\u00a0/tmp"}) == "cd⟨U+00A0⟩/tmp"
    assert say_target("Bash", {"command": "cd\u00a0/tmp"}) == "cd⟨U+00A0⟩/tmp"


def test_a_text_field_stands_for_what_is_asked_only_where_it_shows_all_of_it(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    for command in ("git push\n\tx é", "git \u202epush", "a\r\nb", "a\u00a0b", "a\x00"):
        html = pages.card_stream(make_decision(input={"command": command}), make_session(), machine)
        assert ("data-instead" in html) == (command == "git push\n\tx é")


@pytest.mark.parametrize(
    ("plan", "is_set"),
    [
        (
            "# Plan\n\n1. **Do** `it`\n2. then _that_\n\n- a\n  - b_c\n\n> q ~~r~~\n\n---\n\n| a |\n|---|\n| 1 |",
            True,
        ),
        (
            "See [this](https://example.com/a_b) or <https://example.com>.\n\n```python\nx = 1 & 2\n```\n\n    code\n",
            True,
        ),
        ("Tom & Jerry's \\*plan\\*: <b>x</b>, ⟨U+202E⟩ é 日本", True),
        ("[//]: # (First run: rm -rf ~)\n\nFix it.", False),
        ("> [x]: /y 'First run: rm -rf ~'\n\nFix it.", False),
        ("[this](https://example.com 'and that')", False),
        ("| a |\n|---|\n| x | and that |", False),
        ("```bash and that\nls\n```", False),
        ("![it](and-that.png)", False),
        ("a&#x202e;b &amp; c", False),
        ("[ü](ü)&amp;", False),
        ("[a][x] [b][x]\n\n[x]: /abcdefgh 'and that'", False),
    ],
)
def test_a_plan_is_set_as_markdown_only_if_no_word_of_it_is_lost(
    show: Callable[..., DecisionView], make_decision: MakeDecision, plan: str, is_set: bool
) -> None:
    shown = show(make_decision(kind="plan", tool_name="ExitPlanMode", input={"plan": plan})).plan
    assert shown is not None
    assert ("typed" not in shown) == is_set
    assert is_set or escape(plan) in shown


def test_only_a_short_input_is_offered_in_the_rail() -> None:
    assert say_quickly("Bash", {"command": "git push", "description": "d"}) == "git push"
    assert say_quickly("Bash", {"command": "git push", "timeout": 3}) == ""
    assert say_quickly("Bash", {"command": "x" * 400}) == ""
    assert say_quickly("Bash", {"command": "a\n" * 7}) == ""
    assert say_quickly("Edit", {"file_path": "/a", "old_string": "a", "new_string": "b"}) == ""
    assert say_quickly("Other", {"a": "x\nb: y"}) == ""


def test_a_rule_is_said_exactly_with_its_scope_and_file(
    show: Callable[..., DecisionView], make_decision: MakeDecision
) -> None:
    def build(**suggestion: Any) -> tuple[str, list[str], str, str]:
        [rule] = show(make_decision(suggestions=[suggestion])).rules
        return rule.label, rule.lines, rule.scope, rule.file

    rules = [{"toolName": "Bash", "ruleContent": "git push *"}, {"toolName": "mcp__a__b"}]
    add = {"type": "addRules", "rules": rules, "behavior": "allow"}
    _, lines, scope, file = build(**add, destination="localSettings")
    assert lines == ["Bash(git push *)", "mcp__a__b"]
    assert (scope, file) == ("Always in this project, for you.", ".claude/settings.local.json")
    assert build(**add, destination="session")[2:] == ("This session only. Forgotten when it ends.", "")
    assert build(type="setMode", mode="acceptEdits", destination="session")[1] == ["accept edits"]
    assert build(type="addDirectories", directories=["/tmp"], destination="session")[1] == ["/tmp"]
    for odd in ({**add, "behavior": "deny"}, {"type": "new", "x": "\u202e"}, {**add, "rules": [{"toolName": 1}]}):
        label, lines, _, _ = build(**odd)
        assert "words" in label
        assert lines[0].startswith("{")
        assert "\u202e" not in lines[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/x?y#z", "a.example"),
        ("http://[::1]:80/", "[::1]"),
        ("https://good.example\\@evil.example/", ""),
        ("https://good.example@evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("https://ex\u0430mple.com", ""),
        ("https://a.example/\u202egpj", ""),
        ("ftp://a.example", ""),
    ],
)
def test_only_an_address_with_one_reading_is_a_link(url: str, host: str) -> None:
    address = build_address(url)
    assert (address.host, address.href) == (host, url if host else "")
    assert "\u202e" not in address.before


def test_questions_and_fields_keep_the_exact_words_that_are_answered() -> None:
    [question] = build_questions([{"question": "Which\u200b?", "options": [{"label": "a\u202e"}, {"no": 1}]}])
    assert (question.key, question.text, question.other) == ("Which\u200b?", "Which⟨U+200B⟩?", 2)
    assert [(option.value, option.label) for option in question.options] == [("a\u202e", "a⟨U+202E⟩")]
    [number, day] = build_fields(
        {"properties": {"n": {"type": "integer", "minimum": 2}, "d": {"type": "string", "format": "date"}}}
    )
    assert (number.type, number.attributes) == ("number", {"min": "2", "step": "1"})
    assert day.type == "date"


def test_results_say_what_who_where_and_when(make_decision: MakeDecision, machine: Machine, now: int) -> None:
    def build(kind: DecisionKind = "permission", **fields: Any) -> tuple[str, str, list[str]]:
        decision = of_kind(make_decision, kind, **{"state": "decided", "by": "Maya", "where": "phone", **fields})
        shown = build_result(decision, machine, now)
        return shown.words, shown.target or shown.chip or shown.aside, shown.who

    assert build(verdict=VERDICTS[0]) == ("Allowed", "git push", ["Maya", "phone"])
    assert build(verdict=VERDICTS[1])[:2] == ("Edited, then allowed", "git pull")
    assert build(verdict=VERDICTS[7])[0] == "Denied and stopped"
    assert build("question", verdict=VERDICTS[3])[:2] == ("Which?", "A")
    assert build("plan", verdict=VERDICTS[4])[0] == "Plan approved, accept edits"
    assert build("plan", verdict=VERDICTS[6])[:2] == ("Kept planning", "“Rather not”")
    assert build("elicitation", verdict=VERDICTS[7])[0] == "Cancelled for orders"
    local = build(state="answered_locally", outcome="allowed", where="terminal")
    assert local == ("Answered in the terminal: allowed", "", ["maya", "atlas"])
    alone = build(state="expired", outcome="denied", by="", where=None)
    assert alone == ("Expired:", "git push", ["Claude Code didn\u2019t wait for an answer"])


def test_who_decided_is_named_so_that_they_can_read_you(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    given = {"verdict": VERDICTS[0], "by": "Maya", "by_id": "u1", "where": "phone"}
    decision = make_decision(state="decided", closed_at=1, **given)
    for html in (
        pages.card_stream(decision, make_session(), machine),
        pages.inbox_streams(decision, make_session(), machine),
    ):
        assert re.findall(r"<bdi data-user=\"(\w+)\" data-you=\"You\">(\w+)</bdi>", html) == [("u1", "Maya")]


def test_a_plan_can_be_compared_with_the_one_before(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    first = of_kind(make_decision, "plan", decision_id="d0")
    assert "compare" not in pages.card_stream(first, make_session(), machine)
    for version, words in (
        (2, "second version, compare with the first"),
        (3, "third version, compare with the second"),
        (12, "no. 12 version, compare with the no. 11"),
    ):
        plan = of_kind(make_decision, "plan", version=version, previous_plan="d0")
        assert words in check(pages.card_stream(plan, make_session(), machine), page=False).text
    changed = of_kind(make_decision, "plan", version=2, previous_plan="d0")
    changed.input = {"plan": "# Do\n\n1. it\u202e, twice <b>"}
    shown = check(pages.plan_changes(changed, first), page=False).text
    assert "1. it⟨U+202E⟩, twice <b>" in shown
    assert "Nothing has changed." in pages.plan_changes(first, first)
    assert "isn\u2019t here any more" in pages.plan_changes(changed, None)


def test_of_a_long_comparison_a_part_is_shown(pages: Pages, make_decision: MakeDecision) -> None:
    before, after = (of_kind(make_decision, "plan") for _ in range(2))
    after.input = {"plan": "\n".join(f"- step {n}" for n in range(20_000))}
    html = pages.plan_changes(after, before)
    assert "more lines left out here" in html
    assert len(html) < 300_000


def test_an_entry_holds_the_whole_decision(make_decision: MakeDecision) -> None:
    decision = make_decision(verdict=VERDICTS[1])
    fields = msgspec.to_builtins(decision)
    data = {name: value for name, value in fields.items() if name not in ("session_id", "position", "change_id")}
    assert read_decision(data, "s1") == decision


def test_hostile_decisions_are_only_text(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    option = {"label": EVIL, "description": EVIL, "preview": EVIL}
    inputs: dict[DecisionKind, dict[str, Any]] = {
        "permission": {EVIL: EVIL},
        "question": {"questions": [{"question": EVIL, "multiSelect": True, "options": [option]}], EVIL: EVIL},
        "plan": {"plan": EVIL},
        "elicitation": {"message": EVIL, "mode": "url", "url": f"https://x.example/{EVIL}"},
    }
    fields = {"properties": {EVIL: {"type": "string", "title": EVIL, "default": EVIL, "enum": [EVIL]}}}
    cases = [*inputs.items(), ("elicitation", {"message": EVIL, "mode": "form", "schema": fields})]
    suggestion = {"type": EVIL, "destination": EVIL}
    for kind, given in cases:
        decision = make_decision(
            kind=kind, tool_name=EVIL, input=given, agent_id=EVIL, agent_type=EVIL, suggestions=[suggestion]
        )
        assert "alert(1)" in check(pages.card_stream(decision, make_session(), machine), page=False).text
        check(pages.inbox_streams(decision, make_session(), machine), page=False)
        needs = Needs([decision], [make_session(title=EVIL)])
        check(pages.needs_stream(needs, {"m1": machine}), page=False)
        html = pages.inbox(
            viewer=Viewer(user_id="u1", name=EVIL, csrf=EVIL),
            needs=needs,
            past=[decision],
            sessions=[],
            machines=[machine],
            chosen=Chosen(decision=decision, session=make_session(), machine=machine, words=None),
            nonce="n",
            change_id=1,
        )
        assert EVIL in html or "alert(1)" in html


def test_the_rail_lists_decisions_oldest_first_and_says_how_many_more(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine, now: int
) -> None:
    decisions = [make_decision(decision_id=f"d{n}", opened_at=now - n * 1_000_000) for n in range(25)]
    html = pages.needs_stream(Needs(decisions, [make_session()]), {"m1": machine})
    assert re.findall(r'id="ask-(\w+)"', html) == ["d24", "d23", "d22", "d21", "d20", "d19"]
    assert "19 more" in html
    assert 'data-count="25"' in html
    assert html.count('data-controller="quick"') == 1


def test_a_viewer_is_marked_so_that_no_control_shows(
    pages: Pages, make_decision: MakeDecision, make_session: MakeSession, machine: Machine
) -> None:
    html = pages.inbox(
        viewer=Viewer(user_id="u1", name="V", csrf="c", rights=("see",)),
        needs=Needs([make_decision()], [make_session()]),
        past=[],
        chosen=None,
        sessions=[],
        machines=[machine],
        nonce="n",
        change_id=1,
    )
    assert "may-see" in html
    assert "may-decide" not in html
    check(html)
