"""Whether Claude works, waits for somebody or rests: turns, their tools and dialogs, and the session's own ends."""

from __future__ import annotations

from hub.core import messages, timeline
from hub.core.body import Stored
from hub.core.model import Session
from hub.core.world import World


def start_session(world: World, session: Session, event: Stored) -> None:
    """``SessionStart``: a new session, or a known one again."""
    session.model = event.body.model or session.model
    session.ended = False
    session.next_session_id = None
    session.next_relation = None
    if event.body.source == "compact":  # which may be in the middle of a turn
        timeline.add_notice(world, session, event, "compacted")
        return
    settle(world, session)
    if event.body.source == "resume":
        timeline.add_notice(world, session, event, "resumed")


def end_session(world: World, session: Session, event: Stored) -> None:
    """``SessionEnd``."""
    if session.linked and session.pid != event.pid:
        return  # it goes on in another process
    settle(world, session)
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


def begin_tool(world: World, session: Session, event: Stored) -> None:
    """What was asked before it was answered at the terminal: a refusal has no hook of its own."""
    session.turn = "working"
    session.waiting_for = []
    timeline.open_tool(world, session, event)


def end_tool(world: World, session: Session, event: Stored) -> None:
    """A tool ran, or failed."""
    if event.body.tool_name in session.waiting_for:
        session.waiting_for = [name for name in session.waiting_for if name != event.body.tool_name]
    if session.turn == "needs_you" and not session.waiting_for:
        session.turn = "working"
    timeline.close_tool(world, session, event)


def ask(world: World, session: Session, event: Stored) -> None:
    """``PermissionRequest``: a dialog is open."""
    session.turn = "needs_you"
    session.waiting_for = [*session.waiting_for, event.body.tool_name]
    timeline.wait_for_tool(world, session, event)


def end(world: World, session: Session, event: Stored) -> None:
    """``Stop``: what Claude has seen is answered, and what it should have seen by now is in doubt."""
    timeline.finish_text(world, session, event)
    for message in messages.list_open(world, session, "seen"):
        messages.prove(world, session, message, "answered", event, "stop")
    for message in messages.list_open(world, session, "delivered"):
        if message.message_id in session.passed_over:
            messages.step(world, session, message, "uncertain", event, "passed_over")
    settle(world, session)


def settle(world: World, session: Session) -> None:
    """The turn is over."""
    session.turn = "idle"
    session.turn_started_at = None
    session.waiting_for = []
    timeline.close_tools(world, session)


def correct_idle(world: World, session: Session, event: Stored) -> None:
    """Claude Code says that the turn is over though no hook did: somebody pressed Esc."""
    settle(world, session)


def correct_busy(world: World, session: Session, event: Stored) -> None:
    """Claude Code goes on after asking: somebody answered at the terminal."""
    if session.turn == "needs_you":
        session.turn = "working"
        session.waiting_for = []


def _begin_turn(world: World, session: Session, event: Stored) -> None:
    session.turn = "working"
    session.turn_started_at = event.at
    session.waiting_for = []
    session.filled_by = None
    timeline.close_texts(world, session)
    session.turn_position = session.next_position * timeline.STEP
    session.progress = None
