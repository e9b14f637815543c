"""A WebSocket client that costs next to nothing: bytes in, bytes out, one object a connection.

Whoever loads a hub to its limit from one core can't afford a library; frames are made before the clock runs.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import Callable

from websockets.speedups import apply_mask

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

SMALL_BUFFER = 4096


def build_frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame of a client."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + bytes(apply_mask(payload, mask))


class Socket(asyncio.Protocol):
    """One connection. ``on_text`` gets each message; ``on_end`` is called once, however it ends."""

    __slots__ = ("_buffer", "_on_end", "_on_text", "_request", "opened", "transport")

    def __init__(
        self, port: int, path: str, token: str, on_text: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._on_text = on_text
        self._on_end = on_end
        self._buffer = bytearray()
        self.opened: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)
        self._request = b""

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._fail(ConnectionError(f"closed: {error}"))
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.opened is not None and not self._read_answer():
            return
        self._read_frames()

    def send(self, frame: bytes) -> None:
        """Write a frame made by ``build_frame``; into nowhere once it is closed."""
        if self.transport is not None:
            self.transport.write(frame)

    def close(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def stop_reading(self) -> None:
        """From here on the kernel's buffers fill."""
        if self.transport is not None:
            self.transport.pause_reading()

    def _fail(self, error: Exception) -> None:
        opened, self.opened = self.opened, None
        if opened is not None and not opened.done():
            opened.set_exception(error)

    def _read_answer(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self._fail(ConnectionError(bytes(self._buffer[:200]).decode(errors="replace")))
            self.close()
            return False
        del self._buffer[: end + 4]
        opened, self.opened = self.opened, None
        if opened is not None and not opened.done():
            opened.set_result(None)
        return True

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < start + size:
                break
            opcode, payload = buffer[at] & 0x0F, bytes(buffer[start : start + size])
            at = start + size
            if opcode == TEXT:
                self._on_text(payload)
            elif opcode == PING:
                self.send(build_frame(PONG, payload))
            elif opcode == CLOSE:
                self.send(build_frame(CLOSE, payload[:2]))
                if self.transport is not None:
                    self.transport.close()
        del buffer[:at]


async def connect(
    port: int,
    path: str,
    token: str,
    on_text: Callable[[bytes], None],
    on_end: Callable[[], None],
    *,
    small_buffer: bool = False,
) -> Socket:
    """Open a WebSocket on the hub; raises OSError. ``small_buffer``: the kernel takes as little as it can."""
    raw = socket.socket()
    raw.setblocking(False)
    if small_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(raw, ("127.0.0.1", port))
        _, made = await loop.create_connection(lambda: Socket(port, path, token, on_text, on_end), sock=raw)
    except BaseException:
        raw.close()
        raise
    if made.opened is not None:
        await made.opened
    return made
