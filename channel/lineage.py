"""Which session a forked one comes from: ``claude --resume ID --fork-session`` tells its hooks only that it is one.

The command line names it; where it doesn't (``--continue``, a name, the picker), the transcript does, whose copied
records keep the id of the session that made them. A fork inside a running process (``/branch``) needs nothing of
this: the hub has seen which session that process carried.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from wire.frames import ID_CHARS

TAIL_BYTES = 4 * 1024 * 1024
"""Of the transcript: what was copied ends where the fork's own first turn begins."""

LOOKS = 10
"""Into the transcript after a turn: Claude Code may write what it has copied a moment after its Stop hook."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class _Origin(msgspec.Struct, rename="camel"):
    session_id: str | None = None


class _Record(msgspec.Struct):
    """The parts of a transcript's record that name sessions: ``sessionId`` is rewritten in a copy, these are not."""

    request_session_id: str | None = msgspec.field(default=None, name="requestSessionId")
    made_in: str | None = msgspec.field(default=None, name="session_id")
    forked_from: _Origin | None = msgspec.field(default=None, name="forkedFrom")

    def find_other(self, session_id: str) -> str | None:
        origin = self.forked_from.session_id if self.forked_from is not None else None
        named = (self.request_session_id, self.made_in, origin)
        return next((name for name in named if name and name != session_id and len(name) <= ID_CHARS), None)


class Lineage:
    """Follows the hooks of one process; ``look`` gives what is to be reported, once."""

    def __init__(self) -> None:
        self._session_id: str | None = None
        self._transcript = ""
        self._is_first = True
        self._looks = 0

    def see(self, body: Mapping[str, Any]) -> None:
        """Take in a hook's event."""
        name, session_id, transcript = (body.get(key) for key in ("hook_event_name", "session_id", "transcript_path"))
        if name == "SessionStart" and isinstance(session_id, str):
            self._session_id = session_id if body.get("source") == "fork" and self._is_first else None
            self._is_first = False
            self._transcript = transcript if isinstance(transcript, str) else ""
        elif name in ("Stop", "StopFailure") and session_id == self._session_id:
            self._looks = LOOKS  # the copy is written with the fork's first prompt

    def look(self, words: Sequence[str]) -> dict[str, Any] | None:
        """The event, if the origin has been found; ``words`` is the process's command line, empty if not yet known."""
        session_id = self._session_id
        if session_id is None or not words:
            return None
        origin = find_resumed(words)
        if origin is None and self._looks:
            self._looks -= 1
            origin = find_origin(_read_tail(self._transcript), session_id)
        if origin is None or origin == session_id:
            return None
        self._session_id = None
        return {
            "hook_event_name": "ChannelLineage",
            "session_id": session_id,
            "previous": origin,
            "relation": "fork",
        }


def find_resumed(words: Sequence[str]) -> str | None:
    """The session that a command line resumes by its id."""
    for number, word in enumerate(words, 1):
        if word == "--":
            break
        if word in ("--resume", "-r"):
            value = words[number] if number < len(words) else ""
        elif word.startswith("--resume="):
            value = word.partition("=")[2]
        else:
            value = word.removeprefix("-r") if word.startswith("-r") else ""
        if _UUID.fullmatch(value):
            return value.lower()
    return None


def find_origin(lines: Sequence[bytes], session_id: str) -> str | None:
    """The session that made the last of the copied records; None if none says so."""
    for line in reversed(lines):
        try:
            found = msgspec.json.decode(line, type=_Record).find_other(session_id)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        if found is not None:
            return found
    return None


def _read_tail(path: str) -> list[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return []
    try:
        size = os.fstat(fd).st_size
        return os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES)).splitlines()
    except OSError:
        return []
    finally:
        os.close(fd)
