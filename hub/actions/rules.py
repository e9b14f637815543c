"""Rules are made and removed, and give verdicts."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from hub.access.audit import note_audit
from hub.access.guards import access_person
from hub.access.rights import Person
from hub.actions.decisions import record_verdict
from hub.clock import new_id, now
from hub.core import verdicts
from hub.core.model import Decision
from hub.core.rules import Behavior, Hours, Invalid, Rule, build_verdict, check, find_rule, summarise
from hub.db import queries, schema
from hub.db.engine import Database, Transaction
from hub.db.rows import rule_row
from hub.errors import Conflict, NotFound, Unprocessable

RULES = 200
"""Of one hub. All of them are looked at for each decision."""


async def do_add_rule(
    db: Database,
    person: Person,
    address: str,
    *,
    behavior: Behavior,
    tools: list[str],
    machine: str | None = None,
    project: str | None = None,
    hours: Hours | None = None,
    message: str | None = None,
) -> Rule:
    """Make a rule; it counts from its commit on."""
    access_person(person, "administer")
    rule = Rule(
        rule_id=new_id(),
        behavior=behavior,
        tools=tools,
        machine=machine,
        project=project,
        hours=hours,
        message=message,
        author_id=person.user_id,
        author=person.name,
        created_at=now(),
    )
    try:
        check(rule)
    except Invalid as error:
        raise Unprocessable(str(error)) from error

    async def work(tx: Transaction) -> Rule:
        if machine is not None and await queries.find_machine(tx.conn, machine) is None:
            raise Unprocessable("There is no machine with that id.")
        if (await tx.conn.execute(select(func.count()).select_from(schema.rules))).scalar_one() >= RULES:
            raise Conflict(f"There are {RULES:,} rules already: remove some.")
        await tx.conn.execute(schema.rules.insert(), [rule_row(rule)])
        await note_audit(tx.conn, person.user_id, "add_rule", rule.rule_id, address)
        return rule

    return await db.write(work)


async def do_remove_rule(db: Database, person: Person, address: str, rule_id: str) -> Rule:
    """Remove a rule; what it decided stays. Raises NotFound."""
    access_person(person, "administer")

    async def work(tx: Transaction) -> Rule:
        rule = await queries.find_rule(tx.conn, rule_id)
        if rule is None:
            raise NotFound("There is no such rule.")
        await tx.conn.execute(delete(schema.rules).where(schema.rules.c.rule_id == rule_id))
        await note_audit(tx.conn, person.user_id, "remove_rule", rule_id, address)
        return rule

    return await db.write(work)


async def do_apply_rules(db: Database, decision_id: str) -> str | None:
    """Let the rules that there are now decide this, if it is still open; returns the one that did.

    A verdict that nothing took is not given again: that is for a person to see.
    """

    async def work(tx: Transaction) -> str | None:
        decision = await queries.find_decision(tx.conn, decision_id)
        if decision is None or decision.problem is not None:
            return None
        session = await queries.find_session(tx.conn, decision.session_id)
        rule = find_rule(await queries.list_rules(tx.conn), decision, session, now())
        if rule is None or not await _apply(tx, rule, decision):
            return None
        return rule.rule_id

    return await db.write(work)


async def _apply(tx: Transaction, rule: Rule, decision: Decision) -> bool:
    verdict = build_verdict(rule, decision)
    try:
        verdicts.check(decision, verdict)
    except verdicts.Unfit:  # closed, or nothing takes an answer now
        return False
    await record_verdict(
        tx, decision, verdict, by_id=rule.rule_id, by=summarise(rule), where="rule", rule_id=rule.rule_id
    )
    return True
