"""The chat's entries: what each event adds to a session's timeline, or changes in it.

Entries keep the order in which they first appeared, with one exception: Claude Code shows text
through a hook that runs beside the one of the tool call following it, so text that arrives while
tools are running belongs before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from hub.core.body import Body, Stored
from hub.core.model import Decision, Entry, EntryKind, Evidence, Message, MessageState, OpenText, Preview, Session
from hub.core.world import World
from wire.ids import to_rfc3339
from wire.messages import SERVER_NAME

STEP = 1024
"""Distance between the positions of neighbours: no two entries of a session share one."""

EARLY = STEP // 2
"""So many texts of a turn may come late and still stand before the call that they belong before."""

TITLE_CHARS = 80
PREVIEW_CHARS = 240

CLOSED = 32
"""Closed entries that a session remembers, since an event of theirs may still come: more than run at once."""

_OWN_TOOLS = f"mcp__{SERVER_NAME}__"
"""Calls of our own tools show as replies and progress, not as tool rows."""


def add_prompt(world: World, session: Session, event: Stored) -> None:
    """Typed at the terminal."""
    machine = world.machines.get(session.machine_id)
    by = machine.user if machine else ""
    text = event.body.prompt
    _add(world, session, event, "prompt", {"text": text, "by": by})
    _entitle(session, text)
    session.preview = Preview(kind="prompt", text=_shorten(text))


def add_message(world: World, session: Session, event: Stored, message: Message) -> None:
    """Written on the page, or by an agent through the API."""
    data: dict[str, Any] = {
        "message_id": message.message_id,
        "client_id": message.client_id,
        "text": message.text,
        "author": message.author,
        "author_id": message.author_id,
        "when": message.when,
        "state": message.state,
        "receipts": {},
        "evidence": {},
    }
    message.position = _add(world, session, event, "message", data).position
    _entitle(session, message.text)
    session.preview = Preview(kind="message", text=_shorten(message.text))


def update_message(world: World, session: Session, event: Stored, message: Message, evidence: Evidence) -> None:
    """Its receipt moved."""
    entry = world.entries.get((session.session_id, message.position))
    if entry is not None:
        receipts = {**entry.data["receipts"], message.state: to_rfc3339(event.at)}
        shown = {**entry.data["evidence"], message.state: evidence}
        _change(world, entry, state=message.state, receipts=receipts, evidence=shown)


def has_been(world: World, session: Session, message: Message, state: MessageState) -> bool:
    """Whether the message was in this state before."""
    entry = _find(world, session, message.position)
    return entry is not None and state in entry.data["receipts"]


def add_text(world: World, session: Session, event: Stored) -> None:
    """Claude's words as they stream (``MessageDisplay``): numbered pieces, whose hooks may overtake each other."""
    body = event.body
    message_id = body.message_id or ""
    name = f"text:{message_id}"
    session.streams = True
    known = session.open_texts.get(message_id)
    entry = _find(world, session, known.position if known else session.closed.get(name)) or _take_over(world, session)
    if entry is None:
        data = {"text": "", "streaming": True}
        entry = _add(world, session, event, "assistant", data, before=_first_running(world, session))
    text = known or OpenText(position=entry.position, next_index=_first_index(entry, body.index))
    number = max(text.next_index, body.index or 0)
    held = {**text.held, number: (body.delta, body.final)}
    added, final, upcoming = "", False, text.next_index
    while upcoming in held:
        delta, is_last = held.pop(upcoming)
        added, final, upcoming = added + delta, final or is_last, upcoming + 1
    others = {name: other for name, other in session.open_texts.items() if name != message_id}
    still_open = OpenText(position=entry.position, next_index=upcoming, held=held)
    session.open_texts = others if final else {**others, message_id: still_open}
    _change(world, entry, text=entry.data["text"] + added, streaming=not final)
    if final:
        _close(session, name, entry)
    session.preview = Preview(kind="assistant", text=_shorten(entry.data["text"]))


def close_texts(world: World, session: Session) -> None:
    """Nothing more comes of the texts of an earlier turn: show what there is, gaps left out."""
    for message_id, text in session.open_texts.items():
        entry = _find(world, session, text.position)
        if entry is not None:
            rest = "".join(delta for _, (delta, _) in sorted(text.held.items()))
            _change(world, entry, text=entry.data["text"] + rest, streaming=False)
            _close(session, f"text:{message_id}", entry)
    session.open_texts = {}


def finish_text(world: World, session: Session, event: Stored) -> None:
    """The turn's last words, for clients without ``MessageDisplay`` (which may also come after ``Stop``)."""
    text = event.body.last_assistant_message
    if text and not session.streams:
        data = {"text": text, "streaming": False}
        session.filled_by = _add(world, session, event, "assistant", data).position
        session.preview = Preview(kind="assistant", text=_shorten(text))


def add_reply(world: World, session: Session, event: Stored, message: Message | None) -> None:
    """Claude's answer through the ``reply`` tool."""
    data = {
        "text": event.body.text,
        "message_id": message.message_id if message else None,
        "to": message.author if message else None,
        "to_id": message.author_id if message else None,
    }
    _add(world, session, event, "reply", data)
    session.preview = Preview(kind="reply", text=_shorten(event.body.text))


def add_progress(world: World, session: Session, event: Stored) -> None:
    """Claude's own account of how far it is; one entry a turn, updated in place."""
    body = event.body
    data = {"percent": body.percent, "phase": body.phase, "status": body.status}
    entry = _find(world, session, session.progress)
    if entry is None:
        session.progress = _add(world, session, event, "progress", data).position
    else:
        _change(world, entry, **data)


def open_tool(world: World, session: Session, event: Stored) -> None:
    """A tool call begins."""
    body = event.body
    if body.tool_name.startswith(_OWN_TOOLS) or not body.tool_use_id:
        return
    if body.tool_use_id in session.open_tools or f"tool:{body.tool_use_id}" in session.closed:
        return
    entry = _add_tool(world, session, event, "running")
    session.open_tools = {**session.open_tools, body.tool_use_id: entry.position}
    session.preview = Preview(kind="tool", text=_tool_line(body.tool_input), tool_name=body.tool_name)


def add_lost_tool(world: World, session: Session, event: Stored) -> None:
    """A call of a process that is gone, told after the session went on in another one."""
    if not event.body.tool_name.startswith(_OWN_TOOLS) and event.body.tool_use_id:
        _close(session, f"tool:{event.body.tool_use_id}", _add_tool(world, session, event, "interrupted"))


def wait_for_tool(world: World, session: Session, event: Stored) -> str:
    """Claude Code asks in the terminal; the hook names no call, so it pairs by tool and input. The call's
    ``tool_use_id``, empty if there is none.
    """
    body = event.body
    session.preview = Preview(kind="waiting", text=_tool_line(body.tool_input), tool_name=body.tool_name)
    asked = {ask.tool_use_id for ask in session.waiting_for}
    for tool_use_id, position in session.open_tools.items():
        entry = _find(world, session, position)
        if entry and entry.data["state"] == "running" and tool_use_id not in asked and _is_about(entry, body):
            _change(world, entry, state="waiting")
            return tool_use_id  # of several equal calls, the first that hasn't asked yet
    return ""


def go_on_with_tool(world: World, session: Session, tool_use_id: str) -> None:
    """The call that waited was answered."""
    entry = _find(world, session, session.open_tools.get(tool_use_id))
    if entry is not None and entry.data["state"] == "waiting":
        _change(world, entry, state="running")
        if session.preview is not None and session.preview.kind == "waiting":
            session.preview = msgspec.structs.replace(session.preview, kind="tool")


def find_server_call(world: World, session: Session, server: str) -> str:
    """The ``tool_use_id`` of the call of this MCP server's that runs; empty unless there is exactly one."""
    prefix = f"mcp__{re.sub(r'[^a-zA-Z0-9_-]', '_', server)}__"
    known = ((tool_use_id, _find(world, session, position)) for tool_use_id, position in session.open_tools.items())
    running = [tool_use_id for tool_use_id, entry in known if entry and entry.data["tool_name"].startswith(prefix)]
    return running[0] if len(running) == 1 else ""


def close_tool(world: World, session: Session, event: Stored) -> None:
    """A tool call ended, well or not."""
    body = event.body
    if body.tool_name.startswith(_OWN_TOOLS) or not body.tool_use_id:
        return
    failed = body.hook_event_name == "PostToolUseFailure"
    state = "interrupted" if failed and body.is_interrupt else "failed" if failed else "done"
    name = f"tool:{body.tool_use_id}"
    entry = _find(world, session, session.open_tools.get(body.tool_use_id, session.closed.get(name)))
    if entry is None:
        entry = _add_tool(world, session, event, state)
    session.open_tools = {name: at for name, at in session.open_tools.items() if name != body.tool_use_id}
    _close(session, name, entry)
    _change(
        world,
        entry,
        state=state,
        response=body.tool_response,
        error=_words(body.error),
        duration_ms=round(body.duration_ms) if body.duration_ms is not None else None,
    )


def close_tools(world: World, session: Session, is_over: Callable[[str | None], bool]) -> None:
    """What still runs of agents (None: of the main conversation) that are over was interrupted or refused, no hook
    says which.
    """
    still_open = {}
    for tool_use_id, position in session.open_tools.items():
        entry = _find(world, session, position)
        if entry is not None and not is_over(entry.data["agent_id"]):
            still_open[tool_use_id] = position
        elif entry is not None:
            _change(world, entry, state="interrupted")
            _close(session, f"tool:{tool_use_id}", entry)
    session.open_tools = still_open


def add_decision(world: World, session: Session, event: Stored, decision: Decision) -> Entry:
    """Something the session waits for."""
    if decision.kind == "elicitation":
        text = f"{decision.tool_name}: {decision.input['message']}"
        session.preview = Preview(kind="waiting", text=_shorten(text), tool_name=decision.tool_name)
    return _add(world, session, event, "decision", _list_fields(decision), suffix="-decision")


def update_decision(world: World, decision: Decision) -> None:
    """It was answered, or goes another way."""
    entry = world.entries.get((decision.session_id, decision.position))
    if entry is not None:
        _change(world, entry, **_list_fields(decision))


def add_notice(world: World, session: Session, event: Stored, code: str) -> None:
    """Something happened to the session itself."""
    text = event.body.last_assistant_message or _words(event.body.error) if code == "api_error" else None
    if code == "gap":
        text = _say_gap(event.body.dropped, event.body.cut)
    if code in ("interrupt", "stop"):
        text = event.body.author
    data = {
        "code": code,
        "level": "error" if code in ("offline", "api_error", "gap", "foreign") else "info",
        "text": text,
        "session_id": session.previous_session_id if code in ("foreign", "forked") else None,
    }
    _add(world, session, event, "notice", data)


def add_succession(world: World, before: Session, after: Session, event: Stored) -> None:
    """``before`` was cleared or forked into ``after``: each says so and points to the other."""
    code = "cleared" if after.relation == "clear" else "forked"
    for session, other in ((before, after), (after, before)):
        data = {"code": code, "level": "info", "text": None, "session_id": other.session_id}
        _add(world, session, event, "notice", data, suffix="" if session is after else "-before")


def _list_fields(decision: Decision) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(decision)
    return {name: value for name, value in fields.items() if name not in ("session_id", "position", "change_id")}


def _is_about(entry: Entry, body: Body) -> bool:
    """Whether a dialog is about this call. The input of a plan's is another: its text is only in the dialog's."""
    asked: dict[str, Any] = {"tool_name": body.tool_name, "agent_id": body.agent_id}
    if body.tool_name != "ExitPlanMode":
        asked["input"] = body.tool_input
    return all(entry.data[name] == value for name, value in asked.items())


def _add_tool(world: World, session: Session, event: Stored, state: str) -> Entry:
    body = event.body
    data = {
        "tool_use_id": body.tool_use_id,
        "tool_name": body.tool_name,
        "input": body.tool_input,
        "state": state,
        "response": None,
        "error": None,
        "duration_ms": None,
        "agent_id": body.agent_id,
    }
    return _add(world, session, event, "tool", data)


def _add(
    world: World,
    session: Session,
    event: Stored,
    kind: EntryKind,
    data: dict[str, Any],
    *,
    before: Entry | None = None,
    suffix: str = "",
) -> Entry:
    if before is None or session.early >= EARLY:
        position = session.next_position * STEP
        session.next_position += 1
    else:
        position = before.position - EARLY + session.early
        session.early += 1
    entry = Entry(
        entry_id=event.event_id + suffix,
        session_id=session.session_id,
        kind=kind,
        position=position,
        at=event.at,
        data=data,
    )
    world.put(entry)
    return entry


def _change(world: World, entry: Entry, **fields: Any) -> None:
    entry.data = {**entry.data, **fields}
    world.put(entry)


def _find(world: World, session: Session, position: int | None) -> Entry | None:
    """The entry at a place that the session knows. Only such are looked for: a session's record is all that a later
    batch remembers.
    """
    return None if position is None else world.entries.get((session.session_id, position))


def _close(session: Session, name: str, entry: Entry) -> None:
    """Nothing more should come for it."""
    closed = {**session.closed, name: entry.position}
    session.closed = closed if len(closed) < 2 * CLOSED else dict(list(closed.items())[-CLOSED:])


def _take_over(world: World, session: Session) -> Entry | None:
    """The entry that ``Stop`` made of this very text, because it came first: emptied, for the pieces to fill."""
    entry = _find(world, session, session.filled_by)
    if entry is not None:
        session.filled_by = None
        _change(world, entry, text="", streaming=True)
    return entry


def _first_index(entry: Entry, index: int | None) -> int:
    """Where counting begins: at 0, or for a text that was complete already, where it goes on."""
    return 0 if entry.data["streaming"] else index or 0


def _first_running(world: World, session: Session) -> Entry | None:
    """The first call of this turn that still runs; what an earlier turn left open is behind us."""
    known = (_find(world, session, position) for position in session.open_tools.values())
    running = [entry for entry in known if entry and entry.position >= session.turn_position]
    return min(running, key=lambda entry: entry.position, default=None)


def _entitle(session: Session, text: str) -> None:
    if not session.title:
        session.title = _shorten(text.strip().split("\n", 1)[0].replace("`", ""), TITLE_CHARS)


def _tool_line(tool_input: dict[str, Any]) -> str:
    """The one value that says most about a call."""
    for name in ("command", "file_path", "notebook_path", "pattern", "url", "query", "description"):
        value = tool_input.get(name)
        if isinstance(value, str) and value:
            return _shorten(value)
    return ""


def _shorten(text: str, limit: int = PREVIEW_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _say_gap(dropped: int, cut: int) -> str:
    parts = [f"{dropped} events didn't fit into the spool of this machine"] if dropped else []
    parts += [f"{cut} tool outputs were cut to fit into it"] if cut else []
    return "; ".join(parts)


def _words(error: Any) -> str | None:
    """An error as text: hooks give a string, or an object with a ``message``."""
    if isinstance(error, dict):
        error = error.get("message")
    return str(error) if error else None
