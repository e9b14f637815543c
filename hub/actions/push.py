"""People turn notifications on and off, each for a browser of their own."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, func, or_, select, update

from hub.access.audit import note_audit
from hub.access.rights import Person
from hub.clock import new_id, now
from hub.core.push import Subscription, find_service
from hub.core.sealing import are_keys
from hub.db import schema
from hub.db.engine import Database, Transaction
from hub.errors import Conflict, NotFound, Unprocessable

DEVICES = 20
"""Browsers of one person."""

_table = schema.push_subscriptions


async def do_subscribe(
    db: Database,
    person: Person,
    address: str,
    *,
    endpoint: str,
    p256dh: str,
    auth: str,
    label: str,
    push_hosts: Collection[str],
) -> Subscription:
    """Tell this person in this browser, instead of whoever was told in it before."""
    if find_service(endpoint, push_hosts) is None:
        raise Unprocessable("The endpoint isn't at a push service that this hub knows; see heliograph hub --push-host.")
    if not are_keys(p256dh, auth):
        raise Unprocessable("The keys aren't those of a push subscription.")
    wanted = Subscription(
        subscription_id=new_id(),
        user_id=person.user_id,
        token_id=person.token_id,
        endpoint=endpoint,
        p256dh=p256dh,
        auth=auth,
        label=label,
        created_at=now(),
    )

    async def work(tx: Transaction) -> Subscription:
        is_replaced = _table.c.endpoint == endpoint
        if person.csrf is not None:  # a browser has one subscription
            is_replaced = or_(is_replaced, _table.c.token_id == person.token_id)
        ended = select(schema.tokens.c.token_id).where(
            or_(schema.tokens.c.revoked_at.is_not(None), schema.tokens.c.expires_at <= now())
        )
        await tx.conn.execute(delete(_table).where(or_(is_replaced, _table.c.token_id.in_(ended))))
        count = select(func.count()).select_from(_table).where(_table.c.user_id == person.user_id)
        if (await tx.conn.execute(count)).scalar_one() >= DEVICES:
            raise Conflict(f"You are told in {DEVICES} browsers already. Turn it off in one of them.")
        await tx.conn.execute(_table.insert(), [msgspec.structs.asdict(wanted)])
        await note_audit(tx.conn, person.user_id, "subscribe", wanted.subscription_id, address)
        return wanted

    return await db.write(work)


async def do_unsubscribe(db: Database, person: Person, address: str, subscription_id: str) -> None:
    """No more notifications in this browser; raises NotFound for what isn't this person's."""

    async def work(tx: Transaction) -> None:
        own = _table.c.subscription_id == subscription_id, _table.c.user_id == person.user_id
        if (await tx.conn.execute(delete(_table).where(*own))).rowcount != 1:
            raise NotFound("There is no such subscription.")
        await note_audit(tx.conn, person.user_id, "unsubscribe", subscription_id, address)

    await db.write(work)


async def do_drop_subscription(db: Database, subscription_id: str) -> None:
    """Its push service says that it is no more."""

    async def work(tx: Transaction) -> None:
        await tx.conn.execute(delete(_table).where(_table.c.subscription_id == subscription_id))
        await note_audit(tx.conn, "push service", "unsubscribe", subscription_id, "")

    await db.write(work)


async def do_note_push(db: Database, subscription: Subscription, *, failed: bool) -> None:
    """Whether its push service took the latest; kept since when it doesn't."""
    if failed == (subscription.failed_at is not None):
        return

    async def work(tx: Transaction) -> None:
        query = update(_table).where(_table.c.subscription_id == subscription.subscription_id)
        await tx.conn.execute(query.values(failed_at=now() if failed else None))

    await db.write(work)
