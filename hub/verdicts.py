"""Verdicts on their way: what is to be said to which process about them, and what became of each.

Whoever asks says it; nothing here knows sockets. What was given and not confirmed is kept until it is, and said again
to every channel of its process that connects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from hub.core import verdicts
from hub.core.model import Decision, Session
from hub.db import queries
from hub.db.cache import Cache
from hub.db.engine import Changes, Database
from wire import frames

SECONDS = 2.0
"""How long whoever gave a verdict waits to hear what became of it."""

CLOSED = 20
"""The last decisions of a process that its channel, when it comes back, is told are over. A handful was open."""

REMEMBERED = 1_000

Key = tuple[str, int]
Frame = frames.Verdict | frames.Settled


def build_verdict(decision: Decision, claude_id: str) -> frames.Verdict | None:
    """What the channel is sent of a decision that was given; None of any other."""
    verdict = decision.verdict
    if decision.state != "sending" or verdict is None:
        return None
    answer = msgspec.json.encode(verdicts.build_answer(decision, verdict))
    return frames.Verdict(
        decision_id=decision.decision_id,
        session_id=claude_id,
        answer=msgspec.Raw(answer),
        behavior=verdicts.find_behavior(decision, verdict),
    )


class Sending:
    """One a hub: the verdicts that nobody has confirmed yet, by the process that is to take them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._frames: dict[Key, dict[str, frames.Verdict]] = {}
        self._over: Cache[str, bool] = Cache(REMEMBERED)

    def start(self, sending: list[tuple[Decision, Session]]) -> None:
        """What was on its way when the hub stopped."""
        for decision, session in sending:
            self._keep(decision, session.claude_id)

    def note(self, changes: Changes) -> Iterator[tuple[Key, Frame]]:
        """After a commit: what is to be said, and to whom."""
        for decision in changes.decisions.values():
            session = changes.sessions[decision.session_id]  # which every event about it changes, too
            frame = self._note(decision, session.claude_id)
            if frame is not None:
                yield (decision.machine_id, decision.pid), frame

    async def list_frames(self, key: Key) -> list[Frame]:
        """What a channel of this process has to know when it connects."""
        async with self._db.read() as conn:
            closed = await queries.list_last_closed(conn, *key, limit=CLOSED)
        given = self._frames.get(key, {})
        over = [frames.Settled(decision_id=decision_id) for decision_id in closed if decision_id not in given]
        return [*over, *given.values()]

    def _note(self, decision: Decision, claude_id: str) -> Frame | None:
        decision_id, key = decision.decision_id, (decision.machine_id, decision.pid)
        if decision.closed_at is None:
            return self._keep(decision, claude_id)
        self._drop(key, decision_id)
        if self._over.get(decision_id):
            return None
        self._over.put(decision_id, True)
        return None if decision.is_taken else frames.Settled(decision_id=decision_id)

    def _keep(self, decision: Decision, claude_id: str) -> frames.Verdict | None:
        """The frame, if it is a new one."""
        decision_id, key = decision.decision_id, (decision.machine_id, decision.pid)
        frame = build_verdict(decision, claude_id)
        if frame is None:
            self._drop(key, decision_id)
            return None
        known = self._frames.setdefault(key, {})
        is_new = decision_id not in known
        known[decision_id] = frame
        return frame if is_new else None

    def _drop(self, key: Key, decision_id: str) -> None:
        known = self._frames.get(key, {})
        known.pop(decision_id, None)
        if not known:
            self._frames.pop(key, None)


class Outcomes:
    """One a hub: tells those who gave a verdict what became of it, as it is committed."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Outcome]] = {}

    @contextmanager
    def watch(self, decision_id: str) -> Iterator[Outcome]:
        """From before the verdict is given, so that nothing is missed."""
        outcome = Outcome()
        self._waiting.setdefault(decision_id, []).append(outcome)
        try:
            yield outcome
        finally:
            self._waiting[decision_id].remove(outcome)
            if not self._waiting[decision_id]:
                del self._waiting[decision_id]

    def notice(self, changes: Changes) -> None:
        """After each commit."""
        for decision_id in self._waiting.keys() & changes.decisions.keys():
            for outcome in self._waiting[decision_id]:
                outcome.changed.put_nowait(changes.decisions[decision_id])


class Outcome:
    """What becomes of one verdict."""

    def __init__(self) -> None:
        self.changed: asyncio.Queue[Decision] = asyncio.Queue()

    async def wait(self, given: Decision) -> Decision:
        """The decision once it is over or open again, or as it was given if that takes too long."""
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    seen = await self.changed.get()
                    if seen.change_id >= given.change_id and seen.state != "sending":
                        return seen
        except TimeoutError:
            return given
