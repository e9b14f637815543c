"""What people, and the rules they made, answer to decisions."""

from __future__ import annotations

from hub.access.audit import note_audit
from hub.access.guards import access_decision
from hub.access.rights import Person
from hub.actions.events import build_hub_event, record
from hub.core import verdicts
from hub.core.body import Body
from hub.core.model import Decision, Place, Verdict
from hub.db import queries
from hub.db.engine import Database, Transaction
from hub.errors import AlreadyDecided, Changed, Unprocessable


async def do_decide(
    db: Database, person: Person, address: str, decision_id: str, digest: str, verdict: Verdict, where: Place
) -> Decision:
    """Give a verdict on what ``digest`` was made of; returns the decision with the verdict on its way.

    All is looked at and written in one transaction, and there is one writer: of many at once, the first is applied.
    """

    async def work(tx: Transaction) -> Decision:
        decision = await access_decision(tx.conn, person, decision_id, "decide")
        check_verdict(decision, digest, verdict)
        await record_verdict(tx, decision, verdict, by_id=person.user_id, by=person.name, where=where, address=address)
        return await queries.find_decision(tx.conn, decision_id) or decision

    return await db.write(work)


def check_verdict(decision: Decision, digest: str, verdict: Verdict) -> None:
    """Raises AlreadyDecided, Changed or Unprocessable unless the verdict can be given to what was shown."""
    if decision.state != "open":
        raise AlreadyDecided(_say_state(decision), decision)
    if digest != decision.digest:
        raise Changed("This isn't what you were shown: look at it again.", decision)
    try:
        verdicts.check(decision, verdict)
    except verdicts.Unfit as error:
        raise Unprocessable(str(error)) from error


async def record_verdict(
    tx: Transaction,
    decision: Decision,
    verdict: Verdict,
    *,
    by_id: str,
    by: str,
    where: Place,
    rule_id: str | None = None,
    address: str = "",
) -> None:
    """Note a verdict and who gave it, for a decision that was found open in this transaction."""
    body = Body(
        session_id=decision.session_id,
        hook_event_name="DecisionGiven",
        decision_id=decision.decision_id,
        verdict=verdict,
        author_id=by_id,
        author=by,
        where=where,
        rule_id=rule_id,
    )
    await record(tx, [build_hub_event(decision.machine_id, decision.pid, body)])
    await note_audit(tx.conn, by_id, "decide", _say_verdict(decision, verdict, where, rule_id), address)


def _say_verdict(decision: Decision, verdict: Verdict, where: Place, rule_id: str | None) -> str:
    """Such as ``0198… deny message from phone``: which decision, what kind of answer; nothing of its content."""
    said = [decision.decision_id, verdict.behavior]
    said += [name for name in ("message", "input", "answers") if getattr(verdict, name) is not None]
    said += [f"remember={verdict.remember}"] if verdict.remember is not None else []
    said += [f"mode={verdict.mode}"] if verdict.mode is not None else []
    said += ["stop"] if verdict.stop else []
    said += ["by rule", rule_id] if rule_id is not None else ["from", where]
    return " ".join(said)


def _say_state(decision: Decision) -> str:
    if decision.state == "answered_locally":
        return "Somebody answered this in its terminal."
    if decision.state in ("withdrawn", "expired"):
        return "Nobody waits for this answer any more."
    return f"{decision.by or 'Somebody'} decided this already."
