"""Where Heliograph's files are on this machine, and the hub it is paired with."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

PRIVATE = 0o077
"""Mode bits that a file with a key in it must not have."""

CONFIG_BYTES = 64 * 1024


class Machine(msgspec.Struct, frozen=True):
    """``machine.json``, as ``heliograph join`` wrote it."""

    hub_url: str
    machine_id: str
    machine_name: str
    key: str

    @property
    def is_on_loopback(self) -> bool:
        """Whether the hub runs on this machine: no proxy leads there."""
        return self.hub_url.partition("://")[2].startswith(("127.", "localhost", "[::1]"))

    @property
    def link_url(self) -> str:
        """Where the hub takes links."""
        scheme, separator, rest = self.hub_url.rstrip("/").partition("://")
        if not separator or scheme not in ("http", "https"):
            raise Unreadable("its hub_url is no http:// or https:// address")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/channel"


class NotPaired(Exception):
    """There is no ``machine.json``."""


class Unreadable(Exception):
    """``machine.json`` is there and can't be used; says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"machine.json can't be used: {self.reason}"


def find_home(environment: Mapping[str, str]) -> Path:
    """HELIOGRAPH_HOME, or its usual place."""
    named = environment.get("HELIOGRAPH_HOME", "")
    return Path(named) if named.startswith("/") else Path.home() / ".heliograph"


def read_machine(home: Path) -> Machine:
    """The pairing; raises NotPaired or Unreadable."""
    path = home / "machine.json"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise NotPaired from None
    except OSError as error:
        raise Unreadable(error.strerror or "it can't be opened") from error
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) & PRIVATE:
            raise Unreadable("other users of this machine can read or write it; chmod 600 it, or join again")
        data = os.read(fd, CONFIG_BYTES)
    except OSError as error:
        raise Unreadable(error.strerror or "it can't be read") from error
    finally:
        os.close(fd)
    try:
        machine = msgspec.json.decode(data, type=Machine)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable("it isn't what `heliograph join` writes") from error
    _ = machine.link_url
    return machine


def read_stamp(home: Path) -> tuple[int, int, int] | None:
    """Changes whenever ``machine.json`` does."""
    try:
        found = (home / "machine.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_mode
