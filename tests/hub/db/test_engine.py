"""The one writer: what it promises about commits, failures and a full disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from hub.actions.events import do_ingest
from hub.core.model import Session
from hub.db import schema
from hub.db.engine import Changes, Database, DatabaseInUse, Transaction, lock_database, open_database
from tests.hub.claude import Claude
from tests.hub.kit import Secrets

Work = Callable[[Transaction], Awaitable[str]]


@pytest.fixture
async def db(database: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{database}", lock_database(database))
    yield opened
    await opened.close()


def add_user(user_id: str, size: int = 1, error: Exception | None = None) -> Work:
    """Adds a row of about ``size`` bytes, then perhaps fails."""

    async def work(tx: Transaction) -> str:
        row = {"user_id": user_id, "name": "x" * size, "role": "viewer", "created_at": 1}
        await tx.conn.execute(schema.users.insert(), [row])
        if error is not None:
            raise error
        return user_id

    return work


def note_change(session_id: str) -> Work:
    """Changes a session, as far as watchers know."""

    async def work(tx: Transaction) -> str:
        tx.changes.sessions[session_id] = Session(session_id=session_id, machine_id="m", pid=1)
        return session_id

    return work


async def list_users(db: Database) -> set[str]:
    """The ids of those that a reader sees."""
    async with db.read() as conn:
        ids = (await conn.execute(select(schema.users.c.user_id))).scalars()
        return {user_id for user_id in ids if user_id.startswith("u")}


async def fill_up(db: Database) -> None:
    """Leave the database no page to grow into."""

    async def work(tx: Transaction) -> None:
        pages = (await tx.conn.execute(text("PRAGMA page_count"))).scalar_one()
        await tx.conn.execute(text(f"PRAGMA max_page_count = {pages}"))

    await db.write(work)


async def make_room(db: Database) -> None:
    """As if somebody had cleaned up."""

    async def work(tx: Transaction) -> None:
        await tx.conn.execute(text("PRAGMA max_page_count = 1000000"))

    await db.write(work)


async def write_all(db: Database, *works: Work) -> list[Any]:
    """Ask for all at once: they share one transaction."""
    return await asyncio.gather(*(db.write(work) for work in works), return_exceptions=True)


async def test_a_failing_request_undoes_only_itself(db: Database) -> None:
    error = ValueError("mine")
    results = await write_all(db, add_user("u1"), add_user("u2", error=error), add_user("u3"))
    assert results == ["u1", error, "u3"]
    assert await list_users(db) == {"u1", "u3"}


async def test_a_broken_rule_of_the_store_undoes_only_itself(db: Database) -> None:
    results = await write_all(db, add_user("u1"), add_user("u1"), add_user("u3"))
    assert results[0] == "u1"
    assert isinstance(results[1], SQLAlchemyError)
    assert results[2] == "u3"
    assert await list_users(db) == {"u1", "u3"}


async def test_a_result_means_that_readers_see_it(db: Database) -> None:
    for number in range(20):
        user_id = await db.write(add_user(f"u{number}"))
        assert user_id in await list_users(db)


async def test_watchers_hear_after_the_commit_and_before_the_result(db: Database) -> None:
    heard: list[Changes] = []
    db.observers.append(heard.append)
    before = db.last_change
    await write_all(db, note_change("s1"), note_change("s2"))
    assert [set(changes.sessions) for changes in heard] == [{"s1", "s2"}]
    assert heard[0].change_id == before + 1 == db.last_change


async def test_what_failed_is_told_to_nobody(db: Database) -> None:
    heard: list[Changes] = []
    db.observers.append(heard.append)

    async def fail_late(tx: Transaction) -> str:
        await note_change("lost")(tx)
        raise ValueError

    await write_all(db, note_change("kept"), fail_late)
    assert [set(changes.sessions) for changes in heard] == [{"kept"}]


async def test_a_defect_in_who_listens_stops_neither_the_result_nor_the_writer(db: Database) -> None:
    def fail(changes: Changes) -> None:
        raise KeyError(changes.change_id)

    db.observers.append(fail)
    assert await db.write(note_change("s1")) == "s1"
    assert await db.write(add_user("u1")) == "u1"


async def test_somebody_who_does_not_wait_for_the_result_harms_nobody(db: Database) -> None:
    impatient = asyncio.create_task(db.write(add_user("u1")))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await db.write(add_user("u2")) == "u2"
    assert "u2" in await list_users(db)


async def test_closing_writes_what_is_waiting(database: Path) -> None:
    db = await open_database(f"sqlite:///{database}", lock_database(database))
    waiting = [asyncio.create_task(db.write(add_user(f"u{number}"))) for number in range(100)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*waiting) == [f"u{number}" for number in range(100)]
    again = await open_database(f"sqlite:///{database}", lock_database(database))
    assert len(await list_users(again)) == 100
    await again.close()


async def test_a_second_hub_gets_no_lock(db: Database, database: Path) -> None:
    with pytest.raises(DatabaseInUse) as refused:
        lock_database(database)
    assert str(database) in str(refused.value)
    assert "another hub" in str(refused.value)


async def test_the_lock_ends_with_the_database(database: Path) -> None:
    db = await open_database(f"sqlite:///{database}", lock_database(database))
    await db.close()
    os.close(lock_database(database))


async def test_readers_can_not_write(db: Database) -> None:
    async with db.read() as conn:
        with pytest.raises(OperationalError):
            await conn.execute(text("DELETE FROM users"))


async def test_every_commit_is_on_disk(db: Database) -> None:
    async def look(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [(await tx.conn.execute(text(f"PRAGMA {name}"))).scalar_one() for name in names]

    assert await db.write(look) == ["wal", 2, 1]


async def test_a_full_disk_stores_nothing_and_is_over_when_there_is_room(db: Database) -> None:
    await fill_up(db)
    with pytest.raises(SQLAlchemyError):
        await db.write(add_user("u1", size=100_000))
    assert await list_users(db) == set()
    await make_room(db)
    assert await db.write(add_user("u1", size=100_000)) == "u1"
    assert await list_users(db) == {"u1"}


async def test_nothing_is_acknowledged_that_a_full_disk_undid(db: Database) -> None:
    """SQLite undoes the whole transaction when it is full, not only the statement."""
    await fill_up(db)
    results = await write_all(db, add_user("u1"), add_user("u2", size=100_000), add_user("u3"))
    stored = await list_users(db)
    for user_id, result in zip(("u1", "u2", "u3"), results, strict=True):
        assert (user_id in stored) == (result == user_id), (results, stored)
        assert result == user_id or isinstance(result, SQLAlchemyError)
    await make_room(db)
    assert await db.write(add_user("u4")) == "u4"


async def test_the_count_of_changes_goes_on_after_a_restart(database: Path, secrets: Secrets) -> None:
    db, claude = await open_database(f"sqlite:///{database}", lock_database(database)), Claude()
    for event in (claude.start(), claude.prompt("one")):
        await do_ingest(db, secrets.atlas.machine_id, [event])
    last = db.last_change
    assert last >= 2
    await db.close()
    again = await open_database(f"sqlite:///{database}", lock_database(database))
    assert again.last_change == last
    await again.close()


async def test_what_nobody_watches_is_not_counted_as_a_change(db: Database) -> None:
    before = db.last_change
    await db.write(add_user("u1"))
    assert db.last_change == before
    await db.write(note_change("s1"))
    assert db.last_change == before + 1


async def add_shared(tx: Transaction, names: list[str]) -> list[str]:
    """Adds a user for each name at once; ``poison`` can't be added."""
    rows = [{"user_id": name, "name": name, "role": "viewer", "created_at": 1} for name in names]
    await tx.conn.execute(schema.users.insert(), rows)
    if "u-poison" in names:
        raise ValueError("poison")
    return [f"{name} of {len(names)}" for name in names]


async def test_work_that_is_shared_runs_once_for_all_who_wait(db: Database) -> None:
    first = db.write(add_user("u-first"))
    answers = await asyncio.gather(first, *(db.write_shared(add_shared, f"u{number}", 1) for number in range(5)))
    assert answers[0] == "u-first"
    assert [answer.split()[0] for answer in answers[1:]] == [f"u{number}" for number in range(5)]
    assert max(int(answer.split()[-1]) for answer in answers[1:]) > 1
    assert await list_users(db) == {"u-first", *(f"u{number}" for number in range(5))}


@pytest.mark.parametrize("beside", [[], ["u-beside"]])
async def test_one_item_that_fails_costs_the_others_nothing(db: Database, beside: list[str]) -> None:
    names = ["u1", "u-poison", "u2"]
    others = [db.write(add_user(name)) for name in beside]
    results = await asyncio.gather(
        *others, *(db.write_shared(add_shared, name, 1) for name in names), return_exceptions=True
    )
    assert [isinstance(result, ValueError) for result in results[len(beside) :]] == [False, True, False]
    assert await list_users(db) == {"u1", "u2", *beside}


async def test_a_connection_that_broke_is_replaced(db: Database) -> None:
    async def break_it(tx: Transaction) -> str:
        driver = (await tx.conn.get_raw_connection()).driver_connection
        await driver.close()  # type: ignore[union-attr]
        raise RuntimeError("broken")

    for number in range(3):
        with pytest.raises(Exception, match=r"broken|closed|no active connection"):
            await db.write(break_it)
        assert await db.write(add_user(f"u{number}")) == f"u{number}"


async def test_a_transaction_that_cannot_be_undone_does_not_block_the_next(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(tx: Transaction) -> str:
        async def fail() -> None:
            raise OSError("the disk is gone")

        driver = (await tx.conn.get_raw_connection()).driver_connection
        monkeypatch.setattr(driver, "rollback", fail)
        raise RuntimeError("undo this")

    with pytest.raises((RuntimeError, OSError, SQLAlchemyError)):
        await db.write(refuse)
    assert await db.write(add_user("u-after")) == "u-after"
    assert await list_users(db) == {"u-after"}
