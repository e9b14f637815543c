"""What pages and the API read. Only committed rows; nothing here changes any."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, ColumnElement, Integer, and_, case, cast, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.core.model import COUNT_MAX, DayUsage, Decision, DecisionState, Entry, Machine, Message, Receipt, Session
from hub.core.receipts import STEPS
from hub.core.rules import Rule
from hub.db import schema
from hub.db.rows import to_decision, to_entry, to_machine, to_message, to_rule, to_session

RAIL_NEEDS = 500
RAIL_RECENT = 100


async def list_machines(conn: AsyncConnection) -> list[Machine]:
    """Every machine, by name."""
    rows = await conn.execute(select(schema.machines).order_by(schema.machines.c.name))
    return [to_machine(row) for row in rows.mappings()]


async def find_machine(conn: AsyncConnection, machine_id: str) -> Machine | None:
    """One machine."""
    table = schema.machines
    row = (await conn.execute(select(table).where(table.c.machine_id == machine_id))).mappings().first()
    return to_machine(row) if row else None


async def find_session(conn: AsyncConnection, session_id: str) -> Session | None:
    """One session."""
    table = schema.sessions
    row = (await conn.execute(select(table.c.record).where(table.c.session_id == session_id))).mappings().first()
    return to_session(row) if row else None


async def list_sessions(
    conn: AsyncConnection,
    *,
    state: str | None = None,
    machine_id: str | None = None,
    title: str | None = None,
    before: tuple[int, str] | None = None,
    after_change: int | None = None,
    limit: int,
) -> list[Session]:
    """Sessions, the latest active first; ``before`` continues after (last_activity_at, session_id)."""
    table = schema.sessions
    query = select(table.c.record)
    if state is not None:
        query = query.where(table.c.state == state)
    if machine_id is not None:
        query = query.where(table.c.machine_id == machine_id)
    if title:
        query = query.where(func.lower(table.c.title).contains(title.lower(), autoescape=True))
    if before is not None:
        query = query.where(tuple_(table.c.last_activity_at, table.c.session_id) < before)
    if after_change is not None:
        query = query.where(table.c.change_id > after_change)
    query = query.order_by(table.c.last_activity_at.desc(), table.c.session_id.desc()).limit(limit)
    return [to_session(row) for row in (await conn.execute(query)).mappings()]


async def list_rail_sessions(conn: AsyncConnection) -> list[Session]:
    """What every page shows beside itself: whoever needs somebody, however long ago, and the latest active."""
    needing = await list_sessions(conn, state="needs_you", limit=RAIL_NEEDS)
    recent = await list_sessions(conn, limit=RAIL_RECENT)
    return list({session.session_id: session for session in [*needing, *recent]}.values())


async def list_linked_sessions(conn: AsyncConnection) -> list[tuple[str, int, str]]:
    """(machine_id, pid, session_id) of processes whose channel counts as connected."""
    table = schema.processes
    query = select(table.c.machine_id, table.c.pid, func.coalesce(table.c.session_id, "")).where(table.c.linked)
    return [(row[0], row[1], row[2]) for row in await conn.execute(query)]


async def list_entries(
    conn: AsyncConnection,
    session_id: str,
    *,
    after: int | None = None,
    after_change: int | None = None,
    limit: int,
) -> list[Entry]:
    """A session's entries in order, from after (a position) on."""
    table = schema.entries
    query = select(table).where(table.c.session_id == session_id)
    if after is not None:
        query = query.where(table.c.position > after)
    if after_change is not None:
        query = query.where(table.c.change_id > after_change)
    rows = await conn.execute(query.order_by(table.c.position).limit(limit))
    return [to_entry(row) for row in rows.mappings()]


async def list_last_entries(conn: AsyncConnection, session_id: str, limit: int) -> list[Entry]:
    """The newest entries of a session, in order."""
    table = schema.entries
    query = select(table).where(table.c.session_id == session_id)
    rows = await conn.execute(query.order_by(table.c.position.desc()).limit(limit))
    return [to_entry(row) for row in rows.mappings()][::-1]


async def find_last_words(conn: AsyncConnection, session_id: str, position: int) -> Entry | None:
    """What Claude said last before that place."""
    table = schema.entries
    query = select(table).where(table.c.session_id == session_id, table.c.position < position)
    query = query.where(table.c.kind.in_(["assistant", "reply"])).order_by(table.c.position.desc()).limit(1)
    row = (await conn.execute(query)).mappings().first()
    return to_entry(row) if row else None


async def find_message(conn: AsyncConnection, message_id: str) -> Message | None:
    """One message."""
    table = schema.messages
    row = (await conn.execute(select(table).where(table.c.message_id == message_id))).mappings().first()
    return to_message(row) if row else None


async def find_message_by_client_id(conn: AsyncConnection, author_id: str, client_id: str) -> Message | None:
    """The message that its author already sent under this id."""
    table = schema.messages
    query = select(table).where(table.c.author_id == author_id, table.c.client_id == client_id)
    row = (await conn.execute(query)).mappings().first()
    return to_message(row) if row else None


async def list_receipts(conn: AsyncConnection, message_id: str) -> list[Receipt]:
    """A message's steps in the order in which it can take them: their times are of several clocks."""
    table = schema.receipts
    query = select(table).where(table.c.message_id == message_id)
    found = [Receipt(**row) for row in (await conn.execute(query)).mappings()]
    return sorted(found, key=lambda receipt: (STEPS.index(receipt.state), receipt.event_id))


async def list_usage(
    conn: AsyncConnection,
    *,
    first: str | None = None,
    last: str | None = None,
    session_id: str | None = None,
    machine_id: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int,
) -> list[DayUsage]:
    """Sums a day and model over the sessions asked for, the latest day first; ``after`` continues behind
    (day, model). ``cost_usd`` is None where a price isn't known.
    """
    table = schema.usage
    sums = [_add_up(table.c[name]).label(name) for name in ("input", "output", "cache_read", "cache_write")]
    cost = case((func.count() == func.count(table.c.cost_usd), func.sum(table.c.cost_usd))).label("cost_usd")
    query = select(table.c.day, table.c.model, *sums, cost).group_by(table.c.day, table.c.model)
    if first is not None:
        query = query.where(table.c.day >= first)
    if last is not None:
        query = query.where(table.c.day <= last)
    if session_id is not None:
        query = query.where(table.c.session_id == session_id)
    if machine_id is not None:
        query = query.where(table.c.machine_id == machine_id)
    if after is not None:
        day, model = after
        query = query.where(or_(table.c.day < day, and_(table.c.day == day, table.c.model > model)))
    rows = await conn.execute(query.order_by(table.c.day.desc(), table.c.model).limit(limit))
    return [DayUsage(session_id=session_id or "", machine_id=machine_id or "", **dict(row)) for row in rows.mappings()]


def _add_up(column: Column[int]) -> ColumnElement[int]:
    """A sum that ends at COUNT_MAX: ``sum`` fails for everybody where one machine's claims add up to more than an
    integer holds.
    """
    return cast(func.min(func.total(column), COUNT_MAX), Integer)


async def list_waiting(conn: AsyncConnection) -> list[Message]:
    """Messages of all sessions that are queued, or injected and not seen yet."""
    table = schema.messages
    query = select(table).where(table.c.state.in_(["queued", "delivered"]))
    return [to_message(row) for row in (await conn.execute(query)).mappings()]


async def find_decision(conn: AsyncConnection, decision_id: str) -> Decision | None:
    """One decision."""
    table = schema.decisions
    row = (await conn.execute(select(table.c.record).where(table.c.decision_id == decision_id))).mappings().first()
    return to_decision(row) if row else None


async def list_decisions(
    conn: AsyncConnection,
    *,
    states: Collection[DecisionState] = (),
    session_id: str | None = None,
    after: tuple[int, str] | None = None,
    after_change: int | None = None,
    limit: int,
) -> list[Decision]:
    """Decisions, the oldest first; ``states``: only those; ``after`` continues after (opened_at, decision_id)."""
    table = schema.decisions
    query = select(table.c.record)
    if states:
        query = query.where(table.c.state.in_(states))
    if session_id is not None:
        query = query.where(table.c.session_id == session_id)
    if after is not None:
        query = query.where(tuple_(table.c.opened_at, table.c.decision_id) > after)
    if after_change is not None:
        query = query.where(table.c.change_id > after_change)
    query = query.order_by(table.c.opened_at, table.c.decision_id).limit(limit)
    return [to_decision(row) for row in (await conn.execute(query)).mappings()]


async def list_closed_decisions(conn: AsyncConnection, *, since: int, limit: int) -> list[Decision]:
    """Decisions that were closed since then, the latest first."""
    table = schema.decisions
    query = select(table.c.record).where(table.c.closed_at >= since)
    query = query.order_by(table.c.closed_at.desc(), table.c.decision_id).limit(limit)
    return [to_decision(row) for row in (await conn.execute(query)).mappings()]


async def list_last_closed(conn: AsyncConnection, machine_id: str, pid: int, *, limit: int) -> list[str]:
    """The ids of the decisions that were closed last of the session that this process carries."""
    table, processes = schema.decisions, schema.processes
    query = select(table.c.decision_id).join(processes, processes.c.session_id == table.c.session_id)
    query = query.where(processes.c.machine_id == machine_id, processes.c.pid == pid, table.c.closed_at.is_not(None))
    query = query.order_by(table.c.closed_at.desc(), table.c.decision_id).limit(limit)
    return list((await conn.execute(query)).scalars())


async def list_rules(conn: AsyncConnection) -> list[Rule]:
    """Every rule, the oldest first."""
    table = schema.rules
    rows = await conn.execute(select(table.c.record).order_by(table.c.created_at, table.c.rule_id))
    return [to_rule(row) for row in rows.mappings()]


async def find_rule(conn: AsyncConnection, rule_id: str) -> Rule | None:
    """One rule."""
    table = schema.rules
    row = (await conn.execute(select(table.c.record).where(table.c.rule_id == rule_id))).mappings().first()
    return to_rule(row) if row else None
