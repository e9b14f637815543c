"""``/api/v1``: parse, ask the action or the query, answer. Who may is checked by the guards they use."""

from __future__ import annotations

import re
import time

from aiohttp import web

from hub.access.guards import access_message, access_person, access_session
from hub.access.rights import MachineKey
from hub.actions.events import do_ingest
from hub.actions.identity import do_join
from hub.actions.messages import do_cancel_message, do_move_message, do_resend_message, do_send_message
from hub.api_json import entry_json, hit_json, message_json, session_json, usage_json
from hub.core.search import QUERY_CHARS, QUERY_TERMS, SEARCHED, split_query
from hub.db import queries
from hub.db.driver import TookTooLong
from hub.db.search import LAST_NUMBER, Wanted, find
from hub.errors import Forbidden, Frozen, SearchTooSlow, Unprocessable
from hub.http.answers import answer_json
from hub.http.bodies import Batch, Join, Move, NewMessage
from hub.http.openapi import build_openapi
from hub.http.reading import build_cursor, read_body, read_cursor, read_limit
from hub.keys import DB, LIVE, PRINCIPAL, SEARCHES, WRONG_SECRETS
from wire.frames import BATCH_EVENTS, FRAME_BYTES

USAGE_ROWS = 5_000
"""The most that one call for what was used returns: rows are short, and who asks for a month wants it whole."""

HITS = 50
"""The most that one search returns."""

MESSAGE_BODY_BYTES = 512 * 1024
"""A message of 64 KiB in which JSON escapes every character."""

SMALL_BODY_BYTES = 4096

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

STATES = ("working", "needs_you", "idle", "offline", "ended")


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001
    """The hub is up."""
    return answer_json({"ok": True})


async def openapi(request: web.Request) -> web.Response:  # noqa: ARG001
    """This API, described."""
    return answer_json(build_openapi())


async def whoami(request: web.Request) -> web.Response:
    """Whom these credentials stand for."""
    principal = request[PRINCIPAL]
    if isinstance(principal, MachineKey):
        return answer_json({"kind": "machine", "name": principal.name, "machine_id": principal.machine_id})
    return answer_json({"kind": "person", "name": principal.name, "role": principal.role})


async def join(request: web.Request) -> web.Response:
    """Pair a machine: a code for a key."""
    limiter, address = request.app[WRONG_SECRETS], request.remote or ""
    if limiter.is_frozen(address, time.monotonic()):
        raise Frozen("Too many wrong codes from this address. Try again in an hour.")
    body = await read_body(request, Join, SMALL_BODY_BYTES)
    limiter.note(address, time.monotonic())  # beforehand, so that guesses at the same time count
    try:
        paired = await do_join(request.app[DB], body.code, body.name, body.user, body.os, address)
    except Unprocessable:
        limiter.forgive(address)
        raise
    limiter.forgive(address)
    request.app[LIVE].add_machine(paired.machine)
    return answer_json(
        {"machine_id": paired.machine.machine_id, "machine_name": paired.machine.name, "key": paired.key}
    )


async def list_sessions(request: web.Request) -> web.Response:
    """Sessions, the latest active first."""
    access_person(request[PRINCIPAL], "see")
    query = request.query
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise Unprocessable(f"state must be one of {', '.join(STATES)}.")
    limit = read_limit(request)
    before = read_cursor(query.get("cursor"))
    async with request.app[DB].read() as conn:
        machines = {machine.machine_id: machine for machine in await queries.list_machines(conn)}
        sessions = await queries.list_sessions(
            conn,
            state=state,
            machine_id=query.get("machine") or None,
            title=query.get("q") or None,
            before=before,
            limit=limit + 1,
        )
    more = sessions[limit - 1] if len(sessions) > limit else None
    return answer_json(
        {
            "sessions": [session_json(s, machines.get(s.machine_id)) for s in sessions[:limit]],
            "next": build_cursor(more.last_activity_at, more.session_id) if more else None,
        }
    )


async def show_session(request: web.Request) -> web.Response:
    """One session."""
    async with request.app[DB].read() as conn:
        session = await access_session(conn, request[PRINCIPAL], request.match_info["session_id"], "see")
        machine = await queries.find_machine(conn, session.machine_id)
    return answer_json(session_json(session, machine))


async def show_timeline(request: web.Request) -> web.Response:
    """A session's entries, in order."""
    limit = read_limit(request)
    after = read_cursor(request.query.get("after"))
    async with request.app[DB].read() as conn:
        session = await access_session(conn, request[PRINCIPAL], request.match_info["session_id"], "see")
        entries = await queries.list_entries(conn, session.session_id, after=after and after[0], limit=limit + 1)
    last = entries[limit - 1] if len(entries) > limit else None
    return answer_json(
        {
            "entries": [entry_json(entry) for entry in entries[:limit]],
            "next": build_cursor(last.position, last.entry_id) if last else None,
        }
    )


async def send_message(request: web.Request) -> web.Response:
    """Queue a message for a session."""
    person = access_person(request[PRINCIPAL], "prompt")
    body = await read_body(request, NewMessage, MESSAGE_BODY_BYTES)
    session_id = request.match_info["session_id"]
    address = request.remote or ""
    sent = await do_send_message(request.app[DB], person, address, session_id, body.text, body.client_id, body.when)
    return answer_json(sent, 202)


async def show_message(request: web.Request) -> web.Response:
    """A message and its receipts."""
    async with request.app[DB].read() as conn:
        message = await access_message(conn, request[PRINCIPAL], request.match_info["message_id"], "see")
        receipts = await queries.list_receipts(conn, message.message_id)
    return answer_json(message_json(message, receipts))


async def cancel_message(request: web.Request) -> web.Response:
    """Take back a queued message, or drop an uncertain one."""
    person = access_person(request[PRINCIPAL], "prompt")
    address = request.remote or ""
    return answer_json(await do_cancel_message(request.app[DB], person, address, request.match_info["message_id"]))


async def resend_message(request: web.Request) -> web.Response:
    """Send an uncertain message again, as a new one."""
    person = access_person(request[PRINCIPAL], "prompt")
    address = request.remote or ""
    sent = await do_resend_message(request.app[DB], person, address, request.match_info["message_id"])
    return answer_json(sent, 202)


async def move_message(request: web.Request) -> web.Response:
    """Change the order of queued messages."""
    person = access_person(request[PRINCIPAL], "prompt")
    body = await read_body(request, Move, SMALL_BODY_BYTES)
    address = request.remote or ""
    message_id = request.match_info["message_id"]
    return answer_json(await do_move_message(request.app[DB], person, address, message_id, body.before))


async def show_usage(request: web.Request) -> web.Response:
    """Tokens and cost a day and model, the latest day first."""
    access_person(request[PRINCIPAL], "see")
    query = request.query
    days = [query.get(name, "") for name in ("from", "to")]
    if not all(_DAY.fullmatch(day) for day in days if day):
        raise Unprocessable("from and to are days: 2026-11-21.")
    limit = read_limit(request, USAGE_ROWS)
    after = read_cursor(query.get("cursor"))
    async with request.app[DB].read() as conn:
        rows = await queries.list_usage(
            conn,
            first=days[0] or None,
            last=days[1] or None,
            session_id=query.get("session") or None,
            machine_id=query.get("machine") or None,
            after=(_say_day(after[0]), after[1]) if after else None,
            limit=limit + 1,
        )
    last = rows[limit - 1] if len(rows) > limit else None
    return answer_json(
        {
            "days": [usage_json(row) for row in rows[:limit]],
            "next": build_cursor(int(last.day.replace("-", "")), last.model) if last else None,
        }
    )


async def search(request: web.Request) -> web.Response:
    """Entries that have all the words, the latest first."""
    access_person(request[PRINCIPAL], "see")
    query = request.query
    asked = query.get("q", "")
    terms = split_query(asked)
    if len(asked) > QUERY_CHARS or len(terms) > QUERY_TERMS:
        raise Unprocessable(f"A search takes at most {QUERY_CHARS} characters and {QUERY_TERMS} words.")
    kind = query.get("kind") or None
    if kind is not None and kind not in SEARCHED:
        raise Unprocessable(f"kind must be one of {', '.join(SEARCHED)}.")
    limit = read_limit(request, HITS)
    before = read_cursor(query.get("cursor"))
    wanted = Wanted(
        terms=terms,
        session_id=query.get("session") or None,
        machine_id=query.get("machine") or None,
        kind=kind,
        before=before[0] if before else LAST_NUMBER,
    )
    searches = request.app[SEARCHES]
    try:
        async with searches.turn(), request.app[DB].read() as conn:
            hits, last = await find(conn, wanted, limit, searches.seconds)
    except TookTooLong:
        raise SearchTooSlow(
            f"Given up after {searches.seconds:g} s. Search for rarer words, or in one session, machine or kind."
        ) from None
    return answer_json({"hits": [hit_json(hit) for hit in hits], "next": build_cursor(last, "") if last else None})


async def take_events(request: web.Request) -> web.Response:
    """Store a batch out of a machine's spool; answers after the commit."""
    key = request[PRINCIPAL]
    if not isinstance(key, MachineKey):
        raise Forbidden("Events come from machines: this needs a machine's key.")
    batch = await read_body(request, Batch, FRAME_BYTES)
    if len(batch.events) > BATCH_EVENTS:
        raise Unprocessable(f"A batch holds at most {BATCH_EVENTS} events.")
    rejected = await do_ingest(request.app[DB], key.machine_id, batch.events, sender=batch.pid)
    refused = {item.event_id for item in rejected}
    committed = [event.event_id for event in batch.events if event.event_id not in refused]
    return answer_json({"committed": committed, "rejected": rejected})


def _say_day(number: int) -> str:
    """20261121 as a day."""
    digits = f"{number:08}"
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
