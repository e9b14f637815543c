"""Fills a database with history: some sessions through the hub's own code, then copies of their rows.

A copy differs in what must differ: its session ids, and the first digits (the time) of its event ids, which are
years before those of anything else, so that they can be told apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from bench.support.events import Carrier
from bench.support.process import database_path
from hub.actions.events import do_ingest
from hub.core.search import VERSION
from hub.db.engine import lock_database, open_database
from wire.frames import Event

SESSIONS = 20
EVENTS = 1_000
"""Events of each session, about; a session of a working day has as many."""

BATCH = 400
FIRST_TIME = 0x01000000
"""The first eight hex digits of the template's event ids."""

NOT_COPIED = ("processes",)

Row = tuple[Any, ...]


def write_template(home: Path, machine_id: str) -> list[str]:
    """The sessions that are copied; returns their ids."""
    carriers = [Carrier(9000 + number, 1) for number in range(SESSIONS)]
    made = [[_date_back(item.event) for item in carrier.take_turns(EVENTS)] for carrier in carriers]

    async def store() -> None:
        path = database_path(home)
        db = await open_database(f"sqlite:///{path}", lock_database(path))
        try:
            for events in made:
                for at in range(0, len(events), BATCH):
                    await do_ingest(db, machine_id, events[at : at + BATCH])
        finally:
            await db.close()

    asyncio.run(store())
    return [carrier.sessions[0].session_id for carrier in carriers]


def _date_back(event: Event) -> Event:
    return msgspec.structs.replace(event, event_id=f"{FIRST_TIME:08x}{event.event_id[8:]}")


class Filler:
    """Copies the template's rows until there are enough events."""

    def __init__(self, home: Path, template: list[str]) -> None:
        self._path = database_path(home)
        self._copies = 0
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            self.skipped = [
                name
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'")
            ]
            self._rows = {table: _read(connection, table, template) for table in _list_tables(connection)}
            self._columns = {table: _list_columns(connection, table) for table in self._rows}
        self.sessions = list(template)
        self._template = template

    def fill(self, events: int) -> int:
        """Until the database has about so many events; returns how many it has."""
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-2000000", "wal_autocheckpoint=100000"):
                connection.execute(f"PRAGMA {pragma}")
            count: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
            size = len(self._rows["events"])
            while count + size <= events:
                self._copies += 1
                connection.execute("BEGIN")
                self._copy(connection, self._copies)
                connection.execute("COMMIT")
                count += size
            # The search index counts as having them: catching up would be measured instead.
            reach = "UPDATE search_reached SET version = ?, number = (SELECT coalesce(max(number), 0) FROM entries)"
            connection.execute(reach, (VERSION,))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def _copy(self, connection: sqlite3.Connection, number: int) -> None:
        names = {name: f"{number:08x}{name[8:]}" for name in self._template}
        time = f"{FIRST_TIME + number:08x}-"
        for table, rows in self._rows.items():
            columns = self._columns[table]
            where = columns.index("session_id")
            marks = ", ".join("?" * len(columns))
            quoted = ", ".join(f'"{name}"' for name in columns)
            connection.executemany(
                f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})',
                (self._change(row, row[where], names[row[where]], time) for row in rows),
            )
        self.sessions += names.values()

    @staticmethod
    def _change(row: Row, old: str, new: str, time: str) -> list[Any]:
        before = f"{FIRST_TIME:08x}-"
        found: list[Any] = []
        for value in row:
            if isinstance(value, str):
                found.append(value.replace(old, new).replace(before, time))
            elif isinstance(value, bytes):
                found.append(value.replace(old.encode(), new.encode()))
            else:
                found.append(value)
        return found


def _list_tables(connection: sqlite3.Connection) -> list[str]:
    """Those whose rows belong to a session; sessions first, for whatever refers to them."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    names = [name for (name,) in connection.execute(query) if name not in NOT_COPIED]
    found = [name for name in names if "session_id" in _list_columns(connection, name)]
    return sorted(found, key=lambda name: name != "sessions")


def _list_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """All but a row number, which SQLite gives."""
    columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    keys = sum(bool(key) for *_, key in columns)
    return [name for _, name, kind, _, _, key in columns if not (keys == 1 and key and kind.upper() == "INTEGER")]


def _read(connection: sqlite3.Connection, table: str, sessions: list[str]) -> list[Row]:
    columns = ", ".join(f'"{name}"' for name in _list_columns(connection, table))
    marks = ", ".join("?" * len(sessions))
    query = f'SELECT {columns} FROM "{table}" WHERE session_id IN ({marks})'
    return connection.execute(query, sessions).fetchall()
