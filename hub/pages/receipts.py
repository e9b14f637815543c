"""What a message's receipt says: four dashes and words that stay true until its next step."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hub.core.model import Machine, MessageState
from hub.pages.times import Moment, build_moment, parse_rfc3339

Dash = Literal["on", "off", "broken"]

_DASHES: dict[MessageState, list[Dash]] = {
    "queued": ["on", "off", "off", "off"],
    "delivered": ["on", "on", "off", "off"],
    "seen": ["on", "on", "on", "off"],
    "answered": ["on", "on", "on", "on"],
    "cancelled": ["on", "off", "off", "off"],
    "expired": ["on", "off", "off", "off"],
    "uncertain": ["on", "on", "broken", "off"],
}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is known to have happened to a message, and when."""

    label: str
    time: Moment


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``words`` may be followed by the time of ``at``; ``steps`` are all times known, for the curious."""

    state: MessageState
    dashes: list[Dash]
    words: str
    at: Moment | None
    steps: list[Step]

    @property
    def bad(self) -> bool:
        """Whether a person should look at it."""
        return self.state in ("uncertain", "expired")


def build_receipt(data: dict[str, Any], machine: Machine, now: int) -> Receipt:
    """The receipt of a ``message`` entry.

    It knows nothing of the session: an entry is shown anew when it changes, not when its session does.
    """
    state: MessageState = data.get("state", "queued")
    times = data.get("receipts")
    known = times if isinstance(times, dict) else {}
    moments = {
        name: build_moment(at, now, "clock")
        for name, text in known.items()
        if isinstance(text, str) and (at := parse_rfc3339(text)) is not None
    }
    return Receipt(
        state=state,
        dashes=_DASHES[state],
        words=_say(state, machine),
        at=moments.get(state) if state in ("seen", "answered", "cancelled") else None,
        steps=[Step(label=name.capitalize(), time=moment) for name, moment in moments.items()],
    )


def _say(state: MessageState, machine: Machine) -> str:
    words: dict[MessageState, str] = {
        "queued": "Queued. Claude reads it when it is connected and idle.",
        "delivered": f"On {machine.name}, not yet seen by Claude.",
        "seen": "Seen by Claude",
        "answered": "Answered",
        "cancelled": "Cancelled",
        "expired": "Expired. It was never given to Claude.",
        "uncertain": f"Uncertain. Claude Code on {machine.name} never confirmed it.",
    }
    return words[state]
