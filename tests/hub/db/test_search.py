"""The search index: it says what the entries say, wherever it was interrupted."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.actions.events import build_hub_event, do_ingest, record
from hub.core.search import Term, read_words, split_query
from hub.db import search as search_module
from hub.db.driver import TookTooLong
from hub.db.engine import Database, Transaction, lock_database, open_database
from hub.db.search import TOKENIZER, Hit, Wanted, find, index_some
from tests.hub.claude import Claude
from tests.hub.kit import PATIENCE, Secrets
from tests.hub.stories import Step, stories, tell
from wire.frames import Event

Instances = list[tuple[str, int, str, int]]


@pytest.fixture(scope="module")
def fresh(template: tuple[Path, Secrets]) -> Iterator[Any]:
    """Makes a path to another copy of the database."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**6))
        yield lambda: Path(shutil.copy(template[0], Path(folder) / f"{next(numbers)}.db"))


@pytest.fixture(scope="module")
def machine_id(template: tuple[Path, Secrets]) -> str:
    """Whose events these are."""
    return template[1].atlas.machine_id


@pytest.fixture
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three entries a round."""
    monkeypatch.setattr(search_module, "ROWS", 3)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    """The database, as a hub has it."""
    db = await open_database(f"sqlite:///{path}", lock_database(path))
    try:
        yield db
    finally:
        await db.close()


async def index_round(db: Database) -> bool:
    """One transaction of the index; whether there is more."""

    async def work(tx: Transaction) -> bool:
        return await index_some(tx.conn)

    return await db.write(work)


async def index_all(db: Database) -> int:
    """Until nothing is left; how many rounds it took."""
    rounds = 1
    while await index_round(db):
        rounds += 1
    return rounds


async def search(db: Database, query: str, limit: int = 50, **wanted: Any) -> list[Hit]:
    """The first hits."""
    async with db.read() as conn:
        return (await find(conn, Wanted(terms=split_query(query), **wanted), limit, PATIENCE))[0]


def list_instances(connection: sqlite3.Connection, schema: str = "main") -> Instances:
    """Each word of the index, in which entry, column and place: twice what went in twice."""
    connection.execute(f"CREATE VIRTUAL TABLE temp.instances USING fts5vocab({schema}, search, instance)")
    found = connection.execute("SELECT term, doc, col, offset FROM instances WHERE col = 'words'").fetchall()
    scoped = connection.execute("SELECT DISTINCT doc FROM instances WHERE col = 'scope'").fetchall()
    assert {doc for (doc,) in scoped} == {doc for _, doc, _, _ in found}
    return sorted(found)


def check_index(path: Path) -> None:
    """It is the one that the entries as they are now would give."""
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(":memory:")) as expected:
        expected.execute(f"CREATE VIRTUAL TABLE search USING fts5 (scope, words, tokenize = '{TOKENIZER}')")
        for number, kind, data in connection.execute("SELECT number, kind, data FROM entries"):
            words = read_words(kind, msgspec.json.decode(data))
            if words:
                expected.execute("INSERT INTO search (rowid, scope, words) VALUES (?, 'x', ?)", (number, words))
        connection.execute("INSERT INTO search (search) VALUES ('integrity-check')")
        assert list_instances(connection) == list_instances(expected)
        assert connection.execute("SELECT count(*) FROM search_changed").fetchone() == (0,)


async def store(db: Database, machine_id: str, step: Step) -> None:
    """One step of a story."""
    if isinstance(step, Event):
        assert await do_ingest(db, machine_id, [step]) == []
    else:
        draft = build_hub_event(machine_id, step.pid, step.body)
        await db.write(lambda tx: record(tx, [draft]))


async def fail_after_indexing(db: Database) -> None:
    """A transaction that is undone."""

    async def work(tx: Transaction) -> None:
        await index_some(tx.conn)
        raise LookupError

    with pytest.raises(LookupError):
        await db.write(work)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(story=stories, dice=st.randoms(use_true_random=False))
async def test_any_story_is_indexed_once_wherever_it_was_interrupted(
    fresh: Any, machine_id: str, small_rounds: None, story: list[tuple[int, str, int]], dice: random.Random
) -> None:
    path, steps = fresh(), tell(story)
    while steps:
        async with opened(path) as db:
            stop_at = dice.randint(0, len(steps) - 1)
            while len(steps) > stop_at:
                await store(db, machine_id, steps.pop(0))
                if dice.random() < 0.5:
                    await index_round(db)
                if dice.random() < 0.1:
                    await fail_after_indexing(db)
    async with opened(path) as db:
        await index_all(db)
    check_index(path)


async def test_a_hub_killed_in_the_middle_goes_on_from_where_it_was(
    fresh: Any, machine_id: str, small_rounds: None
) -> None:
    """What is on disk while the index is written, before its commit, is what a kill leaves."""
    path, left, claude = fresh(), fresh(), Claude()
    async with opened(path) as db:

        async def die(tx: Transaction) -> None:
            await index_some(tx.conn)
            for ending in ("", "-wal"):
                shutil.copy(f"{path}{ending}", f"{left}{ending}")

        await do_ingest(db, machine_id, [claude.start(), *claude.turn("one", "two"), *claude.turn("three", "four")])
        await index_round(db)
        await db.write(die)
    async with opened(left) as again:
        assert [hit.snippet.text for hit in await search(again, "one")] == ["one"]
        assert await search(again, "three") == []
        await index_all(again)
        assert [hit.snippet.text for hit in await search(again, "three")] == ["three"]
    check_index(left)


async def test_ten_thousand_entries_are_many_small_transactions(
    fresh: Any, machine_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "SECONDS", 60.0)  # rounds by their rows alone, however slow the machine
    path, claude = fresh(), Claude()
    async with opened(path) as db:
        events = [claude.start(), *(claude.prompt(f"needle number{number}") for number in range(10_000))]
        for at in range(0, len(events), 500):
            await do_ingest(db, machine_id, events[at : at + 500])
        assert await index_all(db) == 10_000 // search_module.ROWS
        found: list[str] = []
        before: int | None = search_module.LAST_NUMBER
        async with db.read() as conn:
            while before is not None:
                hits, before = await find(conn, Wanted(terms=[Term("needle")], before=before), 50, PATIENCE)
                assert len(hits) == 50
                found += [hit.snippet.text for hit in hits]
        assert found == [f"needle number{number}" for number in reversed(range(10_000))]
        assert [hit.snippet.text for hit in await search(db, '"number77"')] == ["needle number77"]
        assert len(await search(db, "number777")) == 11


async def test_a_round_ends_when_its_time_is_over(fresh: Any, machine_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, claude = fresh(), Claude()
    async with opened(path) as db:
        await do_ingest(db, machine_id, [claude.start(), claude.pre_tool("t1")])
        await index_all(db)
        await do_ingest(db, machine_id, [claude.post_tool("t1"), claude.prompt("one"), claude.prompt("two")])
        times = iter(range(1000))
        monkeypatch.setattr(search_module, "perf_counter", lambda: next(times))
        assert await index_all(db) == 3  # one each
    check_index(path)


async def test_a_text_that_goes_on_is_found_by_what_it_says_now(fresh: Any, machine_id: str) -> None:
    path, claude = fresh(), Claude()
    async with opened(path) as db:

        async def say(*events: Event) -> None:
            await do_ingest(db, machine_id, list(events))
            await index_all(db)

        await say(claude.start(), claude.prompt("go"), claude.says("half a wor", message_id="x", final=False))
        assert await search(db, "half") == []
        await say(claude.prompt("next"))
        assert [hit.snippet.text for hit in await search(db, '"wor"')] == ["half a wor"]
        await do_ingest(db, machine_id, [claude.says("d, and the rest", message_id="x", index=1)])
        assert [hit.snippet.text for hit in await search(db, "half")] == ["half a word, and the rest"]
        assert await search(db, '"wor"') == []  # which it doesn't say any more
        assert await search(db, "rest") == []  # which isn't indexed yet
        await index_all(db)
        assert [hit.snippet.text for hit in await search(db, "rest")] == ["half a word, and the rest"]
    check_index(path)


async def test_a_call_is_found_when_it_is_done_however_much_came_meanwhile(fresh: Any, machine_id: str) -> None:
    path, claude = fresh(), Claude()
    async with opened(path) as db:
        await do_ingest(db, machine_id, [claude.start(), claude.pre_tool("t1", tool_input={"command": "make build"})])
        await index_all(db)
        await do_ingest(db, machine_id, [claude.says(f"meanwhile {number}") for number in range(300)])
        await index_all(db)
        assert await search(db, "build") == []
        await do_ingest(db, machine_id, [claude.post_tool("t1", tool_input={"command": "make build"})])
        await index_all(db)
        assert [hit.kind for hit in await search(db, "build")] == ["tool"]
    check_index(path)


async def test_words_that_are_read_otherwise_make_the_index_anew(
    fresh: Any, machine_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, claude = fresh(), Claude()
    async with opened(path) as db:
        await do_ingest(db, machine_id, [claude.start(), claude.pre_tool("t1"), *claude.turn("one", "two")])
        await index_all(db)
        await do_ingest(db, machine_id, [claude.post_tool("t1")])
        monkeypatch.setattr(search_module, "VERSION", search_module.VERSION + 1)
        monkeypatch.setattr(search_module, "read_words", lambda kind, data: f"{read_words(kind, data)} more")
        await index_all(db)
        assert {hit.kind for hit in await search(db, '"more"')} == {"prompt", "assistant", "tool"}
        monkeypatch.undo()
        await index_all(db)
        assert await search(db, '"more"') == []
    check_index(path)


def look_at(path: Path) -> tuple[int, int]:
    """The size of the write-ahead log, and when it was written."""
    seen = path.with_name(f"{path.name}-wal").stat()
    return seen.st_size, seen.st_mtime_ns


async def test_nothing_to_do_writes_nothing(fresh: Any, machine_id: str) -> None:
    path, claude = fresh(), Claude()
    async with opened(path) as db:
        await do_ingest(db, machine_id, [claude.start(), claude.prompt("one")])
        await index_all(db)
        before = look_at(path)
        for _ in range(3):
            assert not await index_round(db)
        assert look_at(path) == before


async def test_a_search_without_time_is_left_inside_the_index(fresh: Any) -> None:
    """Most of the work is done there, where no row comes out."""
    path = fresh()
    rows = ((number, "s", f"{'even' if number % 2 == 0 else 'odd'} x{number}") for number in range(40_000))
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO search (rowid, scope, words) VALUES (?, ?, ?)", rows)
        connection.commit()
    async with opened(path) as db, db.read() as conn:
        for terms in ([Term("odd"), Term("even")], [Term("x12", is_prefix=True), Term("nothing")]):
            with pytest.raises(TookTooLong):
                await find(conn, Wanted(terms=terms), 10, 0)
            assert await find(conn, Wanted(terms=terms), 10, PATIENCE) == ([], None)
