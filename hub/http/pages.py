"""The pages: sign in and out, overview, a session. What takes long to render is rendered in a thread."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from aiohttp import web

from hub.access.guards import access_person, access_session
from hub.access.secrets import TOKEN_CHARS
from hub.actions.identity import do_sign_in, do_sign_out
from hub.core.model import Session
from hub.db import queries
from hub.db.books import load_sessions
from hub.errors import BadCode, Frozen
from hub.http.answers import answer_html, build_viewer
from hub.http.bodies import read_form
from hub.keys import DB, LIVE, NONCE, PAGES, PRINCIPAL, PRINCIPALS, SETTINGS, WRONG_SECRETS

SESSIONS = 500
"""Cards on the overview."""

ENTRIES = 500
"""Entries of a session's page; older ones are a later issue's paging."""


async def overview(request: web.Request) -> web.Response:
    """A card for every session."""
    person = access_person(request[PRINCIPAL], "see")
    change_id = request.app[DB].last_change
    async with request.app[DB].read() as conn:
        machines = await queries.list_machines(conn)
        sessions = await queries.list_sessions(conn, limit=SESSIONS)
    html = await asyncio.to_thread(
        request.app[PAGES].overview,
        viewer=build_viewer(person),
        sessions=sessions,
        machines=machines,
        nonce=request[NONCE],
        change_id=change_id,
        counts=request.app[LIVE].count_states(),
        needs=request.app[LIVE].needs,
        public_url=request.app[SETTINGS].public_url,
    )
    return answer_html(html)


async def session(request: web.Request) -> web.Response:
    """One session as a chat."""
    person = access_person(request[PRINCIPAL], "see")
    change_id = request.app[DB].last_change
    async with request.app[DB].read() as conn:
        shown = await access_session(conn, person, request.match_info["session_id"], "see")
        machines = await queries.list_machines(conn)
        entries = await queries.list_last_entries(conn, shown.session_id, ENTRIES + 1)
        sessions = await queries.list_rail_sessions(conn)
        related = await load_sessions(conn, _relatives(shown))
    html = await asyncio.to_thread(
        request.app[PAGES].session,
        viewer=build_viewer(person),
        session=shown,
        machine=next(machine for machine in machines if machine.machine_id == shown.machine_id),
        entries=entries[-ENTRIES:],
        older=len(entries) > ENTRIES,
        sessions=sessions,
        machines=machines,
        nonce=request[NONCE],
        change_id=change_id,
        counts=request.app[LIVE].count_states(),
        needs=request.app[LIVE].needs,
        related={relative.session_id: relative for relative in related},
    )
    return answer_html(html)


async def sign_in(request: web.Request) -> web.Response:
    """The sign-in card. Looking at it spends nothing: link previews open links too."""
    if PRINCIPAL in request and not request.query.get("token"):
        raise web.HTTPSeeOther("/")
    token = request.query.get("token", "")[:TOKEN_CHARS]
    return answer_html(_sign_in_page(request, token or None, None))


async def sign_in_submit(request: web.Request) -> web.Response:
    """Spend the link's token on a cookie."""
    limiter, address = request.app[WRONG_SECRETS], request.remote or ""
    if limiter.is_frozen(address, time.monotonic()):
        raise Frozen("Too many wrong links from this address. Try again in an hour.")
    token = (await read_form(request)).get("token", "")[:TOKEN_CHARS]
    try:
        signed_in = await do_sign_in(request.app[DB], token, address)
    except BadCode as error:
        if token and not await request.app[PRINCIPALS].was_given_out(token):
            limiter.note(address, time.monotonic())
        return answer_html(_sign_in_page(request, None, error.message), error.status)
    settings = request.app[SETTINGS]
    answer = web.HTTPSeeOther("/")
    answer.set_cookie(
        settings.cookie,
        signed_in.token,
        max_age=signed_in.life_seconds,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=settings.secure,
    )
    raise answer


async def sign_out(request: web.Request) -> web.Response:
    """End this browser's session, its open pages included."""
    person = access_person(request[PRINCIPAL], "see")
    await do_sign_out(request.app[DB], person, request.remote or "")
    request.app[PRINCIPALS].forget()
    request.app[LIVE].cut_token(person.token_id)
    settings = request.app[SETTINGS]
    answer = web.HTTPSeeOther("/sign-in")
    answer.del_cookie(settings.cookie, path="/", secure=settings.secure, httponly=True, samesite="Lax")
    raise answer


def _sign_in_page(request: web.Request, token: str | None, problem: str | None) -> str:
    settings = request.app[SETTINGS]
    host = urlsplit(settings.public_url).netloc
    return request.app[PAGES].sign_in(
        token=token, host=host, problem=problem, nonce=request[NONCE], public_url=settings.public_url
    )


def _relatives(shown: Session) -> list[str]:
    return [i for i in (shown.previous_session_id, shown.next_session_id) if i]
