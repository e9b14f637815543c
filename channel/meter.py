"""Keeps account of what the session uses, and reports it when it has changed.

A loop of its own beside the channel's tick: it reads the transcripts that Claude Code writes, a piece at a
time, so that a long one never holds up a message, and what the status line saved. What they mean is
``channel.usage``'s and ``channel.statusline``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from logging import Logger
from pathlib import Path
from typing import Any

from channel.log import guarded
from channel.session import Session
from channel.statusline import SAVED_BYTES, StatusLine, build_report, read_status_line
from channel.transcript import Transcript, list_agents
from channel.usage import Usage
from channel.watched import WatchedFile

LOOK_SECONDS = 1.0
"""Between two looks; nothing rings when a transcript grows."""

REPORT_SECONDS = 2.0
"""Between two reports while a turn runs; at its end there is no waiting."""

LAST_PIECES = 8
"""Read at the channel's end, when there is no time for more."""

PATHS = 4
"""Sessions whose transcript's place is remembered; a process carries one at a time."""


class Meter:
    """One a channel. ``put`` writes an event for the session we carry; it may raise OSError."""

    def __init__(
        self, run: Path, pid: int, session: Session, put: Callable[[dict[str, Any]], object], log: Logger
    ) -> None:
        self._session = session
        self._put = put
        self._log = log
        self._paths: dict[str, Path] = {}
        self._account: Account | None = None
        self._saved = SavedStatusLine(run / f"{pid}.status.json")
        self._reported: tuple[str, dict[str, Any]] | None = None
        self._report_at = 0.0
        self._due = asyncio.Event()

    def see(self, body: Mapping[str, Any]) -> None:
        """Learn from a hook's event where its session's transcript is."""
        session_id, path = body.get("session_id"), body.get("transcript_path")
        if isinstance(session_id, str) and isinstance(path, str) and path.startswith("/") and not body.get("agent_id"):
            self._paths.pop(session_id, None)
            self._paths[session_id] = Path(path)
            while len(self._paths) > PATHS:
                del self._paths[next(iter(self._paths))]

        if body.get("hook_event_name") in ("Stop", "StopFailure"):
            self._due.set()

    async def run(self) -> None:
        """Look, report, and look again, until cancelled."""
        while True:
            with guarded(self._log, "what the session uses could not be read"):
                for _ in self._look():
                    await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._due.wait()
            self._due.clear()

    def finish(self) -> None:
        """A last look before the channel ends; what takes longer, the next one of this session reports."""
        with guarded(self._log, "what the session used could not be read"):
            for number, _ in enumerate(self._look()):
                if number >= LAST_PIECES:
                    break

    def _look(self) -> Iterator[None]:
        """Read what is new, piece by piece, and report it when all is read."""
        session_id = self._session.session_id
        path = self._paths.get(session_id or "")
        if session_id is None or path is None:
            return
        if self._account is None or (self._account.session_id, self._account.path) != (session_id, path):
            self._account = Account(session_id, path)
        account = self._account
        yield from account.read()
        if self._session.session_id == session_id:
            self._report(session_id, build_report(account.usage, self._saved.look()))

    def _report(self, session_id: str, usage: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        is_empty = not any(usage[part] for part in ("totals", "limits", "cost_usd", "context_used"))
        if is_empty or self._reported == (session_id, usage) or (self._session.busy and now < self._report_at):
            return
        with contextlib.suppress(OSError):  # a full disk: the next look tries again
            self._put({"hook_event_name": "ChannelUsage", "session_id": session_id, "usage": usage})
            self._reported = (session_id, usage)
            self._report_at = now + REPORT_SECONDS


class Account:
    """One session's: its transcript and those of its subagents, folded together."""

    def __init__(self, session_id: str, path: Path) -> None:
        self.session_id = session_id
        self.path = path
        self._start()

    def read(self) -> Iterator[None]:
        """Take in all that is new; gives way after each piece."""
        for path in list_agents(self.path):
            if path not in self._agents:
                self._agents[path] = Transcript(path)
        waiting = [self._main, *self._agents.values()]
        while waiting:
            piece = waiting[0].read()
            if piece.restarted:  # what was counted can't be told apart any more
                self._start()
                waiting = [self._main]
                continue
            for line in piece.lines:
                self.usage.take(line)
            if not piece.more:
                del waiting[0]
            if piece.lines or piece.more:
                yield

    def _start(self) -> None:
        self.usage = Usage(self.session_id)
        self._main = Transcript(self.path)
        self._agents: dict[Path, Transcript] = {}


class SavedStatusLine:
    """The file in which our wrapper of the status line leaves what it was told."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, SAVED_BYTES, read_status_line)
        self._line: StatusLine | None = None

    def look(self) -> StatusLine | None:
        """What it said last that we could read. Never raises."""
        self._line = self._file.look() or self._line
        return self._line
