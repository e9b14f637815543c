"""Decisions as rows: in the rail on every page, and in the inbox's list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hub.core import verdicts
from hub.core.model import Decision, Machine, Session
from hub.pages.cards import name_session, pick_machine
from hub.pages.decision_inputs import say_quickly, say_target
from hub.pages.decision_results import Result, build_result, say_going
from hub.pages.decisions import pick_decision_icon, say_asks
from hub.pages.text import reveal, shorten_path
from hub.pages.times import Moment, build_moment

RAIL_ASKS = 6
"""With more than RAIL_MOST, so many are shown in the rail, and how many more there are."""

RAIL_MOST = 8


class AskView(msgspec.Struct, frozen=True, kw_only=True):
    """One row. ``decision_id`` is empty for a session that waits for something that isn't known. ``quick``: all of
    the input, if it may be answered in the rail."""

    ask_id: str
    decision_id: str
    session_id: str
    digest: str
    kind: str
    title: str
    icon: str
    asks: str
    words: str
    target: str
    quick: str
    machine_name: str
    waited: Moment
    order: int


class PastView(msgspec.Struct, frozen=True, kw_only=True):
    """A row of what was decided; ``going`` is on its way."""

    decision_id: str
    title: str
    result: Result | None
    going: tuple[str, str]
    machine_name: str
    order: int


class NeedsView(msgspec.Struct, frozen=True, kw_only=True):
    """The rail's list, its whole count, and how many of it aren't shown."""

    count: int
    asks: list[AskView]
    more: int


def build_needs(
    decisions: Sequence[Decision], sessions: Mapping[str, Session], machines: Mapping[str, Machine], now: int
) -> NeedsView:
    """What needs somebody, the oldest first: open decisions, and sessions that wait without one that is known."""
    known = {decision.session_id for decision in decisions}
    others = [s for s in sessions.values() if s.state == "needs_you" and s.session_id not in known]
    waiting: list[tuple[int, str, Decision | Session]] = [(d.opened_at, d.decision_id, d) for d in decisions]
    waiting += [(s.last_activity_at, s.session_id, s) for s in others]
    waiting.sort(key=lambda item: item[:2])
    shown = waiting if len(waiting) <= RAIL_MOST else waiting[:RAIL_ASKS]
    asks = []
    for place, (_, _, item) in enumerate(shown):
        machine = pick_machine(machines, item.machine_id)
        if isinstance(item, Session):
            asks.append(_build_unknown(item, machine, now))
        else:
            asks.append(build_ask(item, sessions.get(item.session_id), machine, now, is_first=place == 0))
    return NeedsView(count=len(waiting), asks=asks, more=len(waiting) - len(shown))


def build_ask(
    decision: Decision, session: Session | None, machine: Machine, now: int, *, is_first: bool = False
) -> AskView:
    """The row of an open decision."""
    words, target = _say_what(decision)
    target = shorten_path(target, session.cwd) if session else target
    may_allow = is_first and decision.kind == "permission" and "allow" in verdicts.list_offers(decision)
    return AskView(
        ask_id=decision.decision_id,
        decision_id=decision.decision_id,
        session_id=decision.session_id,
        digest=decision.digest,
        kind=decision.kind,
        title=name_session(session) if session else "Session",
        icon=pick_decision_icon(decision),
        asks=say_asks(decision),
        words=words,
        target=target,
        quick=say_quickly(decision.tool_name, decision.input) if may_allow else "",
        machine_name=machine.name,
        waited=build_moment(decision.opened_at, now, "ago"),
        order=decision.opened_at // 1000,
    )


def build_past(decision: Decision, session: Session | None, machine: Machine, now: int) -> PastView:
    """The row of a decision that was given."""
    is_going = decision.state == "sending"
    at = decision.closed_at or decision.decided_at or decision.opened_at
    return PastView(
        decision_id=decision.decision_id,
        title=name_session(session) if session else "Session",
        result=None if is_going else build_result(decision, machine, now),
        going=say_going(decision) if is_going else ("", ""),
        machine_name=machine.name,
        order=-at // 1000,
    )


def _say_what(decision: Decision) -> tuple[str, str]:
    """Words, and a target that is shown as code."""
    match decision.kind:
        case "question":
            questions = verdicts.list_questions(decision)
            first = reveal(questions[0]["question"]) if questions else "Asks a question."
            more = {0: "", 1: " And one more."}.get(len(questions) - 1, f" And {len(questions) - 1} more.")
            return first + (more if questions else ""), ""
        case "plan":
            plan = " ".join(str(decision.input.get("plan") or "").lstrip("# \n").split())
            return f"Plan. {reveal(plan[:200])}" if plan else "Asks to leave plan mode", ""
        case "elicitation":
            return reveal(str(decision.input.get("message", ""))[:200]), ""
    verb = {"Bash": "Run", "Edit": "Edit", "MultiEdit": "Edit", "Write": "Write", "Read": "Read"}
    return verb.get(decision.tool_name, ""), say_target(decision.tool_name, decision.input)


def _build_unknown(session: Session, machine: Machine, now: int) -> AskView:
    return AskView(
        ask_id=session.session_id,
        decision_id="",
        session_id=session.session_id,
        digest="",
        kind="",
        title=name_session(session),
        icon="shield-question-mark",
        asks="answer it in the terminal",
        words="Waiting in the terminal",
        target="",
        quick="",
        machine_name=machine.name,
        waited=build_moment(session.last_activity_at, now, "ago"),
        order=session.last_activity_at // 1000,
    )
