"""The public JSON of sessions, entries and messages (``/api/v1`` and ``/ws/dashboard?format=json``)."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.core import forms, verdicts
from hub.core.model import (
    DELIVERY_REASONS,
    DayUsage,
    Decision,
    DeliveryReason,
    Entry,
    Machine,
    Message,
    Receipt,
    Session,
    Usage,
)
from hub.core.push import Subscription
from hub.core.rules import Rule
from hub.db.search import Hit
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
        "context": _context_json(session.usage),
        "cost_usd": session.usage.cost_usd,
        "cost_is_estimate": session.usage.is_estimate,
        "usage": msgspec.to_builtins(session.usage.totals),
        "limits": _limits_json(session.usage),
        "delivery": session.delivery,
        "delivery_reason": _reason_json(session.delivery_reason),
        "foreign": session.foreign,
        "lineage": lineage,
        "next_session_id": session.next_session_id,
        "open_decisions": len(session.open_asks),
        "interrupted_at": to_rfc3339(session.interrupted_at) if session.interrupted_at else None,
        "queue": session.queue,
        "preview": msgspec.to_builtins(session.preview),
        "started_at": to_rfc3339(session.started_at),
        "last_activity_at": to_rfc3339(session.last_activity_at),
        "turn_started_at": to_rfc3339(session.turn_started_at) if session.turn_started_at else None,
        "change_id": session.change_id,
    }


def _reason_json(code: DeliveryReason | None) -> dict[str, str] | None:
    return {"code": code, "text": DELIVERY_REASONS[code]} if code else None


def _context_json(usage: Usage) -> dict[str, int | None]:
    used, window = usage.context_used, usage.context_window
    return {"used": used, "window": window, "percent": round(100 * used / window) if used and window else None}


def _limits_json(usage: Usage) -> dict[str, Any] | None:
    if usage.limits is None:
        return None
    return {
        name: {
            "used_percent": limit.used_percent,
            "resets_at": to_rfc3339(limit.resets_at) if limit.resets_at else None,
        }
        for name, limit in usage.limits.items()
    }


def usage_json(row: DayUsage) -> dict[str, Any]:
    """What was used on one day with one model."""
    return {
        "day": row.day,
        "model": row.model,
        "input": row.input,
        "output": row.output,
        "cache_read": row.cache_read,
        "cache_write": row.cache_write,
        "cost_usd": row.cost_usd,
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


def hit_json(hit: Hit) -> dict[str, Any]:
    """One entry that a search found."""
    return {
        "session_id": hit.session_id,
        "session_title": hit.session_title,
        "entry_id": hit.entry_id,
        "kind": hit.kind,
        "position": hit.position,
        "at": to_rfc3339(hit.at),
        "snippet": {"text": hit.snippet.text, "marks": hit.snippet.marks},
    }


def message_json(message: Message, receipts: list[Receipt]) -> dict[str, Any]:
    """One message with all that is known of it."""
    return {
        "message_id": message.message_id,
        "session_id": message.session_id,
        "author": message.author,
        "text": message.text,
        "when": message.when,
        "state": message.state,
        "via": message.via,
        "again": message.again,
        "created_at": to_rfc3339(message.created_at),
        "receipts": [
            {"state": r.state, "at": to_rfc3339(r.at), "evidence": r.evidence, "event_id": r.event_id} for r in receipts
        ],
    }


def decision_json(decision: Decision, session: Session | None, machine: Machine | None) -> dict[str, Any]:
    """One decision with all that a person is shown, what may be answered now, and what was."""
    kind = decision.kind
    fields = forms.read_fields(decision.input.get("schema")) if kind == "elicitation" else ()
    plan = decision.input.get("plan")
    return {
        "decision_id": decision.decision_id,
        "kind": kind,
        "session_id": decision.session_id,
        "session_title": session.title if session else "",
        "machine": {"id": decision.machine_id, "name": machine.name if machine else ""},
        "cwd": session.cwd if session else "",
        "tool_name": decision.tool_name,
        "tool_use_id": decision.tool_use_id or None,
        "agent": {"id": decision.agent_id, "type": decision.agent_type} if decision.agent_id else None,
        "input": decision.input,
        "is_whole": decision.is_whole,
        "suggestions": decision.suggestions,
        "questions": verdicts.list_questions(decision) if kind == "question" else None,
        "plan": plan if kind == "plan" and isinstance(plan, str) else None,
        "fields": msgspec.to_builtins(fields) if kind == "elicitation" else None,
        "digest": decision.digest,
        "state": decision.state,
        "answered_by": decision.answered_by,
        "offers": list(verdicts.list_offers(decision)),
        "modes": list(verdicts.MODES) if kind == "plan" else None,
        "problem": decision.problem,
        "decided": _decided_json(decision),
        "outcome": decision.outcome,
        "opened_at": to_rfc3339(decision.opened_at),
        "closed_at": to_rfc3339(decision.closed_at) if decision.closed_at else None,
        "change_id": decision.change_id,
    }


def _decided_json(decision: Decision) -> dict[str, Any] | None:
    if decision.where is None:
        return None
    return {
        "by": decision.by or None,
        "at": to_rfc3339(decision.decided_at or decision.closed_at or 0),
        "where": decision.where,
        "verdict": msgspec.to_builtins(decision.verdict),
        "rule_id": decision.rule_id,
    }


def rule_json(rule: Rule) -> dict[str, Any]:
    """One rule, and who made it."""
    return {
        "rule_id": rule.rule_id,
        "behavior": rule.behavior,
        "tools": rule.tools,
        "machine": rule.machine,
        "project": rule.project,
        "hours": msgspec.to_builtins(rule.hours),
        "message": rule.message,
        "author": rule.author,
        "created_at": to_rfc3339(rule.created_at),
    }


def device_json(subscription: Subscription, token_id: str) -> dict[str, Any]:
    """A browser in which somebody is told; ``here``: it is the one that asks, by its sign-in."""
    return {
        "subscription_id": subscription.subscription_id,
        "label": subscription.label,
        "here": subscription.token_id == token_id,
        "created_at": to_rfc3339(subscription.created_at),
        "failed_at": to_rfc3339(subscription.failed_at) if subscription.failed_at else None,
    }
