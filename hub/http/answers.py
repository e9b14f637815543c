"""JSON and error answers, the same everywhere."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import hdrs, web

from hub.access.rights import ROLES, Person
from hub.db import queries
from hub.errors import HubError
from hub.keys import DB, LIVE, NONCE, PAGES, PRINCIPAL
from hub.pages.render import Viewer

TITLES = {
    403: "You may not do that",
    404: "There is nothing here",
    421: "Not this hub's name",
    429: "Too many tries",
    500: "The hub failed here",
    503: "The hub can't reach its store",
}


def answer_json(data: Any, status: int = 200) -> web.Response:
    """JSON, encoded by msgspec."""
    return web.Response(body=msgspec.json.encode(data), status=status, content_type="application/json")


def answer_html(html: str, status: int = 200) -> web.Response:
    """A whole page."""
    return web.Response(text=html, status=status, content_type="text/html")


def wants_html(request: web.Request) -> bool:
    """A browser asking for a page."""
    return "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith(("/api/", "/ws/"))


def build_viewer(person: Person) -> Viewer:
    """Who looks at a page."""
    rights = tuple(sorted(ROLES.get(person.role, ())))
    return Viewer(user_id=person.user_id, name=person.name, csrf=person.csrf or "", rights=rights)


async def answer_error(
    request: web.Request, error: HubError, *, status: int | None = None, code: str | None = None
) -> web.Response:
    """``{"error": {"code", "message"}}`` and what else the error tells, or the error page for a browser."""
    status = status or error.status
    if not wants_html(request):
        return answer_json({"error": {"code": code or error.code, "message": error.message, **error.details}}, status)
    page: dict[str, Any] = {"status": status, "title": TITLES.get(status, "That didn't work"), "text": error.message}
    principal = request.get(PRINCIPAL)
    if isinstance(principal, Person) and status < 500:
        async with request.app[DB].read() as conn:
            page["machines"] = await queries.list_machines(conn)
            page["sessions"] = await queries.list_rail_sessions(conn)
        page["viewer"] = build_viewer(principal)
        page["counts"] = request.app[LIVE].count_states()
        page["needs"] = request.app[LIVE].needs
        page["change_id"] = request.app[DB].last_change
    return answer_html(request.app[PAGES].error(nonce=request[NONCE], **page), status)
