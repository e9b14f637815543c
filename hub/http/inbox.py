"""The inbox: every open decision, and one of them whole."""

from __future__ import annotations

import asyncio

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.access.guards import access_person
from hub.clock import now
from hub.core.model import Decision, Machine
from hub.db import queries
from hub.db.books import load_sessions
from hub.errors import NotFound
from hub.http.answers import answer_html, build_viewer
from hub.keys import DB, LIVE, NONCE, PAGES, PRINCIPAL
from hub.pages.cards import pick_machine
from hub.pages.render import Chosen
from hub.pages.times import DAY

PAST = 50
"""Decisions of the last day that are listed."""


async def inbox(request: web.Request) -> web.Response:
    """``/inbox``, ``/inbox/{decision_id}``; for a frame of the page only the one decision."""
    person = access_person(request[PRINCIPAL], "see")
    live, pages = request.app[LIVE], request.app[PAGES]
    change_id = request.app[DB].last_change
    named = request.match_info.get("decision_id")
    waiting = live.needs.decisions
    async with request.app[DB].read() as conn:
        machines = await queries.list_machines(conn)
        decision = await queries.find_decision(conn, named) if named else next(iter(waiting), None)
        if named and decision is None:
            raise NotFound("There is no such decision.")
        chosen = await _choose(conn, decision, machines) if decision else None
        if "Turbo-Frame" in request.headers and chosen is not None:
            return answer_html(await asyncio.to_thread(pages.inbox_detail, chosen))
        past = await _list_past(conn)
        rail = await queries.list_rail_sessions(conn)
        missing = {decision.session_id for decision in past} - {session.session_id for session in rail}
        sessions = rail + await load_sessions(conn, missing)
    html = await asyncio.to_thread(
        pages.inbox,
        viewer=build_viewer(person),
        needs=live.needs,
        past=past,
        chosen=chosen,
        sessions=sessions,
        machines=machines,
        nonce=request[NONCE],
        change_id=change_id,
        counts=live.count_states(),
        is_named=bool(named),
    )
    return answer_html(html)


async def plan_changes(request: web.Request) -> web.Response:
    """``/inbox/{decision_id}/changes``: a part of a plan's card, which loads it when it is opened."""
    access_person(request[PRINCIPAL], "see")
    async with request.app[DB].read() as conn:
        decision = await queries.find_decision(conn, request.match_info["decision_id"])
        if decision is None or decision.previous_plan is None:
            raise NotFound("There is no such plan, or none before it.")
        before = await queries.find_decision(conn, decision.previous_plan)
    return answer_html(await asyncio.to_thread(request.app[PAGES].plan_changes, decision, before))


async def _list_past(conn: AsyncConnection) -> list[Decision]:
    going = await queries.list_decisions(conn, states=["sending"], limit=PAST)
    return going + await queries.list_closed_decisions(conn, since=now() - DAY, limit=PAST)


async def _choose(conn: AsyncConnection, decision: Decision, machines: list[Machine]) -> Chosen | None:
    session = await queries.find_session(conn, decision.session_id)
    if session is None:
        return None
    by_id = {machine.machine_id: machine for machine in machines}
    return Chosen(
        decision=decision,
        session=session,
        machine=pick_machine(by_id, decision.machine_id),
        words=await queries.find_last_words(conn, decision.session_id, decision.position),
    )
