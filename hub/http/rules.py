"""``/api/v1/rules``: what is answered without a person."""

from __future__ import annotations

from aiohttp import web

from hub.access.guards import access_person
from hub.actions.rules import do_add_rule, do_remove_rule
from hub.api_json import rule_json
from hub.db import queries
from hub.http.answers import answer_json
from hub.http.bodies import NewRule
from hub.http.reading import read_body
from hub.keys import DB, PRINCIPAL, RULINGS

RULE_BODY_BYTES = 512 * 1024
"""Fifty tools and a message, in which JSON escapes every character."""

ALL_DECISIONS = 1_000_000


async def list_rules(request: web.Request) -> web.Response:
    """Every rule, the oldest first."""
    access_person(request[PRINCIPAL], "see")
    async with request.app[DB].read() as conn:
        rules = await queries.list_rules(conn)
    return answer_json({"rules": [rule_json(rule) for rule in rules]})


async def add_rule(request: web.Request) -> web.Response:
    """Make a rule, and let it answer what is open."""
    person = access_person(request[PRINCIPAL], "administer")
    body = await read_body(request, NewRule, RULE_BODY_BYTES)
    app = request.app
    rule = await do_add_rule(
        app[DB],
        person,
        request.remote or "",
        behavior=body.behavior,
        tools=body.tools,
        machine=body.machine,
        project=body.project,
        hours=body.hours,
        message=body.message,
    )
    async with app[DB].read() as conn:
        app[RULINGS].look_at(await queries.list_decisions(conn, states=["open"], limit=ALL_DECISIONS))
    return answer_json(rule_json(rule), 201)


async def remove_rule(request: web.Request) -> web.Response:
    """Remove a rule."""
    person = access_person(request[PRINCIPAL], "administer")
    rule_id = request.match_info["rule_id"]
    return answer_json(rule_json(await do_remove_rule(request.app[DB], person, request.remote or "", rule_id)))
