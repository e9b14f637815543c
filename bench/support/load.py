"""Links that send and dashboards that watch, all in this process."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.support.events import MARKER, Carrier, Made
from bench.support.process import HubProcess
from bench.support.sockets import TEXT, Socket, build_frame, connect
from wire.frames import BATCH_BYTES, BATCH_EVENTS, Ack, Welcome, decode_from_hub

WINDOW = 4
"""Batches on their way at once, as in channel/outbox.py."""

PATIENCE = 120.0
SHOWN_SECONDS = 30.0

CHANGE = re.compile(rb'"change_id":(\d+)')


class SentTimes:
    """When each marker was sent, for the sessions that somebody watches."""

    def __init__(self) -> None:
        self.at: dict[bytes, float] = {}

    def note(self, markers: Iterable[bytes]) -> None:
        """These go out now."""
        now = time.perf_counter()
        for marker in markers:
            self.at[marker] = now


class LinkClient:
    """One link: sends prepared batches, never more than WINDOW unanswered."""

    def __init__(self, carrier: Carrier, sent: SentTimes) -> None:
        self.carrier = carrier
        self.acked = 0
        self.rejected = 0
        self._sent = sent
        self._waiting: deque[tuple[bytes, list[bytes], int]] = deque()
        self._on_its_way = 0
        self._welcome: asyncio.Future[bool] | None = None
        self._idle = asyncio.Event()
        self._socket: Socket | None = None

    @property
    def events_waiting(self) -> int:
        """Events prepared and not sent yet."""
        return sum(count for _, _, count in self._waiting)

    async def open(self, port: int, key: str) -> None:
        """Connect, and be welcomed."""
        self._welcome = asyncio.get_running_loop().create_future()
        self._socket = await connect(port, "/ws/channel", key, self._hear, self._end)
        self._socket.send(build_frame(TEXT, self.carrier.hello()))
        if not await asyncio.wait_for(self._welcome, PATIENCE):
            raise ConnectionError("no welcome")

    def close(self) -> None:
        """Gone without goodbye."""
        if self._socket is not None:
            self._socket.close()

    def prepare(self, batches: Iterable[list[Made]], watched: set[str]) -> None:
        """Make the frames of these batches, to be sent by ``pump``."""
        mine = any(session.session_id in watched for session in self.carrier.sessions)
        for made in batches:
            markers = [item.marker for item in made if item.marker] if mine else []
            self._waiting.append((build_frame(TEXT, self.carrier.build_batch(made)), markers, len(made)))

    def pump(self) -> None:
        """Send what the window has room for."""
        while self._waiting and self._on_its_way < WINDOW and self._socket is not None:
            frame, markers, _ = self._waiting.popleft()
            if markers:
                self._sent.note(markers)
            self._on_its_way += 1
            self._idle.clear()
            self._socket.send(frame)

    async def until_acked(self) -> None:
        """Until everything is committed."""
        if self._waiting or self._on_its_way:
            await asyncio.wait_for(self._idle.wait(), PATIENCE)

    def _hear(self, data: bytes) -> None:
        frame = decode_from_hub(data)
        if isinstance(frame, Ack):
            self.acked += 1
            self.rejected += len(frame.rejected)
            self._on_its_way -= 1
            if self._waiting:
                self.pump()
            elif not self._on_its_way:
                self._idle.set()
        elif isinstance(frame, Welcome) and self._welcome is not None:
            self._welcome.set_result(True)

    def _end(self) -> None:
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_result(False)


@dataclass
class Seen:
    """What one dashboard got since it was last asked."""

    frames: int = 0
    bytes: int = 0
    cuts: int = 0
    delays: list[float] = field(default_factory=list)


class Dashboard:
    """A dashboard that reads, and comes back from where it was when it is cut."""

    def __init__(self, query: str, sent: SentTimes) -> None:
        self.query = query
        self.seen = Seen()
        self._sent = sent
        self._shown: set[bytes] = set()
        self._change = b"0"
        self._socket: Socket | None = None
        self._again: asyncio.Task[None] | None = None
        self._closed = False
        self._address = (0, "")

    async def open(self, port: int, token: str) -> None:
        """Connect; what happened before is asked for too."""
        self._address = (port, token)
        path = f"/ws/dashboard?{self.query}&after={self._change.decode()}"
        self._socket = await connect(port, path, token, self._hear, self._end)

    def close(self) -> None:
        """Stop watching."""
        self._closed = True
        if self._socket is not None:
            self._socket.close()

    def has_shown(self, marker: bytes) -> bool:
        """Whether a frame brought it."""
        return marker in self._shown

    def take(self) -> Seen:
        """What came since the last call."""
        seen, self.seen = self.seen, Seen()
        return seen

    def _hear(self, data: bytes) -> None:
        self.seen.frames += 1
        self.seen.bytes += len(data)
        change = CHANGE.search(data)
        if change is not None:
            self._change = max(self._change, change[1], key=int)
        if "view=session" in self.query:
            now = time.perf_counter()
            for marker in set(MARKER.findall(data)) - self._shown:
                self._shown.add(marker)
                at = self._sent.at.get(marker)
                if at is not None:
                    self.seen.delays.append(now - at)

    def _end(self) -> None:
        if not self._closed:
            self.seen.cuts += 1
            self._again = asyncio.get_running_loop().create_task(self.open(*self._address))


class Stuck:
    """A dashboard that stops reading at once. Whenever the hub has cut it off, so does the next one."""

    EVERY = 4.0

    def __init__(self, query: str) -> None:
        self._query = query
        self._sockets: list[Socket] = []
        self._task: asyncio.Task[None] | None = None

    async def open(self, port: int, token: str) -> None:
        """Connect the first, and begin to replace it."""
        await self._add(port, token)
        self._task = asyncio.create_task(self._go_on(port, token))

    async def close(self) -> None:
        """Gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for socket in self._sockets:
            socket.close()

    async def _add(self, port: int, token: str) -> None:
        socket = await connect(
            port, f"/ws/dashboard?{self._query}", token, lambda _: None, lambda: None, small_buffer=True
        )
        socket.stop_reading()
        self._sockets.append(socket)

    async def _go_on(self, port: int, token: str) -> None:
        while True:
            await asyncio.sleep(self.EVERY)
            await self._add(port, token)


def cut_small(made: list[Made], *, smallest: int, largest: int, chance: random.Random) -> list[list[Made]]:
    """Batches of some events each."""
    found, at = [], 0
    while at < len(made):
        size = chance.randint(smallest, largest)
        found.append(made[at : at + size])
        at += size
    return found


def cut_full(made: list[Made]) -> list[list[Made]]:
    """Batches as a spool gives them when there is much in it: closed at BATCH_EVENTS or BATCH_BYTES."""
    found: list[list[Made]] = []
    batch: list[Made] = []
    size = 0
    for item in made:
        batch.append(item)
        size += len(bytes(item.event.body))
        if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
            found.append(batch)
            batch, size = [], 0
    return [*found, batch] if batch else found


@dataclass
class Load:
    """All links and dashboards of one hub."""

    hub: HubProcess
    links: list[LinkClient]
    dashboards: list[Dashboard]
    sent: SentTimes
    watched: list[str]
    person: str
    chance: random.Random

    @classmethod
    async def build(
        cls, hub: HubProcess, keys: list[str], person: str, *, sessions: int, dashboards: bool = True
    ) -> Load:
        """A link a key, ``sessions`` over all; the watched ones are alone on their links."""
        sent = SentTimes()
        spare = max(0, sessions - len(keys))
        carriers = [Carrier(4000 + number, 2 if number < spare else 1) for number in range(len(keys))]
        links = [LinkClient(carrier, sent) for carrier in carriers]
        for link, key in zip(links, keys, strict=True):
            await link.open(hub.port, key)
        load = cls(hub, links, [], sent, [], person, random.Random(7))
        for link in links:  # every session exists before somebody opens it
            link.prepare([link.carrier.take_turns(1) for _ in link.carrier.sessions], set())
        await load.flush()
        if dashboards:
            load.watched = [carrier.sessions[-1].session_id for carrier in carriers[-3:]]
            of_session = [f"view=session&format=html&session={session_id}" for session_id in load.watched]
            follow = f"view=session&format=json&session={load.watched[0]}"
            queries = ["format=html"] * 3 + of_session + [follow, "format=json"]
            load.dashboards = [Dashboard(query, sent) for query in queries]
            for dashboard in load.dashboards:
                await dashboard.open(hub.port, person)
        return load

    async def flush(self) -> None:
        """Send what is prepared, flat out, until the last ack."""
        for link in self.links:
            link.pump()
        await asyncio.gather(*(link.until_acked() for link in self.links))

    async def until_shown(self) -> None:
        """Until each watched session's page shows its last event; a page that never does is given up."""
        last = {session.session_id: session for link in self.links for session in link.carrier.sessions}
        deadline = time.perf_counter() + SHOWN_SECONDS
        for dashboard, session_id in zip(self.dashboards[3:6], self.watched, strict=True):
            while not dashboard.has_shown(last[session_id].last_marker) and time.perf_counter() < deadline:
                await asyncio.sleep(0.005)

    async def pace(self, rate: float, seconds: float) -> int:
        """So many events a second in batches of 1 to 3, one in four batches to a watched session; how many it was."""
        watched = [link for link in self.links if link.carrier.sessions[-1].session_id in self.watched]
        began, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            due = count / rate
            if due > elapsed:
                await asyncio.sleep(due - elapsed)
            link = self.chance.choice(watched if watched and self.chance.random() < 0.25 else self.links)
            made = link.carrier.take(self.chance.randint(1, 3))
            link.prepare([made], set(self.watched))
            link.pump()
            count += len(made)
        await asyncio.gather(*(link.until_acked() for link in self.links))
        return count

    def rejected(self) -> int:
        """Events that the hub refused; there should be none."""
        return sum(link.rejected for link in self.links)

    def close(self) -> None:
        """Everybody leaves."""
        for dashboard in self.dashboards:
            dashboard.close()
        for link in self.links:
            link.close()
