"""The spool: events on disk from the moment they happen until the hub has committed them.

One file for each Claude Code process, all of them within one bound. Its hooks and its channel write it with
single O_APPEND writes; one channel (or uploader) at a time drains it (it holds an flock). A line is

    \\n<source> <event_id> <at> <pid> <bytes of body> <body>\\n

The leading newline parts it from a line that a full disk or a kill has torn; torn lines are skipped.
A drained file is first renamed, then read to its end, then deleted: a hook that had it open sees, after
its write, that the name now belongs to another file or none, and writes again. The hub knows events by
their ids, so twice is once.

``parse`` is pure; ``SpoolFile`` is one open file. Neither knows the link or what events mean.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from channel.locked import Replaced, has_name, open_locked
from channel.process import is_gone
from wire.frames import BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES

READ_BYTES = BATCH_BYTES + EVENT_BYTES + 1024
"""Enough for a full batch, and for the one event that may exceed it."""

SPOOL_BYTES = 256 * 1024 * 1024
"""Of the whole folder; HELIOGRAPH_SPOOL_MIB says otherwise."""

_NAME = re.compile(r"(\d{1,10})\.(?:log|\d+\.old)", re.ASCII)
_HEAD = re.compile(rb"([hc]) ([0-9a-f-]{36}) (\d{1,18}) (\d{1,10}) (\d{1,7}) ")


class Record(msgspec.Struct, frozen=True):
    """One line: an event as it was written. ``source`` is ``h`` for a hook, ``c`` for the channel."""

    source: str
    event_id: str
    at: int
    pid: int
    body: bytes


class Page(msgspec.Struct, frozen=True):
    """What ``parse`` found: whole records, how far they reach, and how many torn lines lay between them."""

    records: list[Record]
    size: int
    torn: int


def build_line(record: Record) -> bytes:
    """A record as it is written."""
    head = f"{record.source} {record.event_id} {record.at} {record.pid} {len(record.body)} "
    return b"\n" + head.encode() + record.body + b"\n"


def parse(data: bytes, max_records: int = BATCH_EVENTS, max_bytes: int = BATCH_BYTES) -> Page:
    """Records from the start of ``data``, up to one of the bounds. An unfinished last line is left for later."""
    records: list[Record] = []
    position = size = torn = 0
    while len(records) < max_records and size < max_bytes:
        end = data.find(b"\n", position)
        if end < 0:
            break
        line = data[position:end]
        position = end + 1
        if not line:
            continue
        record = _parse_line(line)
        if record is None:
            torn += 1
        else:
            records.append(record)
            size += len(record.body)
    return Page(records, position, torn)


def _parse_line(line: bytes) -> Record | None:
    head = _HEAD.match(line)
    if head is None:
        return None
    body = line[head.end() :]
    if len(body) != int(head[5]) or len(body) > EVENT_BYTES:
        return None
    return Record(head[1].decode(), head[2].decode(), int(head[3]), int(head[4]), body)


def append(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write ``data`` in one piece at the end of ``path``; raises OSError if it isn't there afterwards."""
    for _ in range(3):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, data)
            if written != len(data):
                raise OSError(f"wrote {written} of {len(data)} bytes to the spool")
            if sync:
                os.fsync(fd)
            if has_name(fd, path):
                return
        finally:
            os.close(fd)
    raise OSError("the spool file was replaced three times")


def list_files(folder: Path, pid: int | None = None) -> list[tuple[int, Path, float]]:
    """All there is to drain (of ``pid``), each with its pid and the time of its last event. In an order that is
    the order of the events of each process: renamed files come first.
    """
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name is not None and pid in (None, int(name[1])):
            try:
                found.append((path.suffix == ".log", path.stat().st_mtime, int(name[1]), path))
            except FileNotFoundError:
                continue  # another drainer was faster
    return [(number, path, at) for _, at, number, path in sorted(found)]


def list_orphans(folder: Path, own_pid: int) -> list[tuple[int, Path]]:
    """Files of processes that are gone, with their pids."""
    return [(pid, path) for pid, path, at in list_files(folder) if pid != own_pid and is_gone(pid, at)]


def check_room(folder: Path) -> None:
    """Raise OSError if the spool has reached its bound. Hooks keep the mark that says when to look."""
    if not (folder / "full").exists():
        return
    named = os.environ.get("HELIOGRAPH_SPOOL_MIB", "")
    bound = int(named) * 1024 * 1024 if named.isascii() and named.isdigit() else SPOOL_BYTES
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            size += path.lstat().st_size
    if size > bound:
        raise OSError(errno.ENOSPC, "the spool is full")


class SpoolFile:
    """One file that this channel drains, locked against others. Made by ``open``."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: Path) -> SpoolFile | None:
        """None if there is no such file, or if another channel drains it."""
        try:
            fd = open_locked(path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, Replaced):
            return None  # its last drainer has just let it go
        if fd is None:
            return None
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return cls(path, fd)
        os.close(fd)
        return None

    def read(self, offset: int) -> Page:
        """The records from ``offset`` on, as many as make a batch."""
        data = os.pread(self._fd, READ_BYTES, offset)
        page = parse(data)
        if page.size == 0 and len(data) == READ_BYTES:
            return Page([], len(data), 1)  # no line of ours is so long
        return page

    def has_name(self) -> bool:
        """Whether whoever opens the path would find this file."""
        return has_name(self._fd, self.path)

    def is_current(self) -> bool:
        """Whether hooks write to it."""
        return self.path.suffix == ".log" and self.has_name()

    def retire(self) -> None:
        """Take the name from the file, so that hooks begin a new one; it can still be read."""
        if self.path.suffix != ".old" and self.has_name():
            self.path = self.path.rename(self.path.with_suffix(f".{os.fstat(self._fd).st_ino}.old"))

    def delete(self) -> None:
        """Remove the retired file: everything in it is committed."""
        if self.path.suffix == ".old":
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._fd)
