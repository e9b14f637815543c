"""Messages from people and agents to sessions: sent, sent again, moved in the queue, taken back."""

from __future__ import annotations

import msgspec

from hub.access.audit import note_audit
from hub.access.guards import access_known, access_message
from hub.access.rights import Person
from hub.actions.events import build_hub_event, record
from hub.clock import new_id
from hub.core.body import Body
from hub.core.model import Evidence, Message, MessageState, Session
from hub.db import queries
from hub.db.engine import Database, Transaction
from hub.errors import Conflict, Unprocessable
from wire.frames import ID_CHARS, When
from wire.messages import TEXT_BYTES

SUCCESSORS = 100
"""How many cleared sessions in a row a message follows."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands and for whom; ``session_id`` is the one it reached."""

    message_id: str
    session_id: str
    state: MessageState


async def do_send_message(
    db: Database,
    person: Person,
    address: str,
    session_id: str,
    text: str,
    client_id: str | None = None,
    when: When = "auto",
) -> Sent:
    """Queue ``text`` for a session; the same ``client_id`` again gives the same message.

    What is written to a cleared session goes to the one that followed it on the same process.
    """
    if not text.strip():
        raise Unprocessable("The message is empty.")
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES:
        raise Unprocessable(f"The message is over {TEXT_BYTES // 1024} KiB. Put it into a file and name the file.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unprocessable("The message isn't valid Unicode: it has half a surrogate pair.") from None
    if client_id is not None and not 0 < len(client_id) <= ID_CHARS:
        raise Unprocessable(f"client_id must have 1 to {ID_CHARS} characters.")

    async def work(tx: Transaction) -> Sent:
        session = await _follow_clears(tx, access_known(await _find(tx, session_id), person, "prompt"))
        if client_id is not None:
            known = await queries.find_message_by_client_id(tx.conn, person.user_id, client_id)
            if known is not None:
                return _sent(known)
        body = Body(
            session_id=session.session_id,
            hook_event_name="MessageQueued",
            message_id=new_id(),
            text=text,
            author_id=person.user_id,
            author=person.name,
            client_id=client_id,
            when=when,
        )
        return await _queue(tx, person, address, session, body, "send_message")

    return await db.write(work)


async def do_resend_message(db: Database, person: Person, address: str, message_id: str) -> Sent:
    """Send a message of which nobody knows whether Claude read it once more, as a new one; raises Conflict for others.

    The old one is settled by that, so that it happens once.
    """

    async def work(tx: Transaction) -> Sent:
        old = await access_message(tx.conn, person, message_id, "prompt")
        if old.state != "uncertain":
            raise Conflict(f"The message is {old.state}; only an uncertain one can be sent again.")
        session = access_known(await _find(tx, old.session_id), person, "prompt")
        target = await _follow_clears(tx, session)
        await _cancel(tx, session, old, "sent_again")
        body = Body(
            session_id=target.session_id,
            hook_event_name="MessageQueued",
            message_id=new_id(),
            text=old.text,
            author_id=person.user_id,
            author=person.name,
            when=old.when,
            again=old.message_id,
        )
        return await _queue(tx, person, address, target, body, "resend_message")

    return await db.write(work)


async def do_move_message(db: Database, person: Person, address: str, message_id: str, before: str | None) -> Sent:
    """Put a queued message before another one of its session, or last; raises Conflict if either isn't queued."""

    async def work(tx: Transaction) -> Sent:
        message = await access_message(tx.conn, person, message_id, "prompt")
        session = access_known(await _find(tx, message.session_id), person, "prompt")
        if message_id not in session.queue:
            raise Conflict(f"The message is {message.state} already; only a queued one can be moved.")
        if before is not None and before not in session.queue:
            raise Conflict("The message to go before isn't queued for the same session.")
        body = Body(session_id=session.session_id, hook_event_name="MessageMoved", message_id=message_id, before=before)
        await record(tx, [build_hub_event(session.machine_id, session.pid, body)])
        await note_audit(tx.conn, person.user_id, "move_message", message_id, address)
        return _sent(message)

    return await db.write(work)


async def do_cancel_message(db: Database, person: Person, address: str, message_id: str) -> Sent:
    """Take a message back while it is queued, or give up an uncertain one; raises Conflict for any other."""

    async def work(tx: Transaction) -> Sent:
        message = await access_message(tx.conn, person, message_id, "prompt")
        if message.state not in ("queued", "uncertain"):
            raise Conflict(f"The message is {message.state} already; only a queued or uncertain one can go.")
        session = access_known(await _find(tx, message.session_id), person, "prompt")
        await _cancel(tx, session, message, "cancelled" if message.state == "queued" else "dropped")
        await note_audit(tx.conn, person.user_id, "cancel_message", message_id, address)
        return Sent(message_id=message_id, session_id=session.session_id, state="cancelled")

    return await db.write(work)


async def _queue(tx: Transaction, person: Person, address: str, session: Session, body: Body, did: str) -> Sent:
    message_id = body.message_id or ""
    await record(tx, [build_hub_event(session.machine_id, session.pid, body)])
    await note_audit(tx.conn, person.user_id, did, message_id, address)
    return Sent(message_id=message_id, session_id=session.session_id, state="queued")


async def _cancel(tx: Transaction, session: Session, message: Message, evidence: Evidence) -> None:
    body = Body(
        session_id=session.session_id,
        hook_event_name="MessageCancelled",
        message_id=message.message_id,
        evidence=evidence,
    )
    await record(tx, [build_hub_event(session.machine_id, session.pid, body)])


async def _follow_clears(tx: Transaction, session: Session) -> Session:
    for _ in range(SUCCESSORS):
        after = await _find(tx, session.next_session_id)
        if after is None or after.relation != "clear" or after.previous_session_id != session.session_id:
            break
        session = after
    return session


async def _find(tx: Transaction, session_id: str | None) -> Session | None:
    return (await tx.books.find_sessions(tx.conn, [session_id])).get(session_id) if session_id else None


def _sent(message: Message) -> Sent:
    return Sent(message_id=message.message_id, session_id=message.session_id, state=message.state)
