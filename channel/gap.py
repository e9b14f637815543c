"""What didn't fit into the spool: counted by the hooks, reported to the hub, never forgotten in between.

``<pid>.<session>.gap`` has a byte for each event of that session that is missing (``d``) or was cut (``c``).
To report it, it is renamed, so that it grows no more: to a name with the id that the report will have.
Whoever dies on the way leaves it to the next, who reports the same under the same id; the hub takes one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from channel.process import is_gone
from channel.spool import Record, list_files
from wire.ids import build_id

_NAME = re.compile(r"(\d{1,10})\.([\w-]{1,128})(?:\.([0-9a-f-]{36}))?\.gap", re.ASCII)


def report_gaps(folder: Path, own_pid: int, put: Callable[[Record], None]) -> int:
    """Hand ``put`` what this process's hooks have counted, and those of processes that are gone, once all that
    they did get into the spool is sent; how many reports. Raises OSError: what isn't put stays.
    """
    found = [(name, path) for path in _list(folder) if (name := _NAME.fullmatch(path.name)) is not None]
    busy = {pid for pid, _, _ in list_files(folder)} if found else set()
    reports = 0
    for name, path in found:
        pid = int(name[1])
        try:
            at = path.stat().st_mtime
            if pid != own_pid and (pid in busy or not is_gone(pid, at)):
                continue
            micros = int(at * 1_000_000)
            event_id = name[3] or build_id(micros, os.urandom(8))
            taken = path if name[3] else path.rename(folder / f"{pid}.{name[2]}.{event_id}.gap")
            put(_build_record(pid, name[2], event_id, micros, taken.read_bytes()))
        except FileNotFoundError:
            continue  # another reporter was faster
        taken.unlink(missing_ok=True)
        reports += 1
    return reports


def _list(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.gap"))


def _build_record(pid: int, session_id: str, event_id: str, at: int, counts: bytes) -> Record:
    cut = counts.count(b"c")
    body = {
        "hook_event_name": "ChannelGap",
        "session_id": session_id,
        "dropped": len(counts) - cut,  # on a full disk they are written as holes
        "cut": cut,
    }
    return Record("c", event_id, at, pid, msgspec.json.encode(body))
