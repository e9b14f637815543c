"""Which session this process carries, whether it is idle, and so whether a message may go in now. Pure.

Learns from the hook events that pass through, since the id in the channel's environment goes stale
with ``/clear`` and is never right after some resumes. What no hook tells (Esc at the terminal), Claude
Code's status file may: ``correct``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from channel.status import Correction, Status, Turn, find_correction
from wire.frames import ID_CHARS

LISTEN_SECONDS = 1.0
"""After answering ``tools/list``: the client starts listening up to 30 ms later, and loses what came before."""

SETTLE_SECONDS = 10.0
"""After an injection, until its turn must have begun; a client without the channel flag never begins it."""


class Inject(msgspec.Struct, frozen=True):
    """Write it to Claude now."""


class Repeat(msgspec.Struct, frozen=True):
    """It has been written before: only report it again."""


class Wait(msgspec.Struct, frozen=True):
    """Ask again after so many seconds."""

    seconds: float


class Decline(msgspec.Struct, frozen=True):
    """It stays queued at the hub."""

    reason: Literal["busy", "elsewhere"]


class Session:
    """What one process carries, as of the last event seen.

    ``is_certain``: a hook has named the session; until then the id is what the environment says.
    """

    def __init__(self, session_id: str | None, cwd: str) -> None:
        self.session_id = session_id
        self.cwd = cwd
        self.turn = Turn()
        self.is_certain = False
        self._listed_at: float | None = None
        self._injected_at: float | None = None

    @property
    def busy(self) -> bool:
        """Whether a turn is under way."""
        return self.turn.busy

    def see(self, body: Mapping[str, Any], at: int) -> bool:
        """Take in a hook's event of the time ``at`` (microseconds since the epoch); True when it is a moment to
        look at the branch and folder again.
        """
        name, session_id = body.get("hook_event_name"), body.get("session_id")
        if not isinstance(session_id, str) or not 0 < len(session_id) <= ID_CHARS:
            return False
        if name in ("SessionStart", "UserPromptSubmit"):
            self.session_id = session_id
        if session_id != self.session_id:
            return False  # the last words of a session that was cleared
        self.is_certain = True
        cwd = body.get("cwd")
        if isinstance(cwd, str) and cwd:
            self.cwd = cwd
        match name:
            case "UserPromptSubmit":
                self.turn, self._injected_at = Turn(busy=True, began_at=at, heard_at=at), None
            case "PreToolUse" | "PermissionRequest" if not body.get("agent_id"):
                # a channel started mid-turn (/mcp reconnect) has missed the prompt
                began_at = self.turn.began_at if self.turn.busy else at
                self.turn = Turn(busy=True, asking=name == "PermissionRequest", began_at=began_at, heard_at=at)
            case "PostToolUse" | "PostToolUseFailure" if not body.get("agent_id"):
                self.turn.asking = False
            case "SessionStart" if body.get("source") == "compact":
                pass  # compaction happens inside a turn, too
            case "SessionStart" | "Stop" | "StopFailure" | "SessionEnd":
                self.turn, self._injected_at = Turn(), None
        return name in ("SessionStart", "Stop", "StopFailure", "CwdChanged")

    def correct(self, status: Status, now: int) -> Correction | None:
        """Follow the status file where it knows better than the hooks, and say what is to be reported."""
        correction = find_correction(status, self.session_id, self.turn, now)
        if correction == "ChannelIdle":
            self.turn, self._injected_at = Turn(), None
        elif correction == "ChannelBusy":
            self.turn.asking = False
        return correction

    def list_tools(self, now: float) -> None:
        """``tools/list`` was answered."""
        self._listed_at = now

    def inject(self, now: float) -> None:
        """A message was written to Claude: its turn is about to begin."""
        self._injected_at = now

    def decide(self, session_id: str, now: float, *, known: bool) -> Inject | Repeat | Wait | Decline:
        """What to do with a message for ``session_id``; ``known`` if it has been injected before."""
        if known:
            return Repeat()
        if session_id != self.session_id:
            return Decline("elsewhere")
        if self.busy or (self._injected_at is not None and now - self._injected_at < SETTLE_SECONDS):
            return Decline("busy")
        if self._listed_at is None:
            return Wait(LISTEN_SECONDS)
        if now - self._listed_at < LISTEN_SECONDS:
            return Wait(LISTEN_SECONDS - (now - self._listed_at))
        return Inject()
