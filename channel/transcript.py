"""The lines of Claude Code's transcript as it grows: JSON Lines that somebody else writes, of any size.

Remembers how far it has come and gives whole new lines, a bounded piece at a time; whoever asks yields in
between. A file that was replaced, cut or rewritten is read from its start again, and says so. Knows nothing
of what the lines mean.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

CHUNK_BYTES = 512 * 1024
"""Read and folded in one go, in about 2 ms."""

LINE_BYTES = 4 * 1024 * 1024
"""A longer line is skipped: no answer of a model is so long, a tool's result with pictures may be."""

MARK_BYTES = 64
"""Of what was read last: what stands there tells a file that grew from one that was written anew."""

AGENT_FILES = 1000
"""Subagents of one session that are looked at; each has a transcript of its own."""


class Piece(msgspec.Struct, frozen=True):
    """Whole lines, in order. ``restarted``: all that was given before no longer holds. ``more``: ask again."""

    lines: list[bytes]
    restarted: bool = False
    more: bool = False


NOTHING = Piece([])


class Transcript:
    """One file, opened for as long as a read takes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None  # of the file, when all of it had been read
        self._inode = 0
        self._offset = 0  # where the next read begins
        self._mark = b""  # what stands before that offset
        self._rest = b""  # of a line whose end isn't there yet
        self._is_skipping = False  # over the rest of a line that is too long

    def skip(self) -> None:
        """Pass over what is there now; a file that isn't there yet is read from its start. Never raises OSError."""
        with suppress(OSError):
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                found = os.fstat(fd)
                start = max(0, found.st_size - MARK_BYTES)
                self._mark = os.pread(fd, found.st_size - start, start)
                self._inode, self._offset = found.st_ino, start + len(self._mark)
            finally:
                os.close(fd)

    def read(self) -> Piece:
        """What is new, one chunk of it; nothing if the file is missing or no regular one. Never raises OSError."""
        try:
            if self._stamp is not None and _stamp(self.path.stat()) == self._stamp:
                return NOTHING
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return NOTHING
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return NOTHING
            restarted = self._must_restart(fd, found)
            if restarted:
                self._inode, self._offset, self._mark, self._rest, self._is_skipping = 0, 0, b"", b"", False
            self._inode = found.st_ino
            data = os.pread(fd, CHUNK_BYTES, self._offset)
        except OSError:
            return NOTHING
        finally:
            os.close(fd)
        self._offset += len(data)
        self._mark = (self._mark + data)[-MARK_BYTES:]
        more = self._offset < found.st_size and bool(data)
        self._stamp = None if more else _stamp(found)
        return Piece(self._split(data), restarted, more)

    def _must_restart(self, fd: int, found: os.stat_result) -> bool:
        if self._inode == 0:
            return False
        if found.st_ino != self._inode or found.st_size < self._offset:
            return True
        return os.pread(fd, len(self._mark), self._offset - len(self._mark)) != self._mark

    def _split(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if not lines:
            if not self._is_skipping:
                self._rest += rest
                self._drop_if_long()
            return []
        first = self._rest + lines[0]
        lines[0] = b"" if self._is_skipping or len(first) > LINE_BYTES else first
        self._is_skipping = False
        self._rest = rest
        return [line for line in lines if line]

    def _drop_if_long(self) -> None:
        if len(self._rest) > LINE_BYTES:
            self._rest, self._is_skipping = b"", True


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def list_agents(path: Path) -> Iterator[Path]:
    """The transcripts of the subagents of the session whose transcript ``path`` is; never raises."""
    folders = [path.with_suffix("") / "subagents"]
    left = AGENT_FILES
    while folders and left:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.name.endswith(".jsonl") and left:
                        left -= 1
                        yield Path(entry.path)
        except OSError:
            continue
