"""Lets the rules decide what sessions wait for, as soon as something there takes an answer.

It looks after each commit, beside everybody else: a person who is faster has decided, and then no rule does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.actions.rules import do_apply_rules
from hub.background import running_beside
from hub.clock import now
from hub.core.model import Decision, Session
from hub.core.rules import Rule, find_rule
from hub.db import queries
from hub.db.books import load_sessions
from hub.db.engine import Changes, Database

AFTER_FAILURE = 5.0

TOGETHER = 50
"""Decisions that are written at the same time: others wait for the writer, too."""

log = structlog.get_logger()


class Rulings:
    """One a hub."""

    def __init__(self, db: Database, *, after_failure: float = AFTER_FAILURE) -> None:
        self._db = db
        self._after_failure = after_failure
        self._due: dict[str, Decision] = {}
        self._changed = asyncio.Event()

    def notice(self, changes: Changes) -> None:
        """After each commit: something may be asked that a rule answers."""
        self.look_at(changes.decisions.values())

    def look_at(self, decisions: Iterable[Decision]) -> None:
        """Look soon at those of them that a rule could answer now."""
        for decision in decisions:
            if decision.state == "open" and decision.answered_by != "none" and decision.kind == "permission":
                self._due[decision.decision_id] = decision
                self._changed.set()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Decide in the background."""
        return running_beside(self._run(), "rulings")

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            due, self._due = list(self._due.values()), {}
            if failed := await self._rule_on(due):
                await asyncio.sleep(self._after_failure)
                self.look_at(failed)

    async def _rule_on(self, due: list[Decision]) -> list[Decision]:
        """Returns those that the store didn't take. Reads first: most decisions are for people, and the writer has
        more to do; what counts is read again there.
        """
        try:
            async with self._db.read() as conn:
                rules = await queries.list_rules(conn)
                sessions = await load_sessions(conn, {d.session_id for d in due}) if rules else []
        except SQLAlchemyError as error:
            log.error("rules can't be read", error=type(error).__name__, exc_info=error)
            return due
        by_id = {session.session_id: session for session in sessions}
        failed: list[Decision] = []
        for start in range(0, len(due) if rules else 0, TOGETHER):
            some = due[start : start + TOGETHER]
            done = await asyncio.gather(*(self._decide(d, rules, by_id.get(d.session_id)) for d in some))
            failed += [decision for decision, is_done in zip(some, done, strict=True) if not is_done]
        return failed

    async def _decide(self, decision: Decision, rules: list[Rule], session: Session | None) -> bool:
        """False if it is to be tried again."""
        try:
            if find_rule(rules, decision, session, now()) is None:
                return True
            rule_id = await do_apply_rules(self._db, decision.decision_id)
        except SQLAlchemyError as error:
            log.error("a rule's verdict was not stored", decision_id=decision.decision_id, error=type(error).__name__)
            return False
        except Exception as error:  # which leaves it to people, and the others to their rules
            log.error("rules failed", decision_id=decision.decision_id, error=type(error).__name__, exc_info=error)
            return True
        if rule_id is not None:
            log.info("a rule decided", decision_id=decision.decision_id, rule_id=rule_id)
        return True
