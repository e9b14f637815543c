"""The API's description, OpenAPI 3.1. A test holds it against the routes that exist."""

from __future__ import annotations

from typing import Any

import msgspec

from hub import __version__
from hub.http.bodies import Batch, Join, Move, NewMessage, PushSubscription

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_NUMBER: Schema = {"type": "integer"}
_DECIMAL: Schema = {"type": "number"}
_YES_NO: Schema = {"type": "boolean"}
_TOKENS: dict[str, Schema] = dict.fromkeys(("input", "output", "cache_read", "cache_write"), _NUMBER)

_SEARCH = (
    "q: words, or several in double quotes that stand together; the last may be the beginning of one (from three "
    "letters on). Case and accents don't count, and nothing in q is syntax but the quotes. A page may hold fewer hits "
    "than the limit; next tells whether there are more. Latest first is the order in which the hub got them. An entry "
    "is found a moment after it is complete, under load later. snippet.text is plain text; each of its marks is the "
    "beginning and the end of a match in it, in characters (code points). A search that takes longer than two seconds "
    "is given up (422, search_too_slow); where many search at once, some are asked to come again (503, busy)."
)


def build_openapi() -> Schema:
    """The whole document."""
    bodies, components = msgspec.json.schema_components(
        [NewMessage, Move, Join, Batch, PushSubscription], ref_template="#/components/schemas/{name}"
    )
    new_message, move, join, batch, subscription = bodies
    session, entry, message = (_ref(name) for name in ("Session", "Entry", "Message"))
    sent = _object(message_id=_TEXT, session_id=_TEXT, state=_TEXT)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Heliograph", "version": __version__},
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": {
            "/healthz": {"get": _call("The hub is up", _object(ok={"type": "boolean"}), security=[])},
            "/api/v1/openapi.json": {"get": _call("This document", {"type": "object"})},
            "/api/v1/whoami": {"get": _call("Whom these credentials stand for", _object(kind=_TEXT, name=_TEXT))},
            "/api/v1/join": {
                "post": _call(
                    "Pair a machine: a code for a key",
                    _object(machine_id=_TEXT, machine_name=_TEXT, key=_TEXT),
                    body=join,
                    security=[],
                    refusals=(403, 422, 429),
                )
            },
            "/api/v1/sessions": {
                "get": _call(
                    "Sessions, the latest active first",
                    _object(sessions=_list(session), next=_or_null(_TEXT)),
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
                    _object(entries=_list(entry), next=_or_null(_TEXT)),
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
            "/api/v1/usage": {
                "get": _call(
                    "Tokens and cost a day and model",
                    _object(
                        days=_list(_object(day=_TEXT, model=_TEXT, **_TOKENS, cost_usd=_or_null(_DECIMAL))),
                        next=_or_null(_TEXT),
                    ),
                    query=("from", "to", "session", "machine", "limit", "cursor"),
                    refusals=(422,),
                )
            },
            "/api/v1/search": {
                "get": {
                    **_call(
                        "Entries that have all the words, the latest first",
                        _object(hits=_list(_ref("Hit")), next=_or_null(_TEXT)),
                        query=("q", "session", "machine", "kind", "limit", "cursor"),
                        refusals=(422, 503),
                    ),
                    "description": _SEARCH,
                }
            },
            "/api/v1/push": {
                "get": _call(
                    "The key that browsers subscribe to, and those in which you are told",
                    _object(public_key=_TEXT, devices=_list(_ref("Device"))),
                ),
                "post": _call(
                    "Be told in this browser what needs you",
                    _ref("Device"),
                    status=201,
                    body=subscription,
                    refusals=(409, 413, 422),
                ),
            },
            "/api/v1/push/{subscription_id}": {
                "delete": _call(
                    "Be told in it no more",
                    _object(subscription_id=_TEXT),
                    path=("subscription_id",),
                    refusals=(404,),
                )
            },
            "/api/v1/push/{subscription_id}/test": {
                "post": _call(
                    "Show a notification in it",
                    _object(subscription_id=_TEXT),
                    path=("subscription_id",),
                    refusals=(404, 502),
                )
            },
            "/api/v1/events": {
                "post": _call(
                    "Store a machine's events; answers after the commit",
                    _object(committed=_list(_TEXT), rejected=_list(_object(event_id=_TEXT, code=_TEXT))),
                    body=batch,
                    refusals=(413, 422, 503),
                )
            },
        },
        "components": {
            "schemas": {**components, **_records()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "heliograph_<port>"},
            },
        },
    }


def _records() -> dict[str, Schema]:
    return {
        "Error": _object(error=_object(code=_TEXT, message=_TEXT)),
        "Session": _object(
            session_id=_TEXT,
            title=_TEXT,
            machine=_object(id=_TEXT, name=_TEXT),
            cwd=_TEXT,
            branch=_or_null(_TEXT),
            state={"enum": ["working", "needs_you", "idle", "offline", "ended"]},
            model=_or_null(_TEXT),
            permission_mode=_or_null(_TEXT),
            context=_object(used=_or_null(_NUMBER), window=_or_null(_NUMBER), percent=_or_null(_NUMBER)),
            cost_usd=_or_null(_DECIMAL),
            cost_is_estimate=_YES_NO,
            usage=_map(_object(**_TOKENS)),
            limits=_or_null(_map(_object(used_percent=_DECIMAL, resets_at=_or_null(_TIME)))),
            delivery={"enum": ["channel", "wake", "next_turn", "none"]},
            delivery_reason=_or_null(_object(code=_TEXT, text=_TEXT)),
            foreign=_YES_NO,
            lineage=_or_null(_object(previous=_or_null(_TEXT), relation=_TEXT)),
            next_session_id=_or_null(_TEXT),
            open_decisions=_NUMBER,
            queue=_list(_TEXT),
            preview=_or_null(_object(kind=_TEXT, text=_TEXT, tool_name=_or_null(_TEXT))),
            started_at=_TIME,
            last_activity_at=_TIME,
            turn_started_at=_or_null(_TIME),
            change_id=_NUMBER,
        ),
        "Entry": {
            **_object(entry_id=_TEXT, session_id=_TEXT, kind=_TEXT, position=_NUMBER, at=_TIME, change_id=_NUMBER),
            "additionalProperties": True,
            "description": "Beside these, the fields of its kind.",
        },
        "Hit": _object(
            session_id=_TEXT,
            session_title=_TEXT,
            entry_id=_TEXT,
            kind=_TEXT,
            position=_NUMBER,
            at=_TIME,
            snippet=_object(text=_TEXT, marks=_list(_list(_NUMBER))),
        ),
        "Device": _object(
            subscription_id=_TEXT, label=_TEXT, here=_YES_NO, created_at=_TIME, failed_at=_or_null(_TIME)
        ),
        "Message": _object(
            message_id=_TEXT,
            session_id=_TEXT,
            author=_TEXT,
            text=_TEXT,
            when=_TEXT,
            state=_TEXT,
            via=_or_null(_TEXT),
            again=_or_null(_TEXT),
            created_at=_TIME,
            receipts=_list(_object(state=_TEXT, at=_TIME, evidence=_TEXT, event_id=_TEXT)),
        ),
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
) -> Schema:
    call: Schema = {
        "summary": summary,
        "responses": {
            str(status): {"description": "Done", "content": {"application/json": {"schema": answer}}},
            **{str(code): _refusal() for code in (*refusals, *(() if security == [] else (401, 403)))},
        },
    }
    parameters = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in path]
    parameters += [{"name": name, "in": "query", "required": False, "schema": _TEXT} for name in query]
    if parameters:
        call["parameters"] = parameters
    if body is not None:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if security is not None:
        call["security"] = security
    return call


def _refusal() -> Schema:
    return {"description": "Refused", "content": {"application/json": {"schema": _ref("Error")}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
