"""People sign in, machines pair, tokens are made and end."""

from __future__ import annotations

import asyncio

import msgspec
from sqlalchemy import delete, func, or_, select, update

from hub.access.audit import note_audit
from hub.access.rights import ROLES, Person
from hub.access.secrets import (
    TokenKind,
    build_code,
    build_token,
    hash_code,
    hash_token,
    matches_code,
    normalise_code,
)
from hub.clock import new_id, now
from hub.core.model import Machine
from hub.db import schema
from hub.db.engine import Database, Transaction
from hub.errors import BadCode, Conflict, NotFound, Unprocessable

SECOND = 1_000_000
SIGN_IN_LIFE = 15 * 60 * SECOND
CODE_LIFE = 10 * 60 * SECOND
BROWSER_LIFE = 30 * 24 * 3600 * SECOND
OPEN_CODES = 8
"""Pairing codes open at once; each costs a slow hash per attempt, so the oldest gives way."""
NAME_CHARS = 80


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's new session: ``token`` goes into its cookie."""

    token: str
    life_seconds: int


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """A new machine and its key, shown this once."""

    machine: Machine
    key: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """A key or token that no longer counts."""

    kind: str
    name: str
    id: str
    token_id: str


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A pairing code, shown this once."""

    code: str
    expires_at: int


async def do_ensure_owner(db: Database, name: str) -> bool:
    """Make the first owner if there is none; returns whether an owner has yet to sign in for the first time."""

    async def work(tx: Transaction) -> bool:
        owner = (await tx.conn.execute(select(schema.users.c.user_id).where(schema.users.c.role == "owner"))).first()
        if owner is None:
            row = {"user_id": new_id(), "name": name, "role": "owner", "created_at": now()}
            await tx.conn.execute(schema.users.insert(), [row])
        signed_in = select(schema.tokens.c.token_id).where(schema.tokens.c.kind == "browser").limit(1)
        return (await tx.conn.execute(signed_in)).first() is None

    return await db.write(work)


async def do_create_sign_in(db: Database) -> str:
    """A single-use sign-in token for the first owner; earlier unused ones end."""

    async def work(tx: Transaction) -> str:
        table = schema.users
        query = select(table.c.user_id, table.c.name).where(table.c.role == "owner").order_by(table.c.created_at)
        user_id, name = (await tx.conn.execute(query)).first() or ("", "")
        tokens = schema.tokens
        unused = tokens.c.kind == "sign_in", tokens.c.used_at.is_(None), tokens.c.revoked_at.is_(None)
        await tx.conn.execute(update(tokens).where(*unused).values(revoked_at=now()))
        token = await _add_token(tx, "sign_in", name, user_id=user_id, life=SIGN_IN_LIFE)
        await note_audit(tx.conn, "hub host", "create_sign_in", user_id, "local")
        return token

    return await db.write(work)


async def do_sign_in(db: Database, token: str, address: str) -> SignedIn:
    """Spend a sign-in token on a browser session; raises BadCode."""

    async def work(tx: Transaction) -> SignedIn:
        table = schema.tokens
        spent = (
            update(table)
            .where(table.c.hashed == hash_token(token), table.c.kind == "sign_in", table.c.used_at.is_(None))
            .where(table.c.revoked_at.is_(None), table.c.expires_at > now())
            .values(used_at=now())
            .returning(table.c.user_id, table.c.name)
        )
        row = (await tx.conn.execute(spent)).first()
        if row is None:
            raise BadCode("This sign-in link was used already, or has expired.")
        cookie = await _add_token(
            tx, "browser", row.name, user_id=row.user_id, life=BROWSER_LIFE, csrf=build_token("browser")
        )
        await note_audit(tx.conn, row.user_id, "sign_in", row.user_id, address)
        return SignedIn(token=cookie, life_seconds=BROWSER_LIFE // SECOND)

    return await db.write(work)


async def do_sign_out(db: Database, person: Person, address: str) -> None:
    """End this browser's session, and its notifications."""

    async def work(tx: Transaction) -> None:
        table, pushes = schema.tokens, schema.push_subscriptions
        await tx.conn.execute(update(table).where(table.c.token_id == person.token_id).values(revoked_at=now()))
        await tx.conn.execute(delete(pushes).where(pushes.c.token_id == person.token_id))
        await note_audit(tx.conn, person.user_id, "sign_out", person.token_id, address)

    await db.write(work)


async def do_create_token(db: Database, name: str, role: str) -> str:
    """A token for a person's tools or an agent, with its own name and role."""
    if role not in ROLES:
        raise Unprocessable(f"There is no role {role!r}; roles are {', '.join(ROLES)}.")
    name = _clean_name(name, "token")

    async def work(tx: Transaction) -> str:
        user_id = new_id()
        row = {"user_id": user_id, "name": name, "role": role, "created_at": now()}
        await tx.conn.execute(schema.users.insert(), [row])
        token = await _add_token(tx, "person", name, user_id=user_id)
        await note_audit(tx.conn, "hub host", "create_token", user_id, "local")
        return token

    return await db.write(work)


async def do_create_code(db: Database) -> Code:
    """A single-use pairing code."""
    code = build_code()
    hashed = await asyncio.to_thread(hash_code, code)

    async def work(tx: Transaction) -> Code:
        made = now()
        pairing_id = new_id()
        row = {"pairing_id": pairing_id, "hashed": hashed, "created_at": made, "expires_at": made + CODE_LIFE}
        await tx.conn.execute(schema.pairings.insert(), [row])
        await note_audit(tx.conn, "hub host", "create_code", pairing_id, "local")
        return Code(code=code, expires_at=made + CODE_LIFE)

    return await db.write(work)


async def do_join(db: Database, code: str, name: str, user: str, os: str, address: str) -> Paired:
    """Spend a pairing code on a machine's key; raises BadCode."""
    name, user, os = _clean_name(name, "machine"), _clean_name(user, "user"), _clean_name(os, "os")
    pairing_id = await _find_pairing(db, normalise_code(code))

    async def work(tx: Transaction) -> Paired:
        table = schema.pairings
        spent = (
            update(table)
            .where(table.c.pairing_id == pairing_id, table.c.used_at.is_(None), table.c.expires_at > now())
            .values(used_at=now())
        )
        if (await tx.conn.execute(spent)).rowcount != 1:
            raise BadCode("This pairing code was used already, or has expired.")
        machine_id = new_id()
        machine = Machine(machine_id=machine_id, name=name, user=user, os=os)
        row = {**msgspec.to_builtins(machine), "created_at": now()}
        await tx.conn.execute(schema.machines.insert(), [row])
        key = await _add_token(tx, "machine", name, machine_id=machine_id)
        await note_audit(tx.conn, pairing_id, "join", machine_id, address)
        return Paired(machine=machine, key=key)

    return await db.write(work)


async def do_revoke(db: Database, name: str) -> list[Revoked]:
    """End a machine's key or a token, by its name or id; raises NotFound, or Conflict when the name means several."""

    async def work(tx: Transaction) -> list[Revoked]:
        table = schema.tokens
        owner = func.coalesce(table.c.machine_id, table.c.user_id)
        live = table.c.kind.in_(["machine", "person"]), table.c.revoked_at.is_(None)
        query = select(table.c.token_id, table.c.kind, table.c.name, owner.label("id"))
        rows = (await tx.conn.execute(query.where(*live, or_(table.c.name == name, owner == name)))).all()
        ids = sorted({row.id for row in rows})
        if not ids:
            raise NotFound(f"Nothing that could be revoked is called {name!r}.")
        if len(ids) > 1:
            raise Conflict(f"{name!r} names several: {', '.join(ids)}. Use one of these ids.")
        tokens, pushes = [row.token_id for row in rows], schema.push_subscriptions
        await tx.conn.execute(update(table).where(table.c.token_id.in_(tokens)).values(revoked_at=now()))
        await tx.conn.execute(delete(pushes).where(pushes.c.token_id.in_(tokens)))
        await note_audit(tx.conn, "hub host", "revoke", ids[0], "local")
        return [Revoked(kind=row.kind, name=row.name, id=row.id, token_id=row.token_id) for row in rows]

    return await db.write(work)


async def _find_pairing(db: Database, code: str) -> str:
    table = schema.pairings
    query = select(table.c.pairing_id, table.c.hashed).where(table.c.used_at.is_(None), table.c.expires_at > now())
    async with db.read() as conn:
        rows = (await conn.execute(query.order_by(table.c.created_at.desc()).limit(OPEN_CODES))).all()
    for pairing_id, hashed in rows:
        if await asyncio.to_thread(matches_code, hashed, code):
            return str(pairing_id)
    raise BadCode("This pairing code is wrong, was used already, or has expired.")


async def _add_token(
    tx: Transaction,
    kind: TokenKind,
    name: str,
    *,
    user_id: str | None = None,
    machine_id: str | None = None,
    life: int | None = None,
    csrf: str | None = None,
) -> str:
    token = build_token(kind)
    row = {
        "token_id": new_id(),
        "kind": kind,
        "hashed": hash_token(token),
        "name": name,
        "user_id": user_id,
        "machine_id": machine_id,
        "csrf": csrf,
        "created_at": now(),
        "expires_at": now() + life if life is not None else None,
    }
    await tx.conn.execute(schema.tokens.insert(), [row])
    return token


def _clean_name(name: str, what: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= NAME_CHARS or not name.isprintable():
        raise Unprocessable(f"The {what}'s name must have 1 to {NAME_CHARS} printable characters.")
    return name
