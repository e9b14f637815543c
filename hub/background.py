"""Work that goes on beside the serving, for as long as the hub does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def running_beside(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """``work`` runs until the end of the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
