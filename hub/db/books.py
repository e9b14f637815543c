"""Loads what a batch of events may touch, and writes what folding it changed.

A statement costs a thread's round trip, so each step is one statement for the whole batch, and rows
that the next event will want again stay in memory: this process is the only one that writes them.
Whoever rolls a transaction back calls ``forget``, since folding changes the rows in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from sqlalchemy import Column, Executable, RowMapping, Table, select, tuple_
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.core.body import Stored
from hub.core.model import Entry, Machine, Message, Process, Session
from hub.core.receipts import is_open
from hub.core.world import World
from hub.db import schema
from hub.db.cache import Cache
from hub.db.rows import entry_row, session_row, to_entry, to_machine, to_message, to_process, to_session
from wire.messages import find_message_ids

if TYPE_CHECKING:
    from hub.db.engine import Changes

EntryKey = tuple[str, str]

K = TypeVar("K")
Record = TypeVar("Record")

_PROCESS_KEY = (schema.processes.c.machine_id, schema.processes.c.pid)
_ENTRY_KEY = (schema.entries.c.session_id, schema.entries.c.key)


def _build_upsert(table: Table) -> Executable:
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


_UPSERTS = {
    table.name: _build_upsert(table)
    for table in (schema.processes, schema.sessions, schema.entries, schema.messages, schema.receipts)
}

_APPEND = insert(schema.events).on_conflict_do_nothing(index_elements=["event_id"]).returning(schema.events.c.event_id)


async def append_events(conn: AsyncConnection, rows: list[dict[str, Any]]) -> set[str]:
    """Store those of these events that aren't yet; returns their ids."""
    return set((await conn.execute(_APPEND, rows)).scalars())


class Books:
    """One a database; used inside its write transactions only."""

    def __init__(self) -> None:
        self._machines: Cache[str, Machine] = Cache(1_000)
        self._processes: Cache[tuple[str, int], Process] = Cache(5_000)
        self._sessions: Cache[str, Session] = Cache(5_000)
        self._messages: Cache[str, Message] = Cache(1_000)
        self._entries: Cache[EntryKey, Entry] = Cache(1_000)

    def forget(self) -> None:
        """A transaction was undone: the rows in memory may say what never happened."""
        for cache in (self._machines, self._processes, self._sessions, self._messages, self._entries):
            cache.clear()

    async def find_sessions(self, conn: AsyncConnection, session_ids: Iterable[str]) -> dict[str, Session]:
        """These sessions, those of them that exist."""
        return await _find(conn, self._sessions, set(session_ids), (schema.sessions.c.session_id,), to_session)

    async def load_world(self, conn: AsyncConnection, events: list[Stored]) -> World:
        """All that folding these events can look at."""
        world = World()
        machines = {event.machine_id for event in events}
        world.machines = await _find(conn, self._machines, machines, (schema.machines.c.machine_id,), to_machine)
        processes = {(event.machine_id, event.pid) for event in events if event.source != "channel"}
        world.processes = await _find(conn, self._processes, processes, _PROCESS_KEY, to_process)
        named = {event.body.session_id for event in events if event.body.session_id}
        named |= {process.session_id for process in world.processes.values() if process.session_id}
        world.sessions = await self.find_sessions(conn, named)
        messages = _list_messages(world, events)
        world.messages = await _find(conn, self._messages, messages, (schema.messages.c.message_id,), to_message)
        await self._load_entries(conn, world, events)
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
        processes = [msgspec.to_builtins(world.processes[key]) for key in sorted(world.changed_processes)]
        await _upsert(conn, schema.processes, processes)
        await _upsert(conn, schema.sessions, [session_row(world.sessions[i]) for i in sorted(world.changed_sessions)])
        await _upsert(conn, schema.entries, [entry_row(world.entries[key]) for key in world.changed_entries])
        messages = [msgspec.to_builtins(world.messages[i]) for i in sorted(world.changed_messages)]
        await _upsert(conn, schema.messages, messages)
        await _upsert(conn, schema.receipts, [msgspec.to_builtins(receipt) for receipt in world.receipts])

    async def _load_entries(self, conn: AsyncConnection, world: World, events: list[Stored]) -> None:
        keys = {key for session in world.sessions.values() for key in _open_keys(session)}
        for event in events:
            session_id, body = event.body.session_id, event.body
            if body.tool_use_id:
                keys.add((session_id, f"tool:{body.tool_use_id}"))
            if body.hook_event_name == "MessageDisplay":
                keys.add((session_id, f"assistant:{body.message_id}"))
        keys.update((m.session_id, f"message:{m.message_id}") for m in world.messages.values())
        entries = {key for key in keys if key[0] in world.sessions}
        world.entries = await _find(conn, self._entries, entries, _ENTRY_KEY, to_entry)


async def load_sessions(conn: AsyncConnection, session_ids: Iterable[str]) -> list[Session]:
    """These sessions as they are stored, those of them that exist."""
    table = schema.sessions
    query = select(table.c.record).where(table.c.session_id.in_(set(session_ids)))
    return [to_session(row) for row in (await conn.execute(query)).mappings()]


def _list_messages(world: World, events: list[Stored]) -> set[str]:
    """Messages that these events, or the sessions they touch, name."""
    wanted = {event.body.message_id for event in events if _names_message(event)}
    for event in events:
        wanted.update(find_message_ids(event.body.prompt))
    for session in world.sessions.values():
        wanted.update(session.open_messages)
    return {message_id for message_id in wanted if message_id}


def _names_message(event: Stored) -> bool:
    """A channel's or the hub's event about a message that exists; Claude's own texts have ids too."""
    return event.source != "hook" and event.body.hook_event_name != "MessageQueued"


def _open_keys(session: Session) -> list[EntryKey]:
    """Entries of a session that any event may still change."""
    names = [f"tool:{tool_use_id}" for tool_use_id in session.open_tools]
    names += [f"assistant:{message_id}" for message_id in session.open_texts]
    if session.progress:
        names.append(f"progress:{session.progress}")
    if session.filled_by:
        names.append(f"assistant:{session.filled_by}")
    return [(session.session_id, name) for name in names]


def _stays_open(entry: Entry) -> bool:
    """Whether the next events are likely to change it."""
    if entry.kind == "tool":
        return entry.data["state"] in ("running", "waiting")
    if entry.kind == "message":
        return is_open(entry.data["state"])
    return entry.kind == "progress" or (entry.kind == "assistant" and bool(entry.data["streaming"]))


async def _find(
    conn: AsyncConnection,
    cache: Cache[K, Record],
    keys: set[K],
    columns: tuple[Column[Any], ...],
    to_record: Callable[[RowMapping], Record],
) -> dict[K, Record]:
    """Records by the values of their key columns: from memory, or else from the table."""
    found = {key: record for key in keys if (record := cache.get(key)) is not None}
    missing = keys - found.keys()
    if missing:
        wanted = columns[0] if len(columns) == 1 else tuple_(*columns)
        query = select(columns[0].table).where(wanted.in_(missing))
        for row in (await conn.execute(query)).mappings():
            values = tuple(row[column.name] for column in columns)
            key = cast(K, values[0] if len(values) == 1 else values)
            found[key] = to_record(row)
            cache.put(key, found[key])
    return found


async def _upsert(conn: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        await conn.execute(_UPSERTS[table.name], rows)
