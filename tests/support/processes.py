"""Looking at processes through /proc. On machines without it, nothing is seen and nothing is claimed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A running process, told apart from later ones of the same pid by its start time."""

    pid: int
    started: str
    command: str
    parent: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.pid} {self.command}"


def is_running(pid: int) -> bool:
    """Whether that process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    fields = _stat_fields(pid)
    return fields is None or fields[0] != "Z"


def list_children() -> set[Process]:
    """The children of this process, zombies included: nobody has waited for those."""
    parent = str(os.getpid())
    return {
        process
        for pid in _list_pids()
        if (fields := _stat_fields(pid)) and fields[1] == parent and (process := _look_at(pid))
    }


def list_with_home_below(folder: Path) -> set[Process]:
    """The processes whose HELIOGRAPH_HOME lies in ``folder``: hubs, channels, uploaders, Claude Codes of tests."""
    wanted = f"HELIOGRAPH_HOME={folder}".encode()
    found = set()
    for pid in _list_pids():
        try:
            environment = (PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if any(line.startswith(wanted) for line in environment.split(b"\0")):
            process = _look_at(pid)
            if process is not None and pid != os.getpid():
                found.add(process)
    return found


def send_uploaders_away(processes: set[Process]) -> None:
    """Take their marks from the uploaders among them, as ``uninstall`` does: they wait for a hub that is gone."""
    for process in processes:
        if " channel.uploader " in process.command:
            try:
                environment = (PROC / str(process.pid) / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            home = next(line.partition(b"=")[2] for line in environment if line.startswith(b"HELIOGRAPH_HOME="))
            pid = process.command.rpartition(" ")[2]
            Path(os.fsdecode(home), "run", f"{pid}.up").unlink(missing_ok=True)


def list_open_sockets() -> set[str]:
    """This process's sockets, as ``socket:[inode]``."""
    found: set[str] = set()
    if not PROC.is_dir():
        return found
    for link in (PROC / "self" / "fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:  # the folder's own descriptor, closed by now
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def _list_pids() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()] if PROC.is_dir() else []


def _look_at(pid: int) -> Process | None:
    fields = _stat_fields(pid)
    if fields is None:
        return None
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    command = b" ".join(words).decode(errors="replace").strip() or "(zombie)"
    return Process(pid, fields[19], command[:200], int(fields[1]))


def _stat_fields(pid: int) -> list[str] | None:
    """The fields after the command's name: state, parent, … (proc(5) counts them from 3)."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
