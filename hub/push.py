"""Tells people in their browsers what waits for them, when nobody has answered it for a while, and takes that back.

A decision is looked after from the moment it is known to be open, also over a restart: pushed once it has been open
for ``DELAY``, withdrawn when it is closed. What somebody at a page, or a rule, answers before that is never pushed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress

import structlog

from hub.access.rights import list_roles
from hub.actions.push import do_drop_subscription, do_note_push
from hub.core.model import Decision
from hub.core.push import (
    Subscription,
    build_call,
    build_topic,
    build_trial,
    build_withdrawal,
    takes_withdrawals,
)
from hub.db.engine import Changes, Database
from hub.db.subscriptions import find_subscription, list_subscriptions_of_roles
from hub.webpush import Courier, Letter, Outcome

DELAY = 10.0
"""Seconds in which whoever is at a page or the terminal answers undisturbed."""

PAUSES = (2.0, 20.0)
"""Seconds before a second and a third try, where the push service couldn't at the moment."""

log = structlog.get_logger()


class Push:
    """One a hub. ``courier`` knows the push services."""

    def __init__(self, db: Database, courier: Courier) -> None:
        self._db = db
        self.courier = courier
        self._delay = DELAY
        self._pauses = PAUSES
        self._open: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()
        self._started = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For as long as the hub serves."""
        async with self.courier.running():
            self._started.set()
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def look_at(self, left_over: Iterable[Decision]) -> None:
        """What was open when the hub stopped."""
        for decision in left_over:
            self._note(decision)

    def notice(self, changes: Changes) -> None:
        """After each commit."""
        for decision in changes.decisions.values():
            self._note(decision)

    async def try_out(self, subscription: Subscription) -> Outcome:
        """Send what a person asked for, to see whether it arrives."""
        letter = Letter(build_trial(), build_topic(subscription.subscription_id))
        outcome = await self.courier.send(subscription, letter)
        await self._note_outcome(subscription, outcome)
        return outcome

    def _note(self, decision: Decision) -> None:
        known = self._open.get(decision.decision_id)
        if decision.needs_you and known is None:
            closed = self._open[decision.decision_id] = asyncio.Event()
            self._later(self._attend(decision.decision_id, decision.session_id, closed))
        elif known is not None and not decision.needs_you:
            del self._open[decision.decision_id]
            known.set()

    async def _attend(self, decision_id: str, session_id: str, closed: asyncio.Event) -> None:
        await self._started.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), self._delay)
            return
        async with self._looking, self._db.read() as conn:  # hundreds may be due at once; pages want to read, too
            subscriptions = await list_subscriptions_of_roles(conn, list_roles("decide"))
        topic = build_topic(decision_id)
        call = Letter(build_call(decision_id, session_id, len(self._open)), topic)
        withdrawal = Letter(build_withdrawal(decision_id), topic, urgency="normal")
        for subscription in subscriptions:
            self._later(self._tell(subscription, call, withdrawal, closed))

    async def _tell(self, subscription: Subscription, call: Letter, withdrawal: Letter, closed: asyncio.Event) -> None:
        """In one browser: that it is open, and then that it isn't any more."""
        if await self._deliver(subscription, call, unless=closed) != "sent":
            return
        await closed.wait()
        if takes_withdrawals(subscription.endpoint):
            async with self._db.read() as conn:
                still = await find_subscription(conn, subscription.subscription_id)
            if still is not None:
                await self._deliver(still, withdrawal)

    async def _deliver(
        self, subscription: Subscription, letter: Letter, *, unless: asyncio.Event | None = None
    ) -> Outcome:
        """Try a few times; ``unless``: what makes it superfluous."""
        outcome: Outcome = "later"
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            if unless is not None and unless.is_set():
                return outcome
            outcome = await self.courier.send(subscription, letter)
            if outcome != "later":
                break
        await self._note_outcome(subscription, outcome)
        return outcome

    async def _note_outcome(self, subscription: Subscription, outcome: Outcome) -> None:
        if outcome == "gone":
            await do_drop_subscription(self._db, subscription.subscription_id)
        else:
            await do_note_push(self._db, subscription, failed=outcome != "sent")

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guarded(work), name="push")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _guarded(work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  one browser's trouble is nobody else's
            log.warning("push failed", error=type(error).__name__)
