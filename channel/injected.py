"""Which messages this machine's channels have written to Claude, on disk: never the same one twice.

All channels of a machine share one file, since a session can move from one process to another. It
is locked for each use, so that the answer to "is it new?" and the note that it no longer is are one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from channel.locked import has_name

TRIM_BYTES = 1024 * 1024
"""When the file is cut to its newer half: some 14,000 messages, far more than a hub still holds."""


class InjectedLog:
    """The file at ``path``, one id a line; one with a minus before it is forgotten again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, message_id: str) -> bool:
        """Whether it was injected before, as far as can be seen; ``add`` decides."""
        try:
            return _is_noted(message_id, self._path.read_bytes())
        except OSError:
            return False

    def add(self, message_id: str) -> bool:
        """Note it durably, before it is injected; False if it is there already.

        Raises OSError, and then it is not noted: it must not count as injected later.
        """
        return self._write(message_id, is_noted=True)

    def forget(self, message_id: str) -> None:
        """It was taken back before anybody could read it; raises OSError, and then it counts as injected."""
        self._write(message_id, is_noted=False)

    def _write(self, message_id: str, *, is_noted: bool) -> bool:
        fd = self._open_locked()
        try:
            data = os.pread(fd, os.fstat(fd).st_size, 0)
            if _is_noted(message_id, data) == is_noted:
                return False
            sign = b"" if is_noted else b"-"
            line = b"\n" + sign + message_id.encode() + b"\n"  # the first newline ends a line that was torn
            try:
                if os.write(fd, line) != len(line):
                    raise OSError("the message's id was not written whole")
                os.fsync(fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, len(data))
                raise
            if len(data) > TRIM_BYTES:
                with contextlib.suppress(OSError):  # the id is safe, and that is what counts
                    self._trim(data + line)
            return True
        finally:
            os.close(fd)

    def _open_locked(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
            except OSError:
                os.close(fd)
                raise
            if has_name(fd, self._path):
                return fd
            os.close(fd)  # it was replaced while we waited for the lock

    def _trim(self, data: bytes) -> None:
        newer = data[len(data) // 2 :].partition(b"\n")[2]
        beside = self._path.with_suffix(".new")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if os.write(fd, newer) != len(newer):
                raise OSError("the list of injected messages was not written whole")
            os.fsync(fd)
        finally:
            os.close(fd)
        beside.replace(self._path)


def _is_noted(message_id: str, data: bytes) -> bool:
    lines = b"\n" + data + b"\n"
    name = message_id.encode() + b"\n"
    return lines.rfind(b"\n" + name) > lines.rfind(b"\n-" + name)
