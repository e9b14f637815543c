"""Decisions out of events: opened by what Claude Code asks, and given by people. How they end, ``conclusions`` knows.

A decision and the call it is about are told of by different hooks, so the session's ``waiting_for`` keeps the two
together until the call is over: what it did then shows who was first, the hub or somebody at the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from hub.core import timeline, verdicts
from hub.core.body import Body, Stored
from hub.core.model import Ask, Decision, DecisionKind, DecisionState, Outcome, Session, ShownPlan, Verdict
from hub.core.world import World

ASKS = 100
"""Dialogs of a session that are kept in mind. Claude Code opens a handful."""

NAME_CHARS = 200

_KINDS: dict[str, DecisionKind] = {"AskUserQuestion": "question", "ExitPlanMode": "plan"}


# -- opened ---------------------------------------------------------------------------------


def open_asked(world: World, session: Session, event: Stored, tool_use_id: str) -> None:
    """``PermissionRequest``: a dialog about a call, with all of its input unless the hook had to cut it."""
    body = event.body
    decision = _build(session, event, _KINDS.get(body.tool_name, "permission"))
    decision.tool_use_id = tool_use_id
    decision.input = body.tool_input
    decision.is_whole = not body.heliograph_cut
    offered = body.permission_suggestions
    decision.suggestions = [item for item in offered if isinstance(item, dict)] if isinstance(offered, list) else []
    _take_over(world, session, decision, event, lambda known: read_preview(known) == decision.input)
    _open(world, session, event, decision)


def open_relayed(world: World, session: Session, event: Stored) -> None:
    """``ChannelAsked``: only the relay told of a dialog, and it shortens what it shows."""
    decision = _build(session, event, "permission")
    decision.input = {"description": event.body.description, "preview": event.body.input_preview}
    decision.is_whole = False
    decision.answered_by = "relay"
    decision.request_id = event.body.request_id
    _open(world, session, event, decision)


def open_form(world: World, session: Session, event: Stored) -> None:
    """``Elicitation``: an MCP server asks for something."""
    body = event.body
    decision = _build(session, event, "elicitation")
    decision.tool_name = name_server(body)
    decision.tool_use_id = timeline.find_server_call(world, session, decision.tool_name)
    call = world.entries.get((session.session_id, session.open_tools.get(decision.tool_use_id, -1)))
    decision.agent_id = call.data["agent_id"] if call is not None else None
    decision.input = {"message": _text(body.message), "mode": "url" if body.mode == "url" else "form"}
    if body.mode == "url":
        decision.input["url"] = _text(body.url)
    else:
        decision.input["schema"] = body.requested_schema
    decision.is_whole = not body.heliograph_cut
    _open(world, session, event, decision)


# -- answered -------------------------------------------------------------------------------


def note_way(world: World, session: Session, event: Stored) -> None:
    """``ChannelWaits``: what takes a verdict to Claude Code has changed."""
    decision = _find(world, session, event)
    if decision is not None and decision.closed_at is None:
        decision.answered_by = event.body.answered_by
        if event.body.request_id is not None:
            decision.request_id = event.body.request_id
            _take_over(world, session, decision, event, lambda known: known.request_id == decision.request_id)
        change(world, decision)


def give(world: World, session: Session, event: Stored) -> None:
    """``DecisionGiven``: somebody decided here; it is on its way."""
    body = event.body
    decision = _find(world, session, event)
    if decision is None or decision.state != "open" or body.verdict is None:
        return
    decision.state = "sending"
    decision.verdict = body.verdict
    decision.by_id, decision.by, decision.where = body.author_id, body.author, body.where
    decision.rule_id = body.rule_id
    decision.decided_at = event.at
    decision.problem = None
    mark(session, decision, is_given=True)
    change(world, decision)


def note_taken(world: World, session: Session, event: Stored) -> None:
    """``ChannelDecided``: the verdict was handed to Claude Code, or nobody was there to take it."""
    decision = _find(world, session, event)
    if decision is None or decision.verdict is None or decision.is_taken:
        return
    if event.body.taken:
        _note_arrival(world, session, decision, decision.verdict, event)
    elif decision.state == "decided" or any(ask.is_past for ask in _list_asks(session, decision)):
        close(world, decision, event, "answered_locally")  # what followed was somebody else's answer, then
    else:
        _take_back(decision, "not_taken")
        decision.state = "open"
        decision.answered_by = "none"
        mark(session, decision, is_given=False)
        change(world, decision)


def _note_arrival(world: World, session: Session, decision: Decision, verdict: Verdict, event: Stored) -> None:
    decision.is_taken = True
    if decision.kind == "elicitation":  # which its call may outlive, and ask for more
        decision.outcome = find_outcome(verdict)
        drop(session, _list_asks(session, decision))
    close(world, decision, event, "decided")


def find_outcome(verdict: Verdict) -> Outcome:
    """What an MCP server is told of its form."""
    return "allowed" if verdict.behavior == "allow" else "cancelled" if verdict.stop else "denied"


# -- the books ------------------------------------------------------------------------------


def _build(session: Session, event: Stored, kind: DecisionKind) -> Decision:
    body = event.body
    return Decision(
        decision_id=event.event_id,
        session_id=session.session_id,
        machine_id=event.machine_id,
        pid=event.pid,
        kind=kind,
        tool_name=body.tool_name,
        agent_id=body.agent_id,
        agent_type=_text(body.agent_type)[:NAME_CHARS] or None,
        opened_at=event.at,
    )


def _open(world: World, session: Session, event: Stored, decision: Decision) -> None:
    process = world.processes.get((event.machine_id, event.pid))
    if process is None or process.session_id != session.session_id or process.gone or event.orphan or session.ended:
        return  # nobody waits for an answer any more
    if decision.kind == "plan" and decision.agent_id is None:
        _count_plan(session, decision)
    if process.ways.why == "print" and decision.answered_by == "none":  # where Claude Code refuses by itself at once
        decision.state, decision.closed_at = "expired", event.at
    decision.digest = verdicts.digest(decision)
    world.decisions[decision.decision_id] = decision
    ask = Ask(
        tool_name=decision.tool_name,
        tool_use_id=decision.tool_use_id,
        agent_id=decision.agent_id,
        at=event.at,
        decision_id=decision.decision_id,
        is_given=decision.state == "expired",
    )
    for oldest in session.waiting_for[: 1 - ASKS]:
        give_up(world, session, oldest, event)
    session.waiting_for = [*session.waiting_for, ask]
    decision.position = timeline.add_decision(world, session, event, decision).position
    world.changed_decisions.add(decision.decision_id)


def _count_plan(session: Session, decision: Decision) -> None:
    if session.plan is not None:
        decision.previous_plan, decision.version = session.plan.decision_id, session.plan.version + 1
    session.plan = ShownPlan(decision_id=decision.decision_id, version=decision.version)


def _take_over(
    world: World, session: Session, decision: Decision, event: Stored, is_same: Callable[[Decision], bool]
) -> None:
    """The relay told of this dialog before the hook did: one decision, the whole one."""
    for ask in session.waiting_for:
        known = world.decisions.get(ask.decision_id)
        if known is None or known.state != "open" or known.is_whole or known.pid != decision.pid:
            continue
        if known.request_id is not None and known.tool_name == decision.tool_name and is_same(known):
            decision.request_id = known.request_id
            give_up(world, session, ask, event)
            return


def read_preview(decision: Decision) -> Any:
    """The input that the relay told of, if it told the whole of it."""
    try:
        return msgspec.json.decode(str(decision.input.get("preview")))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def give_up(world: World, session: Session, ask: Ask, event: Stored) -> None:
    """Nobody waits for its answer any more."""
    drop(session, [ask])
    decision = world.decisions.get(ask.decision_id)
    if decision is not None and decision.closed_at is None:
        close(world, decision, event, "withdrawn")


def close(world: World, decision: Decision, event: Stored, state: DecisionState) -> None:
    """It is over, or was in another way than was believed; a verdict that didn't count is none."""
    if state != "decided" and decision.verdict is not None:
        _take_back(decision, "too_late")
    decision.state = state
    decision.closed_at = decision.closed_at or event.at
    decision.answered_by = "none"
    if state == "answered_locally":
        decision.where = "terminal"
    if state in ("decided", "answered_locally"):
        timeline.go_on_with_tool(world, world.sessions[decision.session_id], decision.tool_use_id)
    change(world, decision)


def _take_back(decision: Decision, problem: str) -> None:
    decision.problem = problem
    decision.verdict, decision.by_id, decision.by, decision.where = None, "", "", None
    decision.rule_id = decision.decided_at = None


def change(world: World, decision: Decision) -> None:
    """Note it as changed, in the chat too."""
    world.changed_decisions.add(decision.decision_id)
    timeline.update_decision(world, decision)


def _find(world: World, session: Session, event: Stored) -> Decision | None:
    """The decision that a channel of its own machine, or the hub, speaks of."""
    decision = world.decisions.get(event.body.decision_id or "")
    if decision is None or (decision.session_id, decision.machine_id) != (session.session_id, event.machine_id):
        return None
    return decision


def _list_asks(session: Session, decision: Decision) -> list[Ask]:
    return [ask for ask in session.waiting_for if ask.decision_id == decision.decision_id]


def drop(session: Session, asks: Collection[Ask]) -> None:
    """Nothing that follows is about these dialogs."""
    session.waiting_for = [ask for ask in session.waiting_for if ask not in asks]


def mark(session: Session, decision: Decision, **fields: Any) -> None:
    """Change what the session knows of its dialog."""
    session.waiting_for = [
        msgspec.structs.replace(ask, **fields) if ask.decision_id == decision.decision_id else ask
        for ask in session.waiting_for
    ]


def name_server(body: Body) -> str:
    """Whose form it is."""
    return _text(body.mcp_server_name)[:NAME_CHARS]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
