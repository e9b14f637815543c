"""``events`` is the truth: folding it again from the start gives the same rows, however it was cut into batches."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.actions.events import Draft, build_hub_event, do_ingest, read_event, record
from hub.core.body import Body, Stored, parse_body
from hub.core.fold import fold
from hub.core.model import Tokens, name_foreign
from hub.core.world import World
from hub.db import queries, schema
from hub.db.books import load_sessions
from hub.db.engine import Database, Transaction, lock_database, open_database
from hub.db.rows import decision_row, entry_row, process_row, session_row
from tests.hub.claude import Claude
from tests.hub.kit import Secrets
from tests.hub.stories import HubEvent, Step, disputes, stories, tell
from wire.frames import Event

Rows = dict[str, dict[Any, dict[str, Any]]]
FOLDED = {
    "processes": ("machine_id", "pid"),
    "sessions": ("session_id",),
    "entries": ("entry_id",),
    "messages": ("message_id",),
    "receipts": ("message_id", "state", "event_id"),
    "decisions": ("decision_id",),
    "usage": ("session_id", "day", "model"),
}


@pytest.fixture(scope="module")
def fresh(template: tuple[Path, Secrets]) -> Iterator[Any]:
    """Makes a path to another copy of the database."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**6))
        yield lambda: Path(shutil.copy(template[0], Path(folder) / f"{next(numbers)}.db"))


async def open_at(path: Path) -> Database:
    return await open_database(f"sqlite:///{path}", lock_database(path))


async def store(db: Database, machine_id: str, steps: list[Step], dice: random.Random) -> None:
    """Bring the steps in, in batches of any size, some of them twice, as a channel does after a lost link."""
    sent: list[Event] = []
    batch: list[Event] = []
    for step in steps:
        if isinstance(step, Event):
            batch.append(step)
        if batch and (isinstance(step, HubEvent) or dice.random() < 0.3):
            again = sent[dice.randrange(len(sent)) :][:5] if sent and dice.random() < 0.5 else []
            assert await do_ingest(db, machine_id, again + batch) == []
            sent += batch
            batch = []
        if isinstance(step, HubEvent):
            draft = build_hub_event(machine_id, step.pid, step.body)
            await db.write(lambda tx, draft=draft: record(tx, [draft]))
    if batch:
        await do_ingest(db, machine_id, batch)


async def read_events(db: Database) -> list[Stored]:
    """The truth, in the order in which it came."""
    async with db.read() as conn:
        rows = (await conn.execute(select(schema.events).order_by(schema.events.c.seq))).mappings().all()
    return [
        Stored(
            event_id=row["event_id"],
            session_id=row["session_id"],
            at=row["at"],
            source=row["source"],
            machine_id=row["machine_id"],
            pid=row["pid"],
            orphan=row["orphan"],
            body=msgspec.json.decode(row["body"], type=Body)
            if row["source"] == "hub"
            else parse_body(row["body"], row["source"]),
        )
        for row in rows
    ]


async def read_rows(db: Database) -> Rows:
    """What was folded, by primary key, but for the counts of changes."""
    found: Rows = {}
    async with db.read() as conn:
        for name, keys in FOLDED.items():
            rows = (await conn.execute(select(schema.metadata.tables[name]))).mappings()
            found[name] = {tuple(row[key] for key in keys): without_change(row) for row in rows}
    return found


def without_change(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as data, without ``change_id`` and ``number``: these tell when it was written, not what it says."""
    plain = {key: value for key, value in row.items() if key not in ("change_id", "number")}
    for name in ("record", "data", "ways"):
        if name in plain:
            plain[name] = msgspec.json.decode(plain[name])
            plain[name].pop("change_id", None)
    return plain


def fold_in_one_world(events: list[Stored], machines: list[Any]) -> Rows:
    """Everything again, in memory."""
    world = World(machines={machine.machine_id: machine for machine in machines})
    for event in events:
        fold(world, event)
    rows: dict[str, list[dict[str, Any]]] = {
        "processes": [process_row(process) for process in world.processes.values()],
        "sessions": [session_row(session) for session in world.sessions.values()],
        "entries": [entry_row(entry) for entry in world.entries.values()],
        "messages": [msgspec.to_builtins(message) for message in world.messages.values()],
        "receipts": [msgspec.to_builtins(receipt) for receipt in world.receipts],
        "decisions": [decision_row(decision) for decision in world.decisions.values()],
        "usage": [msgspec.to_builtins(day) for day in world.days.values()],
    }
    return {
        name: {tuple(row[key] for key in keys): without_change(row) for row in rows[name]}
        for name, keys in FOLDED.items()
    }


async def fold_in_batches(db: Database, events: list[Stored], size: int) -> None:
    """Everything again, into empty tables."""
    for start in range(0, len(events), size):
        batch = events[start : start + size]

        async def work(tx: Transaction, batch: list[Stored] = batch) -> None:
            world = await tx.books.load_world(tx.conn, batch)
            for event in batch:
                fold(world, event)
            await tx.books.save_world(tx.conn, world, tx.changes)

        await db.write(work)


async def check_rebuild(fresh: Any, machine_id: str, steps: list[Step], dice: random.Random) -> None:
    db, other = await open_at(fresh()), await open_at(fresh())
    try:
        await store(db, machine_id, steps, dice)
        rows, events = await read_rows(db), await read_events(db)
        assert len(events) == len(steps)
        async with db.read() as conn:
            machines = await queries.list_machines(conn)
        assert fold_in_one_world(events, machines) == rows
        await fold_in_batches(other, events, dice.randint(1, 20))
        assert await read_rows(other) == rows
    finally:
        await db.close()
        await other.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories | disputes, dice=st.randoms(use_true_random=False))
async def test_any_story_rebuilds(
    fresh: Any, secrets_of_template: Secrets, story: list[tuple[int, str, int]], dice: random.Random
) -> None:
    await check_rebuild(fresh, secrets_of_template.atlas.machine_id, tell(story), dice)


@pytest.fixture(scope="module")
def secrets_of_template(template: tuple[Path, Secrets]) -> Secrets:
    return template[1]


async def test_a_day_of_work_rebuilds(fresh: Any, secrets_of_template: Secrets) -> None:
    """Two sessions side by side, a message, a clear, a resume, a lost link: thousands of entries in all."""
    one, two = Claude(pid=11), Claude(pid=22)
    steps: list[Step] = []

    def hub(claude: Claude, name: str, **fields: Any) -> None:
        body = Body(**{"session_id": claude.session_id, "hook_event_name": name, **fields})
        steps.append(HubEvent(claude.pid, body))

    for claude in (one, two):
        steps.append(claude.start())
        hub(claude, "LinkUp", push=True, started_at=claude.started_at)
    for number in range(60):
        for claude in (one, two):
            steps += claude.turn(f"do {number}", f"done {number}")
        message_id = f"message-{number}"
        hub(one, "MessageQueued", message_id=message_id, text="look", author_id="u", author="Maya")
        steps += [one.injected(message_id), one.take(message_id), one.replies("yes", message_id), one.stop()]
        if number % 20 == 10:
            hub(one, "LinkDown", reason="lost")
            hub(one, "LinkUp", push=True, started_at=one.started_at)
            steps += two.clear()
    await check_rebuild(fresh, secrets_of_template.atlas.machine_id, steps, random.Random(1))


def use(claude: Claude, tokens: int) -> Event:
    """So much in all, all on one day."""
    totals = {"model": {"input": tokens}}
    return claude.channel("ChannelUsage", usage={"totals": totals, "days": {"2026-11-21": totals}})


async def test_a_session_of_two_machines_rebuilds(fresh: Any, secrets_of_template: Secrets) -> None:
    """Its copy is a row of the other machine's own, which is cleared and forked like any."""
    atlas, borea = secrets_of_template.atlas.machine_id, secrets_of_template.borea.machine_id
    home = Claude(pid=11)
    away = Claude(home.session_id, pid=22)
    copy = name_foreign(home.session_id, borea)
    db = await open_at(fresh())
    try:
        await do_ingest(db, atlas, [home.start(), *home.turn("at home", "done")])
        await do_ingest(db, borea, [away.start("resume"), use(away, 10), *away.turn("on the way", "done")])
        await do_ingest(db, borea, [use(away, 17)])
        forked = Claude(pid=33)
        lineage = forked.channel("ChannelLineage", previous=home.session_id, relation="fork")
        await do_ingest(db, borea, [forked.start("fork")])
        await do_ingest(db, borea, [lineage, *away.clear()])
        await do_ingest(db, atlas, list(home.turn("still at home", "done")))
        async with db.read() as conn:
            machines = await queries.list_machines(conn)
            named = [copy, forked.session_id, away.session_id]
            found = {session.session_id: session for session in await load_sessions(conn, named)}
        assert [found[name].previous_session_id for name in named] == [home.session_id, copy, copy]
        assert [found[name].relation for name in named] == ["resume", "fork", "clear"]
        assert found[copy].usage.totals == {"model": Tokens(input=7)}
        assert fold_in_one_world(await read_events(db), machines) == await read_rows(db)
    finally:
        await db.close()


async def test_progress_outside_a_turn_is_one_entry_whatever_the_batches(
    fresh: Any, secrets_of_template: Secrets
) -> None:
    claude = Claude()
    progress = [claude.channel("ChannelProgress", percent=number) for number in (1, 2)]
    steps = [claude.start(), progress[0], claude.prompt("go"), claude.stop(), progress[1]]
    for seed in range(8):
        await check_rebuild(fresh, secrets_of_template.atlas.machine_id, list(steps), random.Random(seed))


async def test_a_request_that_fails_after_folding_leaves_no_trace(fresh: Any, secrets_of_template: Secrets) -> None:
    """Neither in the rows, nor in memory, nor in what watchers hear of others in the same transaction."""
    db = await open_at(fresh())
    machine_id, claude = secrets_of_template.atlas.machine_id, Claude()
    heard: list[tuple[str, str]] = []
    db.observers.append(lambda changes: heard.extend((s.title, s.state) for s in changes.sessions.values()))

    def ingest(event: Event, error: Exception | None = None) -> Any:
        async def work(tx: Transaction) -> None:
            await record(tx, [cast(Draft, read_event(machine_id, event))])
            if error is not None:
                raise error

        return db.write(work)

    try:
        await ingest(claude.start())
        fails = ValueError("after folding")
        results = await asyncio.gather(
            ingest(claude.channel("ChannelFacts", branch="main")),
            ingest(claude.prompt("undone"), fails),
            return_exceptions=True,
        )
        assert results == [None, fails]
        assert heard == [("", "idle"), ("", "idle")]
        await ingest(claude.stop(None))
        assert heard[2:] == [("", "idle")]
        async with db.read() as conn:
            machines = await queries.list_machines(conn)
        assert fold_in_one_world(await read_events(db), machines) == await read_rows(db)
    finally:
        await db.close()


async def test_what_a_restarted_hub_reads_is_as_what_it_wrote(fresh: Any, secrets_of_template: Secrets) -> None:
    """Sessions take over what their process is, which after a restart comes from its row."""
    path, machine_id, claude = fresh(), secrets_of_template.atlas.machine_id, Claude()
    for event in (claude.start(), *claude.clear(), claude.prompt("go")):
        db = await open_at(path)
        await do_ingest(db, machine_id, [event])
        await db.close()
    db = await open_at(path)
    try:
        events, rows = await read_events(db), await read_rows(db)
        async with db.read() as conn:
            machines = await queries.list_machines(conn)
            sessions = await queries.list_sessions(conn, limit=10)
        assert len(sessions) == 2
        assert fold_in_one_world(events, machines) == rows
    finally:
        await db.close()
