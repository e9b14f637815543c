"""From events to the books: which session, process, message and entry an event changes, and how.

Pure and deterministic: the same events in the same order give the same rows, which is how they
are rebuilt. It reads nothing but the world it is given, and no clock but the event's own. Here is
which event concerns what; ``processes``, ``turns``, ``messages``, ``usage`` and ``timeline`` know how.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.core import conclusions, decisions, messages, processes, timeline, turns, usage
from hub.core.body import Stored
from hub.core.model import Session
from hub.core.world import World

Handler = Callable[[World, Session, Stored], None]


def fold(world: World, event: Stored) -> None:
    """Apply one event."""
    name = (event.source, event.body.hook_event_name)
    if name == ("hub", "LinkUp"):
        processes.link_up(world, event)
    elif name == ("hub", "LinkDown"):
        processes.link_down(world, event)
    else:
        session = _session_of(world, event)
        handlers = _LATE_HANDLERS if processes.is_late(session, event) else _HANDLERS
        if event.source == "hook":
            processes.note_hook(world, session, event)
        handler = handlers.get(name)
        if event.source == "hook" and event.body.agent_id and name[1] in _OF_THE_SESSION:
            handler = turns.end_agent if name[1] in ("Stop", "StopFailure") else None
        if handler is not None:
            handler(world, session, event)


def _session_of(world: World, event: Stored) -> Session:
    session = world.touch(event.session_id)
    if session is None:
        session = Session(
            session_id=event.session_id,
            machine_id=event.machine_id,
            pid=event.pid,
            started_at=event.at,
            last_activity_at=event.at,
        )
        world.sessions[session.session_id] = session
        world.changed_sessions.add(session.session_id)
        if event.source != "hub" and event.session_id != event.body.session_id:
            session.foreign = True
            session.previous_session_id, session.relation = event.body.session_id, "resume"
            timeline.add_notice(world, session, event, "foreign")
    return session


def _gap(world: World, session: Session, event: Stored) -> None:
    timeline.add_notice(world, session, event, "gap")


_OF_THE_SESSION = frozenset({"SessionStart", "SessionEnd", "UserPromptSubmit", "Stop", "StopFailure"})
"""Hooks that say nothing of the session when a subagent's."""

_HANDLERS: dict[tuple[str, str], Handler] = {
    ("hook", "SessionStart"): turns.start_session,
    ("hook", "SessionEnd"): turns.end_session,
    ("hook", "UserPromptSubmit"): turns.begin,
    ("hook", "MessageDisplay"): timeline.add_text,
    ("hook", "PreToolUse"): turns.begin_tool,
    ("hook", "PostToolUse"): turns.end_tool,
    ("hook", "PostToolUseFailure"): turns.end_tool,
    ("hook", "PermissionRequest"): turns.ask,
    ("hook", "Elicitation"): decisions.open_form,
    ("hook", "ElicitationResult"): conclusions.conclude_form,
    ("hook", "Stop"): turns.end,
    ("hook", "StopFailure"): turns.fail,
    ("hook", "SubagentStop"): turns.end_agent,
    ("hook", "PostToolBatch"): turns.end_batch,
    ("hook", "PreCompact"): turns.compact,
    ("hook", "PostCompact"): turns.end_compacting,
    ("channel", "ChannelReply"): messages.add_reply,
    ("channel", "ChannelProgress"): timeline.add_progress,
    ("channel", "ChannelInjected"): turns.note_injected,
    ("channel", "ChannelSeen"): messages.note_seen,
    ("channel", "ChannelGone"): processes.note_gone,
    ("channel", "ChannelFacts"): processes.note_facts,
    ("channel", "ChannelWays"): processes.note_ways,
    ("channel", "ChannelLineage"): processes.note_lineage,
    ("channel", "ChannelIdle"): turns.correct_idle,
    ("channel", "ChannelBusy"): turns.correct_busy,
    ("channel", "ChannelUsage"): usage.note_usage,
    ("channel", "ChannelGap"): _gap,
    ("channel", "ChannelAsked"): decisions.open_relayed,
    ("channel", "ChannelWaits"): decisions.note_way,
    ("channel", "ChannelDecided"): decisions.note_taken,
    ("hub", "InterruptAsked"): turns.interrupt,
    ("hub", "StopAsked"): turns.stop,
    ("hub", "DecisionGiven"): decisions.give,
    ("hub", "MessageQueued"): messages.queue,
    ("hub", "MessageMoved"): messages.move,
    ("hub", "MessageCancelled"): messages.cancel,
}

_LATE_HANDLERS: dict[tuple[str, str], Handler] = {
    **{name: handler for name, handler in _HANDLERS.items() if name[0] != "hook" and handler not in turns.CORRECTIONS},
    ("hook", "UserPromptSubmit"): turns.note_late_prompt,
    ("hook", "MessageDisplay"): timeline.add_text,
    ("hook", "PreToolUse"): timeline.add_lost_tool,
    ("hook", "PostToolUse"): timeline.close_tool,
    ("hook", "PostToolUseFailure"): timeline.close_tool,
    ("hook", "Stop"): timeline.finish_text,
}
"""What a process that is gone had left, of a session that goes on in another one: it fills the chat, no more."""
