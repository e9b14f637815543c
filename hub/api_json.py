"""The public JSON of sessions, entries and messages (``/api/v1`` and ``/ws/dashboard?format=json``)."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.core.model import Entry, Machine, Message, Receipt, Session
from wire.ids import to_rfc3339


def session_json(session: Session, machine: Machine | None) -> dict[str, Any]:
    """One session, as DESIGN's contract has it."""
    lineage = None
    if session.relation is not None:
        lineage = {"previous": session.previous_session_id, "relation": session.relation}
    return {
        "session_id": session.session_id,
        "title": session.title,
        "machine": {"id": session.machine_id, "name": machine.name if machine else ""},
        "cwd": session.cwd,
        "branch": session.branch,
        "state": session.state,
        "model": session.model,
        "permission_mode": session.permission_mode,
        "context": {"used": None, "window": None, "percent": None},
        "cost_usd": None,
        "delivery": session.delivery,
        "lineage": lineage,
        "next_session_id": session.next_session_id,
        "open_decisions": len(session.waiting_for),
        "preview": msgspec.to_builtins(session.preview),
        "started_at": to_rfc3339(session.started_at),
        "last_activity_at": to_rfc3339(session.last_activity_at),
        "turn_started_at": to_rfc3339(session.turn_started_at) if session.turn_started_at else None,
        "change_id": session.change_id,
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """One entry: the common fields, and those of its kind beside them."""
    return {
        "entry_id": entry.entry_id,
        "session_id": entry.session_id,
        "kind": entry.kind,
        "position": entry.position,
        "at": to_rfc3339(entry.at),
        "change_id": entry.change_id,
        **{("pointer" if name == "session_id" else name): value for name, value in entry.data.items()},
    }


def message_json(message: Message, receipts: list[Receipt]) -> dict[str, Any]:
    """One message with all that is known of it."""
    return {
        "message_id": message.message_id,
        "session_id": message.session_id,
        "author": message.author,
        "text": message.text,
        "state": message.state,
        "created_at": to_rfc3339(message.created_at),
        "receipts": [{"state": r.state, "at": to_rfc3339(r.at), "evidence": r.event_id} for r in receipts],
    }
