"""The bell's socket, for hooks that wait for an answer: real sockets, no hooks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channel import ring
from channel.ring import Ring
from tests.channel.peer import eventually

PID = 7


class Bell:
    """A ring, and what it has told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{PID}.sock"
        self.rings = 0
        self.asked: list[str] = []
        self.left: list[str] = []
        self.released: list[bool] = []
        self.callers: list[socket.socket] = []
        self.ring = Ring(folder, PID, self._hear, lambda: None)
        self.ring.serve(lambda asking: self.asked.append(asking.decision_id), self.left.append)

    def _hear(self) -> None:
        self.rings += 1

    def connect(self, line: bytes) -> socket.socket:
        caller = socket.socket(socket.AF_UNIX)
        caller.setblocking(False)
        caller.connect(str(self.path))
        caller.send(line)
        self.callers.append(caller)
        return caller

    async def ask(self, number: int) -> tuple[socket.socket, str]:
        decision_id = name(number)
        known = len(self.asked)
        caller = self.connect(b"ask %s session main\n" % decision_id.encode())
        await eventually(lambda: len(self.asked) > known, "the hook that waits")
        return caller, decision_id


def name(number: int) -> str:
    return f"01a1fcf2-71ce-7774-82fd-{number:012x}"


async def read(caller: socket.socket, size: int = 100) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(caller, size), 10)


@pytest.fixture
async def bell(tmp_path: Path) -> AsyncIterator[Bell]:
    found = Bell(tmp_path)
    await found.ring.open()
    yield found
    found.ring.close()
    for caller in found.callers:
        caller.close()


async def test_an_answer_counts_once_it_is_acknowledged(bell: Bell) -> None:
    caller, decision_id = await bell.ask(1)
    assert bell.rings == 1  # asking is ringing, too
    bell.ring.answer(decision_id, b"{}", bell.released.append)
    assert await read(caller) == b"2\n{}"
    assert bell.released == []
    caller.send(b"+")
    await eventually(lambda: bell.released, "the acknowledgement")
    assert bell.released == [True]
    assert await read(caller) == b""
    await eventually(lambda: bell.left == [decision_id], "its end")


async def test_an_answer_that_is_not_acknowledged_does_not(bell: Bell) -> None:
    caller, decision_id = await bell.ask(1)
    bell.ring.answer(decision_id, b"{}" * 500_000, bell.released.append)  # more than a socket holds
    await read(caller)
    caller.close()
    await eventually(lambda: bell.left == [decision_id], "its end")
    assert bell.released == [False]
    bell.ring.answer(decision_id, b"{}", bell.released.append)
    assert bell.released == [False, False]


async def test_who_is_let_go_is_told_so_and_is_no_loss(bell: Bell) -> None:
    caller, decision_id = await bell.ask(1)
    bell.ring.let_go(decision_id)
    bell.ring.let_go(decision_id)
    assert await read(caller) == ring.LET_GO
    assert await read(caller) == b""
    assert bell.left == []


async def test_a_newer_one_that_asks_the_same_counts(bell: Bell) -> None:
    older, decision_id = await bell.ask(1)
    newer, _ = await bell.ask(1)
    assert await read(older) == ring.LET_GO
    bell.ring.answer(decision_id, b"{}", bell.released.append)
    assert await read(newer) == b"2\n{}"
    assert bell.left == []


async def test_a_ring_that_closes_says_nothing(bell: Bell) -> None:
    """So that the hook looks for the channel that comes after."""
    caller, _ = await bell.ask(1)
    bell.ring.close()
    with pytest.raises(BlockingIOError):
        caller.recv(100)
    assert not bell.path.exists()


async def test_more_than_anybody_asks_are_let_go(bell: Bell) -> None:
    for number in range(ring.ASKING):
        await bell.ask(number)
    caller = bell.connect(b"ask %s session main\n" % name(ring.ASKING).encode())
    assert await read(caller) == ring.LET_GO
    assert len(bell.asked) == ring.ASKING
