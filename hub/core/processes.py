"""Which process carries which session, what leads to Claude there, and how sessions follow each other."""

from __future__ import annotations

from hub.core import conclusions, messages, timeline, turns
from hub.core.body import Stored
from hub.core.model import Process, Session, Ways, name_foreign
from hub.core.world import World
from wire.frames import ID_CHARS

PATH_CHARS = 4096
NAME_CHARS = 200
"""A machine's folders and names on each card, whatever it says."""

_MOVES = frozenset({"SessionStart", "UserPromptSubmit"})
"""Hooks that tell which session a process carries. Others may come late, for the one before."""


def is_late(session: Session, event: Stored) -> bool:
    """Whether a process that is gone had left this, and the session goes on in another one by now."""
    return event.orphan and session.linked and session.pid != event.pid


def note_hook(world: World, session: Session, event: Stored) -> None:
    """What every hook tells: who carries the session, where, in which mode."""
    body = event.body
    process = world.process(event.machine_id, event.pid)
    process.gone = process.gone and body.hook_event_name != "SessionStart"
    moves = process.session_id is None or body.hook_event_name in _MOVES
    if moves and process.session_id != session.session_id and not is_late(session, event):
        _move(world, process, session, event)
    elif body.hook_event_name in _MOVES and session.pid != process.pid and not (event.orphan or process.gone):
        _go_on(world, process, session, event)
    session.cwd = body.cwd[:PATH_CHARS] or session.cwd
    session.permission_mode = (body.permission_mode or "")[:NAME_CHARS] or session.permission_mode
    session.last_activity_at = max(session.last_activity_at, event.at)
    if not (event.orphan or process.gone):
        session.offline_since = None
    elif session.pid == event.pid:
        _leave(session, event)


def link_up(world: World, event: Stored) -> None:
    """A channel connected. It alone makes no session: its own idea of the session id can be wrong."""
    process = world.process(event.machine_id, event.pid)
    is_same = process.started_at == event.body.started_at
    if process.started_at and event.body.started_at and not is_same:
        before = _carried(world, process)  # the pid is used again: that process is gone
        if before is not None:
            _leave(before, event)
            turns.leave(world, before, event)
            messages.lose_all(world, before, event)
        _withdraw(world, process, event)
        process.session_id = None
    process.started_at = event.body.started_at or process.started_at
    process.linked = True
    process.gone = False
    if not is_same or process.ways == Ways():  # later ChannelWays know better
        why = event.body.why or (None if event.body.push else "no_flag")
        process.ways = Ways(channel=why is None, why=why)
    known = world.sessions.get(process.session_id or event.session_id)
    if known is None or known.machine_id != event.machine_id:
        return
    is_back = process.session_id == known.session_id
    process.session_id = known.session_id
    if is_back and known.linked and known.pid != process.pid:
        return  # opened twice: the process that took it up last keeps it
    world.changed_sessions.add(known.session_id)
    was_offline = known.offline_since is not None
    if known.pid != process.pid:
        messages.lose_all(world, known, event)
    known.pid = process.pid
    known.linked = True
    known.ways = process.ways
    known.offline_since = None
    known.branch = event.body.branch or known.branch
    if was_offline and not known.ended:
        timeline.add_notice(world, known, event, "online")


def link_down(world: World, event: Stored) -> None:
    """Its channel is gone: with Claude, or out of reach for longer than a moment."""
    process = world.process(event.machine_id, event.pid)
    process.linked = False
    process.gone = event.body.reason == "parent_gone"
    session = _carried(world, process)
    gone = event.body.reason in ("stopped", "parent_gone")
    if gone:
        _withdraw(world, process, event)
        process.session_id = None
    if session is None:
        return
    session.linked = False
    if gone:
        messages.lose_all(world, session, event)
    if session.ended:
        return
    session.offline_since = event.at
    if gone:  # what is only out of reach goes on, and so does its turn
        turns.leave(world, session, event)
    timeline.add_notice(world, session, event, "offline")


def note_gone(world: World, session: Session, event: Stored) -> None:
    """An uploader saw the process die that no channel belonged to, and no hook told of the session's end."""
    process = world.process(event.machine_id, event.pid)
    process.gone = True
    _withdraw(world, process, event)
    if session.ended or session.linked or session.pid != event.pid:
        return
    process.session_id = None
    _leave(session, event)
    turns.leave(world, session, event)
    messages.lose_all(world, session, event)
    timeline.add_notice(world, session, event, "offline")


def note_facts(world: World, session: Session, event: Stored) -> None:
    """The folder and the branch."""
    session.branch = (event.body.branch or "")[:NAME_CHARS] or None
    session.cwd = event.body.cwd[:PATH_CHARS] or session.cwd


def note_ways(world: World, session: Session, event: Stored) -> None:
    """What leads to Claude in this process has changed."""
    body = event.body
    ways = Ways(channel=body.channel, wake=body.wake, next_turn=body.next_turn, why=body.why)
    process = world.process(event.machine_id, event.pid)
    process.ways = ways
    if session.pid == event.pid:
        session.ways = ways


def note_lineage(world: World, session: Session, event: Stored) -> None:
    """The channel has seen where the session comes from; what hooks told counts more."""
    origin = event.body.previous or ""
    if session.previous_session_id is not None or origin == event.body.session_id or not 0 < len(origin) <= ID_CHARS:
        return
    own_copy = name_foreign(origin, event.machine_id)
    session.previous_session_id = own_copy if own_copy in world.sessions else origin
    session.relation = event.body.relation or "fork"
    if session.relation == "fork":
        timeline.add_notice(world, session, event, "forked")


def _leave(session: Session, event: Stored) -> None:
    """Its process is gone, or out of reach."""
    session.linked = False
    if session.offline_since is None:
        session.offline_since = event.at


def _move(world: World, process: Process, session: Session, event: Stored) -> None:
    """The process carries another session from here on."""
    _withdraw(world, process, event)
    before = _carried(world, process)
    if before is not None:
        before.linked = False
        if event.body.hook_event_name == "SessionStart" and event.body.source in ("clear", "fork"):
            _succeed(world, before, session, event)
        messages.lose_all(world, before, event)
        turns.leave(world, before, event)
        before.ended = True
    if session.pid != process.pid:
        messages.lose_all(world, session, event)
    process.session_id = session.session_id
    _join(process, session)


def _go_on(world: World, process: Process, session: Session, event: Stored) -> None:
    """A session that was opened twice lives on in this process, if the one that took it up last has left it."""
    if session.ended or not session.linked:
        messages.lose_all(world, session, event)
        session.ended = False
        _join(process, session)


def _join(process: Process, session: Session) -> None:
    session.pid = process.pid
    session.linked = process.linked
    session.ways = process.ways


def _succeed(world: World, before: Session, session: Session, event: Stored) -> None:
    """``session`` came out of ``before``. What waited for a cleared one was written for a talk that is gone."""
    session.previous_session_id = before.session_id
    session.relation = before.next_relation = "clear" if event.body.source == "clear" else "fork"
    before.next_session_id = session.session_id
    session.model = session.model or before.model
    session.branch = session.branch or before.branch
    timeline.add_succession(world, before, session, event)
    if session.relation == "clear":
        messages.expire_all(world, before, event)


def _withdraw(world: World, process: Process, event: Stored) -> None:
    """It has left its session, and with it what it asked, though the session may go on in another one."""
    session = world.touch(process.session_id or "")
    if session is not None:
        conclusions.withdraw_all(world, session, event, pid=process.pid)


def _carried(world: World, process: Process) -> Session | None:
    """The session that this process carries; None too when it goes on in another process already."""
    session = world.touch(process.session_id or "")
    return session if session is not None and session.pid == process.pid else None
