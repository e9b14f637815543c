"""Decisions through the API: listed, shown, decided with every answer there is."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.hub.claude import Claude
from tests.hub.deciding import BASH, RULE, Asking, asking, decide, read_answer
from tests.hub.kit import Hub
from wire.frames import FRAME_BYTES

QUESTIONS = {
    "questions": [
        {"question": "Which?", "header": "W", "multiSelect": False, "options": [{"label": "A"}, {"label": "B"}]},
        {"question": "What else?", "header": "E", "multiSelect": True, "options": [{"label": "C, D"}, {"label": "E"}]},
    ]
}
PLAN = {"plan": "# Plan", "planFilePath": "/home/maya/.claude/plans/p.md"}


@pytest.fixture
async def session(hub: Hub) -> AsyncIterator[Asking]:
    async with asking(hub) as session:
        yield session


def said(verdict: Any) -> Any:
    """What the hook says of a dialog about a call."""
    answer = read_answer(verdict)
    assert answer.pop("hookEventName") == "PermissionRequest"
    return answer["decision"]


async def test_what_is_asked_is_shown_whole(session: Asking) -> None:
    decision = await session.ask(permission_suggestions=[RULE])
    assert (decision["kind"], decision["tool_name"], decision["input"]) == ("permission", "Bash", BASH)
    assert (decision["suggestions"], decision["is_whole"], decision["state"]) == ([RULE], True, "open")
    assert (decision["session_id"], decision["machine"]["name"]) == (session.claude.session_id, "atlas")
    assert decision["offers"] == ["allow", "edit", "remember", "deny", "message", "stop"]
    assert (decision["decided"], decision["outcome"], decision["closed_at"]) == (None, None, None)


async def test_open_ones_are_listed_oldest_first_page_by_page(hub: Hub, session: Asking) -> None:
    asked = [(await session.ask())["decision_id"] for _ in range(5)]
    await session.decide(await session.show(asked.pop(2)), behavior="deny")
    found: list[str] = []
    path = "/api/v1/decisions?state=open&limit=3"
    page = await hub.get(path)
    assert len(page["decisions"]) == 3
    while True:
        found += [decision["decision_id"] for decision in page["decisions"]]
        if page["next"] is None:
            break
        page = await hub.get(f"{path}&cursor={page['next']}")
    assert found == asked


async def test_a_list_is_of_one_session_or_of_one_state(hub: Hub, session: Asking) -> None:
    mine = await session.ask()
    async with asking(hub, Claude(pid=77)) as other:
        theirs = await other.ask()
        await other.decide(theirs)

    async def ids(query: str) -> list[str]:
        return [d["decision_id"] for d in (await hub.get(f"/api/v1/decisions?{query}"))["decisions"]]

    assert await ids(f"session={session.claude.session_id}") == [mine["decision_id"]]
    assert await ids("state=open") == [mine["decision_id"]]
    assert set(await ids("")) == {mine["decision_id"], theirs["decision_id"]}
    assert await ids("session=nobody") == []


@pytest.mark.parametrize("query", ["state=closed", "state=open,sending", "limit=0", "limit=x", "cursor=x"])
async def test_a_list_of_something_else_is_422(hub: Hub, query: str) -> None:
    answer = await hub.call("GET", f"/api/v1/decisions?{query}", token=hub.secrets.viewer)
    assert (answer.status, answer.code) == (422, "unprocessable")


PLAIN: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({}, {"behavior": "allow"}, "allow"),
    ({"input": {"command": "ls"}}, {"behavior": "allow", "updatedInput": {"command": "ls"}}, None),
    ({"remember": 0}, {"behavior": "allow", "updatedPermissions": [RULE]}, None),
    ({"behavior": "deny"}, {"behavior": "deny"}, "deny"),
    ({"behavior": "deny", "message": " \n"}, {"behavior": "deny"}, "deny"),
    ({"behavior": "deny", "message": "no, ls"}, {"behavior": "deny", "message": "no, ls"}, None),
    ({"behavior": "deny", "stop": True}, {"behavior": "deny", "interrupt": True}, None),
]


@pytest.mark.parametrize(("verdict", "expected", "behavior"), PLAIN, ids=[repr(item[0]) for item in PLAIN])
async def test_each_answer_to_a_permission_reaches_the_hook(
    session: Asking, verdict: dict[str, Any], expected: dict[str, Any], behavior: str | None
) -> None:
    decision = await session.ask(permission_suggestions=[RULE])
    answer, frame = await session.decide(decision, **verdict)
    assert (answer.status, answer.json["state"]) == (200, "decided")
    assert said(frame) == expected
    assert (frame.behavior, frame.session_id) == (behavior, session.claude.session_id)
    decided = answer.json["decided"]
    assert (decided["by"], decided["where"]) == ("member token", "api")
    assert decided["verdict"]["behavior"] == expected["behavior"]


async def test_questions_are_answered_as_claude_code_itself_would(session: Asking) -> None:
    decision = await session.ask("AskUserQuestion", QUESTIONS)
    assert [item["question"] for item in decision["questions"]] == ["Which?", "What else?"]
    answers = {"Which?": "something of my own", "What else?": ["C, D", "E"]}
    answer, frame = await session.decide(decision, answers=answers)
    assert answer.json["state"] == "decided"
    told = {"Which?": "something of my own", "What else?": '"C, D", E'}
    assert said(frame) == {"behavior": "allow", "updatedInput": {**QUESTIONS, "answers": told}}


async def test_a_plan_is_approved_into_a_mode_or_kept(session: Asking) -> None:
    decision = await session.ask("ExitPlanMode", PLAN)
    assert (decision["plan"], decision["modes"]) == ("# Plan", ["default", "acceptEdits"])
    _, frame = await session.decide(decision, mode="acceptEdits", input={"plan": "# Better"})
    mode = [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]
    assert said(frame) == {
        "behavior": "allow",
        "updatedInput": {**PLAN, "plan": "# Better"},
        "updatedPermissions": mode,
    }
    _, frame = await session.decide(await session.ask("ExitPlanMode", PLAN), behavior="deny", message="shorter")
    assert said(frame) == {"behavior": "deny", "message": "shorter"}


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ({"answers": {"name": "Ada", "age": 36}}, {"action": "accept", "content": {"name": "Ada", "age": 36}}),
        ({"behavior": "deny"}, {"action": "decline"}),
        ({"behavior": "deny", "stop": True}, {"action": "cancel"}),
    ],
    ids=["submit", "decline", "cancel"],
)
async def test_a_form_is_submitted_declined_or_cancelled(
    session: Asking, verdict: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer, frame = await session.decide(await session.ask_form(), **verdict)
    assert answer.json["state"] == "decided"
    assert read_answer(frame) == {"hookEventName": "Elicitation", **expected}
    assert frame.behavior is None


UNFIT: list[tuple[str, Any, dict[str, Any]]] = [
    ("Bash", BASH, {"remember": 1}),
    ("Bash", BASH, {"remember": -1}),
    ("Bash", BASH, {"remember": 10**30}),
    ("Bash", BASH, {"mode": "acceptEdits"}),
    ("Bash", BASH, {"answers": {}}),
    ("Bash", BASH, {"message": "with allow"}),
    ("Bash", BASH, {"stop": True}),
    ("Bash", BASH, {"behavior": "deny", "message": "both", "stop": True}),
    ("Bash", BASH, {"behavior": "deny", "message": "x" * 8_001}),
    ("Bash", BASH, {"behavior": "deny", "remember": 0}),
    ("Bash", BASH, {"behavior": "deny", "input": {}}),
    ("Bash", BASH, {"input": {"command": "x" * 256 * 1024}}),
    ("Bash", BASH, {"input": {"command": [[[] for _ in range(3)] for _ in range(3)], "deep": None}, "mode": "x"}),
    ("AskUserQuestion", QUESTIONS, {}),
    ("AskUserQuestion", QUESTIONS, {"answers": {"Which?": "A"}}),
    ("AskUserQuestion", QUESTIONS, {"answers": {"Which?": ["A", "B"], "What else?": "E"}}),
    ("AskUserQuestion", QUESTIONS, {"answers": {"Which?": 1, "What else?": "E"}}),
    ("AskUserQuestion", QUESTIONS, {"answers": {"Which?": " ", "What else?": []}}),
    ("AskUserQuestion", QUESTIONS, {"answers": {"Which?": "A", "What else?": "E", "Third?": "x"}}),
    ("AskUserQuestion", QUESTIONS, {"input": QUESTIONS}),
    ("ExitPlanMode", PLAN, {"mode": "bypassPermissions"}),
    ("ExitPlanMode", PLAN, {"mode": ""}),
    ("ExitPlanMode", PLAN, {"input": {"plan": 7}}),
    ("ExitPlanMode", PLAN, {"input": {"planFilePath": "/etc/passwd"}}),
    ("ExitPlanMode", PLAN, {"remember": 0}),
]


@pytest.mark.parametrize(("tool", "asked", "verdict"), UNFIT, ids=[f"{u[0]} {str(u[2])[:60]}" for u in UNFIT])
async def test_what_is_not_offered_is_refused_in_words(
    session: Asking, tool: str, asked: Any, verdict: dict[str, Any]
) -> None:
    decision = await session.ask(tool, asked, permission_suggestions=[RULE] if tool == "Bash" else None)
    answer = await decide(session.hub, decision, **verdict)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert answer.json["error"]["message"]
    assert await session.show(decision["decision_id"]) == decision


@pytest.mark.parametrize(
    "answers",
    [None, {}, {"name": 1}, {"name": "Ada", "age": -1}, {"name": "Ada", "age": 1.5}, {"name": "Ada", "other": 1}],
    ids=repr,
)
async def test_what_does_not_fit_a_form_is_refused(session: Asking, answers: Any) -> None:
    decision = await session.ask_form()
    answer = await decide(session.hub, decision, answers=answers)
    assert (answer.status, answer.code) == (422, "unprocessable")


async def test_a_form_with_bounds_that_no_float_holds_and_an_address_that_is_none(session: Asking) -> None:
    schema = {"properties": {"n": {"type": "number", "minimum": 10**400}, "u": {"type": "string", "format": "uri"}}}
    decision = await session.ask_form(requested_schema=schema)
    answer = await decide(session.hub, decision, answers={"n": 1, "u": "http://["})
    assert (answer.status, answer.code) == (422, "unprocessable")


async def test_an_answer_that_nests_too_deep_is_refused(session: Asking) -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"x": deep}
    answer = await decide(session.hub, await session.ask(), input=deep)
    assert (answer.status, answer.code) == (422, "unprocessable")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"digest": "d"},
        {"behavior": "allow"},
        {"digest": "d", "behavior": "always"},
        {"digest": "d", "behavior": "allow", "unknown": 1},
        {"digest": "d", "behavior": "allow", "input": "text"},
        {"digest": "d", "behavior": "allow", "remember": True},
        {"digest": "d", "behavior": "allow", "remember": "0"},
        {"digest": "d", "behavior": "allow", "answers": []},
        {"digest": None, "behavior": "allow"},
        [],
    ],
    ids=repr,
)
async def test_a_body_of_another_shape_is_422(session: Asking, body: Any) -> None:
    decision = await session.ask()
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    answer = await session.hub.call("POST", path, body, token=session.hub.secrets.member)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert await session.show(decision["decision_id"]) == decision


@pytest.mark.parametrize(
    "raw",
    [
        b'{"digest": "d", "behavior": "deny", "message": "\\ud800"}',
        b'{"digest": "d", "behavior": "allow", "input": {"n": NaN}}',
        b'{"digest": "d", "behavior": "allow", "input": {"n": 1e999}}',
        b'{"digest": "d", "behavior": "allow", "input": ' + b'{"x":' * 5000,
        b"",
    ],
    ids=["half a surrogate pair", "NaN", "infinity", "deep", "empty"],
)
async def test_what_is_no_json_decides_nothing(session: Asking, raw: bytes) -> None:
    decision = await session.ask()
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    raw = raw.replace(b'"d"', f'"{decision["digest"]}"'.encode())
    headers = {"Content-Type": "application/json"}
    answer = await session.hub.call("POST", path, data=raw, headers=headers, token=session.hub.secrets.member)
    assert answer.status in (400, 422)
    assert await session.show(decision["decision_id"]) == decision


async def test_an_oversized_body_is_413(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    said = {"digest": decision["digest"], "behavior": "allow", "input": {"command": "x" * FRAME_BYTES}}
    data, headers = io.BytesIO(json.dumps(said).encode()), {"Content-Type": "application/json"}
    answer = await hub.call("POST", path, data=data, headers=headers, token=hub.secrets.member)
    assert (answer.status, answer.code) == (413, "too_large")
    assert await session.show(decision["decision_id"]) == decision


async def test_an_input_of_256_kib_in_any_script_is_taken_whole(session: Asking) -> None:
    command = "鳳" * ((256 * 1024 - 30) // 3)
    answer, frame = await session.decide(await session.ask(), input={"command": command})
    assert answer.status == 200
    assert said(frame)["updatedInput"] == {"command": command}


async def test_a_verdict_that_nothing_takes_opens_the_decision_again(session: Asking) -> None:
    answer, _ = await session.decide(await session.ask(), taken=False)
    assert (answer.status, answer.code) == (409, "not_taken")
    decision = answer.json["error"]["decision"]
    assert (decision["state"], decision["problem"], decision["offers"]) == ("open", "not_taken", [])
    waits = {"decision_id": decision["decision_id"], "answered_by": "hook"}
    await session.channel.send(session.claude.channel("ChannelWaits", **waits))
    again, _ = await session.decide(decision)
    assert (again.status, again.json["problem"]) == (200, None)


async def test_a_verdict_that_the_terminal_forestalled_is_409(session: Asking) -> None:
    decision = await session.ask("Write", {"file_path": "/x", "content": "c"})
    answering = asyncio.ensure_future(decide(session.hub, decision, behavior="deny"))
    await session.take_nothing()
    await session.channel.send(session.claude.post_tool("t1", "Write", {"file_path": "/x", "content": "c"}))
    answer = await answering
    assert (answer.status, answer.code) == (409, "already_decided")
    shown = answer.json["error"]["decision"]
    assert (shown["state"], shown["decided"]["where"], shown["outcome"]) == ("answered_locally", "terminal", "allowed")


async def test_a_verdict_for_a_session_that_ends_is_409(session: Asking) -> None:
    decision = await session.ask()
    answering = asyncio.ensure_future(decide(session.hub, decision))
    await session.take_nothing()
    await session.channel.send(session.claude.end())
    answer = await answering
    assert (answer.status, answer.code) == (409, "already_decided")
    assert answer.json["error"]["decision"]["state"] == "withdrawn"


async def test_a_verdict_for_a_machine_that_is_away_is_kept(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
    await hub.links_gone()
    answer = await decide(hub, decision)
    assert (answer.status, answer.json["state"]) == (202, "sending")
    again = await decide(hub, decision)
    assert (again.status, again.code) == (409, "already_decided")
    assert again.json["error"]["decision"]["state"] == "sending"


async def test_a_channel_that_says_nothing_is_not_waited_for_long(
    session: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.verdicts.SECONDS", 0.05)
    answer = await decide(session.hub, await session.ask())
    assert (answer.status, answer.json["state"]) == (202, "sending")


@pytest.mark.parametrize(
    ("user_agent", "place"),
    [("Mozilla/5.0 (X11; Linux x86_64)", "hub"), ("Mozilla/5.0 (iPhone) Mobile/15E148", "phone")],
)
async def test_a_page_decides_at_the_hub_or_on_a_phone(session: Asking, user_agent: str, place: str) -> None:
    browser = await session.hub.browser()
    decision = await session.ask()
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    body = {"digest": decision["digest"], "behavior": "deny"}
    answer, _ = await asyncio.gather(browser.call("POST", path, body, **{"User-Agent": user_agent}), session.take())
    assert (answer.status, answer.json["decided"]["where"]) == (200, place)


@pytest.mark.parametrize(
    ("user_agent", "place"), [("heliograph-cli/0.1.0", "cli"), ("Mobi", "api"), ("x heliograph-cli/1", "api")]
)
async def test_a_token_decides_from_the_command_line_or_another_program(
    session: Asking, user_agent: str, place: str
) -> None:
    hub, decision = session.hub, await session.ask()
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    body = {"digest": decision["digest"], "behavior": "deny"}
    headers = {"User-Agent": user_agent}
    answer, _ = await asyncio.gather(
        hub.call("POST", path, body, token=hub.secrets.member, headers=headers), session.take()
    )
    assert (answer.status, answer.json["decided"]["where"]) == (200, place)
