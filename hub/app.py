"""Puts the hub together: the parts, the routes, the two applications."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from hub.access.limiter import WrongSecrets
from hub.access.principals import Principals
from hub.config import Settings, find_command
from hub.db import queries
from hub.db.engine import Database
from hub.http import admin, api, control, decisions, inbox, pages, push, rules
from hub.http.middleware import errors, same_site, set_headers, signed_in
from hub.http.searches import Searches
from hub.indexer import Indexer
from hub.keys import DB, LINKS, LIVE, OUTCOMES, PAGES, PRINCIPALS, PUSH, RULINGS, SEARCHES, SETTINGS, WRONG_SECRETS
from hub.links import Links
from hub.live import Live
from hub.pages.render import Pages
from hub.push import Push
from hub.rulings import Rulings
from hub.vapid import load_vapid
from hub.verdicts import Outcomes
from hub.webpush import Courier
from hub.ws.channel import channel_socket
from hub.ws.dashboard import dashboard_socket
from wire.frames import FRAME_BYTES

STATIC = Path(__file__).resolve().parent.parent / "web" / "static"

ALL_SESSIONS = ALL_DECISIONS = 1_000_000

YEAR = 31_536_000


async def build_app(settings: Settings, db: Database) -> web.Application:
    """The public application. The caller owns ``db``, and stops ``app[LINKS]`` and ``app[LIVE]``."""
    app = web.Application(middlewares=[errors, same_site, signed_in], client_max_size=FRAME_BYTES)
    prefix = f"/static/{_hash_static()}"
    renderer = Pages(prefix, command=find_command())
    async with db.read() as conn:
        machines = await queries.list_machines(conn)
        sessions = await queries.list_sessions(conn, limit=ALL_SESSIONS)
        left_over = await queries.list_linked_sessions(conn)
        waiting = await queries.list_waiting(conn)
        sending = await queries.list_decisions(conn, states=["sending"], limit=ALL_DECISIONS)
        asked = await queries.list_decisions(conn, states=["open"], limit=ALL_DECISIONS)
    live = Live(renderer, machines, sessions, [*asked, *sending])
    links = Links(db)
    by_id = {session.session_id: session for session in sessions}
    links.start(left_over, waiting, [(decision, by_id[decision.session_id]) for decision in sending])
    indexer = Indexer(db)
    rulings = Rulings(db)
    rulings.look_at(asked)
    pushes = Push(db, Courier(load_vapid(settings.home / "hub", settings.public_url), settings.push_hosts))
    pushes.look_at(asked)

    async def run_beside(_: web.Application) -> AsyncIterator[None]:
        async with indexer.running(), rulings.running(), pushes.running():
            yield

    app.cleanup_ctx.append(run_beside)
    outcomes = Outcomes()
    db.observers += [live.publish, links.notice, outcomes.notice, rulings.notice, pushes.notice, indexer.notice]
    app[SETTINGS] = settings
    app[DB] = db
    app[PRINCIPALS] = Principals(db)
    app[LIVE] = live
    app[LINKS] = links
    app[OUTCOMES] = outcomes
    app[RULINGS] = rulings
    app[PAGES] = renderer
    app[PUSH] = pushes
    app[SEARCHES] = Searches()
    app[WRONG_SECRETS] = WrongSecrets()
    app.on_response_prepare.append(set_headers)
    app.router.add_routes(
        [
            web.get("/healthz", api.healthz, name="healthz", allow_head=True),
            web.get("/api/v1/openapi.json", api.openapi),
            web.get("/api/v1/whoami", api.whoami),
            web.post("/api/v1/join", api.join, name="join"),
            web.get("/api/v1/sessions", api.list_sessions),
            web.get("/api/v1/sessions/{session_id}", api.show_session),
            web.get("/api/v1/sessions/{session_id}/timeline", api.show_timeline),
            web.post("/api/v1/sessions/{session_id}/messages", api.send_message),
            web.post("/api/v1/sessions/{session_id}/interrupt", control.interrupt),
            web.post("/api/v1/sessions/{session_id}/stop", control.stop),
            web.get("/api/v1/messages/{message_id}", api.show_message),
            web.delete("/api/v1/messages/{message_id}", api.cancel_message),
            web.post("/api/v1/messages/{message_id}/resend", api.resend_message),
            web.post("/api/v1/messages/{message_id}/move", api.move_message),
            web.get("/api/v1/decisions", decisions.list_decisions),
            web.get("/api/v1/decisions/{decision_id}", decisions.show_decision),
            web.post("/api/v1/decisions/{decision_id}/verdict", decisions.give_verdict),
            web.get("/api/v1/rules", rules.list_rules),
            web.post("/api/v1/rules", rules.add_rule),
            web.delete("/api/v1/rules/{rule_id}", rules.remove_rule),
            web.get("/api/v1/usage", api.show_usage),
            web.get("/api/v1/search", api.search),
            web.get("/api/v1/push", push.list_devices),
            web.post("/api/v1/push", push.subscribe),
            web.delete("/api/v1/push/{subscription_id}", push.unsubscribe),
            web.post("/api/v1/push/{subscription_id}/test", push.try_out),
            web.post("/api/v1/events", api.take_events),
            web.get("/ws/channel", channel_socket),
            web.get("/ws/dashboard", dashboard_socket),
            web.get("/", pages.overview),
            web.get("/sessions/{session_id}", pages.session),
            web.get("/inbox", inbox.inbox),
            web.get("/inbox/{decision_id}", inbox.inbox),
            web.get("/inbox/{decision_id}/changes", inbox.plan_changes),
            web.get("/sign-in", pages.sign_in, name="sign_in"),
            web.post("/sign-in", pages.sign_in_submit, name="do_sign_in"),
            web.post("/sign-out", pages.sign_out),
            web.get("/sw.js", push.service_worker, name="service_worker"),
        ]
    )
    app.router.add_static(prefix, STATIC, name="static")
    app.on_response_prepare.append(_cache_static)
    return app


def build_admin_app(public: web.Application) -> web.Application:
    """The application behind the admin socket."""
    app = web.Application(middlewares=[errors], client_max_size=api.SMALL_BODY_BYTES)
    for key in (SETTINGS, DB, PAGES, LIVE, LINKS, PRINCIPALS):
        app[key] = public[key]  # type: ignore[misc]
    app.router.add_routes(
        [
            web.post("/pair", admin.create_code),
            web.post("/tokens", admin.create_token),
            web.post("/sign-in", admin.create_sign_in),
            web.post("/revoke", admin.revoke),
        ]
    )
    return app


async def _cache_static(request: web.Request, response: web.StreamResponse) -> None:
    """Static paths carry a hash of their content, so they never change."""
    if request.match_info.route.name == "static" and response.status < 400:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"


def _hash_static() -> str:
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
