"""``GET /ws/dashboard``: what changes, live, for a page (html) or a program (json)."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.access.guards import access_person, access_session
from hub.access.rights import Person
from hub.core.model import Entry
from hub.db import queries
from hub.db.books import load_sessions
from hub.db.rows import text_of
from hub.errors import BadRequest
from hub.keys import DB, LIVE, PRINCIPAL
from hub.live import Format, View, Watcher

HEARTBEAT = 20.0
CATCH_UP = 500
"""Changes that are sent one by one to who comes back; for more, the page loads again."""

MOST_CHANGES = 2**63
"""Change ids are 64 bits in the store."""

SEND_SECONDS = 10.0
"""A socket that takes no byte for this long is cut."""

FRAME_BYTES = 4096
"""Pages have nothing to say on this socket."""

log = structlog.get_logger()


async def dashboard_socket(request: web.Request) -> web.WebSocketResponse:
    """Send what happened after ``after``, then everything as it happens."""
    person = access_person(request[PRINCIPAL], "see")
    watcher = _read_query(request, person)
    after = _read_after(request)
    if watcher.session_id is not None:
        async with request.app[DB].read() as conn:
            await access_session(conn, person, watcher.session_id, "see")
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=FRAME_BYTES, compress=False)
    await socket.prepare(request)
    live = request.app[LIVE]
    watcher.since = seen = request.app[DB].last_change
    live.add(watcher)  # at the same moment: what is queued from here on is later than that
    sender = asyncio.create_task(_send_all(request, watcher, socket, after, seen))
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        live.remove(watcher)
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
    return socket


def _read_after(request: web.Request) -> int:
    try:
        after = int(request.query.get("after", "0"))
    except ValueError:
        after = -1
    if not 0 <= after < MOST_CHANGES:
        raise BadRequest("after must be a change_id.")
    return after


def _read_query(request: web.Request, person: Person) -> Watcher:
    views: dict[str, View] = {"session": "session", "inbox": "inbox"}
    view = views.get(request.query.get("view", ""), "overview")
    output: Format = "json" if request.query.get("format") == "json" else "html"
    session_id = request.query.get("session") if view == "session" else None
    if view == "session" and not session_id:
        raise BadRequest("view=session needs session=<id>.")
    return Watcher(view, output, session_id, person.token_id)


async def _send_all(
    request: web.Request, watcher: Watcher, socket: web.WebSocketResponse, after: int, seen: int
) -> None:
    try:
        await _send(socket, await _catch_up(request.app, watcher, after, seen))
        while (frame := await watcher.queue.get()) is not None:
            await _send(socket, frame)
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=watcher.reason.encode())
    except (TimeoutError, ConnectionError):
        log.info("dashboard cut", reason="does not read")
        if request.transport is not None:
            request.transport.abort()  # a close frame would wait behind what isn't read
    except Exception as error:
        log.error("dashboard failed", error=type(error).__name__, exc_info=error)
        await socket.close(code=WSCloseCode.INTERNAL_ERROR)


async def _send(socket: web.WebSocketResponse, frame: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_str(frame)


async def _catch_up(app: web.Application, watcher: Watcher, after: int, seen: int) -> str:
    async with app[DB].read() as conn:
        sessions = await queries.list_sessions(conn, after_change=after, limit=CATCH_UP + 1)
        entries = await _changed_entries(conn, watcher, after)
        decisions = await queries.list_decisions(
            conn, session_id=watcher.session_id, after_change=after, limit=CATCH_UP + 1
        )
        missing = {entry.session_id for entry in entries} - {session.session_id for session in sessions}
        missing |= {decision.session_id for decision in decisions} - {session.session_id for session in sessions}
        sessions += await load_sessions(conn, missing)
    if after > seen or max(len(sessions), len(entries), len(decisions)) > CATCH_UP:
        return text_of({"reload": True, "change_id": seen})
    return app[LIVE].build_first(watcher, seen, sessions, entries, decisions)


async def _changed_entries(conn: AsyncConnection, watcher: Watcher, after: int) -> list[Entry]:
    if watcher.session_id is None:
        return []
    return await queries.list_entries(conn, watcher.session_id, after_change=after, limit=CATCH_UP + 1)
