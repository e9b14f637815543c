"""What people make a running Claude Code do: stop its turn, or end."""

from __future__ import annotations

from collections.abc import Callable

from hub.access.audit import note_audit
from hub.access.guards import access_session
from hub.access.rights import Person
from hub.actions.decisions import record_verdict
from hub.actions.events import build_hub_event, record
from hub.core.body import Body
from hub.core.decisions import ASKS
from hub.core.model import Place, Session, Verdict
from hub.core.verdicts import list_offers
from hub.db import queries
from hub.db.engine import Database, Transaction
from hub.errors import NotRunning

Reaches = Callable[[Session], bool]
"""Whether an order gets to the session's process now."""


async def do_interrupt(
    db: Database, person: Person, address: str, session_id: str, where: Place, reaches: Reaches
) -> Session:
    """Have Claude stop at its next step, and deny what it waits for; raises NotRunning when nothing is under way.
    Returns the session after it.
    """

    async def work(tx: Transaction) -> Session:
        session = await _find_running(tx, person, session_id, reaches)
        if session.turn == "idle" and not session.agents:
            raise NotRunning("Nothing is under way there.")
        await _note(tx, person, address, session, "InterruptAsked", "interrupt")
        await _deny_all(tx, person, address, session, where)
        return await queries.find_session(tx.conn, session.session_id) or session

    return await db.write(work)


async def do_stop(db: Database, person: Person, address: str, session_id: str, reaches: Reaches) -> Session:
    """Note that its Claude Code is to end; raises NotRunning. Who calls it says so to its channel: said later, when the
    channel is back, it would end what goes on by then.
    """

    async def work(tx: Transaction) -> Session:
        session = await _find_running(tx, person, session_id, reaches)
        await _note(tx, person, address, session, "StopAsked", "stop")
        return session

    return await db.write(work)


async def _find_running(tx: Transaction, person: Person, session_id: str, reaches: Reaches) -> Session:
    session = await access_session(tx.conn, person, session_id, "stop")
    if session.state == "ended":
        raise NotRunning("The session has ended.")
    if not reaches(session):
        raise NotRunning("No channel of that session is connected that could do it.")
    return session


async def _note(tx: Transaction, person: Person, address: str, session: Session, name: str, did: str) -> None:
    body = Body(session_id=session.session_id, hook_event_name=name, author_id=person.user_id, author=person.name)
    await record(tx, [build_hub_event(session.machine_id, session.pid, body)])
    await note_audit(tx.conn, person.user_id, did, session.session_id, address)


async def _deny_all(tx: Transaction, person: Person, address: str, session: Session, where: Place) -> None:
    """No dialog holds it up; where only the terminal can answer one, that is its next step."""
    for decision in await queries.list_decisions(tx.conn, states=["open"], session_id=session.session_id, limit=ASKS):
        offers = list_offers(decision)
        if "deny" in offers:
            verdict = Verdict(behavior="deny", stop="stop" in offers)
            await record_verdict(
                tx, decision, verdict, by_id=person.user_id, by=person.name, where=where, address=address
            )
