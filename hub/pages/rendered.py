"""Keeps the HTML of entries, so that a page that was shown once costs next to nothing. Threads may share it."""

from __future__ import annotations

import sys
from collections import OrderedDict
from threading import Lock
from typing import Any

from markupsafe import Markup

KEPT_BYTES = 64 * 1024 * 1024


class Rendered:
    """One text for each id: the latest version of it, until others, used later, need the room."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._room = kept_bytes
        self._kept: OrderedDict[str, tuple[Any, Markup]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: str, version: Any) -> Markup | None:
        """What was kept under this id, if it is this version."""
        with self._lock:
            known = self._kept.get(key)
            if known is None or known[0] != version:
                return None
            self._kept.move_to_end(key)
            return known[1]

    def keep(self, key: str, version: Any, html: Markup) -> None:
        """Keep it in place of any other version."""
        with self._lock:
            self._drop(self._kept.pop(key, None))
            self._kept[key] = (version, html)
            self._room -= sys.getsizeof(html)
            while self._room < 0:
                self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, known: tuple[Any, Markup] | None) -> None:
        if known is not None:
            self._room += sys.getsizeof(known[1])
