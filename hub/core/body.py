"""The JSON object of an event, as far as the hub reads it.

Hooks grow fields with every version of Claude Code, so everything but the session and the
event's name is optional, and unknown fields are ignored: the body itself is kept as it came.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hub.core.model import COUNT_MAX, Count, Evidence, Limit, Percent, Place, Relation, Tokens, Verdict
from wire.frames import ID_CHARS, AnsweredBy, Via, When, WhyNot

Source = Literal["hook", "channel", "hub"]

COST_MAX = 1e9

Cost = Annotated[float, Meta(ge=0, le=COST_MAX)]
Duration = Annotated[float, Meta(ge=-COUNT_MAX, le=COUNT_MAX)]  # below 0 where a clock was set back
ToolName = Annotated[str, Meta(max_length=1000)]
ModelName = Annotated[str, Meta(max_length=100)]
ByModel = Annotated[dict[ModelName, Tokens], Meta(max_length=20)]
Day = Annotated[str, Meta(pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")]
Days = Annotated[dict[Day, ByModel], Meta(max_length=400)]
Limits = Annotated[dict[Annotated[str, Meta(max_length=50)], Limit], Meta(max_length=10)]
"""What a session's record takes and every page can show: more than any channel of ours reports."""


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel knows of a session's use so far, from the transcript and the status line.

    ``totals`` by model and ``days`` (UTC) by day and model only grow; None is what it doesn't know.
    """

    context_used: Count | None = None
    context_window: Count | None = None
    model: ModelName | None = None
    cost_usd: Cost | None = None
    totals: ByModel = {}
    days: Days = {}
    limits: Limits | None = None


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
    index: Count | None = None
    final: bool = False
    tool_name: ToolName = ""
    tool_use_id: str = ""
    tool_input: dict[str, Any] = {}
    tool_response: Any = None
    duration_ms: Duration | None = None
    error: Any = None
    is_interrupt: bool = False
    last_assistant_message: str | None = None
    agent_id: Annotated[str, Meta(max_length=ID_CHARS)] | None = None
    agent_type: Any = None
    trigger: str = ""
    background_tasks: Any = None
    permission_suggestions: Any = None
    mcp_server_name: Any = None
    message: Any = None
    mode: Any = None
    url: Any = None
    requested_schema: Any = None
    action: Any = None
    heliograph_cut: Any = None

    text: str = ""
    percent: Percent | None = None
    phase: str | None = None
    status: str | None = None
    branch: str | None = None
    dropped: Count = 0
    cut: Count = 0
    via: Via = "channel"
    recalled: bool = False
    channel: bool = False
    wake: bool = False
    next_turn: bool = False
    why: WhyNot | None = None
    usage: UsageReport | None = None
    previous: str | None = None
    relation: Relation | None = None
    since: Count = 0
    hook: str = ""
    decision_id: str | None = None
    answered_by: AnsweredBy = "none"
    taken: bool = False
    request_id: Annotated[str, Meta(max_length=ID_CHARS)] | None = None
    description: str = ""
    input_preview: str = ""

    started_at: int = 0
    push: bool = False
    author_id: str = ""
    author: str = ""
    client_id: str | None = None
    when: When = "auto"
    before: str | None = None
    again: str | None = None
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    where: Place | None = None
    rule_id: str | None = None


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
    decision_id: Any = None
    answered_by: Any = None
    taken: Any = False
    request_id: Any = None
    description: Any = ""
    input_preview: Any = ""
    started_at: Any = 0
    push: Any = False
    author_id: Any = ""
    author: Any = ""
    client_id: Any = None
    when: Any = None
    before: Any = None
    again: Any = None
    evidence: Any = None
    verdict: Any = None
    where: Any = None
    rule_id: Any = None


class _Named(msgspec.Struct, frozen=True):
    session_id: str
    hook_event_name: str


class MalformedBody(Exception):
    """No JSON object that names its session and its event."""


_own_body = msgspec.json.Decoder(Body, strict=False)
_hook_body = msgspec.json.Decoder(_HookBody, strict=False)
_named = msgspec.json.Decoder(_Named)


def parse_body(raw: bytes | msgspec.Raw, source: Source) -> Body:
    """Read a body; one with a field of an unexpected type or size is read by its names alone, as one that was
    cut: nobody may allow what isn't shown. Raises MalformedBody.
    """
    body: Body
    try:
        body = _hook_body.decode(raw) if source == "hook" else _own_body.decode(raw)
    except msgspec.DecodeError:
        try:
            named = _named.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise MalformedBody(str(error)) from error
        body = Body(session_id=named.session_id, hook_event_name=named.hook_event_name, heliograph_cut=True)
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
