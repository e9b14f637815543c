"""Who is told in a browser what waits for them, when, and what a push service gets to know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from hub.db import schema
from hub.db.engine import Transaction
from hub.keys import PUSH
from tests.hub.claude import Claude
from tests.hub.kit import Hub, Secrets, run_hub, until
from tests.hub.push_service import PushService, run_push_service
from wire.frames import Event

CANARY = "canary-7c1f"
HOUR = 3600.0


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with run_push_service() as running:
        yield running


@asynccontextmanager
async def run(database: Path, secrets: Secrets, service: PushService, *, delay: float = 0.0) -> AsyncIterator[Hub]:
    """A hub that knows this push service, and tells after ``delay`` seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hub.push.DELAY", delay)
        patched.setattr("hub.push.PAUSES", (0.0, 0.0))
        async with run_hub(database, secrets, push_hosts=frozenset({service.host})) as hub:
            yield hub


@pytest.fixture
async def hub(database: Path, secrets: Secrets, service: PushService) -> AsyncIterator[Hub]:
    async with run(database, secrets, service) as running:
        yield running


async def subscribe(hub: Hub, service: PushService, name: str, *, token: str | None = None) -> str:
    """As the member, from a browser of this name; its id."""
    body = service.subscribe(name).json
    answer = await hub.call("POST", "/api/v1/push", body, token=token or hub.secrets.member)
    assert answer.status == 201, answer.body
    return str(answer.json["subscription_id"])


def ask(claude: Claude) -> tuple[list[Event], str]:
    """A session that asks, and the decision's id."""
    asks = claude.asks("Bash", {"command": f"echo {CANARY}"})
    return [claude.start(), claude.prompt(f"Do {CANARY}"), asks], asks.event_id


async def open_decision(hub: Hub, pid: int = 4242) -> tuple[Claude, str]:
    """Something that waits for a person."""
    claude = Claude(pid=pid)
    events, decision_id = ask(claude)
    await hub.post_events(*events)
    return claude, decision_id


async def list_devices(hub: Hub, token: str) -> Any:
    return (await hub.get("/api/v1/push", token=token))["devices"]


async def test_what_waits_is_pushed_with_ids_only(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "laptop")
    claude, decision_id = await open_decision(hub)

    await until(lambda: service.received, "the push")
    [push] = service.received
    assert push.payload == {"decision_id": decision_id, "session_id": claude.session_id, "n": 1}
    assert CANARY not in str(push)
    assert (push.headers["Urgency"], push.headers["TTL"]) == ("high", "86400")
    assert len(push.headers["Topic"]) == 32
    assert decision_id not in push.headers["Topic"]


async def test_the_push_service_sees_the_key_that_browsers_subscribe_to(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "laptop")
    await open_decision(hub)
    await until(lambda: service.received, "the push")
    [push] = service.received
    assert push.public_key == (await hub.get("/api/v1/push"))["public_key"]
    assert push.claims["aud"] == f"http://{service.host}"
    assert 0 < push.claims["exp"] - time.time() <= 24 * HOUR
    assert push.claims["sub"].startswith("mailto:")


async def test_what_is_answered_is_withdrawn(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "laptop")
    claude, decision_id = await open_decision(hub)
    await until(lambda: service.received, "the push")
    await hub.post_events(claude.stop())
    await until(lambda: len(service.received) == 2, "the withdrawal")
    told, withdrawn = service.received
    assert withdrawn.payload == {"closed": decision_id}
    assert withdrawn.headers["Topic"] == told.headers["Topic"]


async def test_what_is_answered_in_time_is_never_pushed(database: Path, secrets: Secrets, service: PushService) -> None:
    async with run(database, secrets, service, delay=HOUR) as hub:
        await subscribe(hub, service, "laptop")
        claude, _ = await open_decision(hub)
        await hub.post_events(claude.stop())
        await until(lambda: not hub.app[PUSH]._tasks, "nothing to be told")
        assert service.tries == 0


async def test_what_waits_over_a_restart_is_pushed_afterwards(
    database: Path, secrets: Secrets, service: PushService
) -> None:
    async with run(database, secrets, service, delay=HOUR) as hub:
        await subscribe(hub, service, "laptop")
        _, decision_id = await open_decision(hub)
    assert service.tries == 0
    async with run(database, secrets, service) as hub:
        await until(lambda: service.received, "the push")
    assert service.received[0].payload["decision_id"] == decision_id


async def test_everybody_who_may_decide_is_told_and_no_viewer(hub: Hub, service: PushService) -> None:
    for role in ("owner", "member"):
        await subscribe(hub, service, role, token=hub.secrets.token(role))
    refused = await hub.call("POST", "/api/v1/push", service.subscribe("v").json, token=hub.secrets.viewer)
    assert (refused.status, refused.code) == (403, "forbidden")
    await open_decision(hub)
    await until(lambda: len(service.received) == 2, "both pushes")
    assert {push.name for push in service.received} == {"owner", "member"}


async def test_who_becomes_a_viewer_is_told_no_more(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "demoted")
    await subscribe(hub, service, "owner", token=hub.secrets.owner)
    await demote(hub, "member token")
    await open_decision(hub)
    await until(lambda: service.received, "the push")
    await until(lambda: len(hub.app[PUSH]._tasks) == 1, "all told")
    assert {push.name for push in service.received} == {"owner"}


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_no_more_is_forgotten(hub: Hub, service: PushService, status: int) -> None:
    await subscribe(hub, service, "gone")
    service.answers["gone"] = [status]
    await open_decision(hub)
    await until(lambda: is_empty(hub), "the row gone")
    assert service.tries == 1


async def test_a_service_that_is_busy_is_tried_again_a_few_times(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "slow")
    service.answers["slow"] = [429, 503]
    await open_decision(hub)
    await until(lambda: service.received, "the push")
    assert service.tries == 3

    service.answers["slow"] = [500, 500, 500]
    await open_decision(hub, pid=4243)
    await until(lambda: is_failing(hub), "the device marked")
    assert service.tries == 6
    assert (await list_devices(hub, hub.secrets.member))[0]["failed_at"] is not None


async def test_no_redirect_is_followed(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "moved")
    service.subscribe("elsewhere")
    service.answers["moved"] = [307]
    await open_decision(hub)
    await until(lambda: is_failing(hub), "the device marked")
    assert service.tries == 1


async def test_logs_keep_the_address_of_a_browser_to_themselves(
    hub: Hub, service: PushService, capfd: pytest.CaptureFixture[str]
) -> None:
    await subscribe(hub, service, "secret-address")
    service.answers["secret-address"] = [400]
    await open_decision(hub)
    await until(lambda: is_failing(hub), "the device marked")
    said = "".join(capfd.readouterr())
    assert "push not taken" in said
    assert "secret-address" not in said


async def test_one_browsers_trouble_is_nobody_elses(hub: Hub, service: PushService) -> None:
    await subscribe(hub, service, "broken")
    await subscribe(hub, service, "fine")
    service.answers["broken"] = [400]
    await open_decision(hub)
    await until(lambda: service.payloads("fine"), "the other push")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://example.org/push/x",
        "https://127.0.0.1/push/x",
        "http://fcm.googleapis.com/fcm/send/x",
        "https://fcm.googleapis.com:8443/fcm/send/x",
        "https://fcm.googleapis.com@example.org/x",
        "https://fcm.googleapis.com.example.org/x",
        "https://example.org/.push.apple.com",
        "https://example.org%2f.push.apple.com/x",
        "https://example.org\\.push.apple.com/x",
        "https://push.apple.com.evil/x",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com/" + "x" * 2100,
        "http://127.0.0.1:1/push/x",
        "http://[::1/push/x",
        "file:///etc/passwd",
        "",
    ],
)
async def test_the_hub_sends_nowhere_but_to_push_services(hub: Hub, service: PushService, endpoint: str) -> None:
    body = service.subscribe("x").json | {"endpoint": endpoint}
    answer = await hub.call("POST", "/api/v1/push", body, token=hub.secrets.member)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert await hub.rows("push_subscriptions") == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://jmt17.google.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://wns2-par02p.notify.windows.com/w/?token=abc%3d",
        "https://web.push.apple.com/abc",
    ],
)
async def test_the_browsers_own_push_services_are_known(hub: Hub, service: PushService, endpoint: str) -> None:
    body = service.subscribe("x").json | {"endpoint": endpoint}
    assert (await hub.call("POST", "/api/v1/push", body, token=hub.secrets.member)).status == 201


@pytest.mark.parametrize("keys", [{"p256dh": "AAAA", "auth": "AAAA"}, {"p256dh": "é", "auth": ""}, {"p256dh": ""}, {}])
async def test_keys_of_another_form_are_none(hub: Hub, service: PushService, keys: dict[str, str]) -> None:
    body = service.subscribe("x").json | {"keys": keys}
    assert (await hub.call("POST", "/api/v1/push", body, token=hub.secrets.member)).status == 422


async def test_other_peoples_subscriptions_are_not_there(hub: Hub, service: PushService) -> None:
    subscription_id = await subscribe(hub, service, "mine")
    for method, path in (("DELETE", ""), ("POST", "/test")):
        answer = await hub.call(method, f"/api/v1/push/{subscription_id}{path}", token=hub.secrets.owner)
        assert (answer.status, answer.code) == (404, "not_found")
    assert await list_devices(hub, hub.secrets.owner) == []
    assert len(await list_devices(hub, hub.secrets.member)) == 1
    assert service.tries == 0


async def test_a_test_is_shown_at_once_or_says_why_not(hub: Hub, service: PushService) -> None:
    subscription_id = await subscribe(hub, service, "laptop")
    path = f"/api/v1/push/{subscription_id}/test"
    assert (await hub.call("POST", path, token=hub.secrets.member)).status == 200
    assert service.payloads("laptop") == [{"test": True}]
    service.answers["laptop"] = [403]
    refused = await hub.call("POST", path, token=hub.secrets.member)
    assert (refused.status, refused.code) == (502, "push_failed")
    assert "127.0.0.1" not in refused.body.decode()


async def test_turning_off_and_signing_out_end_it(hub: Hub, service: PushService) -> None:
    browser = await hub.browser()
    body = service.subscribe("laptop").json
    made = await browser.call("POST", "/api/v1/push", body)
    assert made.json["here"] is True
    [device] = (await browser.call("GET", "/api/v1/push")).json["devices"]
    assert device == made.json
    assert (await browser.call("DELETE", f"/api/v1/push/{device['subscription_id']}")).status == 200
    assert await is_empty(hub)

    await browser.call("POST", "/api/v1/push", body)
    signed_out = await hub.call("POST", "/sign-out", data={"csrf": browser.csrf}, headers=browser.headers())
    assert signed_out.status == 303
    assert await is_empty(hub)
    audited = [row["did"] for row in await hub.rows("audit")]
    assert (audited.count("subscribe"), audited.count("unsubscribe")) == (2, 1)


async def test_a_browser_has_one_subscription_and_a_person_a_bounded_number(hub: Hub, service: PushService) -> None:
    browser = await hub.browser()
    for name in ("first", "second"):
        assert (await browser.call("POST", "/api/v1/push", service.subscribe(name).json)).status == 201
    assert [row["endpoint"].rpartition("/")[2] for row in await hub.rows("push_subscriptions")] == ["second"]
    for number in range(20):
        await subscribe(hub, service, f"n{number}")
    full = await hub.call("POST", "/api/v1/push", service.subscribe("more").json, token=hub.secrets.member)
    assert (full.status, full.code) == (409, "conflict")


async def test_a_browser_that_changes_hands_tells_whoever_has_it_now(hub: Hub, service: PushService) -> None:
    body = service.subscribe("shared").json
    for role in ("owner", "member"):
        assert (await hub.call("POST", "/api/v1/push", body, token=hub.secrets.token(role))).status == 201
    assert await list_devices(hub, hub.secrets.owner) == []
    assert len(await list_devices(hub, hub.secrets.member)) == 1


async def test_a_device_is_named_in_words(hub: Hub, service: PushService) -> None:
    system, engine = "(Linux; Android 16; Pixel 9)", "(KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36"
    headers = {"User-Agent": f"Mozilla/5.0 {system} AppleWebKit/537.36 {engine}"}
    body = service.subscribe("phone").json
    answer = await hub.call("POST", "/api/v1/push", body, token=hub.secrets.member, headers=headers)
    assert answer.json["label"] == "Chrome on Android"


async def test_the_key_is_made_once_and_for_the_hub_only(
    database: Path, secrets: Secrets, service: PushService
) -> None:
    keys = []
    for _ in range(2):
        async with run(database, secrets, service) as hub:
            keys.append((await hub.get("/api/v1/push"))["public_key"])
    path = hub.settings.home / "hub" / "vapid.pem"
    assert keys[0] == keys[1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir() if item.name.startswith("vapid")] == ["vapid.pem"]


async def test_the_worker_is_at_the_top_and_never_stale(hub: Hub) -> None:
    answer = await hub.call("GET", "/sw.js")
    assert answer.status == 200
    assert "javascript" in answer.headers["Content-Type"]
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


async def demote(hub: Hub, name: str) -> None:
    """No command does that yet."""

    async def work(tx: Transaction) -> None:
        await tx.conn.execute(update(schema.users).where(schema.users.c.name == name).values(role="viewer"))

    await hub.db.write(work)


async def is_empty(hub: Hub) -> bool:
    return await hub.rows("push_subscriptions") == []


async def is_failing(hub: Hub) -> bool:
    return any(row["failed_at"] for row in await hub.rows("push_subscriptions"))
