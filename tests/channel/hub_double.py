"""A hub small enough to be wrong on purpose: it keeps what a channel sends and does as the test says."""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import Callable
from typing import Any, TypeVar

import websockets
from websockets.asyncio.server import Server, ServerConnection, serve

from wire.frames import (
    LEVEL,
    Ack,
    Bye,
    ChannelFrame,
    Declined,
    Events,
    Hello,
    HubFrame,
    Push,
    Welcome,
    When,
    decode_from_channel,
    encode,
)

PATIENCE = 15.0
"""Seconds for something that must happen; nothing here takes a tenth of it."""

Found = TypeVar("Found")


class HubDouble:
    """Serves ``/ws/channel`` on loopback; ``port`` survives ``stop`` and ``start``."""

    def __init__(self) -> None:
        self.port = 0
        self.status: http.HTTPStatus | None = None  # refuse the upgrade with it
        self.welcomes = True
        self.acks = True
        self.greeting: str | None = None  # sent instead of the welcome
        self.authorization: list[str | None] = []
        self.frames: list[ChannelFrame] = []
        self.links: list[ServerConnection] = []
        self._server: Server | None = None
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self.port, process_request=self._greet, compression=None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close(close_connections=True)
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hellos(self) -> list[Hello]:
        return [frame for frame in self.frames if isinstance(frame, Hello)]

    @property
    def declined(self) -> list[Declined]:
        return [frame for frame in self.frames if isinstance(frame, Declined)]

    @property
    def byes(self) -> list[Bye]:
        return [frame for frame in self.frames if isinstance(frame, Bye)]

    @property
    def batches(self) -> list[Events]:
        return [frame for frame in self.frames if isinstance(frame, Events)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of all events, in the order of their first coming, each once."""
        found: dict[str, dict[str, Any]] = {}
        for batch in self.batches:
            for event in batch.events:
                found.setdefault(event.event_id, json.loads(bytes(event.body)))
        return list(found.values())

    def named(self, name: str) -> list[dict[str, Any]]:
        return [body for body in self.events if body["hook_event_name"] == name]

    async def send(self, frame: HubFrame | str) -> None:
        await self.links[-1].send(frame if isinstance(frame, str) else encode(frame))

    async def push(
        self, message_id: str, session_id: str, text: str = "hello", author: str = "Maya", when: When = "auto"
    ) -> None:
        await self.send(Push(message_id=message_id, session_id=session_id, text=text, author=author, when=when))

    async def drop(self) -> None:
        """Cut the newest link without a word."""
        self.links[-1].transport.abort()

    async def until(self, condition: Callable[[], Found | None], what: str) -> Found:
        """Wait until ``condition`` gives something true, and return it."""
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                while not (found := condition()):
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}; the hub has {self.frames}") from None

    def _greet(self, link: ServerConnection, request: websockets.Request) -> websockets.Response | None:
        self.authorization.append(request.headers.get("Authorization"))
        if self.status is not None:
            return link.respond(self.status, "no\n")
        return None if request.path == "/ws/channel" else link.respond(http.HTTPStatus.NOT_FOUND, "no\n")

    async def _serve(self, link: ServerConnection) -> None:
        self.links.append(link)
        try:
            async for data in link:
                frame = decode_from_channel(data)
                await self._keep(frame)
                if isinstance(frame, Hello) and self.greeting is not None:
                    await link.send(self.greeting)
                elif isinstance(frame, Hello) and self.welcomes:
                    await link.send(encode(Welcome(level=LEVEL, features=[], link_id="link", hub_version="0")))
                elif isinstance(frame, Events) and self.acks:
                    await link.send(encode(Ack(seq=frame.seq)))
        except websockets.ConnectionClosed:
            pass

    async def _keep(self, frame: ChannelFrame) -> None:
        async with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()
