"""The real hub in a process that can be killed at a named point, run out of pages, or have its clock put off.

``python -m tests.faults.hub_launcher FOLDER WORDS…`` runs ``heliograph WORDS…``. Commands come as lines of JSON
on stdin: ``{"kill": POINT, "skip": 3}`` (SIGKILL at the fourth time that point is reached), ``{"full": true}``
(the database may not grow by another page), ``{"clock": SECONDS}``. Points that were reached are noted in
``FOLDER/killed``.

What is wrapped lies at the edges of the process, where a change of the hub's insides doesn't move it: the
commits of ``sqlite3``, what asyncio writes to sockets, ``time``; and ``Live.publish``, by which observers are told.
"""

from __future__ import annotations

import asyncio.selector_events
import functools
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

POINTS = ("before commit", "after commit", "observers are told", "after ack", "half a push", "half an ack")


class Trap:
    """What the process waits for to kill itself."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "killed"
        self._point: str | None = None
        self._skip = 0

    def arm(self, point: str, skip: int) -> None:
        assert point in POINTS
        self._skip = skip
        self._point = point

    def is_set(self, *points: str) -> bool:
        return self._point in points

    def reach(self, point: str) -> bool:
        """Whether it is time."""
        if self._point != point:
            return False
        self._skip -= 1
        return self._skip < 0

    def spring(self) -> None:
        with self._note.open("a") as note:
            note.write(f"{self._point}\n")
        os.kill(os.getpid(), signal.SIGKILL)

    def passing(self, point: str) -> None:
        if self.reach(point):
            self.spring()


class Store:
    """Whether the database may grow."""

    is_full = False


def watch_commits(trap: Trap) -> None:
    """Each connection says when it commits rows, and knows when the disk is said to be full."""

    class Watched(sqlite3.Connection):
        written = 0
        knows_full = False

        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            if self.knows_full != Store.is_full:
                self.knows_full = Store.is_full
                pages = super().execute("PRAGMA page_count").fetchone()[0] if Store.is_full else 2**31
                super().execute(f"PRAGMA max_page_count={pages}").fetchall()
            if sql.strip().upper() == "COMMIT":
                return self._around(functools.partial(super().execute, sql, *rest))
            return super().execute(sql, *rest)

        def commit(self) -> None:
            self._around(super().commit)

        def _around(self, commit: Any) -> Any:
            wrote = self.in_transaction and self.total_changes != self.written
            if wrote:
                trap.passing("before commit")
            done = commit()
            if wrote:
                self.written = self.total_changes
                trap.passing("after commit")
            return done

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Watched)  # type: ignore[misc,assignment]


def watch_sockets(trap: Trap) -> None:
    """Kill after an acknowledgement has gone out, or with one or a push half written."""
    transport = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    write = transport.write
    frames = {"half a push": b'"type":"push"', "half an ack": b'"type":"ack"'}

    def watched(self: Any, data: bytes) -> None:
        if trap.is_set(*frames):
            for point, mark in frames.items():
                if mark in bytes(data) and trap.reach(point):
                    self._sock.send(bytes(data)[: max(1, len(data) // 2)])
                    trap.spring()
        write(self, data)
        if trap.is_set("after ack") and (b'"type":"ack"' in bytes(data) or b'"committed":' in bytes(data)):
            trap.passing("after ack")

    transport.write = watched
    transport.writelines = lambda self, parts: watched(self, b"".join(parts))


def watch_observers(trap: Trap) -> None:
    """Kill between telling one observer of a commit and the next."""
    from hub.live import Live  # noqa: PLC0415  after what it is made of is wrapped

    publish = Live.publish

    @functools.wraps(publish)
    def watched(self: Any, changes: Any) -> Any:
        told = publish(self, changes)
        trap.passing("observers are told")
        return told

    Live.publish = watched  # type: ignore[method-assign]


class Clock:
    """Seconds that this process's clock is ahead of the machine's."""

    ahead = 0.0

    @classmethod
    def put_off(cls) -> None:
        """From here on ``time`` tells the shifted time; monotonic clocks stay."""
        now, now_ns = time.time, time.time_ns
        time.time = lambda: now() + cls.ahead
        time.time_ns = lambda: now_ns() + int(cls.ahead * 1e9)


def obey(trap: Trap) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if "kill" in command:
            trap.arm(command["kill"], command.get("skip", 0))
        if "full" in command:
            Store.is_full = command["full"]
        Clock.ahead = command.get("clock", Clock.ahead)


def main() -> int:
    folder, *words = sys.argv[1:]
    trap = Trap(Path(folder))
    Clock.put_off()
    watch_commits(trap)
    watch_sockets(trap)
    watch_observers(trap)
    threading.Thread(target=obey, args=(trap,), daemon=True).start()
    from cli.main import main as heliograph  # noqa: PLC0415  as above

    return heliograph(words)


if __name__ == "__main__":
    sys.exit(main())
