"""Whom a bearer token or cookie stands for: looked up once, remembered until it is revoked."""

from __future__ import annotations

from sqlalchemy import select

from hub.access.rights import MachineKey, Person, Principal
from hub.access.secrets import hash_token
from hub.clock import now
from hub.db import schema
from hub.db.cache import Cache
from hub.db.engine import Database

REMEMBERED = 10_000


class Principals:
    """One a hub. Tokens end only through this hub, which then calls ``forget``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: Cache[bytes, tuple[Principal, int | None]] = Cache(REMEMBERED)
        self._revocations = 0

    async def find(self, token: str) -> Principal | None:
        """Whoever this is, if it still counts."""
        hashed = hash_token(token)
        known = self._known.get(hashed)
        if known is None:
            before = self._revocations
            known = await self._look_up(hashed)
            if known is None:
                return None
            if self._revocations == before:  # else it may be the very one that was revoked meanwhile
                self._known.put(hashed, known)
        principal, expires_at = known
        return principal if expires_at is None or expires_at > now() else None

    async def was_given_out(self, token: str) -> bool:
        """Whether this secret was ever ours: an expired or revoked one is no guess."""
        query = select(schema.tokens.c.token_id).where(schema.tokens.c.hashed == hash_token(token))
        async with self._db.read() as conn:
            return (await conn.execute(query)).first() is not None

    def forget(self) -> None:
        """Some token was revoked."""
        self._revocations += 1
        self._known.clear()

    async def _look_up(self, hashed: bytes) -> tuple[Principal, int | None] | None:
        table, users = schema.tokens, schema.users
        query = (
            select(table, users.c.role, users.c.name.label("user_name"))
            .outerjoin(users, users.c.user_id == table.c.user_id)
            .where(table.c.hashed == hashed, table.c.kind.in_(["machine", "person", "browser"]))
            .where(table.c.revoked_at.is_(None))
        )
        async with self._db.read() as conn:
            row = (await conn.execute(query)).mappings().first()
        if row is None:
            return None
        if row["kind"] == "machine":
            key = MachineKey(machine_id=row["machine_id"], name=row["name"], token_id=row["token_id"])
            return key, row["expires_at"]
        person = Person(
            user_id=row["user_id"],
            name=row["user_name"],
            role=row["role"],
            token_id=row["token_id"],
            csrf=row["csrf"],
        )
        return person, row["expires_at"]
