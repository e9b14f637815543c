"""Decisions out of events: opened by what Claude Code asks, given by people, closed by what shows how it went on.

A decision and the call it is about are told of by different hooks, so the session's ``waiting_for`` keeps the two
together until the call is over: what it did then shows who was first, the hub or somebody at the terminal.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from hub.core import timeline, verdicts
from hub.core.body import Stored
from hub.core.model import Ask, Decision, DecisionKind, DecisionState, Outcome, Session
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
    decision.suggestions = body.permission_suggestions if isinstance(body.permission_suggestions, list) else []
    _take_over_preview(world, session, decision, event)
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
    decision.tool_name = _text(body.mcp_server_name)
    decision.tool_use_id = timeline.find_server_call(world, session, decision.tool_name)
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
        decision.request_id = event.body.request_id or decision.request_id
        _change(world, decision)


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
    _mark(session, decision, is_given=True)
    _change(world, decision)


def note_taken(world: World, session: Session, event: Stored) -> None:
    """``ChannelDecided``: the verdict was handed to Claude Code, or nobody was there to take it."""
    decision = _find(world, session, event)
    if decision is None or decision.state != "sending":
        return
    if event.body.taken:
        _close(world, decision, event, "decided")
        if decision.kind == "elicitation":  # which its call may outlive, and ask for more
            _drop(session, [ask for ask in session.waiting_for if ask.decision_id == decision.decision_id])
        return
    decision.state = "open"
    decision.answered_by = "none"
    decision.problem = "not_taken"
    decision.verdict, decision.by_id, decision.by, decision.where = None, "", "", None
    decision.rule_id = decision.decided_at = None
    _mark(session, decision, is_given=False)
    _change(world, decision)


# -- over -----------------------------------------------------------------------------------


def conclude_call(world: World, session: Session, event: Stored) -> None:
    """The call that a dialog was about ran, or failed: it was allowed, with the input that the hook names."""
    body = event.body
    of_call = [ask for ask in session.waiting_for if body.tool_use_id and ask.tool_use_id == body.tool_use_id]
    of_tool = [
        ask
        for ask in session.waiting_for
        if not ask.tool_use_id and (ask.tool_name, ask.agent_id) == (body.tool_name, body.agent_id)
    ]
    for ask in of_call or of_tool[:1]:
        _drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is None or decision.kind == "elicitation":
            _give_up(world, decision, event)  # the server went on without an answer
        else:
            is_ours = decision.verdict is not None and verdicts.explains(decision, decision.verdict, body.tool_input)
            _conclude(world, decision, event, "allowed", is_ours=is_ours)


def conclude_form(world: World, session: Session, event: Stored) -> None:
    """``ElicitationResult``: somebody answered a form at the terminal."""
    for ask in session.waiting_for:
        decision = world.decisions.get(ask.decision_id)
        if (
            decision is not None
            and decision.kind == "elicitation"
            and decision.tool_name == _text(event.body.mcp_server_name)
        ):
            _drop(session, [ask])
            outcomes: dict[str, Outcome] = {"accept": "allowed", "decline": "denied"}
            _conclude(world, decision, event, outcomes.get(_text(event.body.action), "cancelled"), is_ours=False)
            return


def conclude_refused(world: World, session: Session, agents: Collection[str | None], event: Stored) -> None:
    """All calls of an answer of the model are over: a dialog that no call came out of was refused."""
    for ask in [ask for ask in session.waiting_for if ask.agent_id in agents]:
        _drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is not None:
            verdict = decision.verdict
            if verdict is not None and decision.state == "decided" and verdict.input is not None:
                decision.problem = "edit_refused"  # by Claude Code's own rules, or it doesn't fit the tool
            is_ours = verdict is not None and (verdict.behavior == "deny" or decision.problem == "edit_refused")
            _conclude(world, decision, event, "denied", is_ours=is_ours)


def conclude_turn(world: World, session: Session, event: Stored, *, keep: Collection[str] = ()) -> None:
    """The turn is over, so nothing waits any more but what subagents in ``keep`` asked. Esc ends a call that was
    allowed as well as a dialog, so this shows nothing against a verdict that Claude Code took.
    """
    for ask in [ask for ask in session.waiting_for if ask.agent_id not in keep]:
        _drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is not None and decision.state != "decided":
            is_ours = decision.verdict is not None and decision.verdict.behavior == "deny"
            _conclude(world, decision, event, "denied", is_ours=is_ours)


def withdraw_all(world: World, session: Session, event: Stored) -> None:
    """Claude Code is gone, or carries another session: nobody waits for an answer any more."""
    for ask in session.waiting_for:
        _give_up(world, world.decisions.get(ask.decision_id), event)
    session.waiting_for = []


def note_answered(world: World, session: Session, event: Stored, since: int) -> None:
    """Claude Code goes on since then, so the dialogs before that are answered; how, what follows tells."""
    for ask in session.waiting_for:
        decision = world.decisions.get(ask.decision_id)
        if ask.at <= since and decision is not None and decision.state == "open":
            _close(world, decision, event, "answered_locally")
            _mark(session, decision, is_given=True)


def _give_up(world: World, decision: Decision | None, event: Stored) -> None:
    if decision is not None and decision.closed_at is None:
        _close(world, decision, event, "withdrawn")


def _conclude(world: World, decision: Decision, event: Stored, outcome: Outcome, *, is_ours: bool) -> None:
    """What became of the call tells whose answer it was."""
    decision.outcome = outcome
    if decision.state in ("open", "sending", "decided"):
        _close(world, decision, event, "decided" if is_ours else "answered_locally")
    else:
        _change(world, decision)


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
    decision.digest = verdicts.digest(decision)
    world.decisions[decision.decision_id] = decision
    ask = Ask(
        tool_name=decision.tool_name,
        tool_use_id=decision.tool_use_id,
        agent_id=decision.agent_id,
        at=event.at,
        decision_id=decision.decision_id,
    )
    session.waiting_for = [*session.waiting_for, ask][-ASKS:]
    decision.position = timeline.add_decision(world, session, event, decision).position
    world.changed_decisions.add(decision.decision_id)


def _take_over_preview(world: World, session: Session, decision: Decision, event: Stored) -> None:
    """The relay told of this dialog before the hook did: one decision, the whole one."""
    for ask in session.waiting_for:
        known = world.decisions.get(ask.decision_id)
        if known is None or known.closed_at is not None or known.tool_name != decision.tool_name:
            continue
        if known.answered_by == "relay" and not known.is_whole:
            decision.request_id = known.request_id
            _drop(session, [ask])
            _close(world, known, event, "withdrawn")
            return


def _close(world: World, decision: Decision, event: Stored, state: DecisionState) -> None:
    decision.state = state
    decision.closed_at = decision.closed_at or event.at
    decision.answered_by = "none"
    if state == "answered_locally":
        decision.where = "terminal"
    _change(world, decision)


def _change(world: World, decision: Decision) -> None:
    world.changed_decisions.add(decision.decision_id)
    timeline.update_decision(world, decision)


def _find(world: World, session: Session, event: Stored) -> Decision | None:
    """The decision that a channel of its own machine, or the hub, speaks of."""
    decision = world.decisions.get(event.body.decision_id or "")
    if decision is None or (decision.session_id, decision.machine_id) != (session.session_id, event.machine_id):
        return None
    return decision


def _drop(session: Session, asks: Collection[Ask]) -> None:
    session.waiting_for = [ask for ask in session.waiting_for if ask not in asks]


def _mark(session: Session, decision: Decision, *, is_given: bool) -> None:
    session.waiting_for = [
        msgspec.structs.replace(ask, is_given=is_given) if ask.decision_id == decision.decision_id else ask
        for ask in session.waiting_for
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
