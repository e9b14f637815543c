"""What ends a turn or a session: ``/api/v1/sessions/…/interrupt`` and ``/stop``."""

from __future__ import annotations

from aiohttp import hdrs, web

from hub.access.guards import access_person
from hub.actions.control import do_interrupt, do_stop
from hub.core.model import Session
from hub.http.answers import answer_json
from hub.http.decisions import find_place
from hub.keys import DB, LINKS, PRINCIPAL


async def interrupt(request: web.Request) -> web.Response:
    """Have Claude stop at its next step."""
    person = access_person(request[PRINCIPAL], "stop")
    where = find_place(person, request.headers.get(hdrs.USER_AGENT, ""))
    links, session_id = request.app[LINKS], request.match_info["session_id"]
    session = await do_interrupt(request.app[DB], person, request.remote or "", session_id, where, links.takes_orders)
    return _answer(session)


async def stop(request: web.Request) -> web.Response:
    """End a session's Claude Code."""
    person = access_person(request[PRINCIPAL], "stop")
    links, session_id = request.app[LINKS], request.match_info["session_id"]
    session = await do_stop(request.app[DB], person, request.remote or "", session_id, links.takes_orders)
    links.end(session)
    return _answer(session)


def _answer(session: Session) -> web.Response:
    return answer_json({"session_id": session.session_id, "state": session.state}, 202)
