"""The JSON object of an event, as far as the hub reads it.

Hooks grow fields with every version of Claude Code, so everything but the session and the
event's name is optional, and unknown fields are ignored: the body itself is kept as it came.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hub.core.model import Evidence, Limit, Relation, Tokens, Via, WhyNot
from wire.frames import ID_CHARS, When

Source = Literal["hook", "channel", "hub"]


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel knows of a session's use so far, from the transcript and the status line.

    ``totals`` by model and ``days`` (UTC) by day and model only grow; None is what it doesn't know.
    """

    context_used: int | None = None
    context_window: int | None = None
    model: str | None = None
    cost_usd: float | None = None
    totals: dict[str, Tokens] = {}
    days: dict[str, dict[str, Tokens]] = {}
    limits: dict[str, Limit] | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of hooks first, then those of the channel's and the hub's own events."""

    session_id: str
    hook_event_name: str
    cwd: str = ""
    permission_mode: str | None = None
    model: str | None = None
    source: str = ""
    reason: str = ""
    prompt: str = ""
    message_id: str | None = None
    delta: str = ""
    index: int | None = None
    final: bool = False
    tool_name: str = ""
    tool_use_id: str = ""
    tool_input: dict[str, Any] = {}
    tool_response: Any = None
    duration_ms: float | None = None
    error: Any = None
    is_interrupt: bool = False
    last_assistant_message: str | None = None
    agent_id: str | None = None
    trigger: str = ""
    background_tasks: Any = None

    text: str = ""
    percent: float | None = None
    phase: str | None = None
    status: str | None = None
    branch: str | None = None
    dropped: int = 0
    cut: int = 0
    via: Via = "channel"
    recalled: bool = False
    channel: bool = False
    wake: bool = False
    next_turn: bool = False
    why: WhyNot | None = None
    usage: UsageReport | None = None
    previous: str | None = None
    relation: Relation | None = None
    since: int = 0
    hook: str = ""

    started_at: int = 0
    push: bool = False
    author_id: str = ""
    author: str = ""
    client_id: str | None = None
    when: When = "auto"
    before: str | None = None
    again: str | None = None
    evidence: Evidence | None = None


class _HookBody(Body, frozen=True, kw_only=True):
    """A hook's: where it happens to use a name of ours, it means something else."""

    text: Any = ""
    percent: Any = None
    phase: Any = None
    status: Any = None
    branch: Any = None
    dropped: Any = 0
    cut: Any = 0
    via: Any = None
    recalled: Any = False
    channel: Any = False
    wake: Any = False
    next_turn: Any = False
    why: Any = None
    usage: Any = None
    previous: Any = None
    relation: Any = None
    since: Any = 0
    hook: Any = ""
    started_at: Any = 0
    push: Any = False
    author_id: Any = ""
    author: Any = ""
    client_id: Any = None
    when: Any = None
    before: Any = None
    again: Any = None
    evidence: Any = None


class _Named(msgspec.Struct, frozen=True):
    session_id: str
    hook_event_name: str


class MalformedBody(Exception):
    """No JSON object that names its session and its event."""


_own_body = msgspec.json.Decoder(Body, strict=False)
_hook_body = msgspec.json.Decoder(_HookBody, strict=False)
_named = msgspec.json.Decoder(_Named)


def parse_body(raw: bytes | msgspec.Raw, source: Source) -> Body:
    """Read a body; one with a field of an unexpected type is read by its names alone. Raises MalformedBody."""
    body: Body
    try:
        body = _hook_body.decode(raw) if source == "hook" else _own_body.decode(raw)
    except msgspec.DecodeError:
        try:
            named = _named.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise MalformedBody(str(error)) from error
        body = Body(session_id=named.session_id, hook_event_name=named.hook_event_name)
    except (UnicodeError, RecursionError) as error:
        raise MalformedBody(str(error)) from error
    if not 0 < len(body.session_id) <= ID_CHARS or not 0 < len(body.hook_event_name) <= ID_CHARS:
        raise MalformedBody("session_id or hook_event_name is empty or too long")
    return body


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the books: who sent it is certain, what it says is the sender's word.

    ``session_id``: whose row it belongs to, which is another than the body's for a foreign session.
    ``orphan``: its process was gone when it was sent, by another's channel.
    """

    event_id: str
    session_id: str
    at: int
    source: Source
    machine_id: str
    pid: int
    body: Body
    orphan: bool = False
