"""Which session this process carries, and whether a turn is under way or about to begin. Pure.

Learns from the hook events that pass through, since the id in the channel's environment goes stale
with ``/clear`` and is never right after some resumes. What no hook tells (Esc at the terminal), Claude
Code's status file may: ``correct``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channel.status import Correction, Status, Turn, find_correction
from wire.frames import ID_CHARS

SETTLE_SECONDS = 10.0
"""After an injection, until its turn must have begun; a client without the channel flag never begins it."""


class Session:
    """What one process carries, as of the last event seen.

    ``is_certain``: a hook has named the session; until then the id is what the environment says.
    ``transcript`` is where the client writes the conversation, empty until a hook has told.
    """

    def __init__(self, session_id: str | None, cwd: str) -> None:
        self.session_id = session_id
        self.cwd = cwd
        self.turn = Turn()
        self.is_certain = False
        self.transcript = ""
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
        transcript = body.get("transcript_path")
        if isinstance(transcript, str) and transcript:
            self.transcript = transcript
        self._follow_turn(name, body, at)
        return name in ("SessionStart", "Stop", "StopFailure", "CwdChanged")

    def _follow_turn(self, name: object, body: Mapping[str, Any], at: int) -> None:
        of_agent = bool(body.get("agent_id"))
        turn = self.turn
        match name:
            case "UserPromptSubmit" if not of_agent:
                self.turn, self._injected_at = Turn(True, at, at, turn.asked_at), None
            case "PreToolUse" if not of_agent:
                # a channel started mid-turn (/mcp reconnect) has missed the prompt
                self.turn = Turn(True, turn.began_at if turn.busy else at, at, turn.asked_at)
            case "PermissionRequest":  # how each of several is answered, no hook tells in time: the status file does
                began_at = turn.began_at if turn.busy else at
                self.turn = Turn(turn.busy or not of_agent, began_at, at, at)
            case "PreCompact" if body.get("trigger") == "manual" and not turn.busy:
                self.turn = Turn(True, at, at, turn.asked_at)
            case "SessionStart" if body.get("source") == "compact":
                pass  # compaction happens inside a turn, too
            case "PostCompact" if body.get("trigger") != "manual":
                pass
            case "SessionStart" | "Stop" | "StopFailure" | "SessionEnd" | "PostCompact" if not of_agent:
                goes_on = bool(body.get("background_tasks"))  # a subagent's dialog stays open
                self.turn, self._injected_at = Turn(asked_at=turn.asked_at if goes_on else None), None
            case "ChannelInjected" if body.get("hook") == "Stop":
                self.turn = Turn(True, at, at)  # what that hook said keeps Claude going

    def correct(self, status: Status, now: int) -> Correction | None:
        """Follow the status file where it knows better than the hooks, and say what is to be reported."""
        correction = find_correction(status, self.session_id, self.turn, now)
        if correction == "ChannelIdle":
            self.turn, self._injected_at = Turn(), None
        elif correction == "ChannelBusy":
            self.turn.asked_at = None
        return correction

    def inject(self, now: float) -> None:
        """A message was written to Claude: its turn is about to begin."""
        self._injected_at = now

    def is_starting(self, now: float) -> bool:
        """Whether what was injected may still begin a turn."""
        return self._injected_at is not None and now - self._injected_at < SETTLE_SECONDS
