"""Messages that wait in a file for a hook to hand them over: ``run/<pid>.now`` and ``run/<pid>.next``.

Three lines: the session's id, the record to be kept of it, the text as a JSON string. A hook claims one by
renaming it (``<pid>.now.<id>``), keeps the record, removes the file, prints the text. So whoever dies when, a
file under its own name was never said; a claimed one may have been.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from channel.process import is_running

SLOTS = ("now", "next")

CLAIM_SECONDS = 2.0
"""A hook that has claimed a file and not removed it after so long is dead, or as good as."""

FILE_BYTES = 1024 * 1024
"""More than the longest message can make, each character of it an escape."""


class Claimed(msgspec.Struct, frozen=True):
    """What was claimed by a hook that came no further."""

    session_id: str
    message_id: str
    via: str


class Handover:
    """The files of the Claude Code process ``pid``."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._folder = folder
        self._pid = pid

    def offer(self, slot: str, record: dict[str, Any], text: str) -> None:
        """Leave it for the next hook; raises OSError, and then no hook finds it."""
        lines = (record["session_id"].encode(), msgspec.json.encode(record), msgspec.json.encode(text))
        path = self._path(slot)
        beside = path.with_suffix(f".{slot}-new")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = b"\n".join(lines)
            if os.write(fd, data) != len(data):
                raise OSError("a message to be handed over was not written whole")
        finally:
            os.close(fd)
        beside.rename(path)

    def take_back(self, slot: str) -> bool:
        """False if a hook has it."""
        path = self._path(slot)
        beside = path.with_suffix(f".{slot}-new")
        try:
            path.rename(beside)
            beside.unlink()
        except OSError:
            return False
        return True

    def collect_claimed(self) -> list[Claimed]:
        """What hooks have claimed and, a while later, not removed: they were killed over it."""
        found = []
        for slot in SLOTS:
            for path in self._folder.glob(f"{self._pid}.{slot}.*"):
                if _age(path) < CLAIM_SECONDS:
                    continue
                claimed = _read(path)
                path.unlink(missing_ok=True)
                if claimed is not None:
                    found.append(claimed)
        return found

    def sweep(self) -> Iterator[str]:
        """Remove what a channel that died left unclaimed here, or for a Claude Code that is gone; their ids."""
        for slot in SLOTS:
            for path in self._folder.glob(f"*.{slot}"):
                pid = path.name.partition(".")[0]
                if not pid.isdecimal() or (int(pid) != self._pid and is_running(int(pid))):
                    continue
                claimed = _read(path)
                if Handover(self._folder, int(pid)).take_back(slot) and claimed is not None:
                    yield claimed.message_id

    def _path(self, slot: str) -> Path:
        return self._folder / f"{self._pid}.{slot}"


def _age(path: Path) -> float:
    """Seconds since it was renamed; none if it is gone, which is its usual way."""
    try:
        return abs(time.time() - path.stat().st_ctime)
    except OSError:
        return 0.0


def _read(path: Path) -> Claimed | None:
    try:
        with path.open("rb") as file:
            record = file.read(FILE_BYTES).split(b"\n")[1]
        return msgspec.json.decode(record, type=Claimed)
    except (OSError, IndexError, msgspec.DecodeError, UnicodeError):
        return None
