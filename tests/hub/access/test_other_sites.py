"""Other sites, in the same browser: they open nothing and change nothing."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.hub.claude import Claude
from tests.hub.kit import Browser, Hub

HOSTILE = [
    "http://evil.example",
    "https://evil.example",
    "null",
    "",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example:{port}",
    "http://localhost.evil.example:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}",
    "http://127.0.0.1:{port}, http://evil.example",
]

WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/api/v1/sessions/SESSION/messages", {"text": "forged"}),
    ("DELETE", "/api/v1/messages/MESSAGE", None),
    ("POST", "/api/v1/decisions/DECISION/verdict", {"digest": "d", "behavior": "allow"}),
    ("POST", "/api/v1/events", {"events": []}),
    ("POST", "/api/v1/join", {"code": "AAAA-BBBB", "name": "n", "user": "u", "os": "o"}),
    ("POST", "/sign-out", None),
]
READS = ["/", "/sessions/SESSION", "/api/v1/sessions", "/api/v1/sessions/SESSION", "/api/v1/sessions/SESSION/timeline"]
SOCKETS = ["/ws/dashboard", "/ws/dashboard?format=json", "/ws/dashboard?view=session&session=SESSION", "/ws/channel"]


class World:
    """A hub with a session, a queued message and an open decision, a signed-in browser, and every row as it was."""

    def __init__(self, hub: Hub, browser: Browser, names: dict[str, str], before: Any) -> None:
        self.hub = hub
        self.browser = browser
        self.names = names
        self.before = before

    def fill(self, path: str) -> str:
        for name, value in self.names.items():
            path = path.replace(name, value)
        return path

    async def is_unchanged(self) -> bool:
        return await self.hub.snapshot() == self.before


@pytest.fixture
async def world(hub: Hub) -> World:
    claude = Claude()
    asked = claude.asks()
    await hub.post_events(claude.start(), asked)
    message = await hub.send(claude.session_id)
    browser = await hub.browser()
    names = {"SESSION": claude.session_id, "MESSAGE": message["message_id"], "DECISION": asked.event_id}
    return World(hub, browser, names, await hub.snapshot())


async def opens(hub: Hub, path: str, headers: dict[str, str]) -> bool:
    """Whether the socket is upgraded."""
    try:
        async with hub.client.ws_connect(hub.url + path, headers=headers):
            return True
    except aiohttp.WSServerHandshakeError as error:
        if error.status not in (401, 403):
            raise
        return False


@pytest.mark.parametrize("origin", HOSTILE)
async def test_a_hostile_origin_opens_nothing_and_writes_nothing(world: World, origin: str) -> None:
    origin = origin.format(port=world.hub.settings.port)
    headers = world.browser.headers(origin=None) | {"Origin": origin}
    for method, path, body in WRITES:
        answer = await world.hub.call(method, world.fill(path), body, headers=headers)
        assert (answer.status, answer.code) == (403, "bad_origin"), path
    for path in READS:
        assert (await world.hub.call("GET", world.fill(path), headers=headers)).status == 403, path
    for path in SOCKETS:
        assert not await opens(world.hub, world.fill(path), headers), path
    machine = {"Authorization": f"Bearer {world.hub.secrets.atlas.key}", "Origin": origin}
    assert not await opens(world.hub, "/ws/channel", machine)
    assert await world.is_unchanged()


async def test_without_an_origin_a_cookie_writes_and_opens_nothing(world: World) -> None:
    headers = world.browser.headers(origin=None)
    for method, path, body in WRITES:
        if path != "/api/v1/join":  # needs no cookie: the code is the secret
            answer = await world.hub.call(method, world.fill(path), body, headers=headers)
            assert (answer.status, answer.code) == (403, "bad_origin"), path
    for path in SOCKETS:
        assert not await opens(world.hub, world.fill(path), headers), path
    assert await world.is_unchanged()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_browser_that_says_it_comes_from_elsewhere_is_believed(world: World, site: str) -> None:
    headers = world.browser.headers() | {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    for method, path, body in WRITES:
        assert (await world.hub.call(method, world.fill(path), body, headers=headers)).status == 403, path
    for path in SOCKETS:
        assert not await opens(world.hub, world.fill(path), headers), path
    assert await world.is_unchanged()


async def test_a_link_from_elsewhere_to_a_page_is_followed(world: World) -> None:
    headers = {"Cookie": world.browser.cookie, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await world.hub.call("GET", "/", headers=headers)).status == 200
    assert (await world.hub.call("POST", "/sign-out", headers=headers)).status == 403
    assert await world.is_unchanged()


@pytest.mark.parametrize("csrf", [None, "", "wrong", "é", "\udcff", "x" * 5000])
async def test_a_missing_or_wrong_page_token_writes_nothing(world: World, csrf: str | None) -> None:
    headers = world.browser.headers(csrf=False) | ({} if csrf is None else {"X-CSRF-Token": csrf})
    for method, path, body in WRITES:
        if path != "/api/v1/join":
            answer = await world.hub.call(method, world.fill(path), body, headers=headers)
            assert (answer.status, answer.code) == (403, "bad_origin"), path
    form = {"csrf": csrf or ""} if csrf is None or csrf.isascii() else {"csrf": "wrong"}
    assert (await world.hub.call("POST", "/sign-out", data=form, headers=headers)).status == 403
    assert await world.is_unchanged()


async def test_another_browsers_page_token_writes_nothing(world: World) -> None:
    other = await world.hub.browser()
    headers = world.browser.headers(csrf=False) | {"X-CSRF-Token": other.csrf}
    path = world.fill("/api/v1/sessions/SESSION/messages")
    assert (await world.hub.call("POST", path, {"text": "x"}, headers=headers)).status == 403


async def test_our_own_page_may(world: World) -> None:
    answer = await world.browser.call("POST", world.fill("/api/v1/sessions/SESSION/messages"), {"text": "x"})
    assert answer.status == 202
    assert await opens(world.hub, "/ws/dashboard", world.browser.headers(csrf=False))
    localhost = world.browser.headers() | {"Origin": f"http://LOCALHOST:{world.hub.settings.port}"}
    assert (await world.hub.call("DELETE", world.fill("/api/v1/messages/MESSAGE"), headers=localhost)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.1:{port}", "localhost.:{port}", "{port}"],
)
async def test_a_foreign_host_is_421_everywhere_but_healthz(world: World, host: str) -> None:
    hub = world.hub
    foreign = {"Host": host.format(port=hub.settings.port)}
    static = next(r.get_info()["prefix"] for r in hub.app.router.resources() if "prefix" in r.get_info())
    paths = [("GET", path) for path in (*READS, "/sign-in", "/nothing", f"{static}/icons.svg")]
    for method, path in [*paths, *((method, path) for method, path, _ in WRITES), ("POST", "/sign-in")]:
        for headers in ({}, world.browser.headers(), {"Authorization": f"Bearer {hub.secrets.owner}"}):
            answer = await hub.call(method, world.fill(path), headers={**headers, **foreign})
            assert (answer.status, answer.code) == (421, "bad_host"), (path, answer.body)
    headers = {"Authorization": f"Bearer {hub.secrets.atlas.key}", **foreign}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hub.client.ws_connect(f"{hub.url}/ws/channel", headers=headers)
    assert refused.value.status == 421
    assert (await hub.call("GET", "/healthz", headers=foreign)).json == {"ok": True}
    assert await world.is_unchanged()
