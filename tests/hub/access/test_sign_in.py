"""Signing in by a single-use link, and out again."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from sqlalchemy import update

from hub.actions.identity import do_create_sign_in, do_ensure_owner
from hub.db import schema
from hub.db.engine import Transaction
from hub.keys import PRINCIPALS
from tests.hub.kit import Answer, Closed, Hub, Secrets, run_hub

PAST = 1_000_000


async def expire(hub: Hub, kind: str) -> None:
    """All tokens of a kind ran out long ago."""

    async def work(tx: Transaction) -> None:
        table = schema.tokens
        await tx.conn.execute(update(table).where(table.c.kind == kind).values(expires_at=PAST))

    await hub.db.write(work)
    hub.app[PRINCIPALS].forget()


def is_refused(answer: Answer) -> bool:
    """In words, and without a cookie."""
    return answer.status == 403 and "Set-Cookie" not in answer.headers and b"link" in answer.body


async def test_a_link_signs_in_once(hub: Hub) -> None:
    link = await do_create_sign_in(hub.db)
    answer = await hub.submit_sign_in(link)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    before = await hub.snapshot()
    assert is_refused(await hub.submit_sign_in(link))
    assert await hub.snapshot() == before


async def test_looking_at_a_link_spends_nothing(hub: Hub) -> None:
    link = await do_create_sign_in(hub.db)
    for method in ("GET", "HEAD", "GET"):
        answer = await hub.call(method, f"/sign-in?token={link}", headers={"Accept": "text/html"})
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
    assert (await hub.submit_sign_in(link)).status == 303


async def test_of_two_at_once_one_signs_in(hub: Hub) -> None:
    link = await do_create_sign_in(hub.db)
    answers = await asyncio.gather(*(hub.submit_sign_in(link) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [303, 403, 403, 403, 403]


async def test_an_expired_link_is_refused(hub: Hub) -> None:
    link = await do_create_sign_in(hub.db)
    await expire(hub, "sign_in")
    assert is_refused(await hub.submit_sign_in(link))


async def test_a_newer_link_ends_the_older_one(hub: Hub) -> None:
    older, newer = await do_create_sign_in(hub.db), await do_create_sign_in(hub.db)
    assert is_refused(await hub.submit_sign_in(older))
    assert (await hub.submit_sign_in(newer)).status == 303


@pytest.mark.parametrize("token", ["", "wrong", "hgs_" + "x" * 43, "x" * 5000, "é", "\x00"])
async def test_a_wrong_link_is_refused_and_changes_nothing(hub: Hub, token: str) -> None:
    before = await hub.snapshot()
    assert is_refused(await hub.submit_sign_in(token))
    assert await hub.snapshot() == before


async def test_other_secrets_are_no_links(hub: Hub) -> None:
    for secret in (hub.secrets.owner, hub.secrets.atlas.key):
        assert is_refused(await hub.submit_sign_in(secret))


async def test_a_form_of_another_site_signs_nobody_in(hub: Hub) -> None:
    link = await do_create_sign_in(hub.db)
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await hub.submit_sign_in(link, **headers)).status == 403
    assert (await hub.call("POST", "/sign-in", data={"token": link})).status == 403
    assert (await hub.submit_sign_in(link)).status == 303


async def test_the_cookie_is_for_this_hub_alone(hub: Hub) -> None:
    answer = await hub.submit_sign_in(await do_create_sign_in(hub.db))
    cookies = SimpleCookie(answer.headers["Set-Cookie"])
    assert list(cookies) == [f"heliograph_{hub.settings.port}"]
    cookie = cookies[f"heliograph_{hub.settings.port}"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["secure"]) == ("Lax", "/", "", "")
    assert 0 < int(cookie["max-age"]) <= 30 * 24 * 3600


async def test_over_tls_the_cookie_is_secure_and_bound_to_the_host(database: Path, secrets: Secrets) -> None:
    async with run_hub(database, secrets, public_url="https://hub.example") as hub:
        headers = {"Host": "hub.example", "Origin": "https://hub.example"}
        answer = await hub.submit_sign_in(await do_create_sign_in(hub.db), **headers)
        assert answer.status == 303
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        name, value = answer.headers["Set-Cookie"].partition(";")[0].split("=", 1)
        cookie = SimpleCookie(answer.headers["Set-Cookie"])[name]
        assert name.startswith("__Host-")
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
        whoami = await hub.call("GET", "/api/v1/whoami", headers={"Host": "hub.example", "Cookie": f"{name}={value}"})
        assert whoami.json["role"] == "owner"


async def test_signing_out_ends_the_cookie_and_the_open_pages(hub: Hub) -> None:
    browser, other = await hub.browser(), await hub.browser()
    async with (
        hub.dashboard("view=overview", **browser.headers(csrf=False)) as page,
        hub.dashboard("view=overview", **other.headers(csrf=False)) as others_page,
    ):
        assert (await page.hear())["live"]
        assert (await others_page.hear())["live"]
        answer = await browser.call("POST", "/sign-out")
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
        cookie = SimpleCookie(answer.headers["Set-Cookie"])[hub.settings.cookie]
        assert (cookie.value, cookie["path"]) == ("", "/")
        assert isinstance(await page.hear(), Closed)
        assert (await other.call("GET", "/api/v1/whoami")).status == 200
        assert not others_page.socket.closed
    assert (await browser.call("GET", "/api/v1/whoami")).status == 401
    assert (await browser.call("POST", "/api/v1/sessions/x/messages", {"text": "x"})).status == 401


async def test_an_expired_cookie_is_no_sign_in(hub: Hub) -> None:
    browser = await hub.browser()
    await expire(hub, "browser")
    assert (await browser.call("GET", "/api/v1/whoami")).status == 401


async def test_a_sign_in_and_its_end_are_in_the_audit_log(hub: Hub) -> None:
    browser = await hub.browser()
    await browser.call("POST", "/sign-out")
    lines = [(row["did"], row["address"]) for row in await hub.rows("audit")][-3:]
    assert lines == [("create_sign_in", "local"), ("sign_in", "127.0.0.1"), ("sign_out", "127.0.0.1")]


async def test_there_is_one_owner_and_the_greeting_ends_with_the_first_sign_in(hub: Hub) -> None:
    assert await do_ensure_owner(hub.db, "somebody else")
    await hub.browser()
    assert not await do_ensure_owner(hub.db, "somebody else")
    assert [row["name"] for row in await hub.rows("users") if row["role"] == "owner"] == ["maya", "owner token"]
