"""Guessing freezes an address; being late or signed out never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from hub.access.limiter import ADDRESSES, FREEZE, WRONG, WrongSecrets
from hub.actions.identity import do_create_code, do_create_sign_in
from hub.db import schema
from hub.db.engine import Transaction
from hub.keys import PRINCIPALS
from tests.hub.kit import Hub


def test_frozen_by_the_tenth_until_an_hour_has_passed() -> None:
    limiter = WrongSecrets()
    for number in range(WRONG):
        assert not limiter.is_frozen("192.0.2.1", 0.0)
        limiter.note("192.0.2.1", float(number))
    assert limiter.is_frozen("192.0.2.1", 10.0)
    assert limiter.is_frozen("192.0.2.1", WRONG - 1 + FREEZE - 0.1)
    assert not limiter.is_frozen("192.0.2.1", WRONG - 1 + FREEZE)


def test_others_are_not_frozen() -> None:
    limiter = WrongSecrets()
    for _ in range(WRONG):
        limiter.note("192.0.2.1", 0.0)
    assert not limiter.is_frozen("192.0.2.2", 0.0)
    assert not limiter.is_frozen("", 0.0)


def test_ipv6_counts_by_its_64_bits() -> None:
    limiter = WrongSecrets()
    for number in range(WRONG):
        limiter.note(f"2001:db8:0:1::{number:x}", 0.0)
    assert limiter.is_frozen("2001:db8:0:1:ffff::1", 0.0)
    assert not limiter.is_frozen("2001:db8:0:2::1", 0.0)


def test_a_wrong_secret_is_forgotten_after_an_hour() -> None:
    limiter = WrongSecrets()
    for _ in range(WRONG - 1):
        limiter.note("192.0.2.1", 0.0)
    limiter.note("192.0.2.1", FREEZE)
    assert not limiter.is_frozen("192.0.2.1", FREEZE)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1000)), max_size=60))
def test_nobody_is_frozen_by_fewer_than_ten(guesses: list[tuple[int, float]]) -> None:
    limiter = WrongSecrets()
    counts = dict.fromkeys(range(4), 0)
    for who, at in guesses:
        limiter.note(f"192.0.2.{who}", at)
        counts[who] += 1
    for who, count in counts.items():
        assert limiter.is_frozen(f"192.0.2.{who}", 1000.0) == (count >= WRONG)


def test_memory_is_bounded() -> None:
    limiter = WrongSecrets()
    for number in range(ADDRESSES + 100):
        limiter.note(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(limiter._counts) == ADDRESSES


async def guess_token(hub: Hub, number: int) -> int:
    return (await hub.call("GET", "/api/v1/whoami", token=f"hgp_{number:043d}")).status


async def guess_code(hub: Hub, number: int) -> int:
    body = {"code": f"AAAA-AA{number:02d}", "name": "n", "user": "u", "os": "o"}
    return (await hub.call("POST", "/api/v1/join", body)).status


async def guess_link(hub: Hub, number: int) -> int:
    return (await hub.submit_sign_in(f"hgs_{number:043d}")).status


@pytest.mark.parametrize(("guess", "refusal"), [(guess_token, 401), (guess_code, 403), (guess_link, 403)])
async def test_a_guesser_is_frozen_by_the_tenth(
    hub: Hub, guess: Callable[[Hub, int], Awaitable[int]], refusal: int
) -> None:
    statuses = [await guess(hub, number) for number in range(12)]
    assert set(statuses[:9]) == {refusal}
    assert set(statuses[10:]) == {429}
    code, link = (await do_create_code(hub.db)).code, await do_create_sign_in(hub.db)
    before = await hub.snapshot()
    body = {"code": code, "name": "n", "user": "u", "os": "o"}
    assert (await hub.call("POST", "/api/v1/join", body)).status == 429
    assert (await hub.submit_sign_in(link)).status == 429
    assert await hub.snapshot() == before
    assert (await hub.call("GET", "/healthz")).status == 200
    assert await hub.get("/api/v1/sessions") == {"sessions": [], "next": None}


async def test_expired_revoked_missing_and_used_secrets_never_count(hub: Hub) -> None:
    browser, used = await hub.browser(), await do_create_sign_in(hub.db)
    assert (await hub.submit_sign_in(used)).status == 303

    async def expire(tx: Transaction) -> None:
        tokens = schema.tokens
        await tx.conn.execute(update(tokens).where(tokens.c.kind == "person").values(expires_at=1))
        await tx.conn.execute(update(tokens).where(tokens.c.kind == "machine").values(revoked_at=1))

    await hub.db.write(expire)
    hub.app[PRINCIPALS].forget()
    for _ in range(15):
        assert (await hub.call("GET", "/api/v1/whoami", token=hub.secrets.viewer)).status == 401
        assert (await hub.call("GET", "/api/v1/whoami", token=hub.secrets.atlas.key)).status == 401
        assert (await hub.call("GET", "/api/v1/whoami")).status == 401
        assert (await hub.call("GET", "/api/v1/whoami", headers={"Cookie": f"{browser.cookie}x"})).status == 401
        assert (await hub.submit_sign_in(used)).status == 403
        assert (await hub.submit_sign_in("")).status == 403
    assert (await hub.submit_sign_in(await do_create_sign_in(hub.db))).status == 303


async def test_guesses_at_the_same_time_count_too(hub: Hub) -> None:
    guess = {"code": "AAAA-BBBB", "name": "n", "user": "u", "os": "o"}
    answers = await asyncio.gather(*(hub.call("POST", "/api/v1/join", guess) for _ in range(3 * WRONG)))
    assert sorted({answer.status for answer in answers}) == [403, 429]
    assert sum(answer.status == 403 for answer in answers) == WRONG


def test_a_right_secret_is_forgiven() -> None:
    limiter = WrongSecrets()
    for _ in range(2 * WRONG):
        limiter.note("192.0.2.1", 0.0)
        limiter.forgive("192.0.2.1")
    assert not limiter.is_frozen("192.0.2.1", 0.0)
