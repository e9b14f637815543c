"""Whether Claude works, waits for somebody or rests: turns, their tools and dialogs, and the session's own ends.

Subagents have calls and dialogs of their own, in the middle of a turn or after it, in the background: their
events open and close theirs, and no turn.
"""

from __future__ import annotations

from collections.abc import Collection

from hub.core import conclusions, decisions, messages, timeline
from hub.core.body import Stored
from hub.core.model import Session
from hub.core.world import World
from wire.frames import ID_CHARS

MODEL_CHARS = 100

AGENTS = 64
"""Background subagents of a session that are kept in mind."""


def start_session(world: World, session: Session, event: Stored) -> None:
    """``SessionStart``: a new session, or a known one again."""
    session.model = (event.body.model or "")[:MODEL_CHARS] or session.model
    session.ended = False
    session.next_session_id = None
    session.next_relation = None
    if event.body.source == "compact":  # which may be in the middle of a turn
        timeline.add_notice(world, session, event, "compacted")
        return
    leave(world, session, event)
    if event.body.source == "resume":
        timeline.add_notice(world, session, event, "resumed")


def end_session(world: World, session: Session, event: Stored) -> None:
    """``SessionEnd``."""
    if session.linked and session.pid != event.pid:
        conclusions.withdraw_all(world, session, event, pid=event.pid)
        return  # it goes on in another process
    leave(world, session, event)
    timeline.close_texts(world, session)
    session.ended = True
    if event.body.reason != "clear":
        timeline.add_notice(world, session, event, "ended")
        messages.lose_all(world, session, event)


def begin(world: World, session: Session, event: Stored) -> None:
    """``UserPromptSubmit``: a turn begins, or a message comes up in the middle of one."""
    ours = messages.find_named(world, session, event)
    if session.turn == "idle" or not ours or any(message.when != "now" for message in ours):
        _begin_turn(world, session, event)
    for message in ours:
        messages.prove(world, session, message, "seen", event, "prompt")
    session.passed_over = [message.message_id for message in messages.list_open(world, session, "delivered")]
    if not ours and event.body.prompt:
        timeline.add_prompt(world, session, event)


def note_late_prompt(world: World, session: Session, event: Stored) -> None:
    """A prompt of a process that is gone: the turn it began is over."""
    ours = messages.find_named(world, session, event)
    for message in ours:
        messages.prove(world, session, message, "seen", event, "prompt")
    if not ours and event.body.prompt:
        timeline.add_prompt(world, session, event)


def begin_tool(world: World, session: Session, event: Stored) -> None:
    """A call begins. It says nothing of dialogs: calls run beside each other, and so do their dialogs."""
    _note_turn(session, event)
    timeline.open_tool(world, session, event)


def end_tool(world: World, session: Session, event: Stored) -> None:
    """A tool ran, or failed; so what was asked about it is answered."""
    conclusions.conclude_call(world, session, event)
    timeline.close_tool(world, session, event)


def end_batch(world: World, session: Session, event: Stored) -> None:
    """``PostToolBatch``: all calls of one answer of the model are over. A refused one has no hook of its own."""
    _close(world, session, [event.body.agent_id], event)


def ask(world: World, session: Session, event: Stored) -> None:
    """``PermissionRequest``: a dialog is open."""
    _note_turn(session, event)
    tool_use_id = timeline.wait_for_tool(world, session, event)
    decisions.open_asked(world, session, event, tool_use_id)


def end(world: World, session: Session, event: Stored) -> None:
    """``Stop``: what Claude has seen is answered, and what it should have seen by now is in doubt."""
    timeline.finish_text(world, session, event)
    for message in messages.list_open(world, session, "seen"):
        messages.prove(world, session, message, "answered", event, "stop")
    for message in messages.list_open(world, session, "delivered"):
        if message.message_id in session.passed_over:
            messages.step(world, session, message, "uncertain", event, "passed_over")
    settle(world, session, event, keep=_list_agents(session, event))


def fail(world: World, session: Session, event: Stored) -> None:
    """``StopFailure``: the service refused, or was out of reach for too long."""
    settle(world, session, event, keep=_list_agents(session, event))
    timeline.add_notice(world, session, event, "api_error")


def end_agent(world: World, session: Session, event: Stored) -> None:
    """``SubagentStop``."""
    session.agents = [agent_id for agent_id in session.agents if agent_id != event.body.agent_id]
    if event.body.agent_id is not None:
        _close(world, session, [event.body.agent_id], event)


def note_injected(world: World, session: Session, event: Stored) -> None:
    """``ChannelInjected``: what a ``Stop`` hook handed over keeps Claude going."""
    messages.note_injected(world, session, event)
    if event.body.hook == "Stop" and session.turn_started_at is None and not event.orphan:
        session.turn_started_at = event.at


def interrupt(world: World, session: Session, event: Stored) -> None:
    """``InterruptAsked``: somebody wants Claude to stop at the next step, if it does anything."""
    if session.turn == "idle" and not session.agents:
        return  # it was over by then
    if session.interrupted_at is None:
        timeline.add_notice(world, session, event, "interrupt")
    session.interrupted_at = event.at


def stop(world: World, session: Session, event: Stored) -> None:
    """``StopAsked``: somebody wants Claude Code to end."""
    timeline.add_notice(world, session, event, "stop")


def compact(world: World, session: Session, event: Stored) -> None:
    """``PreCompact``: asked for at the terminal, between turns, it takes as long as one."""
    if event.body.trigger == "manual" and session.turn_started_at is None:
        session.turn_started_at = event.at


def end_compacting(world: World, session: Session, event: Stored) -> None:
    """``PostCompact``."""
    if event.body.trigger == "manual":
        settle(world, session, event, keep=session.agents)


def settle(world: World, session: Session, event: Stored, *, keep: Collection[str] = ()) -> None:
    """The turn is over, and with it everything but the subagents in ``keep``."""
    conclusions.conclude_turn(world, session, event, keep=keep)
    _rest(world, session, keep)


def leave(world: World, session: Session, event: Stored) -> None:
    """Claude Code is gone, or carries another session: nothing goes on, and nobody waits for an answer."""
    conclusions.withdraw_all(world, session, event)
    _rest(world, session, ())


def correct_idle(world: World, session: Session, event: Stored) -> None:
    """Claude Code says that a turn is over though no hook did: somebody pressed Esc, or interrupted it from here.
    Between turns, that subagents' dialogs are answered.
    """
    since = event.body.since or event.at
    session.interrupted_at = None
    if session.turn_started_at is None:
        conclusions.note_answered(world, session, event, since)
    elif session.turn_started_at <= since:  # else a prompt has come since
        settle(world, session, event, keep=conclusions.list_waiting_agents(world, session, since))


def correct_busy(world: World, session: Session, event: Stored) -> None:
    """Claude Code goes on after asking: somebody answered at the terminal."""
    conclusions.note_answered(world, session, event, event.body.since or event.at)


CORRECTIONS = (correct_idle, correct_busy)
"""What the status file of a process says of its own turn."""


def _begin_turn(world: World, session: Session, event: Stored) -> None:
    session.turn_started_at = event.at
    conclusions.conclude_turn(world, session, event, keep=[ask.agent_id for ask in session.waiting_for if ask.agent_id])
    session.filled_by = None
    timeline.close_texts(world, session)
    session.turn_position = session.next_position * timeline.STEP
    session.progress = None
    session.early = 0


def _note_turn(session: Session, event: Stored) -> None:
    """A call of the main conversation shows that it is in a turn, whatever we missed."""
    if event.body.agent_id is None and session.turn_started_at is None:
        session.turn_started_at = event.at


def _rest(world: World, session: Session, keep: Collection[str]) -> None:
    session.turn_started_at = None
    session.interrupted_at = None
    session.agents = list(keep)
    timeline.close_tools(world, session, lambda agent_id: agent_id not in session.agents)


def _close(world: World, session: Session, agents: Collection[str | None], event: Stored) -> None:
    conclusions.conclude_refused(world, session, agents, event)
    timeline.close_tools(world, session, lambda agent_id: agent_id in agents)


def _list_agents(session: Session, event: Stored) -> list[str]:
    """The subagents that go on, as far as the hook tells (2.1.329 does)."""
    tasks = event.body.background_tasks
    if not isinstance(tasks, list):
        return session.agents
    running = [task for task in tasks if isinstance(task, dict) and task.get("type") == "subagent"]
    named = [task.get("id") for task in running if task.get("status") == "running"]
    return [name for name in named if isinstance(name, str) and 0 < len(name) <= ID_CHARS][:AGENTS]
