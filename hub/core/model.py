"""What the hub knows, as plain records: the rows of the store and the JSON of the API.

Times are microseconds since the epoch inside the hub and RFC 3339 on the outside.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SessionState = Literal["working", "needs_you", "idle", "offline", "ended"]
Delivery = Literal["channel", "wake", "next_turn", "none"]
Relation = Literal["clear", "resume", "fork", "compact"]
EntryKind = Literal["prompt", "message", "assistant", "reply", "tool", "decision", "subagent", "progress", "notice"]
MessageState = Literal["queued", "delivered", "seen", "answered", "cancelled", "expired", "uncertain"]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A paired computer. ``user`` is who it was paired by there, ``os`` e.g. ``Debian 12``."""

    machine_id: str
    name: str
    user: str
    os: str


class Process(msgspec.Struct, kw_only=True):
    """A running Claude Code: which session it carries, and whether its channel is connected now.

    ``push``: Claude Code was started so that it listens to the channel. ``gone``: its channel saw it die.
    """

    machine_id: str
    pid: int
    started_at: int = 0
    session_id: str | None = None
    linked: bool = False
    push: bool = False
    gone: bool = False


class Message(msgspec.Struct, kw_only=True):
    """Text from a person or agent to a session, and how far it got."""

    message_id: str
    session_id: str
    author_id: str
    author: str
    text: str
    client_id: str | None
    state: MessageState
    created_at: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a message; ``event_id`` names the evidence."""

    message_id: str
    state: MessageState
    at: int
    event_id: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The card's two lines: ``kind`` picks the icon (``tool`` rows carry ``tool_name``)."""

    kind: Literal["prompt", "message", "assistant", "reply", "tool", "waiting", "notice"]
    text: str
    tool_name: str | None = None


class OpenText(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is still coming: pieces are numbered, and those that came too early are held."""

    next_index: int = 0
    held: dict[int, tuple[str, bool]] = {}


class Session(msgspec.Struct, kw_only=True):
    """One Claude Code conversation, as folded from its events.

    ``open_tools`` (tool_use_ids), ``open_texts`` (by Claude's message_id) and ``open_messages`` (ids) are what
    later events may still change;
    ``passed_over`` are messages injected before this turn that it didn't begin with;
    ``waiting_for`` names the tools whose permission dialog is open. ``streams``: its client shows text
    as it comes; ``filled_by``: the Stop whose last words stood in for that; ``progress``: the event
    that began this turn's progress entry.
    """

    session_id: str
    machine_id: str
    pid: int
    title: str = ""
    cwd: str = ""
    branch: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    turn: Literal["working", "needs_you", "idle"] = "idle"
    ended: bool = False
    linked: bool = False
    push: bool = False
    waiting_for: list[str] = []
    open_tools: list[str] = []
    open_texts: dict[str, OpenText] = {}
    open_messages: list[str] = []
    offline_since: int | None = None
    streams: bool = False
    filled_by: str | None = None
    progress: str | None = None
    turn_started_at: int | None = None
    turn_position: int = 0
    passed_over: list[str] = []
    previous_session_id: str | None = None
    relation: Relation | None = None
    next_session_id: str | None = None
    next_relation: Relation | None = None
    preview: Preview | None = None
    started_at: int = 0
    last_activity_at: int = 0
    next_position: int = 1
    change_id: int = 0

    @property
    def state(self) -> SessionState:
        """What the page says of it; a session without a channel is known by its hooks alone."""
        if self.ended:
            return "ended"
        return self.turn if self.offline_since is None else "offline"

    @property
    def delivery(self) -> Delivery:
        """The best way a message can reach it now."""
        return "channel" if self.linked and self.push and not self.ended else "none"


class Entry(msgspec.Struct, kw_only=True):
    """One thing in a session's chat. ``key`` is what later events update it by; ``data`` depends on ``kind``:

    - prompt: ``text``, ``by`` (the user of the machine)
    - message: ``message_id``, ``text``, ``author``, ``client_id``, ``state``, ``receipts`` ({state: time})
    - assistant: ``text``, ``streaming``
    - reply: ``text``, ``message_id``, ``to`` (the author answered, if any)
    - tool: ``tool_use_id``, ``tool_name``, ``input``, ``state`` (running, waiting, done, failed,
      interrupted), ``response``, ``error``, ``duration_ms``, ``agent_id``
    - progress: ``percent``, ``phase``, ``status``
    - notice: ``code`` (resumed, cleared, forked, compacted, ended, offline, online, api_error, gap),
      ``level`` (info, error), ``text``, ``session_id`` (the session it points to)

    Times inside ``data`` are RFC 3339.
    """

    entry_id: str
    session_id: str
    key: str
    kind: EntryKind
    position: int
    at: int
    data: dict[str, Any]
    change_id: int = 0
