"""Bounded waits on conditions: the only way a test here lets time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

STEP = 0.02
"""Between two looks at a condition."""


def wait_until(
    condition: Callable[[], Found | None],
    what: str,
    *,
    timeout: float = 10.0,
    describe: Callable[[], str] | None = None,
) -> Found:
    """The first truthy value of ``condition``; AssertionError with ``what`` and ``describe()`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= deadline:
            detail = f"\n{describe()}" if describe else ""
            raise AssertionError(f"not within {timeout:g} s: {what}{detail}")
        time.sleep(STEP)
