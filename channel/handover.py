"""Messages that wait in a file for a hook to hand them over: ``run/<pid>.now`` and ``run/<pid>.next``.

Three lines: the session's id, the record to be kept of it, the text as a JSON string. A hook claims one by
renaming it (``<pid>.now.<id>``), keeps the record, removes the file, prints the text. So whoever dies when, a
file under its own name was never said; a claimed one may have been. The record is an event with the id that the
claimed file has in its name: who finds one left behind keeps the same event, and the hub takes one.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from channel.process import is_gone
from channel.spool import Record, list_files

SLOTS = ("now", "next")

CLAIM_SECONDS = 2.0
"""A hook that has claimed a file and not removed it after so long is dead, or as good as."""

FILE_BYTES = 1024 * 1024
"""More than the longest message can make, each character of it an escape."""


_CLAIMED = re.compile(r"(\d{1,10})\.(?:now|next)\.([0-9a-f-]{36})", re.ASCII)

Put = Callable[[Record], None]


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

    def collect_claimed(self, put: Put) -> Iterator[str]:
        """Hand ``put`` the records of what hooks have claimed here and, a while later, not removed: they were killed
        over it. The messages' ids. Raises OSError: what isn't put stays.
        """
        for path, pid, event_id, at in _list_claimed(self._folder):
            if pid == self._pid and (message_id := _keep(path, pid, event_id, at, put)) is not None:
                yield message_id

    def sweep(self, *, also_own: bool) -> Iterator[str]:
        """Remove what waits unclaimed for a Claude Code that is gone, and what a channel before us left here
        (``also_own``); their ids.
        """
        for slot in SLOTS:
            for path in self._folder.glob(f"*.{slot}"):
                pid = path.name.partition(".")[0]
                if not pid.isdecimal() or not (also_own if int(pid) == self._pid else _is_left(path, int(pid))):
                    continue
                claimed = _read(path)
                if Handover(self._folder, int(pid)).take_back(slot) and claimed is not None:
                    yield claimed.message_id

    def _path(self, slot: str) -> Path:
        return self._folder / f"{self._pid}.{slot}"


def report_claims(folder: Path, spool: Path, own_pid: int, put: Put) -> int:
    """Hand ``put`` the records of what was claimed for processes that are gone, once all that they did get into
    the spool is sent; how many. Raises OSError: what isn't put stays.
    """
    found = [claimed for claimed in _list_claimed(folder) if is_gone(claimed[1], claimed[3])]
    busy = {pid for pid, _, _ in list_files(spool)} - {own_pid} if found else set()
    kept = [_keep(path, pid, event_id, at, put) for path, pid, event_id, at in found if pid not in busy]
    return len(kept) - kept.count(None)


def _list_claimed(folder: Path) -> list[tuple[Path, int, str, float]]:
    """The claimed files that no hook is about to remove: each with its process, its event's id, and when."""
    found = []
    for path in sorted(folder.glob("*.n*.*")):
        name = _CLAIMED.fullmatch(path.name)
        try:
            at = path.stat().st_ctime  # since it was renamed
        except OSError:
            continue  # the hook has removed it, which is the usual way
        if name is not None and abs(time.time() - at) >= CLAIM_SECONDS:
            found.append((path, int(name[1]), name[2], at))
    return found


def _keep(path: Path, pid: int, event_id: str, at: float, put: Put) -> str | None:
    claimed = _read(path)
    if claimed is not None:
        body = {"hook_event_name": "ChannelInjected", **msgspec.structs.asdict(claimed)}
        put(Record("c", event_id, int(at * 1_000_000), pid, msgspec.json.encode(body)))
    path.unlink(missing_ok=True)
    return None if claimed is None else claimed.message_id


def _is_left(path: Path, pid: int) -> bool:
    try:
        return is_gone(pid, path.stat().st_mtime)
    except OSError:
        return False


def _read(path: Path) -> Claimed | None:
    try:
        with path.open("rb") as file:
            record = file.read(FILE_BYTES).split(b"\n")[1]
        return msgspec.json.decode(record, type=Claimed)
    except (OSError, IndexError, msgspec.DecodeError, UnicodeError):
        return None
