"""Sessions as cards, rail rows and headers, and the order they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.core.model import Machine, Session, SessionState
from hub.pages.text import name_mode, name_model, name_project, reveal, shorten_home, shorten_path
from hub.pages.times import DAY, Moment, build_moment
from hub.pages.tool_parts import SELF_EVIDENT, name_tool, pick_icon

RAIL_ROWS = 12
"""Sessions listed under Recent; the page hides what live updates push beyond."""

STATE_LABELS: dict[SessionState, str] = {
    "needs_you": "Needs you",
    "working": "Working",
    "idle": "Idle",
    "offline": "Offline",
    "ended": "Ended",
}

_RANKS: dict[SessionState, int] = {"needs_you": 0, "working": 1, "idle": 2, "offline": 3, "ended": 4}

_RANK_STEP = 10_000_000_000_000
"""Above any time in milliseconds this century, and five of it fit a JavaScript number exactly."""

_PREVIEW_ICONS = {
    "prompt": "terminal",
    "message": "message-square",
    "assistant": "pen-line",
    "reply": "reply",
    "waiting": "shield-question-mark",
    "notice": "circle-dot",
}

_ASKS = {"ExitPlanMode": "Has a plan and asks whether to go on.", "AskUserQuestion": "Asks a question."}


class PreviewView(msgspec.Struct, frozen=True, kw_only=True):
    """The card's two lines."""

    icon: str
    text: str
    mono: bool


class CardView(msgspec.Struct, frozen=True, kw_only=True):
    """One session, wherever it is shown. ``waited`` is the
    time without words; ``order`` sorts cards, ``rail_order`` rows; smaller comes first."""

    session_id: str
    machine_id: str
    machine_name: str
    title: str
    project: str
    folder: str
    branch: str
    state: SessionState
    label: str
    model: str
    mode: str
    plan: bool
    bypass: bool
    preview: PreviewView | None
    time: Moment
    waited: Moment
    order: int
    rail_order: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A machine and its sessions; ``older`` ended more than a day ago and are folded."""

    machine_id: str
    name: str
    os: str
    icon: str
    cards: list[CardView]
    older: list[CardView]


def count_states(counts: Mapping[Any, int]) -> dict[str, int]:
    """Every state's count, and ``all``; states without sessions may be missing from ``counts``."""
    known = {str(state): counts.get(state, 0) for state in STATE_LABELS}
    return {"all": sum(known.values()), **known}


def list_recent(cards: Iterable[CardView], current: str) -> list[CardView]:
    """The rail's latest sessions, with the page's own."""
    cards = sorted(cards, key=lambda card: card.rail_order)
    return cards[:RAIL_ROWS] + [card for card in cards[RAIL_ROWS:] if card.session_id == current]


def build_card(session: Session, machine: Machine, now: int) -> CardView:
    """One session's card."""
    state = session.state
    waiting = state == "needs_you"
    mode = session.permission_mode or ""
    return CardView(
        session_id=session.session_id,
        machine_id=machine.machine_id,
        machine_name=machine.name,
        title=name_session(session),
        project=name_project(session.cwd),
        folder=shorten_home(session.cwd, machine.user),
        branch=session.branch or "",
        state=state,
        label=STATE_LABELS[state],
        model=name_model(session.model),
        mode=name_mode(mode),
        plan=mode == "plan",
        bypass=mode == "bypassPermissions",
        preview=_build_preview(session),
        time=build_moment(session.last_activity_at, now, "waiting" if waiting else "ago"),
        waited=build_moment(session.last_activity_at, now, "ago"),
        order=order_session(session),
        rail_order=-(session.turn_started_at or session.last_activity_at) // 1000,
    )


def name_session(session: Session) -> str:
    """A session's title; before its first prompt it has none."""
    return session.title.strip() or "New session"


def order_session(session: Session) -> int:
    """Needs you (longest wait first), working, idle by recency, offline, ended.

    A working session stands by when its turn began, so that its card stays put while it works.
    """
    state = session.state
    at = session.last_activity_at // 1000
    if state == "needs_you":
        return at
    if state == "working" and session.turn_started_at:
        at = session.turn_started_at // 1000
    return (_RANKS[state] + 1) * _RANK_STEP - at


def group_cards(sessions: Sequence[Session], machines: Mapping[str, Machine], now: int) -> list[Group]:
    """All sessions by machine, machines by name."""
    by_machine: dict[str, list[Session]] = {}
    for session in sessions:
        by_machine.setdefault(session.machine_id, []).append(session)
    groups = []
    for machine_id, members in by_machine.items():
        machine = pick_machine(machines, machine_id)
        members.sort(key=order_session)
        recent: list[Session] = []
        old: list[Session] = []
        for member in members:
            is_old = member.state == "ended" and now - member.last_activity_at > DAY
            (old if is_old else recent).append(member)
        groups.append(build_group(machine, recent, old, now))
    return sorted(groups, key=lambda group: (group.name.casefold(), group.machine_id))


def build_group(machine: Machine, sessions: Sequence[Session], older: Sequence[Session], now: int) -> Group:
    """A machine's part of the overview."""
    return Group(
        machine_id=machine.machine_id,
        name=machine.name,
        os=machine.os,
        icon="laptop" if machine.os.lower().startswith(("macos", "darwin", "windows")) else "monitor",
        cards=[build_card(session, machine, now) for session in sessions],
        older=[build_card(session, machine, now) for session in older],
    )


def pick_machine(machines: Mapping[str, Machine], machine_id: str) -> Machine:
    """The machine of that id; a session outlives its machine's row."""
    return machines.get(machine_id) or Machine(machine_id=machine_id, name="unknown machine", user="", os="")


def _build_preview(session: Session) -> PreviewView | None:
    preview = session.preview
    if preview is None:
        return None
    if preview.kind in ("tool", "waiting") and preview.tool_name:
        waiting = preview.kind == "waiting"
        icon = _PREVIEW_ICONS["waiting"] if waiting else pick_icon(preview.tool_name)
        words = _ASKS.get(preview.tool_name, "") if waiting else ""
        if words:
            return PreviewView(icon=icon, text=words, mono=False)
        if waiting and preview.text.startswith(f"{preview.tool_name}: "):  # a server's form, named already
            return PreviewView(icon=icon, text=reveal(preview.text), mono=False)
        target = reveal(shorten_path(preview.text, session.cwd))
        verb = "" if target and preview.tool_name in SELF_EVIDENT else name_tool(preview.tool_name)
        return PreviewView(icon=icon, text=f"{verb} {target}".strip(), mono=True)
    icon = _PREVIEW_ICONS.get(preview.kind, "circle-dot")
    if preview.kind == "assistant" and session.state != "working":
        icon = "message-square"
    return PreviewView(icon=icon, text=preview.text, mono=False)
