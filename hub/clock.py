"""The hub's clock and ids, in one place so that tests can bring their own."""

from __future__ import annotations

import os
import time

from wire.ids import build_id


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A time-ordered id."""
    return build_id(now(), os.urandom(8))
