"""The channel's log: a file that can't grow forever. Ids and sizes only; stdout belongs to the wire."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOG_BYTES = 1024 * 1024
"""When channel.log is moved aside to channel.log.1."""

LINE_CHARS = 2000


class BoundedLog(logging.Handler):
    """Appends to a file that all channels of a machine share; a disk that is full keeps it silent."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line (and a traceback, if there is one)."""
        try:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
            text = self.format(record)[:LINE_CHARS]
            self._append(f"{now} pid {record.process} {record.levelname.lower()}: {text}\n".encode())
        except OSError:
            pass
        except Exception:  # noqa: BLE001 - logging's own rule: a log line never breaks what it tells of
            self.handleError(record)

    def _append(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(fd).st_size > LOG_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
            os.write(fd, line)
        finally:
            os.close(fd)


def build_logger(home: Path) -> logging.Logger:
    """Our logger, writing below ``home``; libraries' warnings go to the same file, not to stderr."""
    handler = BoundedLog(home / "log" / "channel.log")
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log = logging.getLogger("heliograph.channel")
    log.setLevel(logging.INFO)
    return log


@contextmanager
def guarded(log: logging.Logger, what: str) -> Iterator[None]:
    """Log what goes wrong inside, and go on: a channel that dies is never started again."""
    try:
        yield
    except Exception:
        log.exception(what)
