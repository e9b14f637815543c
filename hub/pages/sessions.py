"""What a session's own page says about it: facts, lineage, and what happens to a message written now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from hub.core.model import DELIVERY_REASONS, Delivery, Limit, Machine, Relation, Session, SessionState, Usage
from hub.pages.cards import name_session
from hub.pages.text import shorten_home
from hub.pages.times import Moment, build_moment
from wire.frames import When

Tone = Literal["plain", "live", "bad"]

_FROM: dict[Relation, str] = {
    "clear": "Cleared from",
    "resume": "Resumed from",
    "fork": "Forked from",
    "compact": "Compacted from",
}

_ICONS: dict[Relation, str] = {
    "clear": "eraser",
    "resume": "rotate-ccw",
    "fork": "git-fork",
    "compact": "shrink",
}


_DELIVERIES: dict[Delivery, str] = {
    "channel": "channel",
    "wake": "wake",
    "next_turn": "next turn",
    "none": "waits",
}


_LIMITS = {"five_hour": "5-hour limit", "seven_day": "Weekly limit"}


class LimitShown(msgspec.Struct, frozen=True, kw_only=True):
    """A line for a rate limit of the plan."""

    name: str
    used: str
    resets: Moment | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The panel's list."""

    channel: bool
    delivery: str
    why: str
    context: str
    cost: str
    limits: list[LimitShown]
    folder: str
    branch: str
    started: Moment | None
    by: str
    session_id: str


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the lineage; ``session_id`` is empty for the session itself."""

    icon: str
    words: str
    title: str
    session_id: str


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of when Claude reads a message, and what is true of it; the first is what happens without one."""

    when: When
    label: str
    text: str


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done to the session now. ``stopping``: somebody interrupted it, and it hasn't stopped yet."""

    interrupt: bool
    stopping: bool
    stop: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The line below the composer, and other ``ways`` than its own. ``next_session_id``: where a message goes instead;
    ``turn`` began then.
    """

    tone: Tone
    icon: str
    text: str
    command: str = ""
    more: str = ""
    next_session_id: str = ""
    turn: Moment | None = None
    ways: list[Way] = []


def build_facts(session: Session, machine: Machine, now: int) -> Facts:
    """What is known of a session."""
    return Facts(
        channel=session.delivery == "channel",
        delivery=_DELIVERIES[session.delivery],
        context=_say_context(session.usage),
        cost=_say_cost(session.usage),
        limits=[_build_limit(name, limit, now) for name, limit in (session.usage.limits or {}).items()],
        why=DELIVERY_REASONS[session.delivery_reason] if session.delivery_reason else "",
        folder=shorten_home(session.cwd, machine.user),
        branch=session.branch or "",
        started=build_moment(session.started_at, now, "clock") if session.started_at else None,
        by=machine.user,
        session_id=session.session_id,
    )


def build_lineage(session: Session, related: Mapping[str, Session]) -> list[Ancestor]:
    """The session between the one it came from and the one it became; empty if it has neither."""
    before = related.get(session.previous_session_id or "")
    after = related.get(session.next_session_id or "")
    if before is None and after is None:
        return []
    lines = [Ancestor(icon="circle-dot", words="This session", title="", session_id="")]
    if before is not None:
        relation = session.relation or "resume"
        title = name_session(before)
        came = Ancestor(icon=_ICONS[relation], words=_FROM[relation], title=title, session_id=before.session_id)
        lines.insert(0, came)
    if after is not None:
        relation = session.next_relation or "clear"
        words = "Forked to" if relation == "fork" else "Cleared to"
        title = name_session(after)
        lines.append(Ancestor(icon=_ICONS[relation], words=words, title=title, session_id=after.session_id))
    return lines


def build_line(session: Session, machine: Machine, now: int) -> Line:
    """What happens to a message that is written now; never more than is true."""
    state = session.state
    if state == "ended" and session.next_session_id and session.next_relation == "clear":
        text = "Cleared. Your message goes to"
        return Line(tone="plain", icon="eraser", text=text, next_session_id=session.next_session_id)
    began = session.turn_started_at if state == "working" else None
    turn = build_moment(began, now, "elapsed") if began else None
    if state not in ("offline", "ended") and session.delivery == "none":
        return Line(
            tone="bad",
            icon="zap",
            text="Nothing leads to Claude here. Start it with",
            command="heliograph claude",
            more="to send messages. A message waits here until then.",
            turn=turn,
        )
    tone, icon, text = _say_line(state, machine.name)
    if session.delivery == "next_turn" and session.turn == "idle":
        tone, icon, text = "plain", "clock", "Claude reads this with the next prompt at its terminal."
    elif session.delivery == "wake" and state == "idle":
        text = "Claude is woken for this now."
    return Line(tone=tone, icon=icon, text=text, turn=turn, ways=_list_ways(session, machine.name))


def build_control(session: Session) -> Control:
    """What the head and the panel offer."""
    is_there = session.linked and session.state != "ended"
    is_busy = session.turn != "idle" or bool(session.agents)
    is_stopping = session.interrupted_at is not None
    return Control(interrupt=is_there and is_busy and not is_stopping, stopping=is_stopping, stop=is_there)


def _list_ways(session: Session, machine: str) -> list[Way]:
    """When else than by itself a message can be read: in the turn that runs, or when a hook next takes it along."""
    if not session.linked or session.state not in ("idle", "working", "needs_you"):
        return []
    ways = []
    if session.turn != "idle" and (session.ways.channel or session.ways.next_turn):
        is_asking = session.state == "needs_you"
        text = "Claude waits for a decision and reads this in the turn that goes on then."
        ways.append(
            Way(when="now", label="Steer now", text=text if is_asking else "Claude reads this in its current turn.")
        )
    if session.ways.next_turn:
        text = f"Claude reads this with the next prompt at the terminal on {machine}."
        if session.turn != "idle":
            text = (
                f"Claude reads this at the end of this turn, or with a prompt at the terminal on {machine} before that."
            )
        ways.append(Way(when="next_turn", label="Next turn", text=text))
    return ways


def _say_line(state: SessionState, machine: str) -> tuple[Tone, str, str]:
    lines: dict[SessionState, tuple[Tone, str, str]] = {
        "idle": ("live", "zap", "Claude reads this now."),
        "working": ("live", "zap", "Claude reads this when the current turn ends."),
        "needs_you": (
            "plain",
            "clock",
            f"Claude waits for an answer on {machine} and reads this when the turn has ended.",
        ),
        "offline": (
            "bad",
            "wifi-off",
            f"This session on {machine} is offline. The message waits here and is sent when it returns.",
        ),
        "ended": ("plain", "square", "This session has ended. A message waits here until it is resumed."),
    }
    return lines[state]


def _say_context(usage: Usage) -> str:
    if usage.context_used is None:
        return ""
    used = _say_tokens(usage.context_used)
    if not usage.context_window:
        return used
    percent = round(100 * usage.context_used / usage.context_window)
    return f"{used} of {_say_tokens(usage.context_window)} ({percent} %)"


def _say_cost(usage: Usage) -> str:
    if usage.cost_usd is None:
        return ""
    return f"${usage.cost_usd:,.2f}" + (" at list price" if usage.is_estimate else "")


def _say_tokens(count: int) -> str:
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def _build_limit(name: str, limit: Limit, now: int) -> LimitShown:
    resets = build_moment(limit.resets_at, now, "clock") if limit.resets_at else None
    words = _LIMITS.get(name, name.replace("_", " ").capitalize())
    return LimitShown(name=words, used=f"{limit.used_percent:.0f} % used", resets=resets)
