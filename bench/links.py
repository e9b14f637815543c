"""Many connected links: memory of the hub for each, and how long until all are back after it was restarted.

    python bench/links.py [LINKS]                default 2,000, which takes half a minute
    python bench/links.py --full                 10,000

Each link is a process with a session of its own; ten processes a machine. After a restart (SIGTERM, and start again
with the same port) the clients come back as channels do: with the backoff of channel/link.py. Prints figures and
fails on none. Aim: 20 KiB a link.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.support.events import Carrier
from bench.support.process import LOAD_CORE, HubProcess, describe_machine, pin, prepare_home, running
from bench.support.sockets import PING, TEXT, Socket, build_frame, connect
from bench.support.tables import say_bytes, show_table
from channel.link import OPEN_SECONDS, PING_SECONDS, STEADY_SECONDS, backoff
from wire.frames import Ack, Welcome, decode_from_hub

LINKS, FULL = 2_000, 10_000
PER_MACHINE = 10
AT_ONCE = 64
SPARE_FILES = 200
"""Descriptors that a hub needs for other things than links."""

SETTLE_SECONDS = 3.0
PATIENCE = 600.0

AIM = "20 KiB"


@dataclass
class Fleet:
    """All links, and how many of them are welcome now."""

    port: int
    up: int = 0
    attempts: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def until_up(self, count: int) -> float:
        """The seconds until so many are welcome."""
        began = time.perf_counter()
        while self.up < count:
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"only {self.up:,} of {count:,} links are up")
            await asyncio.sleep(0.02)
        return time.perf_counter() - began


class Client:
    """One channel, as light as can be."""

    __slots__ = ("_acked", "_end", "_fleet", "_key", "_socket", "_welcome", "carrier")

    def __init__(self, fleet: Fleet, carrier: Carrier, key: str) -> None:
        self.carrier = carrier
        self._fleet = fleet
        self._key = key
        self._socket: Socket | None = None
        self._welcome: asyncio.Future[bool] | None = None
        self._acked: asyncio.Future[None] | None = None
        self._end: asyncio.Future[None] | None = None

    async def run(self, gate: asyncio.Semaphore) -> None:
        """Connect, and again whenever it is lost. ``gate``: the first time, not all at once."""
        attempt = 0
        async with gate:
            await self._open()
        while True:
            began = time.perf_counter()
            try:
                if self._socket is None:
                    await self._open()
                assert self._end is not None
                await self._end
            except (OSError, TimeoutError):
                pass
            self._drop()
            if time.perf_counter() - began > STEADY_SECONDS:
                attempt = 0
            await asyncio.sleep(backoff(attempt, random.random()))
            attempt += 1

    async def begin_session(self) -> None:
        """Send SessionStart, and wait until it is stored."""
        if self._socket is None:
            raise ConnectionError("no link")
        self._acked = asyncio.get_running_loop().create_future()
        self._socket.send(build_frame(TEXT, self.carrier.build_batch(self.carrier.take(1))))
        await self._acked

    def ping(self) -> None:
        """As the channel's library does."""
        if self._socket is not None:
            self._socket.send(build_frame(PING, b"b"))

    async def _open(self) -> None:
        self._fleet.attempts += 1
        loop = asyncio.get_running_loop()
        self._end, self._welcome = loop.create_future(), loop.create_future()
        async with asyncio.timeout(OPEN_SECONDS):
            self._socket = await connect(self._fleet.port, "/ws/channel", self._key, self._hear, self._lost)
        self._socket.send(build_frame(TEXT, self.carrier.hello()))
        async with asyncio.timeout(OPEN_SECONDS):
            if not await self._welcome:
                raise ConnectionError("no welcome")
        self._welcome = None

    def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def _hear(self, data: bytes) -> None:
        frame = decode_from_hub(data)
        if isinstance(frame, Welcome) and self._welcome is not None and not self._welcome.done():
            self._fleet.up += 1
            self._welcome.set_result(True)
        elif isinstance(frame, Ack) and self._acked is not None:
            self._acked.set_result(None)
            self._acked = None

    def _lost(self) -> None:
        if self._welcome is not None:
            if not self._welcome.done():
                self._welcome.set_result(False)
        elif self._end is not None and not self._end.done():
            self._fleet.up -= 1
            self._end.set_result(None)


async def ping_all(clients: list[Client]) -> None:
    """Each once in PING_SECONDS."""
    slices = round(PING_SECONDS * 4)
    while True:
        for at in range(slices):
            await asyncio.sleep(PING_SECONDS / slices)
            for client in clients[at::slices]:
                client.ping()


async def begin_sessions(clients: list[Client]) -> None:
    """All of them, some at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(client: Client) -> None:
        async with gate:
            await client.begin_session()

    await asyncio.gather(*(one(client) for client in clients))


async def measure(hub: HubProcess, keys: list[str], count: int) -> None:
    """Connect all, restart the hub, and print."""
    fleet = Fleet(hub.port)
    clients = [Client(fleet, Carrier(4000 + number, 1), keys[number // PER_MACHINE]) for number in range(count)]
    gate = asyncio.Semaphore(AT_ONCE)
    gc.disable()
    gc.freeze()
    first = asyncio.create_task(clients[0].run(gate))
    await fleet.until_up(1)
    await clients[0].begin_session()
    await asyncio.sleep(SETTLE_SECONDS)
    alone, cpu = hub.resident_bytes(), hub.cpu_seconds()

    fleet.tasks = [first, *(asyncio.create_task(client.run(gate)) for client in clients[1:])]
    fleet.tasks.append(asyncio.create_task(ping_all(clients)))
    connected = await fleet.until_up(count)
    used = hub.cpu_seconds() - cpu
    await asyncio.sleep(SETTLE_SECONDS)
    linked = hub.resident_bytes()
    await begin_sessions(clients[1:])
    await asyncio.sleep(SETTLE_SECONDS)
    with_sessions, cpu = hub.resident_bytes(), hub.cpu_seconds()
    await asyncio.sleep(10.0)
    idle = (hub.cpu_seconds() - cpu) / 10.0

    began = time.perf_counter()
    before = fleet.attempts
    stopped = await asyncio.to_thread(hub.stop)
    seen_down = fleet.up
    started = await asyncio.to_thread(hub.start)
    in_vain = fleet.attempts - before
    since_start = await fleet.until_up(count)
    back = time.perf_counter() - began
    used_back = hub.cpu_seconds()
    attempts = fleet.attempts - before - in_vain
    await asyncio.sleep(SETTLE_SECONDS)
    again = hub.resident_bytes()
    stable = fleet.up

    others = count - 1
    rows = [
        ["one link", say_bytes(alone), "", ""],
        [f"{count:,} links", say_bytes(linked), say_bytes((linked - alone) / others), AIM],
        ["… and their sessions", say_bytes(with_sessions), say_bytes((with_sessions - alone) / others), ""],
        ["after the restart", say_bytes(again), say_bytes((again - alone) / others), ""],
    ]
    show_table("Memory of the hub", ["", "resident", "a link", "aim"], rows)
    rows = [
        [
            f"first connecting, {AT_ONCE} at a time",
            f"{connected:.1f} s",
            f"{others / connected:,.0f}/s",
            f"{used:.1f} s",
        ],
        ["hub stopping (SIGTERM to its end)", f"{stopped:.1f} s", "", ""],
        ["hub starting (to listening)", f"{started:.1f} s", "", ""],
        ["all back, since listening", f"{since_start:.1f} s", f"{count / since_start:,.0f}/s", f"{used_back:.1f} s"],
        ["all back, since SIGTERM", f"{back:.1f} s", "", ""],
    ]
    show_table(f"Restart with {count:,} links", ["", "seconds", "links", "hub's CPU"], rows)
    print(f"  {in_vain / count:.1f} attempts a link before the hub listened, {attempts / count:.1f} after that")
    print(f"  {idle * 100:.1f} % of a core while all links are quiet")
    if seen_down or stable != count:
        print(f"  {seen_down:,} links were still up when the hub was gone; {stable:,} of {count:,} were up at the end")
    for task in fleet.tasks:
        task.cancel()
    await asyncio.gather(*fleet.tasks, return_exceptions=True)
    for client in clients:
        client._drop()  # noqa: SLF001


def raise_limit(wanted: int) -> int:
    """Open files for us and for the hub, which inherits it; returns how many links that allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + SPARE_FILES if hard == resource.RLIM_INFINITY else min(wanted + SPARE_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - SPARE_FILES


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("links", type=int, nargs="?", default=LINKS)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} links")
    arguments = parser.parse_args()
    wanted = FULL if arguments.full else arguments.links
    count = min(wanted, raise_limit(wanted))
    print(describe_machine())
    if count < wanted:
        print(f"this machine's hard limit of open files allows {count:,} links, not {wanted:,}")
    with tempfile.TemporaryDirectory(prefix="hg") as folder:
        home = Path(folder)
        keys = prepare_home(home, count // PER_MACHINE + 1)
        pin(LOAD_CORE)
        hub = HubProcess(home)
        with running(hub):
            asyncio.run(measure(hub, keys.machines, count))


if __name__ == "__main__":
    main()
