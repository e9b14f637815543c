"""aiosqlite with one trip to its thread per statement, where it and SQLAlchemy's adapter make four.

Opening a cursor, executing, fetching and closing are each a trip of some 0.1 ms; most of the time of
a small transaction went into them. This cursor does all four in its thread at once. Results are read
whole, as SQLAlchemy's adapter does anyway.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import aiosqlite
from aiosqlite.cursor import Cursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

CHUNK_ROWS = 64
"""Only iterating over an aiosqlite cursor uses it, which nobody does here."""


STEPS = 100
"""Of SQLite's machine between looks at the clock: some microseconds, or the reading of as many pages of an index."""


class TookTooLong(Exception):
    """What was asked for was given up in the middle."""


class OneTripCursor(Cursor):
    """As much of a cursor as SQLAlchemy's adapter uses."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._description: Any = None
        self._rowcount = -1
        self._lastrowid: int | None = None
        self._rows: list[Any] = []

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> OneTripCursor:
        """Execute and fetch."""
        await self._connection.in_thread(partial(self._run, sql, () if parameters is None else parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> OneTripCursor:
        """Execute for each set of parameters."""
        await self._connection.in_thread(partial(self._run_many, sql, parameters))
        return self

    async def fetchall(self) -> Iterable[Any]:
        """What was fetched."""
        return self._rows

    async def close(self) -> None:
        """Nothing is open any more."""

    @property
    def description(self) -> Any:
        """Columns of the result, None without one."""
        return self._description

    @property
    def rowcount(self) -> int:
        """Rows changed."""
        return self._rowcount

    @property
    def lastrowid(self) -> int | None:
        """Row id of the last insert."""
        return self._lastrowid

    def _run(self, sql: str, parameters: Any) -> None:
        self._keep(self._connection.driver.execute(sql, parameters))

    def _run_many(self, sql: str, parameters: Any) -> None:
        self._keep(self._connection.driver.executemany(sql, parameters))

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self._rows = cursor.fetchall() if cursor.description else []
        self._description, self._rowcount, self._lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        cursor.close()


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors cost nothing until they execute."""

    @property
    def driver(self) -> sqlite3.Connection:
        """The connection itself; for its own thread only."""
        return self._conn

    async def in_thread(self, function: Any) -> Any:
        """Run in the connection's thread."""
        return await self._execute(function)  # type: ignore[no-untyped-call]

    def cursor(self) -> OneTripCursor:  # type: ignore[override]
        """A new cursor."""
        return OneTripCursor(self)


async def in_thread(
    conn: AsyncConnection, work: Callable[[sqlite3.Connection], T], *, seconds: float | None = None
) -> T:
    """Do several things to a connection's open transaction in one trip; raises TookTooLong after ``seconds``."""
    driver = (await conn.get_raw_connection()).driver_connection
    assert isinstance(driver, OneTripConnection)  # noqa: S101  ``connect`` makes every one
    if seconds is not None:
        work = partial(_limit, work, seconds)
    try:
        result: T = await driver.in_thread(lambda: work(driver.driver))
    except sqlite3.Error as error:
        if seconds is not None and error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise TookTooLong from error
        raise DBAPIError.instance("several statements", {}, error, sqlite3.Error, hide_parameters=True) from error
    return result


def _limit(work: Callable[[sqlite3.Connection], T], seconds: float, driver: sqlite3.Connection) -> T:
    until = monotonic() + seconds
    driver.set_progress_handler(lambda: monotonic() >= until, STEPS)
    try:
        return work(driver)
    finally:
        driver.set_progress_handler(None, 0)


async def connect(path: Path) -> OneTripConnection:
    """Open a database file. Its thread doesn't keep a dying process alive."""
    connection = OneTripConnection(partial(sqlite3.connect, path), CHUNK_ROWS)
    connection._thread.daemon = True  # noqa: SLF001  as SQLAlchemy does with the connections it makes
    await connection
    return connection
