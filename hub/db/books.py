"""Loads what a batch of events may touch, and writes what folding it changed.

Every step is one statement for the whole batch, because a statement costs a thread's round trip.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Table, select, tuple_
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.core.body import Stored
from hub.core.model import Session
from hub.core.world import World
from hub.db import schema
from hub.db.engine import Changes
from hub.db.rows import (
    entry_row,
    session_row,
    to_entry,
    to_machine,
    to_message,
    to_process,
    to_session,
)
from wire.messages import find_message_ids


async def find_stored(conn: AsyncConnection, event_ids: list[str]) -> set[str]:
    """Which of these events are in the books already."""
    column = schema.events.c.event_id
    return set((await conn.execute(select(column).where(column.in_(event_ids)))).scalars())


async def append_events(conn: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Add events that are not stored yet (see ``find_stored``)."""
    if rows:
        await conn.execute(schema.events.insert(), rows)


async def load_world(conn: AsyncConnection, events: list[Stored]) -> World:
    """All that folding these events can look at."""
    world = World()
    machines = {event.machine_id for event in events}
    table = schema.machines
    for row in (await conn.execute(select(table).where(table.c.machine_id.in_(machines)))).mappings():
        world.machines[row["machine_id"]] = to_machine(row)
    await _load_processes(conn, world, events)
    named = {event.body.session_id for event in events}
    named |= {process.session_id for process in world.processes.values() if process.session_id}
    for session in await load_sessions(conn, named):
        world.sessions[session.session_id] = session
    await _load_messages(conn, world, events)
    await _load_entries(conn, world, events)
    return world


async def load_sessions(conn: AsyncConnection, session_ids: Iterable[str]) -> list[Session]:
    """These sessions, those of them that exist."""
    table = schema.sessions
    query = select(table.c.record).where(table.c.session_id.in_(set(session_ids)))
    return [to_session(row) for row in (await conn.execute(query)).mappings()]


async def _load_processes(conn: AsyncConnection, world: World, events: list[Stored]) -> None:
    table = schema.processes
    keys = {(event.machine_id, event.pid) for event in events}
    query = select(table).where(tuple_(table.c.machine_id, table.c.pid).in_(keys))
    for row in (await conn.execute(query)).mappings():
        world.processes[row["machine_id"], row["pid"]] = to_process(row)


async def _load_messages(conn: AsyncConnection, world: World, events: list[Stored]) -> None:
    wanted = {event.body.message_id for event in events if event.source != "hook" and event.body.message_id}
    for event in events:
        wanted.update(find_message_ids(event.body.prompt))
    for session in world.sessions.values():
        wanted.update(session.open_messages)
    if wanted:
        table = schema.messages
        query = select(table).where(table.c.message_id.in_(wanted))
        for row in (await conn.execute(query)).mappings():
            world.messages[row["message_id"]] = to_message(row)


async def _load_entries(conn: AsyncConnection, world: World, events: list[Stored]) -> None:
    keys: set[tuple[str, str]] = set()
    for session in world.sessions.values():
        sid = session.session_id
        keys.update((sid, f"tool:{i}") for i in session.open_tools)
        keys.add((sid, f"progress:{session.turn_started_at}"))
        if session.filled_by:
            keys.add((sid, f"assistant:{session.filled_by}"))
    for event in events:
        sid = event.body.session_id
        if event.body.tool_use_id:
            keys.add((sid, f"tool:{event.body.tool_use_id}"))
        if event.body.hook_event_name == "MessageDisplay":
            keys.add((sid, f"assistant:{event.body.message_id}"))
    keys.update((m.session_id, f"message:{m.message_id}") for m in world.messages.values())
    if keys:
        table = schema.entries
        query = select(table).where(tuple_(table.c.session_id, table.c.key).in_(keys))
        for row in (await conn.execute(query)).mappings():
            entry = to_entry(row)
            world.entries[entry.session_id, entry.key] = entry


async def save_world(conn: AsyncConnection, world: World, changes: Changes) -> None:
    """Write what folding changed, and note it for those who watch."""
    for session_id in world.changed_sessions:
        session = world.sessions[session_id]
        session.change_id = changes.change_id
        changes.sessions[session_id] = session
    for key in world.changed_entries:
        entry = world.entries[key]
        entry.change_id = changes.change_id
        changes.entries[entry.entry_id] = entry
    processes = [msgspec.to_builtins(world.processes[key]) for key in sorted(world.changed_processes)]
    sessions = [session_row(world.sessions[i]) for i in sorted(world.changed_sessions)]
    entries = [entry_row(world.entries[key]) for key in world.changed_entries]
    messages = [msgspec.to_builtins(world.messages[i]) for i in sorted(world.changed_messages)]
    receipts = [msgspec.to_builtins(receipt) for receipt in world.receipts]
    await _upsert(conn, schema.processes, processes)
    await _upsert(conn, schema.sessions, sessions)
    await _upsert(conn, schema.entries, entries)
    await _upsert(conn, schema.messages, messages)
    await _upsert(conn, schema.receipts, receipts)


async def _upsert(conn: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    rest = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest), rows)
