"""How decisions end: what Claude Code did next tells whose answer it was.

A verdict that is only on its way is believed to have arrived if what follows agrees with it; that it didn't, the
channel tells, and ``decisions.note_taken`` corrects it. One that was taken counts unless what follows contradicts it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hub.core import verdicts
from hub.core.body import Stored
from hub.core.decisions import change, close, drop, find_outcome, give_up, mark, name_server, read_preview
from hub.core.model import Ask, Decision, Outcome, Session
from hub.core.world import World

_AGENT_TOOLS = ("Agent", "Task")


def conclude_call(world: World, session: Session, event: Stored) -> None:
    """The call that a dialog was about ran, or failed: it was allowed, with the input that the hook names."""
    body = event.body
    if body.tool_name == "ExitPlanMode" and body.hook_event_name == "PostToolUse":
        session.plan = None
    for found in _list_of_call(world, session, event):
        ask = _exchange(world, session, found, body.tool_input)
        drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is not None and decision.kind == "elicitation":
            _end_form(world, session, ask, decision, event)
        elif decision is not None:
            _conclude(world, decision, event, "allowed", is_ours=_is_explained(decision, body.tool_input))


def conclude_form(world: World, session: Session, event: Stored) -> None:
    """``ElicitationResult``: somebody answered a form at the terminal."""
    server = name_server(event.body)
    for ask in sorted(session.waiting_for, key=lambda ask: ask.is_given):
        decision = world.decisions.get(ask.decision_id)
        if decision is not None and decision.kind == "elicitation" and decision.tool_name == server:
            drop(session, [ask])
            outcomes: dict[Any, Outcome] = {"accept": "allowed", "decline": "denied"}
            action = event.body.action if isinstance(event.body.action, str) else ""
            _conclude(world, decision, event, outcomes.get(action, "cancelled"), is_ours=False)
            return


def conclude_refused(world: World, session: Session, agents: Collection[str | None], event: Stored) -> None:
    """All calls of an answer of the model are over: a dialog that no call came out of was refused."""
    for ask in [ask for ask in session.waiting_for if ask.agent_id in agents]:
        drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is not None and decision.kind == "elicitation":
            _end_form(world, session, ask, decision, event)
        elif decision is not None:
            verdict = decision.verdict
            if verdict is not None and decision.is_taken and verdict.input is not None:
                decision.problem = "edit_refused"  # by Claude Code's own rules, or it doesn't fit the tool
            is_ours = verdict is not None and (verdict.behavior == "deny" or decision.problem == "edit_refused")
            _conclude(world, decision, event, "denied", is_ours=is_ours)


def conclude_turn(world: World, session: Session, event: Stored, *, keep: Collection[str] = ()) -> None:
    """The turn is over, so nothing waits any more but what subagents in ``keep`` asked. Esc ends a call that was
    allowed as well as a dialog, so this shows nothing against a verdict that Claude Code took.
    """
    for ask in [ask for ask in session.waiting_for if ask.agent_id not in keep]:
        drop(session, [ask])
        decision = world.decisions.get(ask.decision_id)
        if decision is not None and decision.kind == "elicitation":
            _end_form(world, session, ask, decision, event)
        elif decision is not None and (decision.state != "decided" or _is_denied(decision)):
            _conclude(world, decision, event, "denied", is_ours=_is_denied(decision))


def withdraw_all(world: World, session: Session, event: Stored, *, pid: int | None = None) -> None:
    """Claude Code is gone, or carries another session: nobody waits for an answer any more (``pid``: there)."""
    for ask in session.waiting_for:
        decision = world.decisions.get(ask.decision_id)
        if pid is None or (decision is not None and decision.pid == pid):
            give_up(world, session, ask, event)


def note_answered(world: World, session: Session, event: Stored, since: int) -> None:
    """Claude Code goes on since then, so the dialogs on its screen are answered; how, what follows tells."""
    for ask in session.waiting_for:
        decision = world.decisions.get(ask.decision_id)
        if decision is None or ask.at > since or _is_held(world, session, decision):
            continue
        if decision.state == "open":
            close(world, decision, event, "answered_locally")
        mark(session, decision, is_given=True, is_past=True)


def list_waiting_agents(world: World, session: Session, since: int) -> list[str]:
    """The subagents whose dialogs weren't on the screen then: what ended there ended without them."""
    return [
        ask.agent_id
        for ask in session.waiting_for
        if ask.agent_id is not None
        and (decision := world.decisions.get(ask.decision_id)) is not None
        and (ask.at > since or _is_held(world, session, decision))
    ]


def _conclude(world: World, decision: Decision, event: Stored, outcome: Outcome, *, is_ours: bool) -> None:
    """What became of the call tells whose answer it was. What expired, some other program has answered if it ran."""
    decision.outcome = outcome
    if decision.state in ("open", "sending", "decided") or (decision.state == "expired" and outcome == "allowed"):
        close(world, decision, event, "decided" if is_ours else "answered_locally")
    else:
        change(world, decision)


def _end_form(world: World, session: Session, ask: Ask, decision: Decision, event: Stored) -> None:
    """The server went on: with the answer from here, or with none. Nobody else can answer while our hook waits."""
    if decision.state == "sending" and decision.verdict is not None:
        _conclude(world, decision, event, find_outcome(decision.verdict), is_ours=True)
    else:
        give_up(world, session, ask, event)


def _list_of_call(world: World, session: Session, event: Stored) -> list[Ask]:
    """The dialogs about this call; of those about a call that we don't know, the first that may be about this one."""
    body = event.body
    of_call = [ask for ask in session.waiting_for if body.tool_use_id and ask.tool_use_id == body.tool_use_id]
    of_tool = (
        ask
        for ask in session.waiting_for
        if not ask.tool_use_id and (ask.tool_name, ask.agent_id) == (body.tool_name, body.agent_id)
    )
    return of_call or [ask for ask in of_tool if _may_be(world.decisions.get(ask.decision_id), body.tool_input)][:1]


def _may_be(decision: Decision | None, ran_with: dict[str, Any]) -> bool:
    if decision is None or decision.kind != "permission" or _is_explained(decision, ran_with):
        return True
    asked = decision.input if decision.is_whole else read_preview(decision)
    return asked is None or asked == ran_with


def _exchange(world: World, session: Session, ask: Ask, ran_with: dict[str, Any]) -> Ask:
    """Of equal calls at once nothing tells which dialog is whose, until one runs: then it is the one that was allowed
    here, and the other call's dialog is the other.
    """
    own = world.decisions.get(ask.decision_id)
    if own is None or not own.tool_use_id or _is_explained(own, ran_with):
        return ask
    for other in session.waiting_for:
        twin = world.decisions.get(other.decision_id)
        if twin is None or not _is_explained(twin, ran_with) or not other.tool_use_id:
            continue
        if (twin.tool_name, twin.agent_id, twin.input) == (own.tool_name, own.agent_id, own.input):
            own.tool_use_id, twin.tool_use_id = twin.tool_use_id, own.tool_use_id
            mark(session, own, tool_use_id=own.tool_use_id)
            change(world, own)
            return other
    return ask


def _is_explained(decision: Decision, ran_with: dict[str, Any]) -> bool:
    return decision.verdict is not None and verdicts.explains(decision, decision.verdict, ran_with)


def _is_denied(decision: Decision) -> bool:
    return decision.verdict is not None and decision.verdict.behavior == "deny"


def _is_held(world: World, session: Session, decision: Decision) -> bool:
    """Whether the terminal shows nothing of it while our hook waits: a form's, or a background subagent's."""
    if decision.answered_by != "hook" or decision.agent_id is None:
        return decision.answered_by == "hook" and decision.kind == "elicitation"
    running = (world.entries.get((session.session_id, position)) for position in session.open_tools.values())
    return decision.agent_id in session.agents or not any(
        entry is not None and entry.data["tool_name"] in _AGENT_TOOLS for entry in running
    )
