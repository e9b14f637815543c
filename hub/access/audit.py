"""The audit log: who did what to what, from where. Ids only."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import now
from hub.db import schema


async def note_audit(conn: AsyncConnection, who: str, did: str, what: str, address: str) -> None:
    """Add a line, in the transaction of what it tells of."""
    row = {"at": now(), "who": who, "did": did, "what": what, "address": address}
    await conn.execute(schema.audit.insert(), [row])
