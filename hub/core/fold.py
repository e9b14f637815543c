"""From events to the books: which session, process, message and entry an event changes, and how.

Pure and deterministic: the same events in the same order give the same rows, which is how they
are rebuilt. It reads nothing but the world it is given, and no clock but the event's own.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.core import timeline
from hub.core.body import Stored
from hub.core.model import Message, MessageState, Process, Receipt, Session
from hub.core.receipts import cancel, climb, is_open, lose
from hub.core.world import World
from wire.messages import find_message_ids

_MOVES = frozenset({"SessionStart", "UserPromptSubmit"})
"""Hooks that tell which session a process carries. Others may come late, for the one before."""

Handler = Callable[[World, Session, Stored], None]


def fold(world: World, event: Stored) -> None:
    """Apply one event."""
    if (event.source, event.body.hook_event_name) == ("hub", "LinkUp"):
        _link_up(world, event)
    elif (event.source, event.body.hook_event_name) == ("hub", "LinkDown"):
        _link_down(world, event)
    else:
        session = _session_of(world, event)
        if event.source == "hook":
            _note_hook(world, session, event)
        handler = _HANDLERS.get((event.source, event.body.hook_event_name))
        if handler is not None:
            handler(world, session, event)


def _session_of(world: World, event: Stored) -> Session:
    session = world.touch(event.body.session_id)
    if session is None:
        session = Session(
            session_id=event.body.session_id,
            machine_id=event.machine_id,
            pid=event.pid,
            started_at=event.at,
            last_activity_at=event.at,
        )
        world.sessions[session.session_id] = session
        world.changed_sessions.add(session.session_id)
    return session


def _note_hook(world: World, session: Session, event: Stored) -> None:
    body = event.body
    process = world.process(event.machine_id, event.pid)
    process.gone = process.gone and body.hook_event_name != "SessionStart"
    late = event.orphan and session.linked and session.pid != event.pid  # it goes on in another process already
    moves = process.session_id is None or body.hook_event_name in _MOVES
    if moves and process.session_id != session.session_id and not late:
        _move(world, process, session, event)
    session.cwd = body.cwd or session.cwd
    session.permission_mode = body.permission_mode or session.permission_mode
    session.last_activity_at = max(session.last_activity_at, event.at)
    if not (event.orphan or process.gone):
        session.offline_since = None
    elif session.pid == event.pid:
        _leave(session, event)


def _leave(session: Session, event: Stored) -> None:
    """Its process is gone, or out of reach."""
    session.linked = False
    if session.offline_since is None:
        session.offline_since = event.at


def _move(world: World, process: Process, session: Session, event: Stored) -> None:
    """The process carries another session from here on."""
    before = _carried(world, process)
    if before is not None:
        before.linked = False
        if event.body.hook_event_name == "SessionStart" and event.body.source in ("clear", "fork"):
            _succeed(world, before, session, event)
        _lose_messages(world, before, event)
        before.ended = True
    if session.pid != process.pid:
        _lose_messages(world, session, event)
    process.session_id = session.session_id
    session.pid = process.pid
    session.linked = process.linked
    session.push = process.push


def _succeed(world: World, before: Session, session: Session, event: Stored) -> None:
    """``session`` came out of ``before``. What waited for a cleared one was written for a talk that is gone."""
    session.previous_session_id = before.session_id
    session.relation = before.next_relation = "clear" if event.body.source == "clear" else "fork"
    before.next_session_id = session.session_id
    session.model = session.model or before.model
    session.branch = session.branch or before.branch
    timeline.add_succession(world, before, session, event)
    if session.relation == "clear":
        for message in _open_messages(world, before, "queued"):
            _record(world, before, message, "expired", event)


def _carried(world: World, process: Process) -> Session | None:
    """The session that this process carries; None too when it goes on in another process already."""
    session = world.touch(process.session_id or "")
    return session if session is not None and session.pid == process.pid else None


def _link_up(world: World, event: Stored) -> None:
    """A channel connected. It alone makes no session: its own idea of the session id can be wrong."""
    process = world.process(event.machine_id, event.pid)
    if process.started_at and event.body.started_at and process.started_at != event.body.started_at:
        before = _carried(world, process)  # the pid is used again: that process is gone
        if before is not None:
            _leave(before, event)
            _lose_messages(world, before, event)
        process.session_id = None
    process.started_at = event.body.started_at or process.started_at
    process.linked = True
    process.gone = False
    process.push = event.body.push
    known = world.sessions.get(process.session_id or event.body.session_id)
    if known is None or known.machine_id != event.machine_id:
        return
    process.session_id = known.session_id
    world.changed_sessions.add(known.session_id)
    was_offline = known.offline_since is not None
    if known.pid != process.pid:
        _lose_messages(world, known, event)
    known.pid = process.pid
    known.linked = True
    known.push = process.push
    known.offline_since = None
    known.branch = event.body.branch or known.branch
    if was_offline and not known.ended:
        timeline.add_notice(world, known, event, "online")


def _link_down(world: World, event: Stored) -> None:
    process = world.process(event.machine_id, event.pid)
    process.linked = False
    process.gone = event.body.reason == "parent_gone"
    session = _carried(world, process)
    gone = event.body.reason in ("stopped", "parent_gone")
    if gone:
        process.session_id = None
    if session is None:
        return
    session.linked = False
    if gone:
        _lose_messages(world, session, event)
    if session.ended:
        return
    session.offline_since = event.at
    session.turn = "idle"
    session.waiting_for = []
    timeline.close_tools(world, session)
    timeline.add_notice(world, session, event, "offline")


def _session_start(world: World, session: Session, event: Stored) -> None:
    session.model = event.body.model or session.model
    session.ended = False
    session.next_session_id = None
    session.next_relation = None
    if event.body.source == "compact":  # which may be in the middle of a turn
        timeline.add_notice(world, session, event, "compacted")
        return
    _settle(world, session, event)
    if event.body.source == "resume":
        timeline.add_notice(world, session, event, "resumed")


def _session_end(world: World, session: Session, event: Stored) -> None:
    if session.linked and session.pid != event.pid:
        return  # it goes on in another process
    _settle(world, session, event)
    timeline.close_texts(world, session)
    session.ended = True
    if event.body.reason != "clear":
        timeline.add_notice(world, session, event, "ended")
        _lose_messages(world, session, event)


def _prompt(world: World, session: Session, event: Stored) -> None:
    session.turn = "working"
    session.turn_started_at = event.at
    session.waiting_for = []
    session.filled_by = None
    timeline.close_texts(world, session)
    session.turn_position = session.next_position * timeline.STEP
    session.progress = None
    ours = [world.messages[i] for i in find_message_ids(event.body.prompt) if i in world.messages]
    ours = [message for message in ours if message.session_id == session.session_id]
    for message in ours:
        _prove(world, session, message, "seen", event)
    session.passed_over = [message.message_id for message in _open_messages(world, session, "delivered")]
    if not ours and event.body.prompt:
        timeline.add_prompt(world, session, event)


def _pre_tool(world: World, session: Session, event: Stored) -> None:
    """What was asked before it was answered at the terminal: a refusal has no hook of its own."""
    session.turn = "working"
    session.waiting_for = []
    timeline.open_tool(world, session, event)


def _post_tool(world: World, session: Session, event: Stored) -> None:
    if event.body.tool_name in session.waiting_for:
        session.waiting_for = [name for name in session.waiting_for if name != event.body.tool_name]
    if session.turn == "needs_you" and not session.waiting_for:
        session.turn = "working"
    timeline.close_tool(world, session, event)


def _permission_request(world: World, session: Session, event: Stored) -> None:
    session.turn = "needs_you"
    session.waiting_for = [*session.waiting_for, event.body.tool_name]
    timeline.wait_for_tool(world, session, event)


def _stop(world: World, session: Session, event: Stored) -> None:
    timeline.finish_text(world, session, event)
    for message in _open_messages(world, session, "seen"):
        _prove(world, session, message, "answered", event)
    for message in _open_messages(world, session, "delivered"):
        if message.message_id in session.passed_over:  # a whole turn went by without it
            _record(world, session, message, "uncertain", event)
    _settle(world, session, event)


def _stop_failure(world: World, session: Session, event: Stored) -> None:
    _settle(world, session, event)
    timeline.add_notice(world, session, event, "api_error")


def _settle(world: World, session: Session, event: Stored) -> None:
    session.turn = "idle"
    session.turn_started_at = None
    session.waiting_for = []
    timeline.close_tools(world, session)


def _idle(world: World, session: Session, event: Stored) -> None:
    """Claude Code says that the turn is over though no hook did: somebody pressed Esc."""
    _settle(world, session, event)


def _busy(world: World, session: Session, event: Stored) -> None:
    """Claude Code goes on after asking: somebody answered at the terminal."""
    if session.turn == "needs_you":
        session.turn = "working"
        session.waiting_for = []


def _gap(world: World, session: Session, event: Stored) -> None:
    timeline.add_notice(world, session, event, "gap")


def _reply(world: World, session: Session, event: Stored) -> None:
    message = world.messages.get(event.body.message_id or "")
    if message is not None and message.session_id != session.session_id:
        message = None
    timeline.add_reply(world, session, event, message)
    if message is not None:
        _prove(world, session, message, "answered", event)


def _facts(world: World, session: Session, event: Stored) -> None:
    session.branch = event.body.branch
    session.cwd = event.body.cwd or session.cwd


def _injected(world: World, session: Session, event: Stored) -> None:
    message = world.messages.get(event.body.message_id or "")
    if message is not None and message.session_id == session.session_id:
        _prove(world, session, message, "delivered", event)


def _message_queued(world: World, session: Session, event: Stored) -> None:
    body = event.body
    message = Message(
        message_id=body.message_id or event.event_id,
        session_id=session.session_id,
        author_id=body.author_id,
        author=body.author,
        text=body.text,
        client_id=body.client_id,
        state="queued",
        created_at=event.at,
    )
    world.messages[message.message_id] = message
    timeline.add_message(world, session, event, message)
    _record(world, session, message, "queued", event)


def _message_cancelled(world: World, session: Session, event: Stored) -> None:
    message = world.messages.get(event.body.message_id or "")
    if message is not None and cancel(message.state) != message.state:
        _record(world, session, message, "cancelled", event)


def _prove(world: World, session: Session, message: Message, step: MessageState, event: Stored) -> None:
    """Evidence for ``step``; a proven step proves those below it, which get the same time."""
    if climb(message.state, step) == message.state:
        return
    if step == "answered" and message.state != "seen":
        _record(world, session, message, "seen", event)
    _record(world, session, message, step, event)


def _lose_messages(world: World, session: Session, event: Stored) -> None:
    for message in _open_messages(world, session, "delivered"):
        _record(world, session, message, lose(message.state), event)


def _open_messages(world: World, session: Session, state: MessageState) -> list[Message]:
    known = (world.messages.get(message_id) for message_id in session.open_messages)
    return [message for message in known if message is not None and message.state == state]


def _record(world: World, session: Session, message: Message, state: MessageState, event: Stored) -> None:
    message.state = state
    world.changed_messages.add(message.message_id)
    world.receipts.append(Receipt(message_id=message.message_id, state=state, at=event.at, event_id=event.event_id))
    others = [i for i in session.open_messages if i != message.message_id]
    session.open_messages = [*others, message.message_id] if is_open(state) else others
    timeline.update_message(world, session, event, message)


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("hook", "SessionStart"): _session_start,
    ("hook", "SessionEnd"): _session_end,
    ("hook", "UserPromptSubmit"): _prompt,
    ("hook", "MessageDisplay"): timeline.add_text,
    ("hook", "PreToolUse"): _pre_tool,
    ("hook", "PostToolUse"): _post_tool,
    ("hook", "PostToolUseFailure"): _post_tool,
    ("hook", "PermissionRequest"): _permission_request,
    ("hook", "Stop"): _stop,
    ("hook", "StopFailure"): _stop_failure,
    ("channel", "ChannelReply"): _reply,
    ("channel", "ChannelProgress"): timeline.add_progress,
    ("channel", "ChannelInjected"): _injected,
    ("channel", "ChannelFacts"): _facts,
    ("channel", "ChannelIdle"): _idle,
    ("channel", "ChannelBusy"): _busy,
    ("channel", "ChannelGap"): _gap,
    ("hub", "MessageQueued"): _message_queued,
    ("hub", "MessageCancelled"): _message_cancelled,
}
