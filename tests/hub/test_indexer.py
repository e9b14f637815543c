"""The index keeps up by itself, and gets out of the way of events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hub import indexer as indexer_module
from hub.db import search as search_module
from hub.db.engine import Database
from tests.hub.claude import Claude
from tests.hub.kit import Hub, Secrets, run_hub, until


async def count_found(hub: Hub, query: str) -> int:
    """Hits, as they are now."""
    return len((await hub.get(f"/api/v1/search?q={query}"))["hits"])


async def reached(hub: Hub) -> int:
    """How far the index is."""
    async with hub.db.read() as conn:
        return int((await conn.execute(text("SELECT number FROM search_reached"))).scalar_one())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at once at what has come, and soon again at what failed."""
    monkeypatch.setattr(indexer_module, "GATHER", 0.0)
    monkeypatch.setattr(indexer_module, "AFTER_FAILURE", 0.0)


async def test_what_comes_is_found_soon(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start(), claude.prompt("needle"))
    await until(lambda: count_found(hub, "needle"), "found")
    await hub.post_events(claude.prompt("needle again"))
    await until(lambda: count_found(hub, "again"), "found too")


async def test_what_was_not_indexed_before_a_stop_is_indexed_after_the_start(
    database: Path, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = Claude()
    with monkeypatch.context() as patched:
        patched.setattr(indexer_module.Indexer, "notice", lambda self, changes: None)
        async with run_hub(database, secrets) as hub:
            await until(lambda: not hub.db.is_busy, "looked once")
            await hub.post_events(claude.start(), claude.prompt("needle"))
            left_at = await reached(hub)
    async with run_hub(database, secrets) as hub:
        await hub.indexed()
        assert await count_found(hub, "needle") == 1
        assert left_at == 0


async def test_a_hub_that_stops_in_the_middle_loses_and_repeats_nothing(
    database: Path, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "ROWS", 5)
    claude = Claude()
    async with run_hub(database, secrets) as hub:
        await hub.post_events(claude.start(), *(claude.prompt(f"needle {number}") for number in range(45)))
        await until(lambda: reached(hub), "begun")
    async with run_hub(database, secrets) as hub:
        await hub.indexed()
        assert await count_found(hub, "needle") == 45


@pytest.mark.parametrize(("name", "busy", "idle"), [("is_busy", lambda: True, False), ("busy_seconds", monotonic, 0.0)])
async def test_while_the_writer_has_much_to_do_the_index_waits(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, busy: Callable[[], Any], idle: Any
) -> None:
    looks: list[Any] = []

    def look(db: Database) -> Any:
        looks.append(busy())
        return looks[-1]

    await hub.indexed()
    monkeypatch.setattr(Database, name, property(look, lambda db, value: None), raising=False)
    claude = Claude()
    await hub.post_events(claude.start(), claude.prompt("needle"))
    await until(lambda: len(looks) >= 6, "several looks")
    assert await reached(hub) == 0
    monkeypatch.setattr(Database, name, property(lambda db: idle, lambda db, value: None), raising=False)
    await until(lambda: count_found(hub, "needle"), "found after all")


async def test_an_index_that_fails_tries_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[Any] = []

    async def fail(conn: Any) -> bool:
        if len(failures) < 3:
            failures.append(conn)
            raise OperationalError("index", {}, Exception("disk is full"))
        return await search_module.index_some(conn)

    monkeypatch.setattr(indexer_module, "index_some", fail)
    claude = Claude()
    await hub.post_events(claude.start(), claude.prompt("needle"))
    await until(lambda: count_found(hub, "needle"), "found")
    assert len(failures) == 3
