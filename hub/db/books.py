"""Loads what a batch of events may touch, and writes what folding it changed.

A trip to the connection's thread costs as much as ten rows, so appending is one trip and saving another,
and rows that the next event will want again stay in memory: this process is the only one that writes them.
Whoever rolls a transaction back calls ``forget``, since folding changes the rows in place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from sqlalchemy import Executable, RowMapping, Select, Table, bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.core.body import Stored
from hub.core.model import Decision, Entry, Machine, Message, Process, Session, name_foreign
from hub.core.receipts import is_open
from hub.core.world import World
from hub.db import schema
from hub.db.cache import Cache
from hub.db.driver import in_thread
from hub.db.rows import (
    decision_row,
    entry_row,
    process_row,
    session_row,
    to_decision,
    to_entry,
    to_machine,
    to_message,
    to_process,
    to_session,
)
from wire.messages import find_message_ids

if TYPE_CHECKING:
    from hub.db.engine import Changes

Place = tuple[str, int]

K = TypeVar("K")
Record = TypeVar("Record")
Rows = list[dict[str, Any]]


def _compile(statement: Executable) -> str:
    """SQL that the driver takes with dictionaries: going through SQLAlchemy costs as much as the row itself."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))  # type: ignore[attr-defined]


def _build_upsert(table: Table, *keys: str) -> str:
    """Insert or replace by these columns, the primary key's unless they are named."""
    named = [column.name for column in table.c if column.name != "number"]
    statement = insert(table).values({name: bindparam(name) for name in named})
    keys = keys or tuple(column.name for column in table.primary_key)
    rest = {name: statement.excluded[name] for name in named if name not in keys}
    return _compile(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def _build_select(table: Table, *names: str) -> str:
    found: Select[Any] = select(table)
    for name in names:
        found = found.where(table.c[name] == bindparam(name))
    return _compile(found)


_UPSERTS = {
    table.name: _build_upsert(table)
    for table in (
        schema.processes,
        schema.sessions,
        schema.messages,
        schema.receipts,
        schema.decisions,
        schema.usage,
    )
} | {"entries": _build_upsert(schema.entries, "session_id", "position")}

_APPEND = _compile(
    insert(schema.events)
    .values({column.name: bindparam(column.name) for column in schema.events.c if column.name != "seq"})
    .on_conflict_do_nothing(index_elements=["event_id"])
)
_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM events"
_SINCE = "SELECT event_id FROM events WHERE seq > ?"

_MACHINE = _build_select(schema.machines, "machine_id")
_PROCESS = _build_select(schema.processes, "machine_id", "pid")
_SESSION = _build_select(schema.sessions, "session_id")
_MESSAGE = _build_select(schema.messages, "message_id")
_DECISION = _build_select(schema.decisions, "decision_id")
_ENTRY = _build_select(schema.entries, "session_id", "position")


async def append_events(conn: AsyncConnection, rows: Rows) -> set[str]:
    """Store those of these events that aren't yet; returns their ids."""
    return await in_thread(conn, partial(_append, rows=rows))


def _append(driver: sqlite3.Connection, rows: Rows) -> set[str]:
    before = driver.execute(_LAST_SEQ).fetchone()
    if driver.executemany(_APPEND, rows).rowcount == len(rows):
        return {row["event_id"] for row in rows}
    return {event_id for (event_id,) in driver.execute(_SINCE, before)}


def _save(driver: sqlite3.Connection, work: list[tuple[str, Rows]]) -> None:
    for name, rows in work:
        if rows:
            driver.executemany(_UPSERTS[name], rows)


class Books:
    """One a database; used inside its write transactions only."""

    def __init__(self) -> None:
        self._machines: Cache[str, Machine] = Cache(1_000)
        self._processes: Cache[tuple[str, int], Process] = Cache(20_000)
        self._sessions: Cache[str, Session] = Cache(20_000)
        self._messages: Cache[str, Message] = Cache(1_000)
        self._decisions: Cache[str, Decision] = Cache(1_000)
        self._entries: Cache[Place, Entry] = Cache(5_000)

    def forget(self) -> None:
        """A transaction was undone: the rows in memory may say what never happened."""
        for cache in (
            self._machines,
            self._processes,
            self._sessions,
            self._messages,
            self._decisions,
            self._entries,
        ):
            cache.clear()

    async def find_sessions(self, conn: AsyncConnection, session_ids: Iterable[str]) -> dict[str, Session]:
        """These sessions, those of them that exist."""
        keys = {session_id: {"session_id": session_id} for session_id in session_ids}
        return await _find(conn, self._sessions, _SESSION, keys, to_session)

    async def load_world(self, conn: AsyncConnection, events: list[Stored]) -> World:
        """All that folding these events can look at."""
        world = World()
        machines = {event.machine_id: {"machine_id": event.machine_id} for event in events}
        world.machines = await _find(conn, self._machines, _MACHINE, machines, to_machine)
        processes = {
            (event.machine_id, event.pid): {"machine_id": event.machine_id, "pid": event.pid} for event in events
        }
        world.processes = await _find(conn, self._processes, _PROCESS, processes, to_process)
        named = {event.session_id for event in events if event.session_id}
        named |= {session_id for event in events for session_id in _name_origins(event)}
        named |= {process.session_id for process in world.processes.values() if process.session_id}
        world.sessions = await self.find_sessions(conn, named)
        messages = {message_id: {"message_id": message_id} for message_id in _list_messages(world, events)}
        world.messages = await _find(conn, self._messages, _MESSAGE, messages, to_message)
        decisions = {decision_id: {"decision_id": decision_id} for decision_id in _list_decisions(world, events)}
        world.decisions = await _find(conn, self._decisions, _DECISION, decisions, to_decision)
        places = _list_places(world, events)
        entries = {place: {"session_id": place[0], "position": place[1]} for place in places}
        world.entries = await _find(conn, self._entries, _ENTRY, entries, to_entry)
        return world

    async def save_world(self, conn: AsyncConnection, world: World, changes: Changes) -> None:
        """Write what folding changed, and note it for those who watch."""
        for session_id in world.changed_sessions:
            session = world.sessions[session_id]
            session.change_id = changes.change_id
            changes.sessions[session_id] = session
            self._sessions.put(session_id, session)
        for key in world.changed_entries:
            entry = world.entries[key]
            entry.change_id = changes.change_id
            changes.entries[entry.entry_id] = entry
            if _stays_open(entry):
                self._entries.put(key, entry)
            else:
                self._entries.drop(key)
        for process_key in world.changed_processes:
            self._processes.put(process_key, world.processes[process_key])
        for message_id in world.changed_messages:
            changes.messages[message_id] = world.messages[message_id]
            self._messages.put(message_id, world.messages[message_id])
        for decision_id in world.changed_decisions:
            decision = world.decisions[decision_id]
            decision.change_id = changes.change_id
            changes.decisions[decision_id] = decision
            self._decisions.put(decision_id, decision)
        work: list[tuple[str, Rows]] = [
            ("processes", [process_row(world.processes[key]) for key in sorted(world.changed_processes)]),
            ("sessions", [session_row(world.sessions[i]) for i in sorted(world.changed_sessions)]),
            ("entries", [entry_row(world.entries[key]) for key in world.changed_entries]),
            ("messages", [msgspec.structs.asdict(world.messages[i]) for i in sorted(world.changed_messages)]),
            ("decisions", [decision_row(world.decisions[i]) for i in sorted(world.changed_decisions)]),
            ("receipts", [msgspec.structs.asdict(receipt) for receipt in world.receipts]),
            ("usage", [msgspec.structs.asdict(day) for day in world.days.values()]),
        ]
        await in_thread(conn, partial(_save, work=work))


async def load_sessions(conn: AsyncConnection, session_ids: Iterable[str]) -> list[Session]:
    """These sessions as they are stored, those of them that exist."""
    table = schema.sessions
    query = select(table.c.record).where(table.c.session_id.in_(set(session_ids)))
    return [to_session(row) for row in (await conn.execute(query)).mappings()]


def _name_origins(event: Stored) -> tuple[str, ...]:
    """Where a session may come from: another, or the copy of it that its machine has."""
    if event.body.hook_event_name != "ChannelLineage" or not event.body.previous:
        return ()
    return event.body.previous, name_foreign(event.body.previous, event.machine_id)


def _list_messages(world: World, events: list[Stored]) -> set[str]:
    """Messages that these events, or the sessions they touch, name."""
    wanted = {event.body.message_id for event in events if _names_message(event)}
    for event in events:
        if event.body.prompt:
            wanted.update(find_message_ids(event.body.prompt))
    for session in world.sessions.values():
        wanted.update(session.open_messages)
    return {message_id for message_id in wanted if message_id}


def _list_decisions(world: World, events: list[Stored]) -> set[str]:
    """Decisions that these events name, or that the sessions they touch wait for."""
    wanted = {event.body.decision_id for event in events if event.source != "hook" and event.body.decision_id}
    for session in world.sessions.values():
        wanted.update(ask.decision_id for ask in session.waiting_for if ask.decision_id)
    return wanted


def _names_message(event: Stored) -> bool:
    """A channel's or the hub's event about a message that exists; Claude's own texts have ids too."""
    return event.source != "hook" and event.body.hook_event_name != "MessageQueued"


def _list_places(world: World, events: list[Stored]) -> set[Place]:
    """Where the entries are that these events may change."""
    named = {f"tool:{event.body.tool_use_id}" for event in events if event.body.tool_use_id}
    named |= {f"text:{event.body.message_id}" for event in events if event.body.hook_event_name == "MessageDisplay"}
    places = {(m.session_id, m.position) for m in world.messages.values() if m.session_id in world.sessions}
    places |= {(d.session_id, d.position) for d in world.decisions.values() if d.session_id in world.sessions}
    for session in world.sessions.values():
        positions = [*session.open_tools.values(), *(text.position for text in session.open_texts.values())]
        positions += [session.closed[name] for name in session.closed.keys() & named]
        positions += [position for position in (session.progress, session.filled_by) if position is not None]
        places.update((session.session_id, position) for position in positions)
    return places


def _stays_open(entry: Entry) -> bool:
    """Whether the next events are likely to change it."""
    if entry.kind == "tool":
        return entry.data["state"] in ("running", "waiting")
    if entry.kind == "message":
        return is_open(entry.data["state"])
    if entry.kind == "decision":
        return entry.data["closed_at"] is None
    return entry.kind == "progress" or (entry.kind == "assistant" and bool(entry.data["streaming"]))


async def _find(
    conn: AsyncConnection,
    cache: Cache[K, Record],
    sql: str,
    keys: dict[K, dict[str, Any]],
    to_record: Callable[[RowMapping], Record],
) -> dict[K, Record]:
    """Records by their keys: from memory, or else from the table."""
    found = {key: record for key in keys if (record := cache.get(key)) is not None}
    missing = [key for key in keys if key not in found]
    if missing:
        rows = await in_thread(conn, partial(_select_one_each, sql=sql, keys=[keys[key] for key in missing]))
        for key, row in zip(missing, rows, strict=True):
            if row is not None:
                found[key] = to_record(row)
                cache.put(key, found[key])
    return found


def _select_one_each(driver: sqlite3.Connection, sql: str, keys: Rows) -> list[Any]:
    cursor = driver.cursor()
    cursor.row_factory = _to_mapping
    return [cursor.execute(sql, key).fetchone() for key in keys]


def _to_mapping(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
