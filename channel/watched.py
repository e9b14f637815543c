"""A small file that another program writes over: read again when it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The file at ``path``, what ``read`` makes of its first ``most`` bytes."""

    def __init__(self, path: Path, most: int, read: Callable[[bytes], T | None]) -> None:
        self._path = path
        self._most = most
        self._read = read
        self._stamp: tuple[int, int] | None = None
        self._value: T | None = None

    def look(self) -> T | None:
        """What it says now; None if that is nothing, or if there is no such file. Never raises OSError."""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_mtime_ns)
            if stamp != self._stamp:
                self._value = self._read(self._read_bytes())
                self._stamp = stamp
        except OSError:
            self._stamp = self._value = None
        return self._value

    def _read_bytes(self) -> bytes:
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return os.read(fd, self._most)
        finally:
            os.close(fd)
