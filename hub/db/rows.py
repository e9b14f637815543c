"""Records to rows and back."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import RowMapping

from hub.core.model import Decision, Entry, Machine, Message, Process, Session, Ways
from hub.core.rules import Rule

_session = msgspec.json.Decoder(Session)
_decision = msgspec.json.Decoder(Decision)
_rule = msgspec.json.Decoder(Rule)
_ways = msgspec.json.Decoder(Ways)
_data: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def text_of(value: Any) -> str:
    """JSON text of a record or of plain data."""
    return msgspec.json.encode(value).decode()


def session_row(session: Session) -> dict[str, Any]:
    """A row of ``sessions``."""
    return {
        "session_id": session.session_id,
        "machine_id": session.machine_id,
        "state": session.state,
        "title": session.title,
        "started_at": session.started_at,
        "last_activity_at": session.last_activity_at,
        "change_id": session.change_id,
        "record": text_of(session),
    }


def entry_row(entry: Entry) -> dict[str, Any]:
    """A row of ``entries``."""
    return {
        "entry_id": entry.entry_id,
        "session_id": entry.session_id,
        "kind": entry.kind,
        "position": entry.position,
        "at": entry.at,
        "change_id": entry.change_id,
        "data": text_of(entry.data),
    }


def decision_row(decision: Decision) -> dict[str, Any]:
    """A row of ``decisions``."""
    return {
        "decision_id": decision.decision_id,
        "session_id": decision.session_id,
        "machine_id": decision.machine_id,
        "kind": decision.kind,
        "state": decision.state,
        "opened_at": decision.opened_at,
        "closed_at": decision.closed_at,
        "change_id": decision.change_id,
        "record": text_of(decision),
    }


def rule_row(rule: Rule) -> dict[str, Any]:
    """A row of ``rules``."""
    return {"rule_id": rule.rule_id, "created_at": rule.created_at, "record": text_of(rule)}


def process_row(process: Process) -> dict[str, Any]:
    """A row of ``processes``."""
    return {**msgspec.structs.asdict(process), "ways": text_of(process.ways)}


def to_session(row: RowMapping) -> Session:
    """A session of a ``sessions`` row."""
    return _session.decode(row["record"])


def to_decision(row: RowMapping) -> Decision:
    """A decision of a ``decisions`` row."""
    return _decision.decode(row["record"])


def to_rule(row: RowMapping) -> Rule:
    """A rule of a ``rules`` row."""
    return _rule.decode(row["record"])


def to_entry(row: RowMapping) -> Entry:
    """An entry of an ``entries`` row."""
    fields = {name: value for name, value in row.items() if name != "number"}
    return Entry(**{**fields, "data": _data.decode(row["data"])})


def to_message(row: RowMapping) -> Message:
    """A message of a ``messages`` row."""
    return Message(**row)


def to_process(row: RowMapping) -> Process:
    """A process of a ``processes`` row. The driver's rows have numbers for yes and no, and these go on into records
    that are stored as JSON.
    """
    truths = {name: bool(row[name]) for name in ("linked", "gone")}
    return Process(**{**row, **truths, "ways": _ways.decode(row["ways"])})


def to_machine(row: RowMapping) -> Machine:
    """A machine of a ``machines`` row."""
    return Machine(**{name: row[name] for name in ("machine_id", "name", "user", "os")})
