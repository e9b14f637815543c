"""What the hub knows, as plain records: the rows of the store and the JSON of the API.

Times are microseconds since the epoch inside the hub and RFC 3339 on the outside.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wire.frames import AnsweredBy, Via, When, WhyNot

SessionState = Literal["working", "needs_you", "idle", "offline", "ended"]
Delivery = Literal["channel", "wake", "next_turn", "none"]
DeliveryReason = Literal["ended", "offline", "no_channel", "no_flag", "dropped", "print"]
Relation = Literal["clear", "resume", "fork", "compact"]
EntryKind = Literal["prompt", "message", "assistant", "reply", "tool", "decision", "subagent", "progress", "notice"]
MessageState = Literal["queued", "delivered", "seen", "answered", "cancelled", "expired", "uncertain"]
Evidence = Literal[
    "sent",
    "channel",
    "wake",
    "steer",
    "next_turn",
    "prompt",
    "transcript",
    "reply",
    "stop",
    "cancelled",
    "dropped",
    "sent_again",
    "cleared",
    "process_gone",
    "passed_over",
]
"""What showed a step of a message. delivered: the way it went; seen: ``prompt`` (it began a turn, or came up in
one), ``transcript`` or ``reply``; answered: ``reply`` or ``stop``; uncertain: ``process_gone`` or ``passed_over``
(a whole turn went by without it); the rest are what people did, and ``cleared`` what became of the session.
"""

DecisionKind = Literal["permission", "question", "plan", "elicitation"]
DecisionState = Literal["open", "sending", "decided", "answered_locally", "expired", "withdrawn"]
Place = Literal["hub", "phone", "api", "cli", "rule", "terminal"]
Outcome = Literal["allowed", "denied", "cancelled"]

DELIVERY_REASONS: dict[DeliveryReason, str] = {
    "ended": "The session has ended.",
    "offline": "Its machine can't be reached.",
    "no_channel": "No Heliograph channel runs in this session.",
    "no_flag": "Claude Code was started without the channel; `heliograph claude` starts it with it.",
    "dropped": "Claude Code drops what the channel pushes: channels aren't available to this account or provider.",
    "print": "Claude Code runs in print mode (-p), which takes no messages between turns.",
}
"""Why a message doesn't go by the channel, for people."""


COUNT_MAX = 2**53
"""A larger number isn't exact in the JSON of every reader. As a time it is the year 2255, which every calendar has."""

Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Percent = Annotated[float, Meta(ge=0, le=1000)]
"""Numbers that a machine reports. What it says is its word, so nobody who shows it may have to expect more."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A paired computer. ``user`` is who it was paired by there, ``os`` e.g. ``Debian 12``."""

    machine_id: str
    name: str
    user: str
    os: str


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """What leads to Claude in a process now, best first; ``why`` says why not the channel."""

    channel: bool = False
    wake: bool = False
    next_turn: bool = False
    why: WhyNot | None = None


class Process(msgspec.Struct, kw_only=True):
    """A running Claude Code: which session it carries, and whether its channel is connected now.

    ``gone``: its channel saw it die.
    """

    machine_id: str
    pid: int
    started_at: int = 0
    session_id: str | None = None
    linked: bool = False
    ways: Ways = Ways()
    gone: bool = False


class Message(msgspec.Struct, kw_only=True):
    """Text from a person or agent to a session, and how far it got.

    ``via``: the way it went to Claude. ``position``: of its entry. ``again``: the message in whose place a person
    sent it.
    """

    message_id: str
    session_id: str
    author_id: str
    author: str
    text: str
    client_id: str | None
    when: When = "auto"
    state: MessageState
    via: Via | None = None
    position: int = 0
    again: str | None = None
    created_at: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a message, what showed it, and the event that did."""

    message_id: str
    state: MessageState
    at: int
    event_id: str
    evidence: Evidence


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a decision. Which fields go with which kind, ``verdicts`` knows.

    ``input``: the tool's, edited. ``remember``: which of the suggestions is to be saved. ``answers``: to questions, by
    the question's text (several choices are a list), or to a form, by field. ``mode``: into which a plan is approved.
    ``stop``: Claude's turn ends with this denial; of a form, it is cancelled instead of declined.
    """

    behavior: Literal["allow", "deny"]
    message: str | None = None
    input: dict[str, Any] | None = None
    remember: int | None = None
    answers: dict[str, Any] | None = None
    mode: str | None = None
    stop: bool = False


class Decision(msgspec.Struct, kw_only=True):
    """Something a session waits for. ``decision_id`` is the id of the event that told of it.

    ``tool_name``: of an elicitation, the MCP server's. ``input``: the tool's, or of an elicitation its ``message``,
    its ``mode`` (``form``, ``url``) and its ``schema`` or ``url``; of what
    only the relay told its ``description`` and ``preview``. ``is_whole``: all of the input is here, and nothing was
    cut. ``suggestions``: what Claude Code offered to remember, as it came. ``digest``: of all that a person is shown.
    ``version``: the how manieth of a plan it is, ``previous_plan``: the decision about the one before.
    ``answered_by``: what takes a verdict to Claude Code now. ``request_id``: the relay's. ``problem``: what became of
    the last verdict (``not_taken``, ``too_late``, ``edit_refused``). ``position``: of its entry.

    Once there is a verdict: ``by_id`` and ``by`` gave it, ``where``, at ``decided_at``; ``rule_id`` if a rule did.
    ``is_taken``: it was handed to Claude Code. One that came too late, or that nobody took, is taken back, and
    ``problem`` says so. ``outcome``: what Claude Code did in the end, as far as it shows. ``closed_at``: since when it
    is over; then ``where`` is ``terminal`` if somebody answered it there.
    """

    decision_id: str
    session_id: str
    machine_id: str
    pid: int
    kind: DecisionKind
    tool_name: str
    tool_use_id: str = ""
    agent_id: str | None = None
    agent_type: str | None = None
    input: dict[str, Any] = {}
    is_whole: bool = True
    suggestions: list[Any] = []
    digest: str = ""
    version: int = 1
    previous_plan: str | None = None
    answered_by: AnsweredBy = "none"
    request_id: str | None = None
    state: DecisionState = "open"
    problem: str | None = None
    verdict: Verdict | None = None
    by_id: str = ""
    by: str = ""
    where: Place | None = None
    rule_id: str | None = None
    is_taken: bool = False
    outcome: Outcome | None = None
    position: int = 0
    opened_at: int
    decided_at: int | None = None
    closed_at: int | None = None
    change_id: int = 0

    @property
    def needs_you(self) -> bool:
        """Whether somebody has still to answer it."""
        return self.state == "open"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The card's two lines: ``kind`` picks the icon (``tool`` rows carry ``tool_name``)."""

    kind: Literal["prompt", "message", "assistant", "reply", "tool", "waiting", "notice"]
    text: str
    tool_name: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a window of the plan's rate limit is used."""

    used_percent: Percent
    resets_at: Count | None = None


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the provider counts them; ``cache_read`` and ``cache_write`` are input besides ``input``."""

    input: Count = 0
    output: Count = 0
    cache_read: Count = 0
    cache_write: Count = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has used so far. ``cost_usd`` is Claude Code's own figure where its status line tells it,
    else an estimate by list prices (``is_estimate``), None where a model's price isn't known.
    """

    context_used: int | None = None
    context_window: int | None = None
    totals: dict[str, Tokens] = {}
    cost_usd: float | None = None
    is_estimate: bool = False
    limits: dict[str, Limit] | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a copied transcript had counted before its new machine used anything: ``totals``, the client's cost, and
    of the days only the latest (empty without one), since those before it get no more.
    """

    totals: dict[str, Tokens] = {}
    cost_usd: float = 0
    day: str = ""
    day_totals: dict[str, Tokens] = {}


class DayUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a session used on one day (UTC, ``2026-11-21``) with one model."""

    session_id: str
    day: str
    model: str
    machine_id: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost_usd: float | None


class OpenText(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is still coming: pieces are numbered, and those that came too early are held.

    ``position``: of its entry.
    """

    position: int
    next_index: int = 0
    held: dict[int, tuple[str, bool]] = {}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A dialog that opened at ``at``, until the call it is about is over. ``tool_use_id``: of that call, empty if none
    is known; ``agent_id``: of the subagent that asks. ``is_given``: somebody has answered it, here or there;
    ``is_past``: Claude Code has gone on since.
    """

    tool_name: str
    tool_use_id: str = ""
    agent_id: str | None = None
    at: int = 0
    decision_id: str = ""
    is_given: bool = False
    is_past: bool = False


def name_foreign(session_id: str, machine_id: str) -> str:
    """The id of a session that another machine spoke for first: its files were copied, or somebody pretends."""
    return f"{session_id}@{machine_id}"


class ShownPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that a session has shown, and the how manieth it was since the last one that was approved."""

    decision_id: str
    version: int


class Session(msgspec.Struct, kw_only=True):
    """One Claude Code conversation, as folded from its events.

    ``open_tools`` (positions by tool_use_id), ``open_texts`` (by Claude's message_id) and ``open_messages`` (ids)
    are what later events may still change; ``queue`` are the queued messages in the order in which they go;
    ``closed`` are the positions of the last tools and texts that were closed.
    ``passed_over`` are messages injected before this turn that it didn't begin with;
    ``waiting_for`` are the dialogs that are open or whose calls aren't over, the oldest first; ``agents`` the subagents
    that went on in the background when the last turn ended. ``plan``: the last one shown, until one is approved.
    ``interrupted_at``: since when somebody wants this turn to
    stop. ``streams``: its client shows text as it comes; ``filled_by``: where the last words stand that came in place
    of that; ``progress``: where this turn's progress entry is; ``early``: how many of its texts came late. ``foreign``:
    another machine spoke for this ``claude_id`` first, so this is a row of its own (see ``name_foreign``), whose
    ``usage`` begins at ``baseline``.
    """

    session_id: str
    machine_id: str
    pid: int
    foreign: bool = False
    title: str = ""
    cwd: str = ""
    branch: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    ended: bool = False
    linked: bool = False
    ways: Ways = Ways()
    waiting_for: list[Ask] = []
    agents: list[str] = []
    plan: ShownPlan | None = None
    interrupted_at: int | None = None
    open_tools: dict[str, int] = {}
    open_texts: dict[str, OpenText] = {}
    open_messages: list[str] = []
    queue: list[str] = []
    closed: dict[str, int] = {}
    offline_since: int | None = None
    streams: bool = False
    filled_by: int | None = None
    progress: int | None = None
    early: int = 0
    usage: Usage = Usage()
    baseline: Baseline | None = None
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
    def claude_id(self) -> str:
        """Claude's own id of it."""
        return self.session_id.rpartition("@")[0] if self.foreign else self.session_id

    @property
    def open_asks(self) -> list[Ask]:
        """The dialogs that nobody has answered yet."""
        return [ask for ask in self.waiting_for if not ask.is_given]

    @property
    def turn(self) -> Literal["working", "needs_you", "idle"]:
        """What its main conversation does: ``idle`` takes a message."""
        if self.open_asks:
            return "needs_you"
        return "idle" if self.turn_started_at is None else "working"

    @property
    def state(self) -> SessionState:
        """What the page says of it; a session without a channel is known by its hooks alone."""
        if self.ended:
            return "ended"
        if self.offline_since is not None:
            return "offline"
        return "working" if self.turn == "idle" and self.agents else self.turn

    @property
    def delivery(self) -> Delivery:
        """The best way a message can reach it now."""
        if not self.linked or self.ended:
            return "none"
        if self.ways.channel:
            return "channel"
        return "wake" if self.ways.wake else "next_turn" if self.ways.next_turn else "none"

    @property
    def delivery_reason(self) -> DeliveryReason | None:
        """Why not by the channel."""
        if self.ended:
            return "ended"
        if not self.linked:
            return "no_channel" if self.offline_since is None else "offline"
        return None if self.ways.channel else self.ways.why or "no_flag"


class Entry(msgspec.Struct, kw_only=True):
    """One thing in a session's chat, known by its ``position`` there. ``data`` depends on ``kind``:

    - prompt: ``text``, ``by`` (the user of the machine)
    - message: ``message_id``, ``text``, ``author``, ``author_id``, ``client_id``, ``when``, ``state``,
      ``receipts`` ({state: time}), ``evidence`` ({state: what showed it})
    - assistant: ``text``, ``streaming``
    - reply: ``text``, ``message_id``, ``to`` and ``to_id`` (the author answered, if any)
    - tool: ``tool_use_id``, ``tool_name``, ``input``, ``state`` (running, waiting, done, failed,
      interrupted), ``response``, ``error``, ``duration_ms``, ``agent_id``
    - progress: ``percent``, ``phase``, ``status``
    - notice: ``code`` (resumed, cleared, forked, compacted, ended, offline, online, api_error, gap,
      foreign, interrupt, stop), ``level`` (info, error), ``text``, ``session_id`` (the session it points to)

    Times inside ``data`` are RFC 3339.
    """

    entry_id: str
    session_id: str
    kind: EntryKind
    position: int
    at: int
    data: dict[str, Any]
    change_id: int = 0
