"""What Claude Code told its status line, as our wrapper of it saved that, and the report made of both. Pure.

The client's own figures: its price of the session, its window, and what the plan has used up. They are there
only where the user let `heliograph install --statusline` wrap the status line.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from channel.usage import MODEL_CHARS, TOKENS, ByModel, Usage

SAVED_BYTES = 64 * 1024
"""The wrapper saves no more than a quarter of this."""

WINDOWS = ("five_hour", "seven_day")
LATEST = 2**40
"""Seconds since the epoch that are still believed."""


class StatusLine(msgspec.Struct, frozen=True):
    """``limits`` as reported; they hold for the account, all else for ``session_id``."""

    session_id: str
    model: str | None
    context_used: int | None
    context_window: int | None
    cost_usd: float | None
    limits: dict[str, dict[str, Any]] | None


def read_status_line(data: bytes) -> StatusLine | None:
    """None if it is not what we know; what is odd in a part of it is left out."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    session_id = _get(value, "session_id")
    if not isinstance(session_id, str):
        return None
    model = _get(value, "model", "id")
    used = _get(value, "context_window", "total_input_tokens")
    window = _get(value, "context_window", "context_window_size")
    cost = _get(value, "cost", "total_cost_usd")
    return StatusLine(
        session_id=session_id,
        model=model[:MODEL_CHARS] if isinstance(model, str) and model else None,
        context_used=int(used) if _is_number(used, TOKENS) else None,
        context_window=int(window) if _is_number(window, TOKENS) and window >= 1 else None,
        cost_usd=float(cost) if _is_number(cost, 1e9) else None,
        limits=_read_limits(_get(value, "rate_limits")),
    )


def build_report(usage: Usage, line: StatusLine | None) -> dict[str, Any]:
    """The ``usage`` of a ``ChannelUsage`` event."""
    own = line if line is not None and line.session_id == usage.session_id else None
    context_used, context_window = usage.context_used, usage.context_window
    if own is not None:
        context_used = own.context_used if context_used is None else context_used
        context_window = own.context_window or context_window
    return {
        "model": (own.model if own else None) or usage.model,
        "context_used": context_used,
        "context_window": context_window,
        "cost_usd": own.cost_usd if own else None,
        "totals": _show(usage.totals),
        "days": {day: _show(models) for day, models in sorted(usage.days.items())},
        "limits": line.limits if line else None,
    }


def _show(models: ByModel) -> dict[str, dict[str, int]]:
    return {model: msgspec.structs.asdict(tokens) for model, tokens in sorted(models.items())}


def _read_limits(limits: Any) -> dict[str, dict[str, Any]] | None:
    found = {}
    for window in WINDOWS:
        used, resets_at = _get(limits, window, "used_percentage"), _get(limits, window, "resets_at")
        if _is_number(used, 1e6) and _is_number(resets_at, LATEST):
            found[window] = {"used_percent": float(used), "resets_at": int(resets_at * 1_000_000)}
    return found or None


def _is_number(value: Any, below: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < below


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
