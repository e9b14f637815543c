"""Links without a Claude Code behind them: many at once, or one of an older wire level.

A ``Link`` says what a channel of level 1 says, in that level's own words, kept here as they were: what the hub
sends must make sense to it. It connects again until all its events are acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.ledger import Truth
from wire.ids import build_id

LEVEL_1 = {
    "welcome": {"level", "features", "link_id", "hub_version"},
    "ack": {"seq"},
    "push": {"message_id", "session_id", "text", "author"},
    "error": {"code", "message"},
}
"""The frames that a channel of level 1 knows from the hub, and the fields that it can't do without."""

PIDS = 1_000_000
"""From here on no process of this machine has the number."""

BATCH = 100
RETRY = 0.05
PATIENCE = 60.0


class Unknown(AssertionError):
    """The hub sent what this level doesn't know."""


@dataclass
class Link:
    """One process, one session. ``events`` wait until they are acknowledged."""

    number: int
    level: int = 2
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    events: list[dict[str, Any]] = field(default_factory=list)
    pushes: list[dict[str, Any]] = field(default_factory=list)
    connected: int = 0
    welcome: dict[str, Any] = field(default_factory=dict)
    busy: bool = False

    def __post_init__(self) -> None:
        self.truth = Truth(f"link-{self.number}-{self.level}")
        self._acked = 0
        self._due = asyncio.Event()

    @property
    def pid(self) -> int:
        return PIDS + self.number

    @property
    def is_done(self) -> bool:
        return self._acked == len(self.events)

    def fire(self, name: str, **fields: Any) -> int:
        """A hook's event; its number."""
        self.truth.attempted += 1
        mark = {"by": self.truth.name, "number": self.truth.attempted, "moment": self.truth.attempted}
        self._add("hook", {"hook_event_name": name, "heliograph_test": mark, "cwd": "/x", **fields})
        return self.truth.attempted

    def report(self, name: str, **fields: Any) -> None:
        """An event of the channel's own."""
        self._add("channel", {"hook_event_name": name, **fields})

    def _add(self, source: str, body: dict[str, Any]) -> None:
        at = time.time_ns() // 1000
        body = {"session_id": self.session_id, **body}
        event = {"event_id": build_id(at, os.urandom(8)), "at": at, "source": source, "pid": self.pid, "body": body}
        self.events.append(event)
        self._due.set()

    async def keep(self, url: str, key: str) -> None:
        """Be connected, or try to be, until cancelled."""
        while True:
            try:
                async with connect(
                    url.replace("http", "ws", 1) + "/ws/channel",
                    additional_headers={"Authorization": f"Bearer {key}"},
                    compression=None,
                    proxy=None,
                    open_timeout=30,
                    close_timeout=1,
                ) as socket:
                    await self._serve(socket)
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(RETRY)

    async def _serve(self, socket: ClientConnection) -> None:
        process = {"pid": self.pid, "started_at": 1}
        hello = {"type": "hello", "level": self.level, "features": [], "version": "0.1.0", "process": process}
        await socket.send(json.dumps({**hello, "session_id": self.session_id, "cwd": "/x", "push": True}))
        self.welcome = self._read(await socket.recv(), "welcome")
        self.connected += 1
        sender = asyncio.create_task(self._send(socket))
        try:
            async for data in socket:
                await self._hear(socket, self._read(data))
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, WebSocketException):
                await sender

    def _read(self, data: str | bytes, wanted: str | None = None) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(data)
        known = LEVEL_1.get(frame["type"])
        if self.level == 1 and (known is None or not known <= frame.keys()):
            raise Unknown(f"a channel of level 1 was sent {frame['type']} with {sorted(frame)}")
        assert wanted in (None, frame["type"]), frame
        return frame

    async def _hear(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        if frame["type"] == "ack":
            assert not frame.get("rejected"), frame
            self._acked = max(self._acked, self._ends.pop(frame["seq"], 0))
            self.truth.told = sum("heliograph_test" in event["body"] for event in self.events[: self._acked])
        elif frame["type"] == "push":
            if self.busy:
                declined = {"type": "declined", "message_id": frame["message_id"], "reason": "busy"}
                await socket.send(json.dumps(declined))
            else:
                self.pushes.append(frame)

    async def _send(self, socket: ClientConnection) -> None:
        self._ends: dict[int, int] = {}
        sent, seq = self._acked, 0
        while True:
            self._due.clear()
            while batch := self.events[sent : sent + BATCH]:
                sent, seq = sent + len(batch), seq + 1
                self._ends[seq] = sent
                await socket.send(json.dumps({"type": "events", "seq": seq, "events": batch}))
            await self._due.wait()


async def until(condition: Any, what: str) -> None:
    """Wait on this loop."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(0.02)
