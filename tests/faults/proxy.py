"""The way between machines and the hub, which can be bad: cut inside a frame, late, stalled, saying things twice.

A TCP proxy on a loop in a thread of its own. It understands just enough WebSocket to know where frames begin and
end, and leaves HTTP alone. ``up`` is from the machine to the hub, ``down`` the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["up", "down"]
Kind = Literal["cut", "repeat", "hold"]
CHUNK = 256 * 1024
TEXT = 1


@dataclass(eq=False)
class Mischief:
    """What happens to the next text frame that goes ``direction`` and has ``mark`` in it.

    ``cut``: the connection ends after ``share`` of the frame. ``repeat``: the frame comes twice. ``hold``: it and
    all behind it come ``seconds`` later.
    """

    kind: Kind
    direction: Direction
    mark: bytes = b""
    share: float = 0.5
    seconds: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Frame:
    """One WebSocket frame: as it came, and what it says."""

    raw: bytes
    opcode: int
    payload: bytes


class Frames:
    """Bytes to frames, in one direction of one connection. Passes the HTTP before them through as it is."""

    def __init__(self) -> None:
        self._buffer = b""
        self._is_open = False
        self._is_plain = False

    def feed(self, data: bytes) -> list[Frame | bytes]:
        if self._is_plain:
            return [data]
        self._buffer += data
        found: list[Frame | bytes] = []
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return []
            if b"upgrade: websocket" not in head.lower():
                self._is_plain = True
                return [self._buffer]
            found.append(head + end)
            self._buffer, self._is_open = rest, True
        while (frame := self._take()) is not None:
            found.append(frame)
        return found

    def _take(self) -> Frame | None:
        data = self._buffer
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(data) < at:
                return None
            size = struct.unpack("!H" if at == 4 else "!Q", data[2:at])[0]
        mask = b""
        if data[1] & 0x80:
            mask, at = data[at : at + 4], at + 4
        if len(data) < at + size:
            return None
        payload = data[at : at + size]
        if mask:
            whole = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            payload = (int.from_bytes(payload, "big") ^ whole).to_bytes(size, "big")
        self._buffer = data[at + size :]
        return Frame(data[: at + size], data[0] & 0x0F, payload)


class _Pair:
    """One connection and its other half."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._writers = (near, far)

    def cut(self) -> None:
        """End both at once, without a word."""
        for writer in self._writers:
            with contextlib.suppress(OSError):
                bare: socket.socket = writer.get_extra_info("socket")
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own; ``target`` may change, and nobody may listen there."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self.latency = 0.0
        self._mischief: list[Mischief] = []
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._call(self._open())

    def stop(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def plan(self, mischief: Mischief) -> Mischief:
        self._loop.call_soon_threadsafe(self._mischief.append, mischief)
        return mischief

    def forget(self) -> None:
        """No mischief that hasn't happened yet."""
        self._loop.call_soon_threadsafe(self._mischief.clear)

    def stall(self) -> None:
        """Nothing passes, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def flow(self) -> None:
        """Everything passes again."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def cut_all(self) -> int:
        """End all connections; how many there were."""

        async def cut() -> int:
            pairs = list(self._pairs)
            for pair in pairs:
                pair.cut()
            return len(pairs)

        return int(self._call(cut()))

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for pair in list(self._pairs):
            pair.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        flows = [
            asyncio.create_task(self._pass(pair, reader, far_writer, "up")),
            asyncio.create_task(self._pass(pair, far_reader, writer, "down")),
        ]
        try:
            await asyncio.wait(flows)
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)
            self._pairs.discard(pair)
            far_writer.transport.abort()

    async def _pass(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        frames = Frames()
        hello = direction == "up"
        try:
            while data := await reader.read(CHUNK):
                for item in frames.feed(data):
                    await self._flows.wait()
                    if self.latency:
                        await asyncio.sleep(self.latency)
                    if isinstance(item, bytes):
                        writer.write(item)
                    elif hello or item.opcode != TEXT:
                        hello = hello and item.opcode != TEXT  # said twice, the hub would rightly hang up
                        writer.write(item.raw)
                    elif not await self._pass_frame(pair, writer, item, direction):
                        return
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            pair.cut()

    async def _pass_frame(self, pair: _Pair, writer: asyncio.StreamWriter, frame: Frame, direction: Direction) -> bool:
        """False if this was its connection's last."""
        mischief = self._find(lambda one: one.direction == direction and one.mark in frame.payload)
        if mischief is None:
            writer.write(frame.raw)
            return True
        if mischief.kind == "cut":
            writer.write(frame.raw[: max(1, int(len(frame.raw) * mischief.share))])
            with contextlib.suppress(OSError):
                await writer.drain()
            await asyncio.sleep(0.01)  # so that the piece arrives before the end does
            pair.cut()
        elif mischief.kind == "hold":
            await asyncio.sleep(mischief.seconds)
            writer.write(frame.raw)
        else:
            writer.write(frame.raw + frame.raw)
        mischief.done.set()
        return mischief.kind != "cut"

    def _find(self, fits: Callable[[Mischief], bool]) -> Mischief | None:
        found = next((one for one in self._mischief if fits(one)), None)
        if found is not None:
            self._mischief.remove(found)
        return found
