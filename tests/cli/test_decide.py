"""`heliograph decide` and `rule` against a hub."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from typing import Any

import pytest

from tests.cli.fake_hub import TOKEN, FakeHub, build_decision, build_session
from tests.cli.world import REPOSITORY, World

ONE, TWO, THREE = "01990000-0001", "01990000-0002", "01990000-1003"

SUGGESTIONS = [
    {
        "type": "addRules",
        "rules": [{"toolName": "Bash", "ruleContent": "git push *"}, {"toolName": "mcp__x"}],
        "behavior": "allow",
        "destination": "localSettings",
    },
    {"type": "addDirectories", "directories": ["/src"], "destination": "session"},
    {"type": "setMode", "mode": "acceptEdits", "destination": "userSettings"},
    {"type": "later\u202e"},
]


@pytest.fixture
def person(world: World, hub: FakeHub) -> World:
    world.env |= {"HELIOGRAPH_URL": hub.url, "HELIOGRAPH_TOKEN": TOKEN}
    hub.decisions = [
        build_decision(ONE, session_id="aaaa-1"),
        build_decision(TWO, session_id="bbbb-1", session_title="evil \x1b[2J\u202e"),
        build_decision(THREE, session_id="bbbb-1"),
    ]
    return world


def list_verdicts(hub: FakeHub) -> list[tuple[str, Any]]:
    return [(path.split("/")[4], body) for method, path, body in hub.requests if method == "POST"]


async def test_what_is_open_is_listed_over_all_pages(person: World, hub: FakeHub) -> None:
    done = await person.run_async("decide")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["DECISION", "AGE", "KIND", "SESSION", "MACHINE", "WHAT"]
    assert [line.split()[0] for line in lines[1:]] == [ONE, TWO, "01990000-1"]
    assert "Bash  git push" in lines[1]
    assert "evil \\x1b[2J\\u202e" in lines[2]


async def test_the_list_as_json_is_the_apis_objects(person: World, hub: FakeHub) -> None:
    assert json.loads((await person.run_async("decide", "--json")).out) == hub.decisions
    hub.decisions = []
    assert (await person.run_async("decide")).out == "Nothing waits for an answer.\n"


async def test_one_is_shown_whole_with_what_hides_in_it_spelled_out(person: World, hub: FakeHub) -> None:
    command = "git push\nrm \x1b[2J\u202e\u3164" + "x" * 5000
    hub.decisions[0] |= {
        "input": {"command": command, "timeout": 5},
        "agent": {"id": "a", "type": "reviewer"},
        "suggestions": SUGGESTIONS,
        "offers": ["allow", "edit", "remember", "deny", "message", "stop"],
    }
    done = await person.run_async("decide", ONE)
    assert done.code == 0
    assert "Claude wants to use Bash" in done.out
    assert "  command: git push\n           rm \\x1b[2J\\u202e\\u3164" + "x" * 5000 in done.out
    assert "  timeout: 5" in done.out
    assert "by the subagent reviewer" in done.out
    assert (
        "  --always 1: allow Bash(git push *), mcp__x, saved in .claude/settings.local.json of the project\n"
        "  --always 2: work in /src, for this session\n"
        "  --always 3: change to the mode acceptEdits, saved in ~/.claude/settings.json\n"
        '  --always 4: {"type": "later\\u202e"}\n'
        "Answers: --allow, --input JSON, --always N, --deny, --deny --message TEXT, --stop\n"
    ) in done.out
    assert list_verdicts(hub) == []
    assert json.loads((await person.run_async("decide", ONE, "--json")).out) == hub.decisions[0]


async def test_questions_plans_and_forms_are_shown_whole(person: World, hub: FakeHub) -> None:
    options = [{"label": "A", "description": "first\u200b"}, {"label": "B"}]
    question = {"question": "Which?", "multiSelect": True, "options": options}
    field = {"name": "age", "kind": "integer", "label": "Your age", "description": "in years", "required": True}
    field |= {"choices": [], "format": "", "least": 0, "most": None, "default": 7}
    hub.decisions = [
        build_decision(ONE, kind="question", questions=[question], offers=["answer", "deny"]),
        build_decision(TWO, kind="plan", plan="# Plan\n\n1. do", modes=["default"], offers=["allow", "mode", "deny"]),
        build_decision(
            THREE,
            kind="elicitation",
            tool_name="people",
            input={"message": "Who?", "mode": "form"},
            fields=[field],
            offers=["answer", "deny", "stop"],
        ),
    ]
    shown = (await person.run_async("decide", ONE)).out
    assert "1. Which?  (several answers)\n   - A\n       first\\u200b\n   - B\n" in shown
    assert "Answers: --answer 1=TEXT, --deny\n" in shown
    shown = (await person.run_async("decide", TWO)).out
    assert "# Plan\n\n1. do\n" in shown
    assert "MODE: default\nAnswers: --allow, --mode MODE, --deny\n" in shown
    shown = (await person.run_async("decide", THREE)).out
    assert "The MCP server people asks for something" in shown
    assert "Who?\n  age  Your age: integer, needed, at least 0, otherwise 7; in years\n" in shown
    listed = (await person.run_async("decide")).out
    assert [line.split("  ")[-1] for line in listed.splitlines()[1:]] == ["Which?", "# Plan", "people: Who?"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"is_whole": False, "offers": ["deny"]}, "can be denied, but not allowed"),
        ({"offers": []}, "answer it in its terminal"),
        ({"problem": "not_taken"}, "nothing on that machine took it"),
        ({"state": "withdrawn", "offers": []}, "Nobody waits for an answer any more."),
        ({"state": "expired", "offers": [], "decided": None}, "Claude Code didn't wait for an answer"),
        (
            {
                "state": "answered_locally",
                "offers": [],
                "decided": {"by": None, "at": "", "where": "terminal", "verdict": None},
            },
            "It was answered in its terminal.",
        ),
        (
            {
                "state": "decided",
                "offers": [],
                "decided": {"by": "Maya", "at": "", "where": "phone", "verdict": {"behavior": "deny"}},
            },
            "Denied by Maya (phone).",
        ),
    ],
)
async def test_it_says_how_one_stands(person: World, hub: FakeHub, fields: dict[str, Any], words: str) -> None:
    hub.decisions[0] |= fields
    done = await person.run_async("decide", ONE)
    assert done.code == 0
    assert words in done.out


async def test_an_answer_carries_the_digest_of_what_was_shown(person: World, hub: FakeHub) -> None:
    done = await person.run_async("decide", ONE, "--deny", "--message", "not now")
    assert done.code == 0, done.err
    assert "command: git push" in done.out
    assert done.out.endswith("\nDenied by Maya (cli).\n")
    body = {"digest": f"digest of {ONE}", "behavior": "deny", "message": "not now"}
    assert list_verdicts(hub) == [(ONE, body)]
    assert all(agent.startswith("heliograph-cli/") for agent in hub.agents)


async def test_json_is_all_that_is_printed_when_it_is_asked_for(person: World, hub: FakeHub) -> None:
    done = await person.run_async("decide", ONE, "--allow", "--json")
    assert (done.code, json.loads(done.out)["state"]) == (0, "decided")


async def test_an_input_may_come_from_a_file(person: World, hub: FakeHub) -> None:
    file = person.write(person.root / "input.json", '{"command": "ls"}')
    assert (await person.run_async("decide", ONE, "--input", f"@{file}")).code == 0
    assert list_verdicts(hub)[0][1]["input"] == {"command": "ls"}
    assert (await person.run_async("decide", ONE, "--input", "@/nowhere")).code == 2


@pytest.mark.parametrize(("named", "found"), [("01990000-1", THREE), ("aaaa-1", ONE), ("aaaa", ONE)])
async def test_it_goes_by_the_beginning_of_its_id_or_of_its_session(
    person: World, hub: FakeHub, named: str, found: str
) -> None:
    assert (await person.run_async("decide", named, "--allow")).code == 0
    assert [decision_id for decision_id, _ in list_verdicts(hub)] == [found]


@pytest.mark.parametrize(("named", "code"), [("01990000-0", 2), ("bbbb-1", 2), ("cccc", 1), ("", 2)])
async def test_what_names_no_one_decision_decides_nothing(person: World, hub: FakeHub, named: str, code: int) -> None:
    done = await person.run_async("decide", named, "--allow")
    assert done.code == code
    assert done.err.count("\n") == 1
    assert list_verdicts(hub) == []


@pytest.mark.parametrize(
    "words", [["--allow"], ["--wait"], [ONE, "--allow", "--deny"], [ONE, "--message", "x"], [ONE, "--answer", "1=A"]]
)
async def test_options_that_can_not_be_meant_decide_nothing(person: World, hub: FakeHub, words: list[str]) -> None:
    assert (await person.run_async("decide", *words)).code == 2
    assert list_verdicts(hub) == []


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (409, "already_decided", 5),
        (409, "changed", 6),
        (409, "not_taken", 1),
        (403, "forbidden", 4),
        (422, "unprocessable", 1),
        (404, "not_found", 1),
    ],
)
async def test_the_exit_code_tells_why_nothing_was_decided(
    person: World, hub: FakeHub, status: int, code: str, exit_code: int
) -> None:
    hub.verdict_answer = (status, {"error": {"code": code, "message": "Because."}})
    done = await person.run_async("decide", ONE, "--allow")
    assert (done.code, done.err) == (exit_code, f"heliograph: the hub says: Because. ({code})\n")


def sending(decision: dict[str, Any]) -> dict[str, Any]:
    decided = {"by": "Maya", "at": "", "where": "cli", "verdict": {"behavior": "allow"}, "rule_id": None}
    return {**decision, "state": "sending", "decided": decided}


async def test_an_answer_that_nobody_has_got_yet_is_told_by_the_exit_code(person: World, hub: FakeHub) -> None:
    hub.verdict_answer = (202, sending(hub.decisions[0]))
    done = await person.run_async("decide", ONE, "--allow")
    assert done.code == 7
    assert done.out.endswith("Allowed by Maya (cli); Claude Code has not got it yet.\n")


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("decided", 0, "Allowed by Maya (cli)."),
        ("open", 1, "Nothing on that machine took the answer"),
        ("withdrawn", 5, "Nobody waits for an answer any more."),
        ("answered_locally", 5, "It was answered in its terminal."),
    ],
)
async def test_it_waits_until_claude_code_has_it(
    person: World, hub: FakeHub, state: str, code: int, words: str
) -> None:
    hub.decisions[0] = sending(hub.decisions[0])
    hub.verdict_answer = (202, hub.decisions[0])
    process = await person.start("decide", ONE, "--allow", "--wait")
    await asyncio.wait_for(hub.followed.wait(), 20)
    hub.decisions[0] |= {"state": state}
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == code
    assert words in out.decode()


async def test_at_a_terminal_it_asks(person: World, hub: FakeHub) -> None:
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "decide", ONE,
            env=person.env, stdin=theirs, stdout=theirs, stderr=theirs, cwd=REPOSITORY,
        )  # fmt: skip
        os.write(ours, b"3\n")
        code = await asyncio.wait_for(process.wait(), 20)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert code == 0, shown
    assert "1) allow once" in shown
    assert list_verdicts(hub) == [(ONE, {"digest": f"digest of {ONE}", "behavior": "deny"})]


async def test_a_rule_is_added(person: World, hub: FakeHub) -> None:
    hub.sessions = [build_session("s1"), build_session("s2", machine={"id": "m-2", "name": "laptop"})]
    words = ["--machine", "laptop", "--project", "/src", "--hours", "18:00-08:00", "--zone", "Europe/Berlin"]
    done = await person.run_async("rule", "add", "deny", "WebFetch", "Bash(curl:*)", *words, "--message", "no")
    assert (done.code, done.out) == (0, "Rule rule-1: deny WebFetch, Bash(curl:*).\n")
    assert hub.requests[-1][2] == {
        "behavior": "deny",
        "tools": ["WebFetch", "Bash(curl:*)"],
        "machine": "m-2",
        "project": "/src",
        "hours": {"from": "18:00", "to": "08:00", "zone": "Europe/Berlin"},
        "message": "no",
    }


@pytest.mark.parametrize(
    "words", [["--hours", "18:00-08:00"], ["--zone", "UTC"], ["--hours", "18:00", "--zone", "UTC"]]
)
async def test_hours_need_both_ends_and_a_zone(person: World, hub: FakeHub, words: list[str]) -> None:
    assert (await person.run_async("rule", "add", "allow", "Bash", *words)).code == 2
    assert hub.requests == []


async def test_rules_are_listed_and_removed(person: World, hub: FakeHub) -> None:
    assert (await person.run_async("rule", "list")).out == "No rules: every permission is asked for.\n"
    hub.sessions = [build_session("s1")]
    hours = {"from": "18:00", "to": "08:00", "zone": "UTC"}
    every = {"machine": None, "project": None, "hours": None, "message": None, "author": "Maya", "created_at": ""}
    hub.rules = [
        {"rule_id": "0199-aaaa-1", "behavior": "allow", "tools": ["Bash(git status)"], **every, "machine": "m-1"},
        {"rule_id": "0199-bbbb-1", "behavior": "deny", "tools": ["Web\x1bFetch"], **every, "hours": hours},
    ]
    lines = (await person.run_async("rule", "list")).out.splitlines()
    assert lines[1].split() == ["0199-aaa", "allow", "build-box", "every", "all", "Bash(git", "status)"]
    assert lines[2].split() == ["0199-bbb", "deny", "every", "every", "18:00-08:00", "UTC", "Web\\x1bFetch"]
    assert json.loads((await person.run_async("rule", "list", "--json")).out) == hub.rules
    assert (await person.run_async("rule", "remove", "0199-")).code == 2
    assert (await person.run_async("rule", "remove", "cccc")).code == 1
    assert (await person.run_async("rule", "remove", "")).code == 2
    done = await person.run_async("rule", "remove", "0199-b")
    assert (done.code, done.out) == (0, "Removed: deny Web\\x1bFetch.\n")
    assert hub.requests[-1][:2] == ("DELETE", "/api/v1/rules/0199-bbbb-1")
