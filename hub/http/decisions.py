"""``/api/v1/decisions``: what sessions wait for, and the answers to it."""

from __future__ import annotations

from typing import get_args

from aiohttp import hdrs, web

from hub.access.guards import access_decision, access_person
from hub.access.rights import Person
from hub.actions.decisions import do_decide
from hub.api_json import decision_json
from hub.core.model import Decision, DecisionState, Machine, Place, Session
from hub.db import queries
from hub.db.books import load_sessions
from hub.errors import AlreadyDecided, DecisionConflict, NotTaken, Unprocessable
from hub.http.answers import answer_json
from hub.http.bodies import NewVerdict
from hub.http.reading import build_cursor, read_body, read_cursor, read_limit
from hub.keys import DB, LINKS, OUTCOMES, PRINCIPAL
from wire.frames import FRAME_BYTES

VERDICT_BODY_BYTES = FRAME_BYTES
"""An input of 256 KiB in which JSON escapes every letter that isn't Latin."""

STATES: tuple[DecisionState, ...] = get_args(DecisionState)

CLI = "heliograph-cli/"
"""How our own command line begins its User-Agent."""


async def list_decisions(request: web.Request) -> web.Response:
    """Decisions, the oldest first."""
    access_person(request[PRINCIPAL], "see")
    query = request.query
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise Unprocessable(f"state must be one of {', '.join(STATES)}.")
    limit = read_limit(request)
    async with request.app[DB].read() as conn:
        decisions = await queries.list_decisions(
            conn,
            states=[name for name in STATES if name == state],
            session_id=query.get("session") or None,
            after=read_cursor(query.get("cursor")),
            limit=limit + 1,
        )
        shown = decisions[:limit]
        machines = {machine.machine_id: machine for machine in await queries.list_machines(conn)}
        sessions = {s.session_id: s for s in await load_sessions(conn, {d.session_id for d in shown})}
    last = decisions[limit - 1] if len(decisions) > limit else None
    return answer_json(
        {
            "decisions": [decision_json(d, sessions.get(d.session_id), machines.get(d.machine_id)) for d in shown],
            "next": build_cursor(last.opened_at, last.decision_id) if last else None,
        }
    )


async def show_decision(request: web.Request) -> web.Response:
    """One decision."""
    async with request.app[DB].read() as conn:
        decision = await access_decision(conn, request[PRINCIPAL], request.match_info["decision_id"], "see")
    return answer_json(decision_json(decision, *await _find_beside(request, decision)))


async def give_verdict(request: web.Request) -> web.Response:
    """Decide. Answers once the verdict has reached Claude Code (200), or is kept for its machine (202)."""
    app, person = request.app, access_person(request[PRINCIPAL], "decide")
    body = await read_body(request, NewVerdict, VERDICT_BODY_BYTES)
    with app[OUTCOMES].watch(request.match_info["decision_id"]) as outcome:
        try:
            decision = await _decide(request, person, body)
        except DecisionConflict as error:
            error.details["decision"] = decision_json(error.decision, *await _find_beside(request, error.decision))
            raise
        is_near = app[LINKS].takes_verdicts(decision.machine_id, decision.pid)
        beside = await _find_beside(request, decision)  # not later: the hub may stop while this waits
        if is_near:
            decision = await outcome.wait(decision)
    try:
        _check_outcome(decision)
    except DecisionConflict as error:
        error.details["decision"] = decision_json(decision, *beside)
        raise
    return answer_json(decision_json(decision, *beside), 202 if decision.state == "sending" else 200)


async def _decide(request: web.Request, person: Person, body: NewVerdict) -> Decision:
    return await do_decide(
        request.app[DB],
        person,
        request.remote or "",
        request.match_info["decision_id"],
        body.digest,
        body.build_verdict(),
        find_place(person, request.headers.get(hdrs.USER_AGENT, "")),
    )


def _check_outcome(decision: Decision) -> None:
    """Raises a DecisionConflict if the verdict came to nothing."""
    if decision.state == "open":
        raise NotTaken("Nothing on that machine took the answer: answer it in its terminal.", decision)
    if decision.state not in ("sending", "decided"):
        raise AlreadyDecided("Somebody answered it in its terminal, or it ended, before your answer came.", decision)


def find_place(person: Person, user_agent: str) -> Place:
    """Where somebody is who asks for something."""
    if person.csrf is not None:
        return "phone" if "Mobi" in user_agent else "hub"
    return "cli" if user_agent.startswith(CLI) else "api"


async def _find_beside(request: web.Request, decision: Decision) -> tuple[Session | None, Machine | None]:
    """What is shown with it."""
    async with request.app[DB].read() as conn:
        session = await queries.find_session(conn, decision.session_id)
        return session, await queries.find_machine(conn, decision.machine_id)
