"""Taking events into the books: from a machine, or of the hub's own making."""

from __future__ import annotations

import re

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.clock import new_id, now
from hub.core.body import Body, MalformedBody, Source, Stored, parse_body
from hub.core.fold import fold
from hub.core.model import name_foreign
from hub.db.books import append_events
from hub.db.engine import Database, Transaction
from wire.frames import EVENT_BYTES, Event, Rejected

log = structlog.get_logger()

_EVENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PID_MAX = 2**31 - 1
AT_MAX = 2**53


class Draft(msgspec.Struct, frozen=True):
    """An event read and found well-formed, with its body as it came."""

    stored: Stored
    raw: bytes


def read_event(machine_id: str, event: Event, *, orphan: bool = False) -> Draft | Rejected:
    """Read one event of a machine."""
    raw = bytes(event.body)
    if len(raw) > EVENT_BYTES:
        return Rejected(event_id=event.event_id, code="too_large")
    if not _EVENT_ID.fullmatch(event.event_id) or not 0 <= event.pid <= PID_MAX or not 0 <= event.at <= AT_MAX:
        return Rejected(event_id=event.event_id, code="malformed")
    try:
        body = parse_body(raw, event.source)
    except MalformedBody:
        return Rejected(event_id=event.event_id, code="malformed")
    if "@" in body.session_id:  # which marks rows of our own naming (name_foreign)
        return Rejected(event_id=event.event_id, code="malformed")
    stored = Stored(
        event_id=event.event_id,
        session_id=body.session_id,
        at=event.at,
        source=event.source,
        machine_id=machine_id,
        pid=event.pid,
        body=body,
        orphan=orphan,
    )
    return Draft(stored, raw)


async def do_ingest(db: Database, machine_id: str, events: list[Event], *, sender: int | None = None) -> list[Rejected]:
    """Store a machine's events and fold them; returns those refused for good. Committed on return.

    ``sender``: the process whose channel or uploader sent them; it sends those of others only when these are gone.
    """
    read = [read_event(machine_id, event, orphan=sender not in (None, event.pid)) for event in events]
    drafts = [item for item in read if isinstance(item, Draft)]
    rejected = [item for item in read if isinstance(item, Rejected)]
    if drafts:
        try:
            await db.write_shared(_record_all, drafts, len(drafts))
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.error("a batch can't be folded", error=type(error).__name__, exc_info=error)
            rejected += await _ingest_apart(db, drafts)
    return rejected


async def _ingest_apart(db: Database, drafts: list[Draft]) -> list[Rejected]:
    """One of these can't be folded, which is a defect of ours; refused, it doesn't keep back what follows it."""
    rejected = []
    for draft in drafts:
        try:
            await db.write_shared(_record_all, [draft], 1)
        except SQLAlchemyError:
            raise
        except Exception as error:
            name = draft.stored.body.hook_event_name
            log.error("event can't be folded", name=name, error=type(error).__name__, exc_info=error)
            rejected.append(Rejected(event_id=draft.stored.event_id, code="broken"))
    return rejected


async def do_record(db: Database, draft: Draft) -> None:
    """Store and fold an event of the hub's own. Committed on return."""
    await db.write_shared(_record_all, [draft], 1)


async def _record_all(tx: Transaction, batches: list[list[Draft]]) -> list[None]:
    drafts = {draft.stored.event_id: draft for batch in batches for draft in batch}
    await record(tx, await _assign(tx, list(drafts.values())))
    return [None] * len(batches)


async def _assign(tx: Transaction, drafts: list[Draft]) -> list[Draft]:
    """A session belongs to the machine that first spoke for it; another machine that does has a row of its own."""
    owners: dict[str, str] = {}
    named = {draft.stored.session_id for draft in drafts if draft.stored.session_id}
    for session_id, session in (await tx.books.find_sessions(tx.conn, named)).items():
        owners[session_id] = session.machine_id
    return [
        draft
        if not draft.stored.session_id
        or owners.setdefault(draft.stored.session_id, draft.stored.machine_id) == draft.stored.machine_id
        else _disown(draft)
        for draft in drafts
    ]


def _disown(draft: Draft) -> Draft:
    own_id = name_foreign(draft.stored.session_id, draft.stored.machine_id)
    return Draft(msgspec.structs.replace(draft.stored, session_id=own_id), draft.raw)


def build_hub_event(machine_id: str, pid: int, body: Body) -> Draft:
    """Something the hub itself saw or was told: as much an event as a hook's."""
    stored = Stored(
        event_id=new_id(),
        session_id=body.session_id,
        at=now(),
        source="hub",
        machine_id=machine_id,
        pid=pid,
        body=body,
    )
    said = {key: value for key, value in msgspec.to_builtins(body).items() if value or key == "session_id"}
    return Draft(stored, msgspec.json.encode(said))


async def record(tx: Transaction, drafts: list[Draft]) -> None:
    """Append those that are new, and fold them into the books."""
    if not drafts:
        return
    received_at = now()
    fresh = await append_events(tx.conn, [_row(draft, received_at) for draft in drafts])
    events = [draft.stored for draft in drafts if draft.stored.event_id in fresh]
    if events:
        world = await tx.books.load_world(tx.conn, events)
        for event in events:
            fold(world, event)
        await tx.books.save_world(tx.conn, world, tx.changes)


def _row(draft: Draft, received_at: int) -> dict[str, object]:
    event = draft.stored
    source: Source = event.source
    return {
        "event_id": event.event_id,
        "source": source,
        "name": event.body.hook_event_name,
        "machine_id": event.machine_id,
        "session_id": event.session_id,
        "pid": event.pid,
        "at": event.at,
        "received_at": received_at,
        "orphan": event.orphan,
        "body": draft.raw,
    }
