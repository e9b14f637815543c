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


_QUEUED = {
    "auto": "Queued. Claude reads it when it is connected and idle.",
    "now": "Queued. Claude reads it as information in its current turn.",
    "next_turn": "Queued for the next turn.",
}

_CANCELLED = {
    "dropped": "Dropped. Claude may have read it.",
    "sent_again": "Sent again. Claude may have read this one.",
}

_DETAILS = {
    ("delivered", "wake"): "by waking Claude",
    ("delivered", "steer"): "in the middle of a turn",
    ("delivered", "next_turn"): "with the next turn",
    ("seen", "transcript"): "in the transcript",
    ("uncertain", "process_gone"): "since Claude Code ended",
    ("uncertain", "passed_over"): "since a turn went by without it",
}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is known to have happened to a message, and when."""

    label: str
    time: Moment


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person may do with the message; ``name`` is the page's method for it."""

    name: str
    label: str


_ACTIONS: dict[MessageState, list[Action]] = {
    "queued": [Action(name="sendNext", label="Send next"), Action(name="cancel", label="Cancel")],
    "uncertain": [Action(name="sendAgain", label="Send again"), Action(name="cancel", label="Drop")],
}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``words`` may be followed by the time of ``at``; ``steps`` are all times known, for the curious."""

    state: MessageState
    dashes: list[Dash]
    words: str
    at: Moment | None
    steps: list[Step]
    actions: list[Action]

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
        words=_say(state, _find_evidence(data, state), data.get("when"), machine),
        at=moments.get(state) if state in ("seen", "answered", "cancelled") else None,
        steps=[Step(label=_label(data, name), time=moment) for name, moment in moments.items()],
        actions=_ACTIONS.get(state, []),
    )


def _find_evidence(data: dict[str, Any], state: str) -> str:
    shown = data.get("evidence")
    evidence = shown.get(state) if isinstance(shown, dict) else None
    return evidence if isinstance(evidence, str) else ""


def _label(data: dict[str, Any], state: str) -> str:
    """A step and, where there are several, the way it was taken or what showed it."""
    detail = _DETAILS.get((state, _find_evidence(data, state)))
    return f"{state.capitalize()} {detail}" if detail else state.capitalize()


def _say(state: MessageState, evidence: str, when: object, machine: Machine) -> str:
    words: dict[MessageState, str] = {
        "queued": _QUEUED.get(when if isinstance(when, str) else "", _QUEUED["auto"]),
        "delivered": f"On {machine.name}, not yet seen by Claude.",
        "seen": "Seen by Claude",
        "answered": "Answered",
        "cancelled": _CANCELLED.get(evidence, "Cancelled"),
        "expired": "Expired. It was never given to Claude.",
        "uncertain": f"Uncertain. Claude Code on {machine.name} never confirmed it.",
    }
    return words[state]
