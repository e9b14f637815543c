"""What is true: what each fake Claude Code was told, kept so that it outlives a SIGKILL at any moment.

Counters lie in a mapped file, which costs nothing per event and is whole when its writer is killed; facts are
lines of JSON. The hub's books are held against both.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COUNTERS = ("attempted", "told", "state", "obeyed", "turns", "channel_pid", "inbox", "linked")
_SIZE = 8 * len(COUNTERS)

STARTING, IDLE, BUSY = 0, 1, 2


class Counters:
    """Numbers that two processes share."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def get(self, name: str) -> int:
        number: int = struct.unpack_from("=Q", self._map, 8 * COUNTERS.index(name))[0]
        return number

    def put(self, name: str, value: int) -> None:
        struct.pack_into("=Q", self._map, 8 * COUNTERS.index(name), value)

    def close(self) -> None:
        self._map.close()


class Pen:
    """The fake Claude's side."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.counters = Counters(folder / "counters", create=True)
        self._facts = os.open(folder / "facts", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, **fact: Any) -> None:
        os.write(self._facts, json.dumps(fact).encode() + b"\n")


@dataclass
class Truth:
    """One fake Claude's facts, as read. ``name`` marks its events.

    ``got``: messages by the times it received them; ``took``: by the number of the event that shows it;
    ``maybe``: events of which it can't be said whether they were kept.
    """

    name: str
    attempted: int = 0
    told: int = 0
    maybe: set[int] = field(default_factory=set)
    got: dict[str, int] = field(default_factory=dict)
    took: dict[str, int] = field(default_factory=dict)
    replies: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)


class Book:
    """The test's side: reads on in one fake Claude's ledger."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = 0
        self._counters: Counters | None = None
        self.truth = Truth(folder.name)

    def get(self, name: str) -> int:
        if self._counters is None:
            path = self._folder / "counters"
            if not path.exists() or path.stat().st_size < _SIZE:
                return 0
            self._counters = Counters(path)
        return self._counters.get(name)

    def look(self) -> Truth:
        """Everything so far."""
        truth = self.truth
        truth.told = self.get("told")  # before the attempts: nothing is told that wasn't attempted
        truth.attempted = self.get("attempted")
        path = self._folder / "facts"
        data = path.read_bytes()[self._read :] if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(json.loads(line))
        return truth

    def _take(self, fact: dict[str, Any]) -> None:
        truth = self.truth
        if "maybe" in fact:
            truth.maybe.add(fact["maybe"])
        if "got" in fact:
            truth.got[fact["got"]] = truth.got.get(fact["got"], 0) + 1
        if "took" in fact:
            truth.took.setdefault(fact["took"], fact["number"])
        if "reply" in fact:
            truth.replies.add(fact["reply"])
        if "trouble" in fact:
            truth.refused.append(fact["trouble"])

    def close(self) -> None:
        if self._counters is not None:
            self._counters.close()
            self._counters = None
