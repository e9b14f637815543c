"""When an interrupt is over: by what hooks tell, by the status file, and whatever becomes of its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from channel.halt import AFTER_TURN, AGENT_SECONDS, IN_TURN, Armed, Halt, begins, ends, has_gone_on, has_stopped
from channel.process import remove_leftovers
from channel.status import Status

SESSION, OTHER = "session-a", "session-b"
AT = 1_795_243_093_630_000
NOBODY = 999_999_999
NOTIFICATION = "<task-notification>\n<task-id>a1</task-id>"
ARMED = Armed(SESSION, AT, in_turn=True)


def body(name: str, session_id: str = SESSION, **fields: Any) -> dict[str, Any]:
    return {"hook_event_name": name, "session_id": session_id, **fields}


def status(word: str, after_ms: int, session_id: str = SESSION) -> Status:
    return Status(session_id=session_id, status=word, status_updated_at=AT // 1000 + after_ms)


def agents(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "type": "subagent", "status": "running"} for name in names]


@pytest.fixture
def halt(tmp_path: Path) -> Halt:
    return Halt(tmp_path, os.getpid())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{os.getpid()}.stop"


@pytest.mark.parametrize("name", ["Stop", "StopFailure", "SessionEnd"])
def test_the_turns_own_end_ends_it(name: str) -> None:
    assert ends(ARMED, body(name))
    assert not ends(ARMED, body(name, OTHER))
    assert not ends(ARMED, body(name, agent_id="a1"))


@pytest.mark.parametrize("name", ["PreToolUse", "PostToolBatch", "UserPromptSubmit", "SubagentStop"])
def test_a_step_does_not(name: str) -> None:
    assert not ends(ARMED, body(name, prompt="x"))


def test_a_prompt_may_begin_a_turn_unless_it_is_claude_codes_own() -> None:
    assert begins(ARMED, body("UserPromptSubmit", prompt="go"))
    assert not begins(ARMED, body("UserPromptSubmit", prompt=NOTIFICATION))
    assert not begins(ARMED, body("UserPromptSubmit", OTHER, prompt="go"))
    woken = f'{NOTIFICATION}\n<channel source="heliograph" message_id="m1" from="Maya">\nhi\n</channel>'
    assert begins(ARMED, body("UserPromptSubmit", prompt=woken))


@pytest.mark.parametrize("word", ["idle", "shell"])
def test_it_has_stopped_when_the_status_file_says_so_since(word: str) -> None:
    assert has_stopped(ARMED, status(word, 1), busy=True)
    assert not has_stopped(ARMED, status(word, -1), busy=True)  # the file is behind the prompt's hook
    assert has_stopped(ARMED, status(word, -1), busy=False)
    assert not has_stopped(ARMED, status(word, 1, OTHER), busy=True)


@pytest.mark.parametrize("word", ["busy", "waiting"])
def test_it_has_not_while_it_works_or_waits(word: str) -> None:
    assert not has_stopped(ARMED, status(word, 1), busy=True)
    assert not has_stopped(ARMED, status(word, 1), busy=False)


def test_busy_since_it_was_told_to_end_is_another_turn() -> None:
    told_at = AT + 50_000
    assert has_gone_on(ARMED, status("busy", 60), told_at)
    assert not has_gone_on(ARMED, status("busy", 40), told_at)
    assert not has_gone_on(ARMED, status("busy", 60), None)
    assert not has_gone_on(ARMED, status("waiting", 60), told_at)
    assert not has_gone_on(ARMED, status("busy", 60, OTHER), told_at)
    assert not has_gone_on(Armed(SESSION, AT, in_turn=False), status("busy", 60), told_at)


def test_the_file_names_the_session_and_is_gone_with_the_turn(halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    assert path.read_text().splitlines()[0] == SESSION
    assert path.stat().st_mode & 0o777 == IN_TURN
    assert halt.is_armed
    assert not halt.look(status("busy", -100), busy=True, now=AT + 1)
    assert halt.is_armed
    assert not halt.look(status("idle", 1), busy=True, now=AT + 2000)
    assert not halt.is_armed
    assert not path.exists()


def test_a_second_interrupt_is_one_more(halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=False)
    assert path.stat().st_mode & 0o777 == AFTER_TURN
    halt.arm(SESSION, AT + 5000, busy=True)
    assert path.stat().st_mode & 0o777 == IN_TURN
    assert not halt.look(status("idle", 1), busy=True, now=AT + 6000)
    assert halt.is_armed


def test_the_turns_own_end_removes_the_file(halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    assert not halt.see(body("PreToolUse"))
    assert path.exists()
    assert not halt.see(body("Stop"))
    assert not path.exists()


def test_a_prompt_whose_hook_has_removed_the_file_is_another_turn(halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    assert not halt.see(body("UserPromptSubmit", prompt="queued"))
    assert halt.is_armed
    path.unlink()
    assert halt.see(body("UserPromptSubmit", prompt="go"))
    assert not halt.is_armed


def test_a_turn_that_was_told_to_end_and_a_queued_prompts_after_it(halt: Halt, path: Path) -> None:
    halt.arm(SESSION, AT, busy=True)
    later = Status(session_id=SESSION, status="busy", status_updated_at=2**42)
    assert not halt.look(later, busy=True, now=AT + 1000)  # a dialog was answered, say
    path.chmod(AFTER_TURN)  # as the hook does that tells it
    assert halt.look(later, busy=True, now=AT + 2000)
    assert not halt.is_armed


def test_subagents_in_the_background_are_waited_for_after_the_turn(halt: Halt, path: Path) -> None:
    halt.see(body("Stop", background_tasks=[*agents("a1", "a2"), {"id": "s", "type": "shell", "status": "running"}]))
    halt.arm(SESSION, AT, busy=False)
    halt.look(status("idle", -100), busy=False, now=AT + 1000)
    assert path.stat().st_mode & 0o777 == AFTER_TURN
    halt.see(body("UserPromptSubmit", prompt=NOTIFICATION))
    halt.look(status("idle", 5), busy=True, now=AT + 6000)
    assert halt.is_armed
    halt.see(body("SubagentStop", agent_id="a2"))
    halt.look(status("idle", 5), busy=False, now=AT + 7000)
    assert not halt.is_armed


def test_a_subagent_that_nobody_hears_of_is_not_waited_for_for_ever(halt: Halt) -> None:
    halt.see(body("Stop", background_tasks=agents("a1")))
    halt.arm(SESSION, AT, busy=False)
    halt.look(status("idle", -100), busy=False, now=AT + int(AGENT_SECONDS * 1e6) + 1)
    assert not halt.is_armed


@pytest.mark.parametrize("tasks", [None, "x", 7, [7], [{}], [{"id": 7, "type": "subagent", "status": "running"}]])
def test_tasks_of_another_shape_are_no_subagents(halt: Halt, tasks: object) -> None:
    halt.see(body("Stop", background_tasks=tasks))
    halt.arm(SESSION, AT, busy=False)
    halt.look(status("idle", -100), busy=False, now=AT)
    assert not halt.is_armed


def test_without_a_status_file_hooks_tell(halt: Halt) -> None:
    halt.arm(SESSION, AT, busy=True)
    assert not halt.look(None, busy=False, now=AT + 10**9)
    assert halt.is_armed
    halt.see(body("SessionEnd"))
    assert not halt.is_armed


def test_a_disk_that_takes_nothing_arms_nothing(tmp_path: Path) -> None:
    halt = Halt(tmp_path / "not there", 1)
    with pytest.raises(OSError, match="not there"):
        halt.arm(SESSION, AT, busy=True)
    assert not halt.is_armed
    halt.disarm()


def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    for pid in (NOBODY, os.getpid()):
        for ending in ("stop", "stop-new"):
            (tmp_path / f"{pid}.{ending}").touch()
    remove_leftovers(tmp_path, ("stop", "stop-new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{os.getpid()}.stop", f"{os.getpid()}.stop-new"]
