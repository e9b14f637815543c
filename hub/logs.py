"""Structured logs on stderr: ids, sizes, codes and times; never what people or agents said."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict


class Lossy(io.TextIOBase):
    """Where logs go, which may be a file on a full disk: a line that can't be written is lost, and nothing else is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._out.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()


def set_up_logs() -> None:
    """One JSON object a line; third-party warnings come through the standard library's root logger."""
    out = cast(TextIO, Lossy(sys.stderr))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_frames,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    logging.basicConfig(stream=out, level=logging.WARNING, format='{"event": "%(name)s", "level": "%(levelname)s"}')


def name_frames(logger: object, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  structlog's signature
    """Where an exception came from, without its message: that may quote what somebody said."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event
