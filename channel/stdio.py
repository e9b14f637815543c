"""The wire to Claude Code: lines in from stdin, lines out to stdout, which nobody else may touch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LINE_BYTES = 4 * 1024 * 1024
"""The longest line read; a tool call of ours has less than a tenth of it."""

BACKLOG_BYTES = 8 * 1024 * 1024
"""Unwritten output of a client that doesn't read; what comes beyond it is dropped."""


def claim() -> tuple[int, int]:
    """Take stdin and stdout away from everybody else in this process.

    The wire moves to descriptors that nothing inherits; 0 becomes /dev/null and 1 goes where stderr
    goes, so that a stray print ends in a log instead of between two frames. (The SDK's server does
    the same: mcp/server/stdio.py, ``_claim_fd``.)
    """
    wire_in, wire_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a stderr
        os.dup2(null, 1)
    os.close(null)
    return wire_in, wire_out


class LineBuffer:
    """Bytes to lines; ``None`` stands for a line that was too long and is left out."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that ``data`` completes, without their newlines; empty ones are left out."""
        lines: list[bytes | None] = []
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._add(piece)
            line = None if self._size > self._limit else b"".join(self._parts).strip()
            if line != b"":
                lines.append(line)
            self._parts, self._size = [], 0
        self._add(rest)
        return lines

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            self._parts.clear()
        elif piece:
            self._parts.append(piece)


class Stdio(asyncio.Protocol):
    """The wire on a loop. ``on_line`` and ``on_end`` must not raise."""

    def __init__(self, on_line: Callable[[bytes | None], None], on_end: Callable[[], None]) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._buffer = LineBuffer()
        self._out: asyncio.WriteTransport | None = None
        self._written = asyncio.Event()
        self._written.set()

    async def open(self, wire_in: int, wire_out: int) -> None:
        """Begin to read and write; raises OSError or ValueError if these are no pipes."""
        loop = asyncio.get_running_loop()
        self._out, _ = await loop.connect_write_pipe(lambda: _Outward(self._written), os.fdopen(wire_out, "wb", 0))
        self._out.set_write_buffer_limits(high=0)
        await loop.connect_read_pipe(lambda: self, os.fdopen(wire_in, "rb", 0))

    def can_write(self) -> bool:
        """False once the client is gone, or while it doesn't read."""
        out = self._out
        return out is not None and not out.is_closing() and out.get_write_buffer_size() <= BACKLOG_BYTES

    def write(self, data: bytes) -> None:
        """Send a line; dropped if the client can't take it."""
        if self._out is not None and self.can_write():
            self._out.write(data)

    async def flush(self) -> None:
        """Wait until the client's end has taken everything; raises ConnectionError when it is gone."""
        await self._written.wait()
        if self._out is None or self._out.is_closing():
            raise ConnectionError("the client closed its end")

    def data_received(self, data: bytes) -> None:
        """asyncio's call: bytes from the client."""
        for line in self._buffer.feed(data):
            self._on_line(line)

    def connection_lost(self, _error: Exception | None) -> None:
        """asyncio's call: the client closed our stdin."""
        self._on_end()


class _Outward(asyncio.Protocol):
    """Keeps ``written`` set while nothing is waiting to be written."""

    def __init__(self, written: asyncio.Event) -> None:
        self._written = written

    def pause_writing(self) -> None:
        self._written.clear()

    def resume_writing(self) -> None:
        self._written.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._written.set()
