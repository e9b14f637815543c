"""An interrupt: from when somebody wants Claude to stop until it has.

Claude Code ends a turn at a step of it only where a hook says so, so while the file ``run/<pid>.stop`` is there
(the session's id, and why as a JSON string, a line each), hooks do. ``ends``, ``is_over`` and ``Agents`` decide when
that is over, and are pure.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from channel.status import AT_REST, Status
from wire.messages import find_message_ids

WHY = "Interrupted from Heliograph. Stop here and wait for the user."

NOTIFICATION = "<task-notification>"

AGENT_SECONDS = 600.0
"""How long, with Claude at rest, the next step of a subagent in the background is waited for."""


class Armed(msgspec.Struct, frozen=True):
    """Who is to stop, and since when (microseconds since the epoch)."""

    session_id: str
    at: int


class Agents:
    """The subagents that go on in the background, by what hooks tell. One that is stopped has no ``SubagentStop``, but
    a prompt names it.
    """

    def __init__(self) -> None:
        self.running: frozenset[str] = frozenset()

    def see(self, body: Mapping[str, Any]) -> None:
        """Take in a hook's event."""
        match body.get("hook_event_name"):
            case "Stop" if not body.get("agent_id"):
                self.running = _list_running(body.get("background_tasks"))
            case "SubagentStop":
                self.running -= {str(body.get("agent_id"))}
            case "UserPromptSubmit" if is_notification(body):
                prompt = str(body.get("prompt"))
                self.running = frozenset(agent_id for agent_id in self.running if agent_id not in prompt)
            case "SessionStart" if body.get("source") != "compact":
                self.running = frozenset()


def is_notification(body: Mapping[str, Any]) -> bool:
    """Whether this prompt is Claude Code's own, of a task in the background; one that brings a message is not."""
    prompt = str(body.get("prompt", ""))
    return prompt.startswith(NOTIFICATION) and not find_message_ids(prompt)


def ends(armed: Armed, body: Mapping[str, Any], at: int) -> bool:
    """Whether a hook's event shows that the turn is over, or another one began."""
    if body.get("session_id") != armed.session_id or body.get("agent_id"):
        return False
    match body.get("hook_event_name"):
        case "Stop" | "StopFailure" | "SessionEnd":
            return True
        case "UserPromptSubmit":
            return at > armed.at and not is_notification(body)
    return False


def is_over(armed: Armed, status: Status, *, busy: bool, agents: bool, now: int) -> bool:
    """Whether Claude has stopped, by its status file. ``busy``: by its hooks it is in a turn."""
    if status.session_id != armed.session_id or status.status not in AT_REST or (busy and status.at <= armed.at):
        return False
    return not agents or now - max(status.at, armed.at) > AGENT_SECONDS * 1_000_000


class Halt:
    """The file of the Claude Code process ``pid``."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._path = folder / f"{pid}.stop"
        self._armed: Armed | None = None
        self._agents = Agents()

    @property
    def is_armed(self) -> bool:
        """Whether hooks stop Claude."""
        return self._armed is not None

    def arm(self, session_id: str, at: int) -> None:
        """Let the next hook stop it; raises OSError, and then none does."""
        beside = self._path.with_suffix(".stop-new")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = b"%s\n%s" % (session_id.encode(), msgspec.json.encode(WHY))
            if os.write(fd, data) != len(data):
                raise OSError("an interrupt was not written whole")
        finally:
            os.close(fd)
        beside.rename(self._path)
        self._armed = Armed(session_id, at)

    def see(self, body: Mapping[str, Any], at: int) -> None:
        """Take in a hook's event of the time ``at``."""
        self._agents.see(body)
        if self._armed is not None and ends(self._armed, body, at):
            self.disarm()

    def look(self, status: Status | None, *, busy: bool, now: int) -> None:
        """See whether it has stopped. Without a status file only hooks tell."""
        if self._armed is None or status is None:
            return
        if is_over(self._armed, status, busy=busy, agents=bool(self._agents.running), now=now):
            self.disarm()

    def disarm(self) -> None:
        """Nobody is stopped from here on; also what a channel before this one left. Never raises."""
        self._armed = None
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def _list_running(tasks: object) -> frozenset[str]:
    known = [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    agents = [task for task in known if (task.get("type"), task.get("status")) == ("subagent", "running")]
    return frozenset(task["id"] for task in agents if isinstance(task.get("id"), str))
