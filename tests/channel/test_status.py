"""The status file corrects the hooks, and never more than that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.facts import StatusFile
from channel.session import Session
from channel.status import HOOK_LAG, SETTLE, Status, read_status

A = "session-a"
AT = 1_795_000_000_000_000
SECOND = 1_000_000


def hear(session: Session, name: str, at: int, **fields: Any) -> None:
    session.see({"hook_event_name": name, "session_id": A, **fields}, at)


def status(word: str, at: int, session_id: str = A) -> Status:
    return Status(session_id, word, at // 1000)


@pytest.fixture
def working() -> Session:
    session = Session(A, "/here")
    hear(session, "UserPromptSubmit", AT)
    hear(session, "PreToolUse", AT + SECOND)
    return session


@pytest.fixture
def asking(working: Session) -> Session:
    hear(working, "PermissionRequest", AT + 2 * SECOND)
    return working


LATER = AT + 3 * SECOND
NOW = LATER + SETTLE


@pytest.mark.parametrize("word", ["idle", "shell"])
def test_an_interrupted_turn_is_over(asking: Session, word: str) -> None:
    assert asking.correct(status(word, LATER), NOW) == "ChannelIdle"
    assert not asking.busy
    assert asking.correct(status(word, LATER), NOW) is None


def test_an_answered_dialog_is_over_but_not_the_turn(asking: Session) -> None:
    assert asking.correct(status("busy", LATER), NOW) == "ChannelBusy"
    assert asking.busy
    assert asking.correct(status("busy", LATER), NOW) is None
    assert asking.correct(status("idle", LATER + SECOND), NOW + SECOND) == "ChannelIdle"


@pytest.mark.parametrize("word", ["waiting", "napping", ""])
def test_other_words_change_nothing(asking: Session, word: str) -> None:
    assert asking.correct(status(word, LATER), NOW) is None
    assert asking.busy


def test_work_without_a_dialog_needs_no_correction(working: Session) -> None:
    assert working.correct(status("busy", LATER), NOW) is None


def test_a_subagents_dialog_is_followed_and_begins_no_turn() -> None:
    session = Session(A, "/here")
    hear(session, "PermissionRequest", AT, agent_id="a1")
    assert not session.busy
    assert session.correct(status("waiting", AT + SECOND), NOW) is None
    assert session.correct(status("busy", LATER), NOW) == "ChannelBusy"
    assert session.correct(status("idle", LATER), NOW) is None


def test_a_turn_that_ends_leaves_a_background_agents_dialog_open(working: Session) -> None:
    hear(working, "PermissionRequest", AT + 2 * SECOND, agent_id="a1")
    hear(working, "Stop", LATER, background_tasks=[{"id": "a1", "type": "subagent", "status": "running"}])
    assert working.correct(status("idle", LATER + SECOND), NOW + SECOND) == "ChannelIdle"


def test_one_answer_of_two_says_nothing_of_the_other(asking: Session) -> None:
    hear(asking, "PermissionRequest", AT + 2 * SECOND + 1)
    hear(asking, "PostToolUse", LATER)
    assert asking.correct(status("waiting", AT + 2 * SECOND), NOW) is None
    assert asking.correct(status("busy", LATER + SECOND), NOW + SECOND) == "ChannelBusy"


def test_nothing_is_asked_once_the_turn_is_over(asking: Session) -> None:
    hear(asking, "Stop", LATER)
    assert asking.correct(status("busy", LATER), NOW) is None
    assert asking.correct(status("idle", LATER), NOW) is None


def test_compacting_at_the_terminal_is_work_that_esc_can_end() -> None:
    session = Session(A, "/here")
    hear(session, "PreCompact", AT, trigger="manual")
    assert session.busy
    hear(session, "SessionStart", AT + SECOND, source="compact")
    assert session.busy
    hear(session, "PostCompact", AT + SECOND, trigger="manual")
    assert not session.busy
    hear(session, "PreCompact", AT + 2 * SECOND, trigger="manual")
    assert session.correct(status("idle", LATER), NOW) == "ChannelIdle"


def test_compacting_in_a_turn_leaves_the_turn(working: Session) -> None:
    hear(working, "PreCompact", AT + SECOND, trigger="auto")
    hear(working, "PostCompact", AT + 2 * SECOND, trigger="auto")
    assert working.busy


@pytest.mark.parametrize("name", ["Stop", "SessionEnd", "UserPromptSubmit"])
def test_what_a_subagent_does_is_not_the_sessions_turn(working: Session, name: str) -> None:
    began = working.turn
    hear(working, name, LATER, agent_id="a1")
    assert working.turn == began


def test_an_idle_session_needs_no_correction() -> None:
    session = Session(A, "/here")
    assert session.correct(status("idle", AT), NOW) is None
    assert session.correct(status("busy", LATER), NOW) is None
    assert not session.busy


def test_it_must_last_a_moment(working: Session) -> None:
    assert working.correct(status("idle", LATER), LATER + SETTLE - 1000) is None
    assert working.correct(status("idle", LATER), LATER + SETTLE) == "ChannelIdle"


def test_what_it_said_before_the_prompt_counts_for_nothing(working: Session) -> None:
    assert working.correct(status("idle", AT), NOW + 100 * SECOND) is None
    assert working.correct(status("idle", AT - 1000), NOW) is None


def test_a_hook_that_is_a_little_late_does_not_hide_the_end(working: Session) -> None:
    hear(working, "PreToolUse", LATER + SECOND)
    assert working.correct(status("idle", LATER), LATER + SECOND) is None
    assert working.correct(status("idle", LATER), LATER + SECOND + SETTLE) == "ChannelIdle"


def test_a_hook_that_is_clearly_later_is_right(working: Session) -> None:
    hear(working, "PreToolUse", LATER + HOOK_LAG)
    assert working.correct(status("idle", LATER), LATER + 10 * SECOND) is None


def test_another_sessions_status_is_not_ours(working: Session) -> None:
    assert working.correct(status("idle", LATER, "session-b"), NOW) is None


def test_after_a_correction_the_next_prompt_is_a_turn_again(working: Session) -> None:
    working.correct(status("idle", LATER), NOW)
    hear(working, "UserPromptSubmit", NOW)
    assert working.busy
    assert working.correct(status("idle", LATER), NOW + 10 * SECOND) is None


@given(st.binary())
def test_garbage_is_no_status(data: bytes) -> None:
    assert read_status(data) is None


@pytest.mark.parametrize(
    "odd",
    [{"status": 1}, {"statusUpdatedAt": "x"}, {"statusUpdatedAt": -1}, {"statusUpdatedAt": 2**60}, {"sessionId": None}],
)
def test_a_file_that_is_odd_is_no_status(odd: dict[str, Any]) -> None:
    good = {"pid": 1, "sessionId": A, "status": "busy", "statusUpdatedAt": 5, "new": [1]}
    assert read_status(json.dumps(good).encode()) == Status(A, "busy", 5)
    assert read_status(json.dumps({**good, **odd}).encode()) is None


def test_the_file_is_found_by_the_pid_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file = StatusFile({"CLAUDE_CONFIG_DIR": str(tmp_path)}, 7)
    assert file.look() is None
    path = tmp_path / "sessions" / "7.json"
    path.parent.mkdir()
    for number, word in enumerate(("busy", "idle"), 1):
        path.write_text(json.dumps({"sessionId": A, "status": word, "statusUpdatedAt": number}))
        os.utime(path, (number, number))
        assert file.look() == file.look() == Status(A, word, number)
    path.unlink()
    path.mkdir()
    assert file.look() is None
