"""Files that one process at a time may hold: opened, locked, and still the ones that their names lead to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Replaced(Exception):
    """The file lost its name to another one, or to none, before it was locked."""


def open_locked(path: Path, flags: int) -> int | None:
    """A descriptor of the file at ``path``, locked until it is closed; None if somebody else has the lock.

    Raises Replaced, and OSError if it can't be opened.
    """
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    if has_name(fd, path):
        return fd
    os.close(fd)
    raise Replaced(path.name)


def has_name(fd: int, path: Path) -> bool:
    """Whether whoever opens ``path`` would find the file that ``fd`` is open on."""
    try:
        return path.stat().st_ino == os.fstat(fd).st_ino
    except OSError:
        return False
