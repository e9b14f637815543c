"""Holds the hub's books against the ledgers: what was promised is there, once, in order, and says what happened."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hub.db import queries
from hub.db.engine import lock_database, open_database
from tests.faults.ledger import Truth
from tests.hub.db.test_rebuild import fold_in_one_world, read_events, read_rows

SHOWN = 8
"""Of the wrong ones, how many are named."""


class Mark(msgspec.Struct):
    """What the fake Claude Code puts into every event of its own."""

    by: str
    number: int
    moment: int


class _Body(msgspec.Struct):
    hook_event_name: str
    heliograph_test: Mark | None = None
    text: str = ""
    message_id: str | None = None


_body = msgspec.json.Decoder(_Body, strict=False)


@dataclass
class Stored:
    """What the hub has of one fake Claude. ``last``: the moment of its latest event, to see the order by."""

    numbers: bytearray = field(default_factory=bytearray)
    count: int = 0
    repeated: list[int] = field(default_factory=list)
    disordered: list[tuple[int, int]] = field(default_factory=list)
    last: int = 0

    def add(self, mark: Mark) -> None:
        if len(self.numbers) <= mark.number:
            self.numbers.extend(bytes(mark.number + 1024 - len(self.numbers)))
        if self.numbers[mark.number]:
            self.repeated.append(mark.number)
            return
        self.numbers[mark.number] = 1
        self.count += 1
        if mark.moment < self.last:
            self.disordered.append((self.last, mark.moment))
        self.last = max(self.last, mark.moment)

    def has(self, number: int) -> bool:
        return number < len(self.numbers) and bool(self.numbers[number])


class Store:
    """Reads on in the hub's table of events, as another process with no right to write."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._seq = 0
        self.stored: dict[str, Stored] = {}
        self.replies: dict[str, int] = {}
        self.count = 0

    def read_on(self) -> None:
        query = "SELECT seq, source, body FROM events WHERE seq > ? ORDER BY seq"
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=60.0)) as connection:
            for seq, source, raw in connection.execute(query, (self._seq,)):
                self._seq = seq
                self.count += 1
                body = _body.decode(raw)
                if body.heliograph_test is not None:
                    self.stored.setdefault(body.heliograph_test.by, Stored()).add(body.heliograph_test)
                elif source == "channel" and body.hook_event_name == "ChannelReply":
                    self.replies[body.text] = self.replies.get(body.text, 0) + 1

    def list_missing(self, truth: Truth) -> list[int]:
        """The numbers of events that Claude was told we have, and the hub hasn't."""
        stored = self.stored.get(truth.name, Stored())
        if stored.count >= truth.told:
            return []
        return [n for n in range(1, truth.told + 1) if not stored.has(n) and n not in truth.maybe]


def find_wrong_events(store: Store, truth: Truth) -> list[str]:
    """What is wrong with the events of one fake Claude, in words."""
    stored = store.stored.get(truth.name, Stored())
    wrong = []
    if missing := store.list_missing(truth):
        wrong.append(f"{truth.name}: {len(missing)} of {truth.told} events lost: {missing[:SHOWN]}")
    if stored.repeated:
        wrong.append(f"{truth.name}: {len(stored.repeated)} events stored twice: {stored.repeated[:SHOWN]}")
    if stored.disordered:
        wrong.append(f"{truth.name}: {len(stored.disordered)} events out of order: {stored.disordered[:SHOWN]}")
    if any(stored.numbers[truth.attempted + 1 :]):
        wrong.append(f"{truth.name}: events stored that never were")
    wrong += [
        f"{truth.name}: a reply stored {store.replies.get(text, 0)} times"
        for text in truth.replies
        if store.replies.get(text, 0) != 1
    ]
    wrong += [f"{truth.name}: {trouble}" for trouble in truth.refused[:SHOWN]]
    return wrong


def find_wrong_message(message: dict[str, Any], truths: list[Truth], store: Store) -> list[str]:
    """What is wrong with one message's state, in words, now that all is at rest."""
    message_id, state = message["message_id"], message["state"]
    got = sum(truth.got.get(message_id, 0) for truth in truths)
    took = [truth for truth in truths if message_id in truth.took]
    shown = any(store.stored.get(t.name, Stored()).has(t.took[message_id]) for t in took)
    about = f"message {message_id} is {state}"
    wrong = []
    if got > 1:
        wrong.append(f"{about} and was injected {got} times")
    if state in ("seen", "answered") and not took:
        wrong.append(f"{about}, but nobody took it")
    if state == "delivered" and not took:
        wrong.append(f"{about}, but nobody has it any more")
    if state in ("queued", "cancelled", "expired") and took:
        wrong.append(f"{about}, but was taken by {took[0].name}")
    if shown and state not in ("seen", "answered"):
        wrong.append(f"{about}, though an event shows that {took[0].name} took it")
    return wrong


def _compare(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """The fields that differ."""
    lines = []
    for key in sorted(found.keys() | expected.keys()):
        one, other = found.get(key), expected.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines.append(f"{key}: ({_compare(one, other)})")
        elif one != other:
            lines.append(f"{key} is {one!r} instead of {other!r}")
    return ", ".join(line for line in lines if not line.endswith(": ()"))


def check_rebuild(database: Path) -> None:
    """With the hub stopped: the books are what its events say."""

    async def check() -> None:
        db = await open_database(f"sqlite:///{database}", lock_database(database))
        try:
            rows, events = await read_rows(db), await read_events(db)
            async with db.read() as conn:
                machines = await queries.list_machines(conn)
            again = fold_in_one_world(events, machines)
            for table, expected in again.items():
                found = rows[table]
                odd = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
                assert not odd, (
                    f"{len(odd)} rows of {table} are not what the events say, e.g. {odd[0]}: "
                    f"{_compare(found.get(odd[0]) or {}, expected.get(odd[0]) or {})}"
                )
        finally:
            await db.close()

    asyncio.run(check())
