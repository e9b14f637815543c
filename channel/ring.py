"""The unix socket that hooks ring when they have put an event into the spool, and where some of them wait.

Named by the pid of Claude Code, so that a hook finds it by its parent. What a ring says doesn't
matter: the event is in the spool. The hook that waits to wake Claude says ``PARK`` and stays, until it is
released with a text, or a newer one parks. A hook that waits for an answer says for which (``answering.read_line``)
and stays, until it is given one or let go; it asks again where a channel ends without a word. A second channel of
one process (``/mcp reconnect``) takes the name over by renaming; each removes it only while it is its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from channel.answering import Asking, read_line
from channel.process import remove_leftovers

BACKLOG = 128
"""Hooks that ring while the loop is busy; beyond it they get EAGAIN, which they don't mind."""

RING_SECONDS = 2.0
"""How long a caller may hold its connection open."""

PARK = b"park\n"
"""What a hook says that stays. A ring says an event's id, which no one reads."""

LET_GO = b"0\n"
"""What a hook is told that waits for an answer, and gets none. A channel that just ends doesn't say that."""

ASKING = 128
"""Hooks that wait for an answer."""

Released = Callable[[bool], None]
"""Called once: whether the hook has taken the whole text."""


class Ring:
    """The socket at ``folder/<pid>.sock``. ``on_park`` is called when a hook parks and when it goes."""

    def __init__(self, folder: Path, pid: int, on_ring: Callable[[], None], on_park: Callable[[], None]) -> None:
        self._folder = folder
        self._pid = pid
        self._name = f"{pid}.sock"
        self._on_ring = on_ring
        self._on_park = on_park
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._parked: _Caller | None = None
        self._asking: dict[str, _Caller] = {}
        self._on_ask: Callable[[Asking], None] | None = None
        self._on_leave: Callable[[str], None] | None = None

    def serve(self, on_ask: Callable[[Asking], None], on_leave: Callable[[str], None]) -> None:
        """Who is to be told of a hook that waits for an answer, and when it goes; before ``open``."""
        self._on_ask, self._on_leave = on_ask, on_leave

    @property
    def is_open(self) -> bool:
        """Whether hooks can ring."""
        return self._server is not None

    @property
    def is_parked(self) -> bool:
        """Whether a hook waits to wake Claude."""
        return self._parked is not None

    def release(self, text: bytes, on_released: Released) -> None:
        """Let the parked hook wake Claude with ``text``. What it doesn't acknowledge, it doesn't say."""
        parked, self._parked = self._parked, None
        if parked is None:
            on_released(False)
        else:
            parked.release(text, on_released)

    def dismiss(self) -> None:
        """Let the parked hook go without a word."""
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.hang_up()

    def answer(self, decision_id: str, answer: bytes, on_released: Released) -> None:
        """Give the hook that waits for it its answer. What it doesn't acknowledge, it doesn't say."""
        caller = self._asking.get(decision_id)
        if caller is None:
            on_released(False)
        else:
            caller.release(answer, on_released)

    def let_go(self, decision_id: str) -> None:
        """Have the hook end without an answer."""
        caller = self._asking.pop(decision_id, None)
        if caller is not None:
            caller.let_go()

    async def open(self) -> None:
        """Listen; raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_leftovers(self._folder, ("sock", "up", "status", "now-new", "next-new", "stop", "stop-new"))
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
                lambda: _Caller(self), sock=bell, backlog=BACKLOG
            )
        except BaseException:
            bell.close()
            (self._folder / beside).unlink(missing_ok=True)
            self._remove_name()
            raise

    def close(self) -> None:
        """Stop listening, let the parked hook go, and take the name away if it is still ours. Hooks that wait for an
        answer look for another channel once we are gone.
        """
        self.dismiss()
        self._on_ask = self._on_leave = None
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._remove_name()
        self._remove_mark()

    def hear(self) -> None:
        """A caller's: somebody has rung."""
        self._on_ring()

    def park(self, caller: _Caller) -> None:
        """A caller's: it stays. The one before it need not."""
        self.dismiss()
        self._parked = caller
        self._on_park()

    def ask(self, caller: _Caller, asking: Asking) -> None:
        """A caller's: it stays, until it has an answer. Of two that ask the same the newer one counts."""
        self.let_go(asking.decision_id)
        if self._on_ask is None:
            caller.hang_up()
            return
        if len(self._asking) >= ASKING:
            caller.let_go()
            return
        self._asking[asking.decision_id] = caller
        self._on_ask(asking)

    def forget(self, caller: _Caller) -> None:
        """A caller's: it has gone."""
        if self._parked is caller:
            self._parked = None
            self._on_park()
        for decision_id in [key for key, asking in self._asking.items() if asking is caller]:
            del self._asking[decision_id]
            if self._on_leave is not None:
                self._on_leave(decision_id)

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
    """One connection. A ring is hung up when the hook does, or after a while; a hook that waits stays."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._on_released: Released | None = None

    def release(self, text: bytes, on_released: Released) -> None:
        """Give it the text; it answers with a byte once it has all of it."""
        self._on_released = on_released
        if self._transport is None or self._transport.is_closing():
            self._finish(is_taken=False)
        else:
            self._transport.write(b"%d\n%s" % (len(text), text))

    def let_go(self) -> None:
        """Close the connection; a hook that waits for an answer doesn't ask again."""
        if self._transport is not None:
            self._transport.write(LET_GO)
            self._transport.close()

    def hang_up(self) -> None:
        """Close the connection; the hook ends."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(RING_SECONDS, transport.close)
        self._ring.hear()

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            asking = read_line(data)
            if data == PARK or asking is not None:
                self._deadline.cancel()
                self._deadline = None
            if asking is not None:
                self._ring.ask(self, asking)
            elif data == PARK:
                self._ring.park(self)
        elif self._on_released is not None:
            self._finish(is_taken=True)
            self.hang_up()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._finish(is_taken=False)
        self._ring.forget(self)

    def _finish(self, *, is_taken: bool) -> None:
        on_released, self._on_released = self._on_released, None
        if on_released is not None:
            on_released(is_taken)


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
