"""Who sends what a process spools: the locked mark of an uploader, and whether a channel has come to relieve it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from channel.locked import Replaced, has_name, open_locked
from channel.ring import is_answered

MARK_SECONDS = 1.0
"""Between renewals of the mark; hooks take it for left behind after 5 s."""


class Mark:
    """The locked file that says: somebody uploads. Made by ``take``."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._renewed_at = 0.0
        self._is_there = True

    @classmethod
    def take(cls, path: Path) -> Mark | None:
        """None if another uploader has it; raises OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            with suppress(Replaced):  # its last owner has just removed it
                fd = open_locked(path, os.O_WRONLY | os.O_CREAT)
                return None if fd is None else cls(path, fd)

    def renew(self) -> bool:
        """Keep it fresh; False if somebody has removed it. Raises OSError."""
        if time.monotonic() - self._renewed_at >= MARK_SECONDS:
            self._renewed_at = time.monotonic()
            os.utime(self._fd)
            self._is_there = has_name(self._fd, self._path)
        return self._is_there

    def remove(self) -> bool:
        """From here on hooks start another uploader; False if somebody has removed it already."""
        is_there = has_name(self._fd, self._path)
        if is_there:
            self._path.unlink(missing_ok=True)
        self.leave()
        return is_there

    def leave(self) -> None:
        """Let go of it, and leave it to grow old."""
        os.close(self._fd)


class Relief:
    """Whether a channel has taken over; a socket's name that nobody answers at is asked once."""

    def __init__(self, home: Path, pid: int) -> None:
        self._folder = home / "run"
        self._pid = pid
        self._dead: int | None = None

    def is_here(self) -> bool:
        """True from when a channel listens."""
        try:
            inode = (self._folder / f"{self._pid}.sock").stat().st_ino
        except OSError:
            return False
        if inode != self._dead and is_answered(self._folder, self._pid):
            return True
        self._dead = inode
        return False
