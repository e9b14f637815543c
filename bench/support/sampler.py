"""Runs a module with a sampler inside: which code used the processor, by stage and by function.

    python -m bench.support.sampler FILE MODULE [ARGUMENT …]

SIGUSR1 begins, SIGUSR2 ends and writes FILE. Every few milliseconds of processor time (SIGPROF) the main thread's
stack gets what that thread has used since the last look. What other threads use is read from their clocks, and what
SQLite uses in them is timed statement by statement: looking at their stacks would mostly find them waiting.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

try:
    from greenlet import getcurrent  # type: ignore[import-untyped]
except ImportError:  # then nobody runs in one
    getcurrent = None

EVERY_SECONDS = 0.004

STAGES: list[tuple[str, str, str]] = [
    ("frame decode", "wire/frames.py", "decode|_decode"),
    ("acks and pushes sent", "wire/frames.py", "encode"),
    ("acks and pushes sent", "hub/ws/channel.py", "send"),
    ("body parse", "hub/core/body.py", ".*"),
    ("body parse", "hub/actions/events.py", "read_event|build_.*"),
    ("append", "hub/db/books.py", "append.*"),
    ("append", "hub/actions/events.py", "_row"),
    ("load", "hub/db/books.py", "load.*|find.*|_find.*|_list.*|_open.*|_names.*"),
    ("load", "hub/db/rows.py", "to_.*"),
    ("save", "hub/db/books.py", "save.*|_upsert|_stays_open"),
    ("save", "hub/db/rows.py", ".*_row|text_of"),
    ("fold", "hub/core/", ".*"),
    ("observers: render", "hub/pages/", ".*"),
    ("observers: render", "hub/api_json.py", ".*"),
    ("observers: render", "hub/live.py", ".*"),
    ("observers: links", "hub/links.py", ".*"),
    ("observers: other", "hub/db/engine.py", "_tell|add|copy"),
    ("frames to dashboards", "hub/ws/dashboard.py", ".*"),
    ("writer: transaction, commit", "hub/db/engine.py", ".*"),
    ("writer: transaction, commit", "hub/db/", ".*"),
    ("ingest, the rest", "hub/actions/", ".*"),
    ("pages and API", "hub/http/", ".*"),
    ("websocket receive", "hub/ws/channel.py", ".*"),
    ("websocket receive", "aiohttp/", ".*"),
    ("websocket receive", "asyncio/selector_events.py", "_read_ready.*"),
    ("waking up (epoll)", "selectors.py", "select"),
    ("socket writes, late", "asyncio/selector_events.py", "_write_.*"),
]
"""From the innermost frame outwards, the first that fits names the stage."""

REST = "event loop and the rest"

ROOT = str(Path(__file__).resolve().parents[2]) + "/"

_library = re.compile(r"^.*/lib/python[0-9.]+/")
_below = re.compile(r"asyncio/(runners|base_events)|<frozen runpy>|cli/|bench/|hub/serve.py:run$")
_rules = [(stage, part, re.compile(name)) for stage, part, name in STAGES]


Times = dict[str, float]


class Samples:
    """What was seen since ``begin``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stages: Times = defaultdict(float)
        self._own: Times = defaultdict(float)
        self._whole: Times = defaultdict(float)
        self._threads: dict[int, float] = {}
        self._known: dict[Any, tuple[str, str | None]] = {}
        self._last = 0.0

    def begin(self, *_: object) -> None:
        """Start anew."""
        for times in (self._stages, self._own, self._whole, STATEMENTS):
            times.clear()
        CALLS.clear()
        self._threads = _read_threads()
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self._system = os.times().system
        self._last = time.thread_time()
        signal.signal(signal.SIGPROF, self.look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)

    def look(self, _: int, frame: FrameType | None) -> None:
        """Give the main thread's stack what it has used."""
        now = time.thread_time()
        used, self._last = now - self._last, now
        stage = None
        seen = set()
        inner = True
        for code in _walk(frame):
            name, rule = self._known.get(code) or self._learn(code)
            stage = stage or rule
            if inner:
                self._own[name] += used
                inner = False
            if name not in seen and not _below.match(name):
                seen.add(name)
                self._whole[name] += used
        self._stages[stage or REST] += used

    def end(self, *_: object) -> None:
        """Write what was found."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        threads = _read_threads()
        used = {ident: cpu - self._threads.get(ident, 0.0) for ident, cpu in threads.items()}
        main = used.pop(threading.main_thread().ident or 0)
        found = {
            "seconds": time.perf_counter() - self._began,
            "cpu": time.process_time() - self._cpu,
            "system": os.times().system - self._system,
            "main": main,
            "threads": sum(used.values()),
            "stages": dict(self._stages),
            "own": _most(self._own, 30),
            "whole": _most(self._whole, 60),
            "statements": [(name, cpu, CALLS[name]) for name, cpu in _most(STATEMENTS, 30)],
        }
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.rename(self._path)

    def _learn(self, code: Any) -> tuple[str, str | None]:
        file = code.co_filename.removeprefix(ROOT).rpartition("site-packages/")[2]
        file = _library.sub("", file)
        function = code.co_name
        rule = next((stage for stage, part, name in _rules if part in file and name.fullmatch(function)), None)
        self._known[code] = found = (f"{file}:{getattr(code, 'co_qualname', function)}", rule)
        return found


def _walk(frame: FrameType | None) -> Any:
    """Code objects from the innermost outwards, over the borders of greenlets."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back
    current = getcurrent().parent if getcurrent is not None else None
    while current is not None:
        frame = current.gr_frame
        while frame is not None:
            yield frame.f_code
            frame = frame.f_back
        current = current.parent


def _most(times: Times, count: int) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda item: -item[1])[:count]


def _read_threads() -> dict[int, float]:
    return {
        thread.ident: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and thread.is_alive()
    }


STATEMENTS: Times = defaultdict(float)
CALLS: Counter[str] = Counter()

_words = re.compile(r"\s+")


def _note(statement: str, began: float) -> None:
    where = "" if threading.current_thread() is not threading.main_thread() else " (main thread)"
    name = _words.sub(" ", statement)[:60] + where
    STATEMENTS[name] += time.thread_time() - began
    CALLS[name] += 1


class TimedCursor(sqlite3.Cursor):
    """Times what SQLite does for it."""

    _statement = ""

    def execute(self, sql: str, *parameters: Any) -> Any:
        self._statement = sql
        began = time.thread_time()
        try:
            return super().execute(sql, *parameters)
        finally:
            _note(sql, began)

    def executemany(self, sql: str, parameters: Any) -> Any:
        self._statement = sql
        began = time.thread_time()
        try:
            return super().executemany(sql, parameters)
        finally:
            _note(sql, began)

    def fetchall(self) -> Any:
        began = time.thread_time()
        try:
            return super().fetchall()
        finally:
            _note(self._statement, began)
            CALLS[_words.sub(" ", self._statement)[:60]] -= 1


class TimedConnection(sqlite3.Connection):
    """Hands out timed cursors."""

    def cursor(self, factory: Any = TimedCursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, *parameters: Any) -> Any:  # the inherited ones make plain cursors
        return self.cursor().execute(sql, *parameters)

    def executemany(self, sql: str, parameters: Any) -> Any:
        return self.cursor().executemany(sql, parameters)

    def commit(self) -> None:
        began = time.thread_time()
        try:
            super().commit()
        finally:
            _note("COMMIT", began)


def main() -> None:
    """Run the module, sampled on demand."""
    path = Path(sys.argv[1])
    samples = Samples(path)
    signal.signal(signal.SIGUSR1, samples.begin)
    signal.signal(signal.SIGUSR2, samples.end)
    connect = sqlite3.connect

    def connect_timed(*arguments: Any, **named: Any) -> sqlite3.Connection:
        named.setdefault("factory", TimedConnection)
        made: sqlite3.Connection = connect(*arguments, **named)
        return made

    setattr(sqlite3, "connect", connect_timed)  # noqa: B010
    setattr(sqlite3.dbapi2, "connect", connect_timed)  # noqa: B010
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
