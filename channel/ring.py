"""The unix socket that hooks ring when they have put an event into the spool.

Named by the pid of Claude Code, so that a hook finds it by its parent. What is said there doesn't
matter yet: the event is in the spool. A second channel of one process (``/mcp reconnect``) takes the
name over by renaming; each removes it only while it is its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from channel.process import remove_leftovers

BACKLOG = 128
"""Hooks that ring while the loop is busy; beyond it they get EAGAIN, which they don't mind."""

RING_SECONDS = 2.0
"""How long a caller may hold its connection open."""


class Ring:
    """The socket at ``folder/<pid>.sock``."""

    def __init__(self, folder: Path, pid: int, on_ring: Callable[[], None]) -> None:
        self._folder = folder
        self._pid = pid
        self._name = f"{pid}.sock"
        self._on_ring = on_ring
        self._server: asyncio.Server | None = None
        self._inode = 0

    @property
    def is_open(self) -> bool:
        """Whether hooks can ring."""
        return self._server is not None

    async def open(self) -> None:
        """Listen; raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_leftovers(self._folder, ("sock", "up", "status"))
        beside = f"{self._name}.{os.getpid()}"
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _inside(self._folder):
                bell.bind(beside)
            (self._folder / beside).chmod(0o600)
            bell.listen(BACKLOG)
            self._inode = (self._folder / beside).stat().st_ino
            (self._folder / beside).rename(self._folder / self._name)
            self._remove_mark()
            bell.setblocking(False)
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: _Caller(self._on_ring), sock=bell, backlog=BACKLOG
            )
        except BaseException:
            bell.close()
            (self._folder / beside).unlink(missing_ok=True)
            self._remove_name()
            raise

    def close(self) -> None:
        """Stop listening, and take the name away if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._remove_name()
        self._remove_mark()

    def _remove_mark(self) -> None:
        """The mark of an uploader, or of a session that may need one: not while there is a channel."""
        (self._folder / f"{self._pid}.up").unlink(missing_ok=True)

    def _remove_name(self) -> None:
        path = self._folder / self._name
        try:
            if path.stat().st_ino == self._inode:
                path.unlink()
        except OSError:
            pass  # gone, or not ours any more


class _Caller(asyncio.Protocol):
    """One ring: the connection alone is the message. Hung up when the hook does, or after a while."""

    def __init__(self, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._deadline = asyncio.get_running_loop().call_later(RING_SECONDS, transport.close)
        self._on_ring()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def is_answered(folder: Path, pid: int) -> bool:
    """Whether a channel listens there; a killed one leaves its socket's name behind. This rings it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bell:
        bell.setblocking(False)
        try:
            with _inside(folder):
                bell.connect(f"{pid}.sock")
        except BlockingIOError:
            return True  # its queue is full
        except OSError:
            return False
    return True


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in ``folder``: a socket's address has room for about 100 bytes, and a home may be deep."""
    here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
