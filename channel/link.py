"""The link: one outbound WebSocket to the hub, for as long as the channel lives.

Knows when to connect, when to wait and when to give up; what is sent comes from the outbox, what
arrives goes to whoever carries it out. ``websockets`` is imported when the first link opens, not before: it
would double the time until Claude Code's handshake is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from channel import VERSION
from channel.config import Machine, NotPaired, Unreadable, read_machine, read_stamp
from channel.log import guarded
from channel.outbox import Outbox
from wire.frames import (
    FRAME_BYTES,
    LEVEL,
    Ack,
    Bye,
    ChannelFrame,
    Declined,
    Error,
    Hello,
    HubFrame,
    MalformedFrame,
    Order,
    Welcome,
    decode_from_hub,
    encode,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_SECONDS = 10.0
"""For connecting, and again for the hub's welcome."""

PING_SECONDS = 20.0
"""Between pings, and until one must be answered."""

ACK_SECONDS = 30.0
"""A hub that takes batches and doesn't commit them is as good as gone."""

CLOSE_SECONDS = 1.0
"""For the closing handshake of a link that is given up."""

BYE_SECONDS = 0.03
"""For goodbye: Claude Code sends SIGTERM 100 ms after SIGINT, and means it 400 ms later."""

WATCH_SECONDS = 1.0
"""Between looks at the pairing and at overdue answers."""

STEADY_SECONDS = 10.0
"""A link that lasted so long was a good one: the next attempt is as quick as a first."""

SHORTEST_DELAY = 0.2
LONGEST_DELAY = 15.0

REPLACED_ATTEMPT = 20
"""Where backoff begins for a channel that another one has replaced: at its longest."""


class Status(Enum):
    """Where the link stands, for the tools' answers."""

    WAITING = "waiting"
    LINKED = "linked"
    NOT_PAIRED = "not paired"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


class End(Enum):
    """How a connection ended."""

    LOST = "lost"
    REFUSED = "refused"
    REPLACED = "replaced"
    PAIRED_ANEW = "paired anew"


def backoff(attempt: int, random: float) -> float:
    """Seconds before ``attempt`` (from 0); ``random`` in [0, 1) spreads a fleet of channels."""
    longest = min(LONGEST_DELAY, SHORTEST_DELAY * 2.0 ** min(attempt, 20))
    return longest * (0.5 + random / 2)


class Link:
    """One a channel. ``build_hello`` says who we are by now; what goes wrong in the others is logged."""

    def __init__(
        self,
        home: Path,
        outbox: Outbox,
        *,
        build_hello: Callable[[], Hello],
        on_order: Callable[[Order], None],
        random: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        self.status = Status.WAITING
        self.detail = ""
        self._home = home
        self._outbox = outbox
        self._build_hello = build_hello
        self._on_order = on_order
        self._level = LEVEL
        self._random = random
        self._log = log
        self._socket: ClientConnection | None = None
        self._due = asyncio.Event()
        self._acked = asyncio.Event()
        self._unacked: dict[int, float] = {}

    def wake(self) -> None:
        """There may be something to send."""
        self._due.set()

    async def send(self, frame: ChannelFrame) -> None:
        """Send one frame; without a link it is dropped (the hub asks again)."""
        if isinstance(frame, Declined) and frame.reason == "no_way" and self._level == 1:
            frame = Declined(message_id=frame.message_id, reason="busy")  # it knows no other word for it
        if self._socket is not None:
            with contextlib.suppress(OSError, _closed_error()):
                await self._socket.send(encode(frame))

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        attempt = 0
        while True:
            stamp = read_stamp(self._home)
            began = _now()
            try:
                end = await self._serve(read_machine(self._home), stamp)
            except NotPaired:
                self._stand(Status.NOT_PAIRED, "")
                end = End.REFUSED
            except Unreadable as error:
                self._stand(Status.UNREADABLE, str(error))
                end = End.REFUSED
            if end is End.REFUSED:
                await self._until_paired_anew(stamp, None)
                attempt = 0
                continue
            if end is End.PAIRED_ANEW or _now() - began > STEADY_SECONDS:
                attempt = 0
            if end is End.REPLACED:
                attempt = REPLACED_ATTEMPT
            await self._until_paired_anew(stamp, backoff(attempt, self._random()))
            attempt += 1

    async def finish(self, reason: Literal["stopped", "parent_gone"], seconds: float) -> None:
        """Say what there is to say within ``seconds``, then goodbye."""
        if self._socket is None or self.status is not Status.LINKED:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._outbox.is_sent():
                    self._acked.clear()
                    self.wake()
                    await self._acked.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BYE_SECONDS):
                await self.send(Bye(reason=reason))
                await self._socket.close()

    async def _serve(self, machine: Machine, stamp: tuple[int, int, int] | None) -> End:
        """One connection, from its opening to its end; whatever goes wrong is an end, never an exception."""
        try:
            end = await self._open(machine)
            if end is not None:
                return end
            return await self._converse(stamp)
        except MalformedFrame as error:
            self._log.warning("link closed: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a channel that dies is never started again
            self._log.info("link lost: %s", _describe(error))
        finally:
            socket, self._socket = self._socket, None
            if self.status is Status.LINKED:
                self._stand(Status.WAITING, "")
            if socket is not None:
                with contextlib.suppress(Exception):
                    await socket.close()
        return End.LOST

    async def _open(self, machine: Machine) -> End | None:
        from websockets.asyncio.client import connect  # noqa: PLC0415 - see the module's docstring
        from websockets.exceptions import InvalidStatus  # noqa: PLC0415

        try:
            self._socket = await connect(
                machine.link_url,
                additional_headers={"Authorization": f"Bearer {machine.key}"},
                user_agent_header=f"heliograph-channel/{VERSION}",
                compression=None,  # it costs the hub 100 KiB a link
                proxy=None if machine.is_on_loopback else True,
                open_timeout=OPEN_SECONDS,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                close_timeout=CLOSE_SECONDS,
                max_size=FRAME_BYTES,
                max_queue=16,
                logger=self._log.getChild("socket"),
            )
        except InvalidStatus as error:
            if error.response.status_code not in (401, 403):
                raise
            self._stand(Status.REFUSED, f"it answered {error.response.status_code}")
            return End.REFUSED
        await self._socket.send(encode(self._build_hello()))
        async with asyncio.timeout(OPEN_SECONDS):
            frame = await self._receive()
        if isinstance(frame, Error):
            return self._take_error(frame)
        if not isinstance(frame, Welcome):
            raise MalformedFrame("no welcome")
        self._level = frame.level
        self._stand(Status.LINKED, f"link {frame.link_id}, hub {frame.hub_version}")
        return None

    async def _converse(self, stamp: tuple[int, int, int] | None) -> End:
        """Send, receive and watch until one of them ends."""
        self._outbox.start_link()
        self._unacked.clear()
        works = [
            asyncio.create_task(self._send_batches()),
            asyncio.create_task(self._receive_frames()),
            asyncio.create_task(self._watch(stamp)),
        ]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _send_batches(self) -> End:
        while self._socket is not None:
            self._due.clear()
            while (batch := self._outbox.next_batch(_now())) is not None:
                self._unacked[batch.seq] = _now()
                await self._socket.send(encode(batch))
            await self._due.wait()
        return End.LOST

    async def _receive_frames(self) -> End:
        while True:
            frame = await self._receive()
            match frame:
                case Ack():
                    self._unacked.pop(frame.seq, None)
                    self._outbox.ack(frame)
                    self._acked.set()
                    self.wake()
                case Error():
                    return self._take_error(frame)
                case Welcome():
                    raise MalformedFrame("a second welcome")
                case _:
                    with guarded(self._log, f"{type(frame).__name__} was not taken"):
                        self._on_order(frame)

    async def _watch(self, stamp: tuple[int, int, int] | None) -> End:
        while read_stamp(self._home) == stamp:
            await asyncio.sleep(WATCH_SECONDS)
            if self._unacked and _now() - min(self._unacked.values()) > ACK_SECONDS:
                self._log.warning("the hub doesn't commit: %d batches unanswered", len(self._unacked))
                return End.LOST
        return End.PAIRED_ANEW

    async def _receive(self) -> HubFrame:
        if self._socket is None:
            raise ConnectionError("no link")
        return decode_from_hub(await self._socket.recv())

    def _take_error(self, error: Error) -> End:
        self._log.warning("the hub closed the link: %s", error.code[:100])
        if error.code == "revoked":
            self._stand(Status.REFUSED, "this machine's key was revoked")
            return End.REFUSED
        return End.REPLACED if error.code == "replaced" else End.LOST

    def _stand(self, status: Status, detail: str) -> None:
        if (status, detail) != (self.status, self.detail):
            self._log.info("link: %s %s", status.value, detail)
        self.status, self.detail = status, detail

    async def _until_paired_anew(self, stamp: tuple[int, int, int] | None, seconds: float | None) -> None:
        """Wait ``seconds`` (None: for ever), but no longer than until machine.json changes."""
        deadline = None if seconds is None else _now() + seconds
        while read_stamp(self._home) == stamp:
            left = WATCH_SECONDS if deadline is None else min(WATCH_SECONDS, deadline - _now())
            if left <= 0:
                return
            await asyncio.sleep(left)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _closed_error() -> type[Exception]:
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - see the module's docstring

    return ConnectionClosed


def _describe(error: Exception) -> str:
    """An error without what a hub may have put into it."""
    code = getattr(getattr(error, "response", None), "status_code", "")
    number = getattr(error, "errno", None) or ""
    return f"{type(error).__name__} {code}{number}".strip()
