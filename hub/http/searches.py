"""How many may search at once, how many may wait for that, and how long it all takes at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.errors import Busy

AT_ONCE = 2
"""Half of the connections that read: pages don't wait for somebody's searches."""

WAITING = 8

SECONDS = 2.0
"""For a search, and for the wait before it."""


class Searches:
    """One an application."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.waiting = 0
        self._most_waiting = waiting
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free place and take it; raises Busy."""
        await self._wait()
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self) -> None:
        if self.waiting >= self._most_waiting:
            raise Busy("Too many searches at once. Try again in a few seconds.")
        self.waiting += 1
        try:
            async with asyncio.timeout(self.seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Busy("Other searches take long. Try again in a few seconds.") from None
        finally:
            self.waiting -= 1
