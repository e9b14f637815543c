"""JSON from elsewhere: strict where it can be, mended where a strict reader would lose an event.

Claude Code writes what JavaScript allows: half surrogate pairs as escapes, integers of any size.
``msgspec`` refuses these, on both ends of the link, so they are mended here once.
"""

from __future__ import annotations

from math import isinf
from typing import Any

import msgspec

SAFE_DIGITS = 18
"""An integer of more digits may not fit 64 bits; it becomes a float, or null beyond those."""


class NotJson(Exception):
    """Bytes that are no JSON, even with good will. Shows no content."""


def read(data: bytes) -> Any:
    """The value of ``data``; raises NotJson."""
    return mend(data)[0]


def mend(data: bytes) -> tuple[Any, bytes]:
    """The value of ``data``, and bytes of the same value that every strict reader takes; raises NotJson."""
    try:
        return msgspec.json.decode(data), data
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    import json  # noqa: PLC0415 - rarely needed, and it costs a channel's start

    try:
        value = json.loads(
            data.decode("utf-8", "replace"), strict=False, parse_int=_read_integer, parse_constant=_read_constant
        )
        clean = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return msgspec.json.decode(clean), clean
    except (ValueError, RecursionError) as error:
        raise NotJson(type(error).__name__) from error


def _read_integer(digits: str) -> int | float | None:
    number = int(digits) if len(digits) <= SAFE_DIGITS else float(digits)
    return None if isinf(number) else number


def _read_constant(_name: str) -> None:
    """NaN and the infinities have no JSON."""
