"""Keeps the search index up with the timelines, in what time the writer has to spare.

Indexing inside the transaction that stores events would make whoever waits for the acknowledgement wait for it
too; so it has transactions of its own, small ones, and rests in between. While the writer has more to do than not,
the index waits; it catches up afterwards, from where it was, also after a restart.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from time import monotonic

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.background import running_beside
from hub.db.engine import Changes, Database, Transaction
from hub.db.search import index_some

GATHER = 0.5
"""Seconds from a change to its indexing: what comes until then costs one transaction."""

SHORT_REST = 0.01
LONG_REST = 0.5
"""Seconds of rest before a round: as many as the last one took, doubled while the writer is busy."""

SPARE = 0.5
"""The share of a rest in which the writer may have worked for it to have time to spare."""

AFTER_FAILURE = 5.0

log = structlog.get_logger()


class Indexer:
    """One a database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changed = asyncio.Event()

    def notice(self, changes: Changes) -> None:
        """Entries changed: look after them soon."""
        if changes.entries:
            self._changed.set()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Index in the background."""
        return running_beside(self._run(), "search index")

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await self._catch_up()
            await self._changed.wait()
            await asyncio.sleep(GATHER)

    async def _catch_up(self) -> None:
        """Round by round, until nothing is left."""
        rest, more = SHORT_REST, True
        while more:
            if not await self._has_spare_time(rest):
                rest = min(2 * rest, LONG_REST)
                continue
            began = monotonic()
            try:
                more = await self._db.write(_index)
            except SQLAlchemyError as error:
                log.error("search index failed", error=type(error).__name__, exc_info=error)
                await asyncio.sleep(AFTER_FAILURE)
            rest = max(monotonic() - began, SHORT_REST)

    async def _has_spare_time(self, rest: float) -> bool:
        """Rest; whether the writer had little to do meanwhile, and nothing now."""
        before, began = self._db.busy_seconds, monotonic()
        await asyncio.sleep(rest)
        return not self._db.is_busy and self._db.busy_seconds - before < SPARE * (monotonic() - began)


async def _index(tx: Transaction) -> bool:
    return await index_some(tx.conn)
