"""An interrupt: from when somebody wants Claude to stop until it has.

Claude Code ends a turn at a step of it only where a hook says so, so while the file ``run/<pid>.stop`` is there
(the session's id, why as a JSON string, and our pid, a line each), hooks do. When that is over, ``ends``, ``begins``,
``has_stopped``, ``has_gone_on`` and ``Agents`` decide, which are pure.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from channel.status import AT_REST, Status
from wire.messages import find_message_ids

WHY = "Interrupted from Heliograph. Stop here and wait for the user."

NOTIFICATION = "<task-notification>"

WATCH_SECONDS = 0.1
"""Between looks for what no hook tells."""

AGENT_SECONDS = 600.0
"""How long the next step of a subagent in the background is waited for."""

IN_TURN, AFTER_TURN = 0o600, 0o400
"""The file's mode tells hooks what a person's prompt means: a word more in the turn that is to stop, or a new turn,
which nobody has interrupted. A hook that tells the turn to end makes it read-only, too.
"""


class Armed(msgspec.Struct, frozen=True):
    """Who is to stop, and since when (microseconds since the epoch). Not ``in_turn``: only its subagents are."""

    session_id: str
    at: int
    in_turn: bool


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


def ends(armed: Armed, body: Mapping[str, Any]) -> bool:
    """Whether a hook's event shows that the turn ended by itself."""
    return _is_its(armed, body) and body.get("hook_event_name") in ("Stop", "StopFailure", "SessionEnd")


def begins(armed: Armed, body: Mapping[str, Any]) -> bool:
    """Whether a hook's event may begin another turn."""
    is_prompt = body.get("hook_event_name") == "UserPromptSubmit"
    return _is_its(armed, body) and is_prompt and not is_notification(body)


def has_stopped(armed: Armed, status: Status, *, busy: bool) -> bool:
    """Whether its turn is over, by the status file. ``busy``: by its hooks it is in a turn."""
    is_at_rest = status.session_id == armed.session_id and status.status in AT_REST
    return is_at_rest and (not busy or status.at > armed.at)


def has_gone_on(armed: Armed, status: Status, told_at: int | None) -> bool:
    """Whether a prompt that was queued has begun a turn, of which no hook tells, since this one was told to end."""
    is_busy = status.session_id == armed.session_id and status.status == "busy"
    return is_busy and armed.in_turn and told_at is not None and status.at > told_at


class Halt:
    """The file of the Claude Code process ``pid``."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._path = folder / f"{pid}.stop"
        self._armed: Armed | None = None
        self._agents = Agents()
        self._is_armed = asyncio.Event()

    @property
    def is_armed(self) -> bool:
        """Whether hooks stop Claude."""
        return self._armed is not None

    async def run(self, watch: Callable[[], None]) -> None:
        """Have ``watch`` called often while hooks stop Claude; until cancelled."""
        while True:
            await self._is_armed.wait()
            await asyncio.sleep(WATCH_SECONDS)
            watch()

    def arm(self, session_id: str, at: int, *, busy: bool) -> None:
        """Let the next hook stop it; raises OSError, and then none does. Not ``busy``: only subagents go on."""
        beside = self._path.with_suffix(".stop-new")
        beside.unlink(missing_ok=True)  # a read-only one could not be written again
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            data = b"%s\n%s\n%d" % (session_id.encode(), msgspec.json.encode(WHY), os.getpid())
            if os.write(fd, data) != len(data):
                raise OSError("an interrupt was not written whole")
            os.fchmod(fd, IN_TURN if busy else AFTER_TURN)
        finally:
            os.close(fd)
        beside.rename(self._path)
        self._armed = Armed(session_id, at, busy)
        self._is_armed.set()

    def see(self, body: Mapping[str, Any]) -> bool:
        """Take in a hook's event. True when the turn had stopped before it, and it begins another."""
        self._agents.see(body)
        if self._armed is None:
            return False
        if ends(self._armed, body):
            self.disarm()
        elif begins(self._armed, body) and not self._path.exists():
            self.disarm()
            return True
        return False

    def look(self, status: Status | None, *, busy: bool, now: int) -> bool:
        """See whether it has stopped. True when another turn is under way since. Without a status file hooks tell."""
        if self._armed is None or status is None:
            return False
        if has_gone_on(self._armed, status, self._read_told()):
            self.disarm()
            return True
        if has_stopped(self._armed, status, busy=busy):
            self._rest(self._armed, now)
        return False

    def disarm(self) -> None:
        """Nobody is stopped from here on; also what a channel before this one left. Never raises."""
        self._armed = None
        self._is_armed.clear()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _rest(self, armed: Armed, now: int) -> None:
        """The turn is over; subagents may go on."""
        if not self._agents.running or now - armed.at > AGENT_SECONDS * 1_000_000:
            self.disarm()
            return
        self._armed = msgspec.structs.replace(armed, in_turn=False)
        with contextlib.suppress(OSError):
            self._path.chmod(AFTER_TURN)

    def _read_told(self) -> int | None:
        """Since when a hook has told the turn to end."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ctime_ns // 1000 if found.st_mode & 0o777 == AFTER_TURN else None


def _is_its(armed: Armed, body: Mapping[str, Any]) -> bool:
    return body.get("session_id") == armed.session_id and not body.get("agent_id")


def _list_running(tasks: object) -> frozenset[str]:
    known = [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    agents = [task for task in known if (task.get("type"), task.get("status")) == ("subagent", "running")]
    return frozenset(task["id"] for task in agents if isinstance(task.get("id"), str))
