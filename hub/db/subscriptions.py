"""Where people want to be told: browsers whose sign-in still counts."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import now
from hub.core.push import Subscription
from hub.db import schema

_table = schema.push_subscriptions


async def list_subscriptions(conn: AsyncConnection, user_id: str) -> list[Subscription]:
    """Those of one person, the oldest first."""
    return await _list(conn, _table.c.user_id == user_id)


async def list_subscriptions_of_roles(conn: AsyncConnection, roles: Collection[str]) -> list[Subscription]:
    """Those of everybody in one of these roles."""
    return await _list(conn, schema.users.c.role.in_(roles))


async def find_subscription(conn: AsyncConnection, subscription_id: str) -> Subscription | None:
    """One of them."""
    found = await _list(conn, _table.c.subscription_id == subscription_id)
    return found[0] if found else None


async def _list(conn: AsyncConnection, wanted: ColumnElement[bool]) -> list[Subscription]:
    tokens, users = schema.tokens, schema.users
    counts = and_(tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now()))
    query = (
        select(_table)
        .join(tokens, tokens.c.token_id == _table.c.token_id)
        .join(users, users.c.user_id == _table.c.user_id)
        .where(wanted, counts)
        .order_by(_table.c.created_at, _table.c.subscription_id)
    )
    return [Subscription(**row) for row in (await conn.execute(query)).mappings()]
