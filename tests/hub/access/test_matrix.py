"""Who may what: every role against every route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.hub.claude import Claude
from tests.hub.kit import Hub

NOBODY = frozenset({"nobody"})
SIGNED_IN = frozenset({"viewer", "member", "owner", "browser", "browser without csrf"})
EVERYBODY = SIGNED_IN | {"nobody", "machine"}
ROLES = sorted(EVERYBODY)
WRITERS = frozenset({"member", "owner", "browser"})


@dataclass(frozen=True)
class Route:
    """One call, who may make it, and what tells that it was allowed."""

    method: str
    path: str
    allowed: frozenset[str]
    body: Any = None
    form: Any = None
    status: tuple[int, ...] = (200,)
    code: str | None = None


ROUTES = {
    ("GET", "/healthz"): Route("GET", "/healthz", EVERYBODY),
    ("GET", "/api/v1/openapi.json"): Route("GET", "/api/v1/openapi.json", SIGNED_IN | {"machine"}),
    ("GET", "/api/v1/whoami"): Route("GET", "/api/v1/whoami", SIGNED_IN | {"machine"}),
    ("POST", "/api/v1/join"): Route(
        "POST",
        "/api/v1/join",
        EVERYBODY,
        body={"code": "AAAA-BBBB", "name": "n", "user": "u", "os": "o"},
        status=(403,),
        code="bad_code",
    ),
    ("GET", "/api/v1/sessions"): Route("GET", "/api/v1/sessions", SIGNED_IN),
    ("GET", "/api/v1/sessions/{session_id}"): Route("GET", "/api/v1/sessions/SESSION", SIGNED_IN),
    ("GET", "/api/v1/sessions/{session_id}/timeline"): Route("GET", "/api/v1/sessions/SESSION/timeline", SIGNED_IN),
    ("POST", "/api/v1/sessions/{session_id}/messages"): Route(
        "POST", "/api/v1/sessions/SESSION/messages", WRITERS, body={"text": "x"}, status=(202,)
    ),
    ("POST", "/api/v1/sessions/{session_id}/interrupt"): Route(
        "POST", "/api/v1/sessions/SESSION/interrupt", WRITERS, status=(409,), code="not_running"
    ),
    ("POST", "/api/v1/sessions/{session_id}/stop"): Route(
        "POST", "/api/v1/sessions/SESSION/stop", WRITERS, status=(409,), code="not_running"
    ),
    ("GET", "/api/v1/messages/{message_id}"): Route("GET", "/api/v1/messages/MESSAGE", SIGNED_IN),
    ("POST", "/api/v1/messages/{message_id}/resend"): Route(
        "POST", "/api/v1/messages/MESSAGE/resend", WRITERS, status=(409,), code="conflict"
    ),
    ("POST", "/api/v1/messages/{message_id}/move"): Route(
        "POST", "/api/v1/messages/MESSAGE/move", WRITERS, body={"before": None}
    ),
    ("DELETE", "/api/v1/messages/{message_id}"): Route("DELETE", "/api/v1/messages/MESSAGE", WRITERS),
    ("GET", "/api/v1/decisions"): Route("GET", "/api/v1/decisions?state=open", SIGNED_IN),
    ("GET", "/api/v1/decisions/{decision_id}"): Route("GET", "/api/v1/decisions/DECISION", SIGNED_IN),
    ("POST", "/api/v1/decisions/{decision_id}/verdict"): Route(
        "POST",
        "/api/v1/decisions/DECISION/verdict",
        WRITERS,
        body={"digest": "another", "behavior": "allow"},
        status=(409,),
        code="changed",
    ),
    ("GET", "/api/v1/rules"): Route("GET", "/api/v1/rules", SIGNED_IN),
    ("POST", "/api/v1/rules"): Route(
        "POST",
        "/api/v1/rules",
        frozenset({"owner", "browser"}),
        body={"behavior": "deny", "tools": ["WebFetch"]},
        status=(201,),
    ),
    ("DELETE", "/api/v1/rules/{rule_id}"): Route(
        "DELETE", "/api/v1/rules/none", frozenset({"owner", "browser"}), status=(404,), code="not_found"
    ),
    ("GET", "/api/v1/usage"): Route("GET", "/api/v1/usage", SIGNED_IN),
    ("GET", "/api/v1/search"): Route("GET", "/api/v1/search?q=hello", SIGNED_IN),
    ("GET", "/api/v1/push"): Route("GET", "/api/v1/push", SIGNED_IN),
    ("POST", "/api/v1/push"): Route(
        "POST",
        "/api/v1/push",
        WRITERS,
        body={"endpoint": "", "keys": {"p256dh": "", "auth": ""}},
        status=(422,),
        code="unprocessable",
    ),
    ("DELETE", "/api/v1/push/{subscription_id}"): Route(
        "DELETE", "/api/v1/push/x", WRITERS | {"viewer"}, status=(404,), code="not_found"
    ),
    ("POST", "/api/v1/push/{subscription_id}/test"): Route(
        "POST", "/api/v1/push/x/test", WRITERS | {"viewer"}, status=(404,), code="not_found"
    ),
    ("POST", "/api/v1/events"): Route("POST", "/api/v1/events", frozenset({"machine"}), body={"events": []}),
    ("GET", "/ws/channel"): Route("GET", "/ws/channel", frozenset({"machine"}), status=(101,)),
    ("GET", "/ws/dashboard"): Route("GET", "/ws/dashboard", SIGNED_IN, status=(101,)),
    ("GET", "/"): Route("GET", "/", SIGNED_IN),
    ("GET", "/sessions/{session_id}"): Route("GET", "/sessions/SESSION", SIGNED_IN),
    ("GET", "/inbox"): Route("GET", "/inbox", SIGNED_IN),
    ("GET", "/inbox/{decision_id}"): Route("GET", "/inbox/DECISION", SIGNED_IN),
    ("GET", "/inbox/{decision_id}/changes"): Route(
        "GET", "/inbox/DECISION/changes", SIGNED_IN, status=(404,), code="not_found"
    ),
    ("GET", "/sign-in"): Route("GET", "/sign-in", EVERYBODY, status=(200, 303)),
    ("POST", "/sign-in"): Route("POST", "/sign-in", EVERYBODY, form={"token": ""}, status=(403,)),
    ("GET", "/static"): Route("GET", "STATIC/icons.svg", EVERYBODY),
    ("GET", "/sw.js"): Route("GET", "/sw.js", EVERYBODY),
    ("POST", "/sign-out"): Route("POST", "/sign-out", WRITERS | {"viewer"}, form={}, status=(303,)),
}


async def credentials(hub: Hub, role: str) -> dict[str, str]:
    """The headers that this role comes with."""
    if role == "nobody":
        return {"Origin": hub.url}
    if role.startswith("browser"):
        return (await hub.browser()).headers(csrf=role == "browser")
    token = hub.secrets.atlas.key if role == "machine" else hub.secrets.token(role)
    return {"Authorization": f"Bearer {token}", "Origin": hub.url}


@pytest.fixture
async def fill_in(hub: Hub) -> Callable[[str], str]:
    """Puts a session, a queued message, an open decision and the static folder into a path."""
    claude = Claude()
    asked = claude.asks()
    await hub.post_events(claude.start(), asked)
    message = await hub.send(claude.session_id)
    static = next(r.get_info()["prefix"] for r in hub.app.router.resources() if "prefix" in r.get_info())
    names = {
        "SESSION": claude.session_id,
        "MESSAGE": message["message_id"],
        "STATIC": static,
        "DECISION": asked.event_id,
    }

    def fill(path: str) -> str:
        for name, value in names.items():
            path = path.replace(name, value)
        return path

    return fill


async def ask(hub: Hub, route: Route, path: str, headers: dict[str, str]) -> tuple[int, str | None]:
    """(status, the error's code)"""
    if path.startswith("/ws/"):
        try:
            async with hub.client.ws_connect(hub.url + path, headers=headers) as socket:
                await socket.close()
        except aiohttp.WSServerHandshakeError as error:
            return error.status, None
        return 101, None
    answer = await hub.call(route.method, path, route.body, data=route.form, headers=headers)
    is_error = answer.headers["Content-Type"] == "application/json" and answer.status >= 400
    return answer.status, answer.code if is_error else None


async def test_the_matrix_has_every_route(hub: Hub) -> None:
    routes = set()
    for route in hub.app.router.routes():
        assert route.resource is not None
        is_static = "prefix" in route.resource.get_info()
        routes.add((route.method, "/static" if is_static else route.resource.canonical))
    assert {route for route in routes if route[0] != "HEAD"} == set(ROUTES)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_what_it_may_and_nothing_else(hub: Hub, fill_in: Callable[[str], str], role: str) -> None:
    headers = await credentials(hub, role)
    allowed = [route for route in ROUTES.values() if role in route.allowed]
    refused = [route for route in ROUTES.values() if role not in route.allowed]
    before = await hub.snapshot()
    for route in refused:
        status, code = await ask(hub, route, fill_in(route.path), headers)
        assert status == (401 if role == "nobody" else 403), (route, status)
        assert code in (None, "not_signed_in", "forbidden", "bad_origin")
    assert await hub.snapshot() == before
    for route in allowed:
        status, code = await ask(hub, route, fill_in(route.path), headers)
        assert status in route.status, (route, status, code)
        assert code == route.code, route


async def test_who_is_not_signed_in_is_led_to_the_sign_in_page(hub: Hub) -> None:
    for path in ("/", "/sessions/x", "/nothing"):
        answer = await hub.call("GET", path, headers={"Accept": "text/html"})
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer " + "x" * 100_0, "Bearer é", "hgp_x"],
)
async def test_credentials_of_another_form_are_none(hub: Hub, header: str) -> None:
    answer = await hub.call("GET", "/api/v1/whoami", headers={"Authorization": header})
    assert (answer.status, answer.code) == (401, "not_signed_in")


async def test_one_kind_of_secret_is_not_another(hub: Hub) -> None:
    browser = await hub.browser()
    cookie = browser.cookie.partition("=")[2]
    assert (await hub.call("GET", "/api/v1/whoami", token=cookie)).status == 401
    assert (await hub.call("GET", "/api/v1/whoami", token=browser.csrf)).status == 401
    for secret in (hub.secrets.owner, hub.secrets.atlas.key, browser.csrf):
        headers = {"Cookie": f"{hub.settings.cookie}={secret}"}
        assert (await hub.call("GET", "/api/v1/whoami", headers=headers)).status == 401


async def test_whoami(hub: Hub) -> None:
    machine = await hub.get("/api/v1/whoami", token=hub.secrets.atlas.key)
    assert machine == {"kind": "machine", "name": "atlas", "machine_id": hub.secrets.atlas.machine_id}
    person = await hub.get("/api/v1/whoami", token=hub.secrets.viewer)
    assert person == {"kind": "person", "name": "viewer token", "role": "viewer"}
