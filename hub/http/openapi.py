"""The API's description, OpenAPI 3.1. A test holds it against the routes that exist."""

from __future__ import annotations

import msgspec

from hub import __version__
from hub.http.bodies import Batch, Join, Move, NewMessage, NewRule, NewVerdict, PushSubscription
from hub.http.schemas import (
    DECIMAL,
    TEXT,
    TOKENS,
    Schema,
    build_records,
    list_of,
    object_of,
    or_null,
    ref,
)

_SEARCH = (
    "q: words, or several in double quotes that stand together; the last may be the beginning of one (from three "
    "letters on). Case and accents don't count, and nothing in q is syntax but the quotes. A page may hold fewer hits "
    "than the limit; next tells whether there are more. Latest first is the order in which the hub got them. An entry "
    "is found a moment after it is complete, under load later. snippet.text is plain text; each of its marks is the "
    "beginning and the end of a match in it, in characters (code points). A search that takes longer than two seconds "
    "is given up (422, search_too_slow); where many search at once, some are asked to come again (503, busy)."
)

_VERDICT = (
    "200: Claude Code has it. 202: the decision is in the state sending; the verdict is kept, and given once its "
    "machine is back. 409: already_decided, somebody was first or nobody waits any more; changed, the digest is "
    "another; not_taken, nothing on the machine took it, and the decision is open again. Each of these carries the "
    "decision as it is now, as error.decision. 422 says why the verdict isn't one of those offered."
)


def build_openapi() -> Schema:
    """The whole document."""
    bodies, components = msgspec.json.schema_components(
        [NewMessage, Move, Join, Batch, NewVerdict, NewRule, PushSubscription],
        ref_template="#/components/schemas/{name}",
    )
    new_message, move, join, batch, new_verdict, new_rule, subscription = bodies
    session, entry, message = (ref(name) for name in ("Session", "Entry", "Message"))
    decision = ref("Decision")
    sent = object_of(message_id=TEXT, session_id=TEXT, state=TEXT)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Heliograph", "version": __version__},
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": {
            "/healthz": {"get": _call("The hub is up", object_of(ok={"type": "boolean"}), security=[])},
            "/api/v1/openapi.json": {"get": _call("This document", {"type": "object"})},
            "/api/v1/whoami": {"get": _call("Whom these credentials stand for", object_of(kind=TEXT, name=TEXT))},
            "/api/v1/join": {
                "post": _call(
                    "Pair a machine: a code for a key",
                    object_of(machine_id=TEXT, machine_name=TEXT, key=TEXT),
                    body=join,
                    security=[],
                    refusals=(403, 422, 429),
                )
            },
            "/api/v1/sessions": {
                "get": _call(
                    "Sessions, the latest active first",
                    object_of(sessions=list_of(session), next=or_null(TEXT)),
                    query=("state", "machine", "q", "limit", "cursor"),
                    refusals=(422,),
                )
            },
            "/api/v1/sessions/{session_id}": {
                "get": _call("One session", session, path=("session_id",), refusals=(404,))
            },
            "/api/v1/sessions/{session_id}/timeline": {
                "get": _call(
                    "Its entries, in order",
                    object_of(entries=list_of(entry), next=or_null(TEXT)),
                    path=("session_id",),
                    query=("after", "limit"),
                    refusals=(404, 422),
                )
            },
            "/api/v1/sessions/{session_id}/messages": {
                "post": _call(
                    "Queue a message",
                    sent,
                    status=202,
                    path=("session_id",),
                    body=new_message,
                    refusals=(404, 413, 422),
                )
            },
            "/api/v1/sessions/{session_id}/interrupt": {
                "post": _call(
                    "Have Claude stop at its next step; what it waits for is denied",
                    object_of(session_id=TEXT, state=TEXT),
                    status=202,
                    path=("session_id",),
                    refusals=(404, 409),
                )
            },
            "/api/v1/sessions/{session_id}/stop": {
                "post": _call(
                    "End a session's Claude Code",
                    object_of(session_id=TEXT, state=TEXT),
                    status=202,
                    path=("session_id",),
                    refusals=(404, 409),
                )
            },
            "/api/v1/messages/{message_id}": {
                "get": _call("A message and its receipts", message, path=("message_id",), refusals=(404,)),
                "delete": _call(
                    "Take back a queued message, or drop an uncertain one",
                    sent,
                    path=("message_id",),
                    refusals=(404, 409),
                ),
            },
            "/api/v1/messages/{message_id}/resend": {
                "post": _call(
                    "Send an uncertain message again, as a new one",
                    sent,
                    status=202,
                    path=("message_id",),
                    refusals=(404, 409),
                )
            },
            "/api/v1/messages/{message_id}/move": {
                "post": _call(
                    "Put a queued message before another one, or last",
                    sent,
                    path=("message_id",),
                    body=move,
                    refusals=(404, 409, 413, 422),
                )
            },
            "/api/v1/decisions": {
                "get": _call(
                    "What sessions wait for and have waited for, the oldest first",
                    object_of(decisions=list_of(decision), next=or_null(TEXT)),
                    query=("state", "session", "limit", "cursor"),
                    refusals=(422,),
                )
            },
            "/api/v1/decisions/{decision_id}": {
                "get": _call("One decision", decision, path=("decision_id",), refusals=(404,))
            },
            "/api/v1/decisions/{decision_id}/verdict": {
                "post": {
                    **_call(
                        "Decide",
                        decision,
                        path=("decision_id",),
                        body=new_verdict,
                        refusals=(404, 409, 413, 422),
                        later=True,
                    ),
                    "description": _VERDICT,
                }
            },
            "/api/v1/rules": {
                "get": _call(
                    "What is answered without a person, the oldest first", object_of(rules=list_of(ref("Rule")))
                ),
                "post": _call("Make a rule", ref("Rule"), status=201, body=new_rule, refusals=(409, 413, 422)),
            },
            "/api/v1/rules/{rule_id}": {
                "delete": _call("Remove a rule", ref("Rule"), path=("rule_id",), refusals=(404,))
            },
            "/api/v1/usage": {
                "get": _call(
                    "Tokens and cost a day and model",
                    object_of(
                        days=list_of(object_of(day=TEXT, model=TEXT, **TOKENS, cost_usd=or_null(DECIMAL))),
                        next=or_null(TEXT),
                    ),
                    query=("from", "to", "session", "machine", "limit", "cursor"),
                    refusals=(422,),
                )
            },
            "/api/v1/search": {
                "get": {
                    **_call(
                        "Entries that have all the words, the latest first",
                        object_of(hits=list_of(ref("Hit")), next=or_null(TEXT)),
                        query=("q", "session", "machine", "kind", "limit", "cursor"),
                        refusals=(422, 503),
                    ),
                    "description": _SEARCH,
                }
            },
            "/api/v1/push": {
                "get": _call(
                    "The key that browsers subscribe to, and those in which you are told",
                    object_of(public_key=TEXT, devices=list_of(ref("Device"))),
                ),
                "post": _call(
                    "Be told in this browser what needs you",
                    ref("Device"),
                    status=201,
                    body=subscription,
                    refusals=(409, 413, 422),
                ),
            },
            "/api/v1/push/{subscription_id}": {
                "delete": _call(
                    "Be told in it no more",
                    object_of(subscription_id=TEXT),
                    path=("subscription_id",),
                    refusals=(404,),
                )
            },
            "/api/v1/push/{subscription_id}/test": {
                "post": _call(
                    "Show a notification in it",
                    object_of(subscription_id=TEXT),
                    path=("subscription_id",),
                    refusals=(404, 502),
                )
            },
            "/api/v1/events": {
                "post": _call(
                    "Store a machine's events; answers after the commit",
                    object_of(committed=list_of(TEXT), rejected=list_of(object_of(event_id=TEXT, code=TEXT))),
                    body=batch,
                    refusals=(413, 422, 503),
                )
            },
        },
        "components": {
            "schemas": {**components, **build_records()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "heliograph_<port>"},
            },
        },
    }


def _call(
    summary: str,
    answer: Schema,
    *,
    status: int = 200,
    path: tuple[str, ...] = (),
    query: tuple[str, ...] = (),
    body: Schema | None = None,
    security: list[Schema] | None = None,
    refusals: tuple[int, ...] = (),
    later: bool = False,
) -> Schema:
    done = {"description": "Done", "content": {"application/json": {"schema": answer}}}
    call: Schema = {
        "summary": summary,
        "responses": {
            str(status): done,
            **({"202": done | {"description": "Kept until it can be done"}} if later else {}),
            **{str(code): _refusal() for code in (*refusals, *(() if security == [] else (401, 403)))},
        },
    }
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in path]
    parameters += [{"name": name, "in": "query", "required": False, "schema": TEXT} for name in query]
    if parameters:
        call["parameters"] = parameters
    if body is not None:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if security is not None:
        call["security"] = security
    return call


def _refusal() -> Schema:
    return {"description": "Refused", "content": {"application/json": {"schema": ref("Error")}}}
