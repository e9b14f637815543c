"""A machine joins by a code that works once, for ten minutes."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from hub.actions.identity import CODE_LIFE, do_create_code
from hub.clock import now
from hub.db import schema
from hub.db.engine import Transaction
from hub.keys import PRINCIPALS
from tests.hub.claude import Claude
from tests.hub.kit import Answer, Hub


async def join(hub: Hub, code: str, **fields: object) -> Answer:
    body = {"code": code, "name": "kepler", "user": "maya", "os": "Debian 12", **fields}
    return await hub.call("POST", "/api/v1/join", body)


async def test_a_code_gives_a_key_once(hub: Hub) -> None:
    code = (await do_create_code(hub.db)).code
    answer = await join(hub, code)
    assert answer.status == 200
    assert (answer.json["machine_name"], answer.json["key"][:4]) == ("kepler", "hgm_")
    claude = Claude()
    await hub.post_events(claude.start(), key=answer.json["key"])
    assert (await hub.session(claude.session_id))["machine"] == {"id": answer.json["machine_id"], "name": "kepler"}
    before = await hub.snapshot()
    again = await join(hub, code)
    assert (again.status, again.code) == (403, "bad_code")
    assert await hub.snapshot() == before


async def test_a_code_lives_ten_minutes(hub: Hub) -> None:
    code = await do_create_code(hub.db)
    assert 0 < code.expires_at - now() <= CODE_LIFE == 600_000_000

    async def age(tx: Transaction) -> None:
        await tx.conn.execute(update(schema.pairings).values(expires_at=now() - 1))

    await hub.db.write(age)
    answer = await join(hub, code.code)
    assert (answer.status, answer.code) == (403, "bad_code")


@pytest.mark.parametrize("typed", ["AAAA-AAAA", "", "-", "é", "x" * 4000, "' OR 1=1 --", "\x00"])
async def test_a_wrong_code_is_refused_and_changes_nothing(hub: Hub, typed: str) -> None:
    await do_create_code(hub.db)
    before = await hub.snapshot()
    answer = await join(hub, typed)
    assert answer.status in (403, 413)
    assert await hub.snapshot() == before


@pytest.mark.parametrize("shape", ["{}", "{} ", "  {}\n", "lower", "no dash", "spaces", "dots"])
async def test_how_a_code_is_typed_does_not_matter(hub: Hub, shape: str) -> None:
    code = (await do_create_code(hub.db)).code
    typed = {
        "lower": code.lower(),
        "no dash": code.replace("-", ""),
        "spaces": " ".join(code.replace("-", "")),
        "dots": code.replace("-", " . "),
    }.get(shape, shape.format(code))
    assert (await join(hub, typed)).status == 200


async def test_more_than_the_code_is_not_the_code(hub: Hub) -> None:
    code = (await do_create_code(hub.db)).code
    assert (await join(hub, code + "A")).status == 403
    assert (await join(hub, code[:-1])).status == 403


async def test_of_two_at_once_exactly_one_joins(hub: Hub) -> None:
    code = (await do_create_code(hub.db)).code
    before = len(await hub.rows("machines"))
    answers = await asyncio.gather(*(join(hub, code) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403]
    assert len(await hub.rows("machines")) == before + 1


async def test_several_codes_are_open_at_once(hub: Hub) -> None:
    codes = [(await do_create_code(hub.db)).code for _ in range(3)]
    assert [(await join(hub, code)).status for code in reversed(codes)] == [200, 200, 200]


@pytest.mark.parametrize("field", ["name", "user", "os"])
async def test_a_name_is_short_and_printable(hub: Hub, field: str) -> None:
    code = (await do_create_code(hub.db)).code
    for value in ("", "  ", "x" * 81, "a\x00b", "a\u202eb", "a\x1b[31mb", 7, None):
        answer = await join(hub, code, **{field: value})
        assert (answer.status, answer.code) == (422, "unprocessable"), value
    assert (await join(hub, code)).status == 200


async def test_a_revoked_key_is_no_key(hub: Hub) -> None:
    async def revoke(tx: Transaction) -> None:
        table = schema.tokens
        revoked = update(table).where(table.c.machine_id == hub.secrets.atlas.machine_id).values(revoked_at=now())
        await tx.conn.execute(revoked)

    await hub.db.write(revoke)
    hub.app[PRINCIPALS].forget()
    assert (await hub.post_events(Claude().start())).status == 401
    assert (await hub.post_events(Claude().start(), key=hub.secrets.borea.key)).status == 200
