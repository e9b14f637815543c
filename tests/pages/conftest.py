"""Records to render, and a renderer whose present stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.core.model import Decision, Entry, Machine, Preview, Session, Ways
from hub.pages.render import Pages, Viewer

NOW = 1_795_243_200_000_000  # 2026-11-21T06:40:00Z
MINUTE = 60_000_000


@pytest.fixture
def now() -> int:
    """The present, in microseconds."""
    return NOW


@pytest.fixture
def pages() -> Pages:
    return Pages("/static/abc", clock=lambda: NOW)


@pytest.fixture
def viewer() -> Viewer:
    return Viewer(user_id="u1", name="Maya Okafor", csrf="csrf-of-maya")


@pytest.fixture
def machine() -> Machine:
    return Machine(machine_id="m1", name="atlas", user="maya", os="Debian 12")


@pytest.fixture
def make_session() -> Callable[..., Session]:
    """A session that is idle and reachable; keywords change it."""

    def make(**fields: Any) -> Session:
        known: dict[str, Any] = {
            "session_id": "s1",
            "machine_id": "m1",
            "pid": 100,
            "title": "Flaky test",
            "cwd": "/home/maya/src/tidepool",
            "branch": "fix/lease-race",
            "model": "claude-opus-4-5",
            "linked": True,
            "ways": Ways(channel=True),
            "preview": Preview(kind="assistant", text="All tests pass."),
            "started_at": NOW - 90 * MINUTE,
            "last_activity_at": NOW - 4 * MINUTE,
        }
        return Session(**{**known, **fields})

    return make


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """An entry of session s1; keywords are its data."""

    def make(kind: Any, entry_id: str = "e1", position: int = 1024, **data: Any) -> Entry:
        return Entry(
            entry_id=entry_id,
            session_id="s1",
            kind=kind,
            position=position,
            at=NOW - MINUTE,
            data=data,
        )

    return make


@pytest.fixture
def make_tool(make_entry: Callable[..., Entry]) -> Callable[..., Entry]:
    """A finished tool call."""

    def make(name: str, given: dict[str, Any], **data: Any) -> Entry:
        known: dict[str, Any] = {
            "tool_use_id": "t1",
            "tool_name": name,
            "input": given,
            "state": "done",
            "response": None,
            "error": None,
            "duration_ms": 100,
            "agent_id": None,
        }
        return make_entry("tool", **{**known, **data})

    return make


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    """An open permission of session s1 that a waiting hook takes an answer for; keywords change it."""

    def make(**fields: Any) -> Decision:
        known: dict[str, Any] = {
            "decision_id": "d1",
            "session_id": "s1",
            "machine_id": "m1",
            "pid": 100,
            "kind": "permission",
            "tool_name": "Bash",
            "input": {"command": "git push"},
            "digest": "abc",
            "answered_by": "hook",
            "opened_at": NOW - MINUTE,
        }
        return Decision(**{**known, **fields})

    return make
