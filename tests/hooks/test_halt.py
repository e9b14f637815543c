"""While somebody has interrupted the turn, hooks end it; nothing else does they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from channel.halt import AFTER_TURN, WHY, Halt
from channel.text import build_tag
from tests.hooks.runner import EVENT, SESSION, Hook

AT = 1_795_243_093_630_000
NOTIFICATION = "<task-notification>\n<task-id>a1</task-id>\n</task-notification>"

ENDS = {"continue": False, "stopReason": WHY}
DENIES = {
    **ENDS,
    "hookSpecificOutput": {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": WHY,
    },
}


@pytest.fixture
def halt(hook: Hook) -> Halt:
    """The channel's side of it."""
    (hook.home / "run").mkdir(mode=0o700)
    return Halt(hook.home / "run", os.getpid())


@pytest.fixture
def path(hook: Hook) -> Path:
    return hook.home / "run" / f"{os.getpid()}.stop"


def event(name: str, **fields: Any) -> dict[str, Any]:
    """In the client's order: whose it is comes before what it is about."""
    whose = {key: fields.pop(key) for key in ("agent_id",) if key in fields}
    return {**whose, **EVENT, "hook_event_name": name, **fields}


def test_a_channel_that_was_killed_stops_nobody(hook: Hook, halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    session_id, why, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"%s\n%s\n%d" % (session_id, why, gone.pid))
    hook.run(event("PreToolUse"))
    assert hook.log == ""


def test_a_tools_own_agent_id_makes_no_subagent_of_the_turn(hook: Hook, halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    hook.answer(json.dumps(event("PreToolUse", tool_input={"agent_id": "a1"})).encode())
    assert path.stat().st_mode & 0o777 == AFTER_TURN


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (event("PreToolUse"), DENIES),
        (event("PreToolUse", agent_id="a1"), DENIES),
        (event("PostToolBatch"), ENDS),
        (event("UserPromptSubmit", prompt=NOTIFICATION), ENDS),
    ],
    ids=["a call", "a subagent's call", "the calls of an answer", "a subagent's end"],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_each_step_ends_the_turn_and_is_reported(
    hook: Hook, halt: Halt, path: Path, said: dict[str, Any], answer: dict[str, Any], separators: tuple[str, str]
) -> None:
    halt.arm(SESSION, AT, busy=True)
    for _ in range(2):
        assert json.loads(hook.answer(json.dumps(said, separators=separators).encode())) == answer
    assert hook.events() == [said, said]
    assert path.exists()
    assert hook.log == ""


@pytest.mark.parametrize("name", ["PostToolUse", "Stop", "MessageDisplay", "PermissionRequest", "SessionEnd"])
def test_at_any_other_event_nothing_is_said(hook: Hook, halt: Halt, name: str) -> None:
    halt.arm(SESSION, AT, busy=True)
    hook.run(event(name))


def test_another_session_is_not_stopped(hook: Hook, halt: Halt, path: Path) -> None:
    halt.arm("another", AT, busy=True)
    hook.run(event("PreToolUse"))
    hook.run(event("UserPromptSubmit", prompt="go"))
    assert path.exists()


def test_what_a_person_types_while_the_turn_goes_on_changes_nothing(hook: Hook, halt: Halt) -> None:
    halt.arm(SESSION, AT, busy=True)
    hook.run(event("UserPromptSubmit", prompt="and then?"))
    assert hook.answer(event("PreToolUse"))


@pytest.mark.parametrize(
    "prompt",
    [
        "go on",
        "what is a <task-notification>?",
        f"{NOTIFICATION}\n{build_tag('m1', 'Maya', 'hello')}",
    ],
    ids=["typed", "about it", "a message that woke Claude"],
)
@pytest.mark.parametrize("is_told", [True, False], ids=["told to end", "no turn"])
def test_the_next_turn_is_nobodys_to_stop(hook: Hook, halt: Halt, path: Path, prompt: str, is_told: bool) -> None:
    halt.arm(SESSION, AT, busy=is_told)
    if is_told:
        assert hook.answer(event("PreToolUse"))
    hook.run(event("UserPromptSubmit", prompt=prompt))
    assert not path.exists()
    hook.run(event("PreToolUse"))
    assert hook.log == ""


def test_a_subagent_that_was_told_to_end_is_no_turn_that_was(hook: Hook, halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    assert hook.answer(event("PreToolUse", agent_id="a1"))
    assert path.stat().st_mode & 0o777 != AFTER_TURN
    assert hook.answer(event("PostToolBatch"))
    assert path.stat().st_mode & 0o777 == AFTER_TURN


@pytest.mark.parametrize("content", [b"", SESSION.encode(), SESSION.encode() + b"\n"])
def test_a_file_that_says_nothing_stops_nobody(hook: Hook, halt: Halt, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    hook.run(event("PreToolUse"))
    assert hook.log == ""
