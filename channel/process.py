"""The Claude Code process that this channel belongs to: its parent.

Linux tells through /proc, macOS through ``ps``; elsewhere only the pid is known.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from wire.launch import names_channel

PS_SECONDS = 2.0

START_SECONDS = 2.0
"""How exactly the start of a process is known, and the time of a file."""

PRINT_OPTIONS = ("-p", "--print")


class Parent(msgspec.Struct, frozen=True):
    """``started_at`` in microseconds since the epoch, 0 if unknown; ``words`` is its command line."""

    pid: int
    started_at: int
    words: tuple[str, ...]

    @property
    def takes_pushes(self) -> bool:
        """Whether it was started with the channel on: otherwise it drops what we push, silently."""
        return names_channel(self.words)

    @property
    def prints(self) -> bool:
        """Whether it answers once and ends: it takes no pushes, and would wait for a parked hook."""
        options = self.words[: self.words.index("--")] if "--" in self.words else self.words
        return any(word in PRINT_OPTIONS for word in options)


def read_parent(pid: int) -> Parent:
    """What can be known of the process ``pid``; never raises."""
    return _read_proc(pid) or _ask_ps(pid)


def _read_proc(pid: int) -> Parent | None:
    proc = Path("/proc") / str(pid)
    try:
        words = tuple(word.decode("utf-8", "replace") for word in (proc / "cmdline").read_bytes().split(b"\0"))
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[19])  # starttime, the 22nd field of proc(5)
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        started_at = int(boot.split()[1]) * 1_000_000 + ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return Parent(pid, started_at, words)


def is_running(pid: int) -> bool:
    """Whether there is such a process; somebody else's counts."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # not ours to signal
    return True


def is_gone(pid: int, seen_at: float) -> bool:
    """Whether the process that had this pid at ``seen_at`` (seconds since the epoch) has ended. Where only /proc
    could tell that the pid was given away again since, another of that pid counts as the same.
    """
    if not is_running(pid):
        return True
    found = _read_proc(pid)
    return found is not None and found.started_at / 1e6 > seen_at + START_SECONDS


def end_process(process: Parent) -> bool:
    """Ask it to end, if it still is the one that was read. Whether it was asked; raises OSError."""
    if not process.started_at or read_parent(process.pid).started_at != process.started_at:
        return False
    os.kill(process.pid, signal.SIGTERM)
    return True


def remove_leftovers(folder: Path, kinds: tuple[str, ...]) -> None:
    """Remove the files ``<pid>.<kind>…`` of processes that are gone; raises OSError."""
    for path in folder.iterdir():
        pid, _, rest = path.name.partition(".")
        if pid.isascii() and pid.isdigit() and rest.partition(".")[0] in kinds and not is_running(int(pid)):
            path.unlink(missing_ok=True)


def _ask_ps(pid: int) -> Parent:
    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=,command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=PS_SECONDS,
            check=True,
            env={"LC_ALL": "C", "PATH": "/bin:/usr/bin"},
        )
        words = done.stdout.split()
        started = time.mktime(time.strptime(" ".join(words[:5]), "%a %b %d %H:%M:%S %Y"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return Parent(pid, 0, ())
    return Parent(pid, int(started) * 1_000_000, tuple(words[5:]))
