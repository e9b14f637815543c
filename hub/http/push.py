"""Notifications: ``/api/v1/push``, and the script that shows them."""

from __future__ import annotations

from pathlib import Path

from aiohttp import hdrs, web

from hub.access.guards import access_person, access_subscription
from hub.actions.push import do_subscribe, do_unsubscribe
from hub.api_json import device_json
from hub.core.push import name_browser
from hub.db.subscriptions import list_subscriptions
from hub.errors import PushFailed
from hub.http.answers import answer_json
from hub.http.api import SMALL_BODY_BYTES
from hub.http.bodies import PushSubscription
from hub.http.reading import read_body
from hub.keys import DB, PRINCIPAL, PUSH, SETTINGS

WORKER = Path(__file__).resolve().parents[2] / "web" / "static" / "sw.js"


async def list_devices(request: web.Request) -> web.Response:
    """The hub's public key, and where this person is told."""
    person = access_person(request[PRINCIPAL], "see")
    async with request.app[DB].read() as conn:
        subscriptions = await list_subscriptions(conn, person.user_id)
    devices = [device_json(subscription, person.token_id) for subscription in subscriptions]
    return answer_json({"public_key": request.app[PUSH].courier.public_key, "devices": devices})


async def subscribe(request: web.Request) -> web.Response:
    """Tell this person in this browser."""
    person = access_person(request[PRINCIPAL], "decide")
    body = await read_body(request, PushSubscription, SMALL_BODY_BYTES)
    subscription = await do_subscribe(
        request.app[DB],
        person,
        request.remote or "",
        endpoint=body.endpoint,
        p256dh=body.keys.p256dh,
        auth=body.keys.auth,
        label=name_browser(request.headers.get(hdrs.USER_AGENT, "")),
        push_hosts=request.app[SETTINGS].push_hosts,
    )
    return answer_json(device_json(subscription, person.token_id), 201)


async def unsubscribe(request: web.Request) -> web.Response:
    """Not in this browser any more."""
    person = access_person(request[PRINCIPAL], "see")
    subscription_id = request.match_info["subscription_id"]
    await do_unsubscribe(request.app[DB], person, request.remote or "", subscription_id)
    return answer_json({"subscription_id": subscription_id})


async def try_out(request: web.Request) -> web.Response:
    """Show something in this browser; answers once its push service has it."""
    async with request.app[DB].read() as conn:
        subscription = await access_subscription(conn, request[PRINCIPAL], request.match_info["subscription_id"])
    outcome = await request.app[PUSH].try_out(subscription)
    if outcome == "gone":
        raise PushFailed("The browser has ended this subscription. Turn notifications on again in it.")
    if outcome != "sent":
        raise PushFailed("The browser's push service didn't take it; the hub's log has more.")
    return answer_json({"subscription_id": subscription.subscription_id})


async def service_worker(request: web.Request) -> web.FileResponse:  # noqa: ARG001
    """The script that shows notifications; at the top, since it speaks for the whole site."""
    return web.FileResponse(WORKER, headers={hdrs.CACHE_CONTROL: "no-cache"})
