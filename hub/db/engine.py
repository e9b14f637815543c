"""The database: one connection that writes, a few that read, and a lock that keeps it so.

Everything that changes rows goes through ``Database.write``. What is asked for at about the same
time is done in one transaction and acknowledged after its commit (``synchronous=FULL``), each
request behind its own savepoint, so that one failing request costs only itself.
SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint: hence one writer
and a file lock against a second hub.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.core.model import Entry, Message, Session
from hub.db.books import Books
from hub.db.driver import connect

T = TypeVar("T")

log = structlog.get_logger()

GROUP = 64
"""Requests in one transaction: enough to share the fsync, few enough to keep the first one's wait short."""

QUEUE = 4096
"""Requests waiting to be written; beyond it the callers wait, and with them their sockets."""

BUSY_MS = 5000

READERS = 4


class DatabaseInUse(Exception):
    """Another hub holds this database file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is in use by another hub. Stop that one first, or give this one its own --database."


@dataclass
class Changes:
    """What one transaction changed, for those who watch. ``change_id`` is one number for all of it."""

    change_id: int
    sessions: dict[str, Session] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)

    def add(self, other: Changes) -> None:
        """Take in what another request of the same transaction changed, as it is now: the next may yet fail.

        Folding replaces what records hold and never changes it in place, so a shallow copy is enough.
        """
        self.sessions.update({key: copy(session) for key, session in other.sessions.items()})
        self.entries.update({key: copy(entry) for key, entry in other.entries.items()})
        self.messages.update({key: copy(message) for key, message in other.messages.items()})


@dataclass
class Transaction:
    """What a write gets: the connection, the rows in memory, and where to note what changed."""

    conn: AsyncConnection
    books: Books
    changes: Changes


Work = Callable[[Transaction], Awaitable[T]]


@dataclass
class _Request(Generic[T]):
    work: Work[T]
    done: asyncio.Future[T]


class Database:
    """Open with ``open_database``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, last_change: int, lock: int) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._queue: asyncio.Queue[_Request[Any]] = asyncio.Queue(QUEUE)
        self._task = asyncio.create_task(self._write_forever(), name="database writer")
        self._books = Books()
        self.last_change = last_change
        self.observers: list[Callable[[Changes], None]] = []

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees committed rows and can't write."""
        async with self._reader.connect() as conn:
            yield conn

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction; returns once it is committed. What ``work`` raises undoes it alone."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Request(work, done))
        return await done

    async def close(self) -> None:
        """Write what is waiting, then let go of the files."""
        await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._writer.dispose()
        await self._reader.dispose()
        os.close(self._lock)

    async def _write_forever(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                await self._write_group(group)
            finally:
                for _ in group:
                    self._queue.task_done()

    async def _write_group(self, group: list[_Request[Any]]) -> None:
        changes = Changes(self.last_change + 1)
        results: list[tuple[_Request[Any], Any]] = []
        try:
            async with self._writer.begin() as conn:
                if len(group) == 1:  # nobody else to protect, so two round trips less
                    results.append((group[0], await group[0].work(Transaction(conn, self._books, changes))))
                else:
                    for request in group:
                        await self._run(request, conn, changes, results)
        except Exception as error:  # noqa: BLE001  the writer outlives whatever the database does
            self._books.forget()
            for request in group:
                if not request.done.done():
                    request.done.set_exception(error)
            return
        self.last_change = changes.change_id
        if changes.sessions or changes.entries:
            self._tell(changes)
        for request, result in results:
            if not request.done.done():
                request.done.set_result(result)

    def _tell(self, changes: Changes) -> None:
        """The rows are committed: whatever an observer makes of them, those who asked get their answer."""
        for observer in self.observers:
            try:
                observer(changes)
            except Exception as error:
                log.error("observer failed", change_id=changes.change_id, error=type(error).__name__, exc_info=error)

    async def _run(
        self, request: _Request[Any], conn: AsyncConnection, changes: Changes, results: list[tuple[_Request[Any], Any]]
    ) -> None:
        mine = Changes(changes.change_id)
        try:
            async with conn.begin_nested():
                result = await request.work(Transaction(conn, self._books, mine))
        except Exception as error:
            self._books.forget()
            if not await _is_open(conn):
                raise
            if not request.done.done():  # whatever it is belongs to whoever asked
                request.done.set_exception(error)
            return
        changes.add(mine)
        results.append((request, result))


async def _is_open(conn: AsyncConnection) -> bool:
    """Whether the transaction still exists: SQLite undoes it all, not the statement alone, when the disk is full."""
    driver = (await conn.get_raw_connection()).driver_connection
    return driver is not None and bool(driver.in_transaction)


def sqlite_path(url: URL) -> Path:
    """The file of an SQLite URL; raises ValueError for what this hub can't open."""
    if url.get_backend_name() != "sqlite":
        raise ValueError(f"unsupported database {url.get_backend_name()!r}: this version stores in SQLite")
    if not url.database or url.database == ":memory:":
        raise ValueError("the database must be a file: sqlite:///path/to/heliograph.db")
    return Path(url.database)


def lock_database(path: Path) -> int:
    """Take the file lock beside the database; raises DatabaseInUse. Close the descriptor to release it."""
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DatabaseInUse(path) from None
    return descriptor


async def open_database(url: str, lock: int) -> Database:
    """Open a migrated database whose ``lock`` is held; the Database owns the lock from here on."""
    path = sqlite_path(make_url(url))
    writer = _build_engine(path, connections=1)
    reader = _build_engine(path, connections=READERS)
    _configure(writer, "BEGIN IMMEDIATE", ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"])
    _configure(reader, "BEGIN", ["query_only=ON", "wal_autocheckpoint=0"])
    async with writer.begin() as conn:
        # every change touches its session
        last_change = (await conn.execute(text("SELECT coalesce(max(change_id), 0) FROM sessions"))).scalar_one()
    return Database(writer, reader, last_change, lock)


def _build_engine(path: Path, connections: int) -> AsyncEngine:
    file = URL.create("sqlite+aiosqlite", database=str(path))
    open_file = partial(connect, path)
    return create_async_engine(
        file, pool_size=connections, max_overflow=0, hide_parameters=True, async_creator=open_file
    )


def _configure(engine: AsyncEngine, begin: str, pragmas: list[str]) -> None:
    """Take transactions into our own hands: the driver's implicit ones don't cover savepoints."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:  # noqa: ARG001
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in [f"busy_timeout={BUSY_MS}", *pragmas]:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(conn: Any) -> None:
        conn.exec_driver_sql(begin)
