"""The shapes that the API's answers have, as JSON schemas."""

from __future__ import annotations

from typing import Any, get_args

from hub.core.model import DecisionKind, DecisionState, Outcome, Place
from hub.core.verdicts import Offer
from wire.frames import AnsweredBy

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
NUMBER: Schema = {"type": "integer"}
DECIMAL: Schema = {"type": "number"}
YES_NO: Schema = {"type": "boolean"}
TOKENS: dict[str, Schema] = dict.fromkeys(("input", "output", "cache_read", "cache_write"), NUMBER)


def build_records() -> dict[str, Schema]:
    """The records of the API, by name."""
    return {
        "Error": object_of(error=object_of(code=TEXT, message=TEXT)),
        "Session": object_of(
            session_id=TEXT,
            title=TEXT,
            machine=object_of(id=TEXT, name=TEXT),
            cwd=TEXT,
            branch=or_null(TEXT),
            state={"enum": ["working", "needs_you", "idle", "offline", "ended"]},
            model=or_null(TEXT),
            permission_mode=or_null(TEXT),
            context=object_of(used=or_null(NUMBER), window=or_null(NUMBER), percent=or_null(NUMBER)),
            cost_usd=or_null(DECIMAL),
            cost_is_estimate=YES_NO,
            usage=map_of(object_of(**TOKENS)),
            limits=or_null(map_of(object_of(used_percent=DECIMAL, resets_at=or_null(TIME)))),
            delivery={"enum": ["channel", "wake", "next_turn", "none"]},
            delivery_reason=or_null(object_of(code=TEXT, text=TEXT)),
            foreign=YES_NO,
            lineage=or_null(object_of(previous=or_null(TEXT), relation=TEXT)),
            next_session_id=or_null(TEXT),
            open_decisions=NUMBER,
            interrupted_at=or_null(TIME),
            queue=list_of(TEXT),
            preview=or_null(object_of(kind=TEXT, text=TEXT, tool_name=or_null(TEXT))),
            started_at=TIME,
            last_activity_at=TIME,
            turn_started_at=or_null(TIME),
            change_id=NUMBER,
        ),
        "Entry": {
            **object_of(entry_id=TEXT, session_id=TEXT, kind=TEXT, position=NUMBER, at=TIME, change_id=NUMBER),
            "additionalProperties": True,
            "description": "Beside these, the fields of its kind.",
        },
        "Decision": object_of(
            decision_id=TEXT,
            kind={"enum": list(get_args(DecisionKind))},
            session_id=TEXT,
            session_title=TEXT,
            machine=object_of(id=TEXT, name=TEXT),
            cwd=TEXT,
            tool_name=TEXT,
            tool_use_id=or_null(TEXT),
            agent=or_null(object_of(id=TEXT, type=or_null(TEXT))),
            input=map_of({}),
            is_whole=YES_NO,
            suggestions=list_of({}),
            questions=or_null(list_of(map_of({}))),
            plan=or_null(TEXT),
            fields=or_null(list_of(object_of(name=TEXT, kind=TEXT, label=TEXT, required=YES_NO))),
            digest=TEXT,
            state={"enum": list(get_args(DecisionState))},
            answered_by={"enum": list(get_args(AnsweredBy))},
            offers=list_of({"enum": list(get_args(Offer))}),
            modes=or_null(list_of(TEXT)),
            problem=or_null(TEXT),
            decided=or_null(
                object_of(
                    by=or_null(TEXT),
                    at=TIME,
                    where={"enum": list(get_args(Place))},
                    verdict=or_null(map_of({})),
                    rule_id=or_null(TEXT),
                )
            ),
            outcome=or_null({"enum": list(get_args(Outcome))}),
            opened_at=TIME,
            closed_at=or_null(TIME),
            change_id=NUMBER,
        ),
        "Hit": object_of(
            session_id=TEXT,
            session_title=TEXT,
            entry_id=TEXT,
            kind=TEXT,
            position=NUMBER,
            at=TIME,
            snippet=object_of(text=TEXT, marks=list_of(list_of(NUMBER))),
        ),
        "Rule": object_of(
            rule_id=TEXT,
            behavior={"enum": ["allow", "deny"]},
            tools=list_of(TEXT),
            machine=or_null(TEXT),
            project=or_null(TEXT),
            hours=or_null(object_of(**{"from": TEXT, "to": TEXT, "zone": TEXT})),
            message=or_null(TEXT),
            author=TEXT,
            created_at=TIME,
        ),
        "Device": object_of(subscription_id=TEXT, label=TEXT, here=YES_NO, created_at=TIME, failed_at=or_null(TIME)),
        "Message": object_of(
            message_id=TEXT,
            session_id=TEXT,
            author=TEXT,
            text=TEXT,
            when=TEXT,
            state=TEXT,
            via=or_null(TEXT),
            again=or_null(TEXT),
            created_at=TIME,
            receipts=list_of(object_of(state=TEXT, at=TIME, evidence=TEXT, event_id=TEXT)),
        ),
    }


def ref(name: str) -> Schema:
    """One of the records."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(**properties: Schema) -> Schema:
    """An object with these fields, and perhaps others."""
    return {"type": "object", "required": list(properties), "properties": properties}


def list_of(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def map_of(values: Schema) -> Schema:
    """An object with fields of any name."""
    return {"type": "object", "additionalProperties": values}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}
