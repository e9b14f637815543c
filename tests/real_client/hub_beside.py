"""The channel tests' hub double beside a test that waits for a terminal: in a thread, on a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.channel.hub_double import HubDouble
from tests.support.waiting import wait_until
from wire.frames import HubFrame, Push, When, Withdraw

Found = TypeVar("Found")

Body = dict[str, Any]


class HubBeside:
    """What a test wants of it, without a loop."""

    def __init__(self, double: HubDouble, loop: asyncio.AbstractEventLoop) -> None:
        self.double = double
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """Have it done over there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def push(self, message_id: str, session_id: str, text: str, when: When = "auto") -> None:
        """Push a message over the newest link."""
        self._send(Push(message_id=message_id, session_id=session_id, text=text, author="Maya", when=when))

    def withdraw(self, message_id: str) -> None:
        """Take it back."""
        self._send(Withdraw(message_id=message_id))

    def list_events(self, name: str, **wanted: Any) -> list[Body]:
        """The events of that name with these fields."""
        found = list(self.double.named(name))
        return [body for body in found if all(body.get(key) == value for key, value in wanted.items())]

    def wait_for(self, name: str, *, timeout: float = 10.0, **wanted: Any) -> Body:
        """The first event of that name with these fields, once it is there."""
        events = wait_until(
            lambda: self.list_events(name, **wanted),
            f"{name} with {wanted}",
            timeout=timeout,
            describe=lambda: "\n".join(str(body)[:300] for body in self.double.events[-30:]),
        )
        return events[0]

    def wait_until(self, condition: Callable[[], Found | None], what: str) -> Found:
        """A condition of its frames."""
        return wait_until(condition, what, describe=lambda: str(self.double.frames[-10:]))

    def _send(self, frame: HubFrame) -> None:
        self.run(self.double.send(frame))


@contextmanager
def run_hub_beside() -> Iterator[HubBeside]:
    """A hub double that serves until the test is over."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    hub = HubBeside(HubDouble(), loop)
    try:
        hub.run(hub.double.start())
        yield hub
        hub.run(hub.double.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
