"""When Python looks for garbage in cycles.

A full collection walks all that the hub remembers, 60 to 90 ms in which nobody is served; by default it came every
few seconds under load, and was most of what an event's p99 to the page was made of. So what is there at the start is
left out, the young are looked at as usual, and all of it once a minute.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

YOUNG = 5_000
MIDDLE = 20
"""Allocations, and collections of the young, after which the next generation has its turn."""

NEVER = 1_000_000
EVERY_SECONDS = 60.0


@asynccontextmanager
async def seldom_collected() -> AsyncIterator[None]:
    """For as long as the hub serves."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    task = asyncio.create_task(_collect(), name="garbage")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect() -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        gc.collect()
