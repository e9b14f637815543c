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
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import NullPool, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.core.model import Decision, Entry, Message, Session
from hub.db.books import Books
from hub.db.driver import connect

T = TypeVar("T")
Item = TypeVar("Item")

log = structlog.get_logger()

GROUP = 64
"""Requests in one transaction: enough to share the fsync, few enough to keep the first one's wait short."""

GROUP_ROWS = 2000
"""The same in rows: about 0.1 s of work."""

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
    decisions: dict[str, Decision] = field(default_factory=dict)

    def add(self, other: Changes) -> None:
        """Take in what another request, or a later transaction, changed, as it is now: folding goes on.

        Folding replaces what records hold and never changes it in place, so a shallow copy is enough.
        """
        self.change_id = max(self.change_id, other.change_id)
        self.sessions.update({key: copy(session) for key, session in other.sessions.items()})
        self.entries.update({key: copy(entry) for key, entry in other.entries.items()})
        self.messages.update({key: copy(message) for key, message in other.messages.items()})
        self.decisions.update({key: copy(decision) for key, decision in other.decisions.items()})


@dataclass
class Transaction:
    """What a write gets: the connection, the rows in memory, and where to note what changed."""

    conn: AsyncConnection
    books: Books
    changes: Changes


Work = Callable[[Transaction], Awaitable[T]]


class Shared(Protocol[Item, T]):
    """Work that is done at once for all who wait for it: the answers in the order of the items."""

    async def __call__(self, tx: Transaction, items: list[Item], /) -> list[T]: ...


@dataclass
class _Request(Generic[T]):
    """One caller's wish: work of its own, or an item of ``shared`` work, which is ``size`` rows long."""

    work: Work[T]
    done: asyncio.Future[T]
    shared: Shared[Any, T] | None = None
    item: Any = None
    size: int = 1


class Database:
    """Open with ``open_database``. ``busy_seconds``: how long the writer has worked, in all."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, last_change: int, lock: int) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._queue: asyncio.Queue[_Request[Any]] = asyncio.Queue(QUEUE)
        self._conn: AsyncConnection | None = None
        self._task = asyncio.create_task(self._write_forever(), name="database writer")
        self._books = Books()
        self._is_writing = False
        self.busy_seconds = 0.0
        self.last_change = last_change
        self.observers: list[Callable[[Changes], None]] = []

    @property
    def is_busy(self) -> bool:
        """Whether the writer has something to do."""
        return self._is_writing or not self._queue.empty()

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

    async def write_shared(self, shared: Shared[Item, T], item: Item, size: int) -> T:
        """Like ``write``, for work that is cheaper together: ``shared`` runs once for the items of all who ask for
        it at the same time, and once for each where that fails. ``size``: rows of this item.
        """

        async def alone(tx: Transaction) -> T:
            return (await shared(tx, [item]))[0]

        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Request(alone, done, shared, item, size))
        return await done

    async def close(self) -> None:
        """Write what is waiting, then let go of the files."""
        await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._conn is not None:
            await self._conn.close()
        await self._writer.dispose()
        await self._reader.dispose()
        os.close(self._lock)

    async def _write_forever(self) -> None:
        while True:
            group = [await self._queue.get()]
            size = group[0].size
            while len(group) < GROUP and size < GROUP_ROWS and not self._queue.empty():
                group.append(self._queue.get_nowait())
                size += group[-1].size
            began, self._is_writing = monotonic(), True
            try:
                await self._write_group(group)
            except Exception as error:  # whatever it is, those who come after must not wait for ever
                log.error("the writer failed", error=type(error).__name__, exc_info=error)
                _answer([(request, error) for request in group])
            finally:
                self._is_writing = False
                self.busy_seconds += monotonic() - began
                for _ in group:
                    self._queue.task_done()

    async def _write_group(self, group: list[_Request[Any]]) -> None:
        changes = Changes(self.last_change + 1)
        runs = _join(group)
        try:
            results = await self._commit(runs, changes)
        except Exception as error:  # noqa: BLE001  the writer outlives whatever the database does
            self._books.forget()
            await self._mend()
            if len(runs) == 1 and len(group) > 1:
                for request in group:
                    await self._write_group([request])
                return
            results = [(request, error) for request in group]
        else:
            if changes.sessions or changes.entries:
                self.last_change = changes.change_id
                self._tell(changes)
        _answer(results)

    async def _commit(self, runs: list[list[_Request[Any]]], changes: Changes) -> list[tuple[_Request[Any], Any]]:
        """All runs in one transaction; the answers, an exception being one."""
        conn = await self._connect()
        async with conn.begin():
            if len(runs) == 1:  # nobody else to protect
                mine = Changes(changes.change_id)
                results = await _run(runs[0], Transaction(conn, self._books, mine))
                changes.add(mine)
                return results
            return [pair for run in runs for pair in await self._run_apart(run, conn, changes)]

    def _tell(self, changes: Changes) -> None:
        """The rows are committed: whatever an observer makes of them, those who asked get their answer."""
        for observer in self.observers:
            try:
                observer(changes)
            except Exception as error:
                log.error("observer failed", change_id=changes.change_id, error=type(error).__name__, exc_info=error)

    async def _run_apart(
        self, run: list[_Request[Any]], conn: AsyncConnection, changes: Changes
    ) -> list[tuple[_Request[Any], Any]]:
        """One run behind a savepoint; one that fails is tried again request by request."""
        mine = Changes(changes.change_id)
        try:
            async with conn.begin_nested():
                results = await _run(run, Transaction(conn, self._books, mine))
        except Exception as error:
            self._books.forget()
            if not await _is_open(conn):
                raise
            if len(run) > 1:
                return [pair for request in run for pair in await self._run_apart([request], conn, changes)]
            return [(run[0], error)]  # whatever it is belongs to whoever asked
        changes.add(mine)
        return results

    async def _connect(self) -> AsyncConnection:
        """The one connection that writes; kept, since giving it back to the pool costs a trip."""
        if self._conn is None:
            self._conn = await self._writer.connect()
        return self._conn

    async def _mend(self) -> None:
        """After a failure: a connection that isn't in order is given up for a new one."""
        conn, is_sound = self._conn, False
        if conn is None:
            return
        with suppress(Exception):
            is_sound = not (conn.invalidated or conn.in_transaction() or await _is_open(conn))
        if not is_sound:
            self._conn = None
            log.warning("the database's connection is given up for a new one")
            with suppress(Exception):
                await conn.invalidate()
            with suppress(Exception):
                await conn.close()


def _answer(results: list[tuple[_Request[Any], Any]]) -> None:
    """An exception is an answer, too. Who doesn't wait any more gets none."""
    for request, result in results:
        if request.done.done():
            continue
        if isinstance(result, Exception):
            request.done.set_exception(result)
        else:
            request.done.set_result(result)


def _join(group: list[_Request[Any]]) -> list[list[_Request[Any]]]:
    """Neighbours that share their work make one run; the order stays."""
    runs: list[list[_Request[Any]]] = []
    for request in group:
        if request.shared is not None and runs and runs[-1][-1].shared == request.shared:
            runs[-1].append(request)
        else:
            runs.append([request])
    return runs


async def _run(run: list[_Request[Any]], tx: Transaction) -> list[tuple[_Request[Any], Any]]:
    shared = run[0].shared
    if shared is None or len(run) == 1:
        return [(run[0], await run[0].work(tx))]
    answers = await shared(tx, [request.item for request in run])
    return list(zip(run, answers, strict=True))


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
    file = URL.create("sqlite+aiosqlite", database=str(path))
    options: dict[str, Any] = {"hide_parameters": True, "async_creator": partial(connect, path)}
    writer = create_async_engine(file, poolclass=NullPool, **options)  # one is kept; one given up must not block it
    reader = create_async_engine(file, pool_size=READERS, max_overflow=0, **options)
    _configure(writer, "BEGIN IMMEDIATE", ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"])
    _configure(reader, "BEGIN", ["query_only=ON", "wal_autocheckpoint=0"])
    async with writer.begin() as conn:
        # every change touches its session
        last_change = (await conn.execute(text("SELECT coalesce(max(change_id), 0) FROM sessions"))).scalar_one()
    return Database(writer, reader, last_change, lock)


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
