"""How the fake Claude Code runs hooks: as the real client does, or the installed script's own code in-process.

A process costs seven milliseconds, a million events two hours. So most events go through the same script
without a process of their own: its ``posix`` is replaced by one that names this process as the parent, has the
event on stdin, and closes what the script leaves to its end.
"""

from __future__ import annotations

import importlib
import json
import os
import posix
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

HOOK_SECONDS = 60.0
"""Far more than any hook takes on a machine that is busy with other tests."""


class _Left(BaseException):
    """The script wanted to end its process."""


class _Posix:
    """``posix`` as the script would see it in a process that Claude Code has started."""

    def __init__(self) -> None:
        self.body = b""
        self.answer = b""
        self.children: list[int] = []
        self._open: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(posix, name)

    def getppid(self) -> int:
        return os.getpid()

    def read(self, fd: int, size: int) -> bytes:
        if fd != 0:
            return posix.read(fd, size)
        body, self.body = self.body[:size], self.body[size:]
        return body

    def write(self, fd: int, data: bytes) -> int:
        if fd != 1:
            return posix.write(fd, data)
        self.answer += data
        return len(data)

    def open(self, *words: Any, **more: Any) -> int:
        fd = posix.open(*words, **more)
        self._open.add(fd)
        return fd

    def close(self, fd: int) -> None:
        self._open.discard(fd)
        posix.close(fd)

    def posix_spawn(self, *words: Any, **more: Any) -> int:
        self.children.append(posix.posix_spawn(*words, **more))
        return self.children[-1]

    def _exit(self, status: int) -> None:
        raise _Left(status)

    def tidy(self) -> None:
        for fd in self._open:
            posix.close(fd)
        self._open.clear()
        self.children = [pid for pid in self.children if posix.waitpid(pid, posix.WNOHANG) == (0, 0)]


class Script:
    """The installed hook script, in this process."""

    def __init__(self, home: Path) -> None:
        sys.path.insert(0, str(home / "hooks"))  # as the loader in the settings does
        self._module: ModuleType = importlib.import_module("heliograph_hook")
        self._home = os.fsencode(home)
        self._posix = _Posix()
        self._ring = self._module.ring
        for name in ("heliograph_hook", "heliograph_room"):
            importlib.import_module(name).posix = self._posix  # type: ignore[attr-defined]

    @property
    def answer(self) -> bytes:
        """What it said to Claude the last time."""
        return self._posix.answer

    def run(self, body: bytes, *, rings: bool = True, room: int | None = None) -> bool:
        """Whether the event is in the spool; ``room``: bytes that the disk still has for it."""
        self._posix.body, self._posix.answer = body, b""
        self._module.ring = self._ring if rings else _nobody_rings  # type: ignore[attr-defined]
        try:
            if room is None:
                self._module.handle(self._home)
            else:
                with _short_of_space(self._home, room):
                    self._module.handle(self._home)
        except (BlockingIOError, _Left):
            pass  # the channel's bell was busy; the event was safe before
        except Exception:  # noqa: BLE001  whatever it is, the real one exits 0 and has not kept the event
            return False
        finally:
            self._posix.tidy()
        return True

    def reap(self) -> None:
        """Wait for uploaders that have ended."""
        self._posix.tidy()


def _nobody_rings(*_: Any) -> bool:
    return True


@contextmanager
def _short_of_space(home: bytes, room: int) -> Iterator[None]:
    """No file of this process may grow beyond its spool file's size and ``room`` bytes more."""
    spool = Path(os.fsdecode(home)) / "spool" / f"{os.getpid()}.log"
    size = spool.stat().st_size if spool.exists() else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def list_commands(settings: Path, event: str) -> list[dict[str, Any]]:
    """The hooks that Claude Code's settings name for an event, as they are now; they must be whole at any time."""
    found = json.loads(settings.read_bytes()).get("hooks", {}).get(event, [])
    return [hook for group in found for hook in group["hooks"] if hook["type"] == "command"]


def run_command(hook: dict[str, Any], body: bytes, environment: dict[str, str], cwd: str) -> tuple[int, bytes, bytes]:
    """Run one to its end, in exec form; its exit code, stdout and stderr."""
    done = subprocess.run(
        [hook["command"], *hook["args"]],
        input=body,
        env=environment,
        cwd=cwd,
        capture_output=True,
        check=False,
        timeout=HOOK_SECONDS,
    )
    return done.returncode, done.stdout, done.stderr


def is_parked(hook: dict[str, Any]) -> bool:
    """Whether Claude Code doesn't wait for it."""
    return bool(hook.get("async") or hook.get("asyncRewake"))
