"""The Claude Codes that run here with our channel in them, told by the sockets of their channels."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path

from channel.process import read_parent
from cli.home import Home
from wire.launch import names_channel

CONNECT_SECONDS = 1.0
"""A channel that lives takes a connection at once; one whose queue is full lives too."""

CLOCK_SECONDS = 2.0
"""How far a process's start time may be off."""


@dataclass(frozen=True)
class Running:
    """A Claude Code: ``is_heard`` says whether its channel still takes connections."""

    pid: int
    has_flag: bool
    is_heard: bool


def list_running(home: Home) -> list[Running]:
    """By process id. A killed channel leaves its socket behind: such a Claude Code is there, unheard."""
    found = []
    for path in sorted(home.run.glob("*.sock")):
        if not path.stem.isdecimal():
            continue
        process = read_parent(int(path.stem))
        is_heard = _is_heard(path)
        if not process.words or is_heard is None:
            continue
        if not is_heard and _started_later(process.started_at, path):
            continue  # the process id went to another program since
        found.append(Running(process.pid, names_channel(process.words), is_heard))
    return found


def _is_heard(path: Path) -> bool | None:
    """Whether somebody listens on the socket; None when it went away."""
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bell.settimeout(CONNECT_SECONDS)
    try:
        # From inside its folder: a socket's path may not exceed 107 bytes, a home's may.
        with contextlib.closing(bell), contextlib.chdir(path.parent):
            bell.connect(path.name)
    except FileNotFoundError:
        return None
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


def _started_later(started_at: int, path: Path) -> bool:
    try:
        return started_at / 1_000_000 > path.stat().st_mtime + CLOCK_SECONDS
    except OSError:
        return False
