"""Reports that wait for a disk that takes them, as many as are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OWED = 64
"""Reports; so many wait for minutes of a full disk."""

RECEIPTS = ("ChannelInjected", "ChannelSeen", "ChannelDecided")
"""What a message's state hangs on, or a decision's. All else is told again when it changes, or by the next hook."""


class Owed:
    """In the order they came. When there are too many, the oldest goes that is no receipt; then the oldest."""

    def __init__(self) -> None:
        self._bodies: list[dict[str, Any]] = []

    def add(self, body: dict[str, Any]) -> None:
        """One more."""
        self._bodies.append(body)
        if len(self._bodies) > OWED:
            is_receipt = [body["hook_event_name"] in RECEIPTS for body in self._bodies]
            del self._bodies[is_receipt.index(False) if False in is_receipt else 0]

    def pay(self, put: Callable[[dict[str, Any]], object]) -> None:
        """Hand ``put`` one after the other; what it doesn't take, by whatever it raises, stays with all behind it."""
        while self._bodies:
            put(self._bodies[0])
            del self._bodies[0]
