"""The frames of a link, and how they become bytes.

A link is one WebSocket between a channel and the hub. Each WebSocket text message is one
frame: a JSON object whose ``type`` names it. The channel speaks first, with ``hello``; the
hub answers ``welcome``, or ``error`` and closes. Fields that a receiver doesn't know are
ignored; a sender sends only what is declared here.

This module knows the shapes and their bounds. It doesn't know sockets, databases or Claude.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

LEVEL = 3
"""The wire level this code speaks. A level is raised when an older peer would misread a frame.

Level 2: a push says when it wants to be injected, and can be withdrawn. Level 3: verdicts, interrupt, stop.
"""

OLDEST_LEVEL = 1
"""The oldest level the hub still answers."""

FRAME_BYTES = 1024 * 1024
"""A frame larger than this closes the link (WebSocket close code 1009)."""

EVENT_BYTES = 256 * 1024
"""The body of one event; the hook cuts larger ones at the source, with a marker."""

BATCH_EVENTS = 500
"""Events in one ``events`` frame or one ``POST /api/v1/events``."""

BATCH_BYTES = FRAME_BYTES // 2
"""A batch is closed once its bodies reach this size (one event may still exceed it)."""

ID_CHARS = 128
"""Every id: ours, Claude's, a person's. Longer ones are malformed."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One hook firing, or one thing the channel saw, kept as it came.

    ``event_id`` is a time-ordered UUID made where the event happened; ``at`` is that
    machine's clock in microseconds since the epoch; ``pid`` is the Claude Code process;
    ``body`` is the JSON object exactly as the source wrote it.
    """

    event_id: str
    at: int
    source: Literal["hook", "channel"]
    pid: int
    body: msgspec.Raw


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A running Claude Code: ``started_at`` (microseconds since the epoch, 0 if unknown) tells pids apart."""

    pid: int
    started_at: int = 0


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """First frame of a channel. ``push`` says whether Claude Code was started with the channel on, ``why`` why it takes
    no messages by it nevertheless.
    """

    level: int
    features: list[str]
    version: str
    process: Process
    session_id: str | None
    cwd: str
    push: bool
    branch: str | None = None
    why: WhyNot | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """The hub's answer: ``level`` and ``features`` are what both sides speak from here on."""

    level: int
    features: list[str]
    link_id: str
    hub_version: str


class Events(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="events"):
    """A batch out of the spool; ``seq`` counts up from 1 on each link."""

    seq: int
    events: list[Event]


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the hub will never take, and why (``malformed``, ``too_large``, ``broken``: the
    hub failed to read it)."""

    event_id: str
    code: str


class Ack(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ack"):
    """Batch ``seq`` is committed, all but ``rejected``. Sent after the commit, never before."""

    seq: int
    rejected: list[Rejected] = []


When = Literal["auto", "now", "next_turn"]
"""How a message wants to reach Claude: as a turn of its own, in the middle of one, or with the next prompt."""

Via = Literal["channel", "wake", "steer", "next_turn"]
"""The way it went: as a turn, by the channel or by the hook that waits for it; into a running turn; with the next."""

WhyNot = Literal["no_flag", "dropped", "print"]
"""Why the channel doesn't take messages: started without it; Claude Code drops what is pushed; print mode."""


class Push(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="push"):
    """A message for Claude: to be injected once into ``session_id``, as soon as ``when`` allows.

    A channel of level 1 knows no ``when`` and takes every push as ``auto``.
    """

    message_id: str
    session_id: str
    text: str
    author: str
    when: When = "auto"


class Withdraw(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="withdraw"):
    """A person cancelled the message, gave it up or sent it anew: let go of it if it isn't injected yet, and try no
    further way if it proves dropped. Level 2; has no answer.
    """

    message_id: str


AnsweredBy = Literal["hook", "relay", "none"]
"""What takes a verdict to Claude Code: the hook that waits, with any answer; the channel's relay, which knows no more
than allow and deny; nothing, so that only the terminal can answer."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="verdict"):
    """What a person decided. ``answer`` is what the waiting hook prints, whole; ``behavior`` is what the relay is told,
    None where that would say less than was decided. Sent again after a reconnect until it is answered, by a
    ``ChannelDecided`` event. Level 3.
    """

    decision_id: str
    session_id: str
    answer: msgspec.Raw
    behavior: Literal["allow", "deny"] | None = None


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="settled"):
    """The decision is over: let the hook that waits for it go without a word. Level 3; has no answer."""

    decision_id: str


class Interrupt(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="interrupt"):
    """Stop the turn of ``session_id`` at its next step; has no answer but the turn's end. Level 3.

    Sent again after a reconnect until that is known: of the same ``at`` it is the same one, and changes nothing.
    """

    session_id: str
    at: int = 0


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stop"):
    """End the Claude Code process, if it carries ``session_id``. Level 3; its ``SessionEnd`` is the answer."""

    session_id: str


class Declined(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="declined"):
    """The channel did not inject a pushed message; it stays queued at the hub.

    ``busy``: Claude is in a turn. ``elsewhere``: this process carries another session now. ``no_way``: nothing
    leads to Claude in this process now.
    An injected message is reported by a ``ChannelInjected`` event instead, so that it is durable.
    """

    message_id: str
    reason: Literal["busy", "elsewhere", "no_way"]


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="bye"):
    """The channel's last frame: ``stopped`` (Claude ended it) or ``parent_gone`` (Claude died)."""

    reason: Literal["stopped", "parent_gone"]


class Error(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """Why the hub closes the link; ``code`` is for programs, ``message`` for people."""

    code: str
    message: str


ChannelFrame = Hello | Events | Declined | Bye
Order = Push | Withdraw | Verdict | Settled | Interrupt | Stop
"""What the hub wants of a channel."""

HubFrame = Welcome | Ack | Order | Error


class MalformedFrame(Exception):
    """Bytes that are no frame of ours. Stores why; shows no content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"malformed frame: {self.reason}"


Frame = TypeVar("Frame")

_encoder = msgspec.json.Encoder()
_channel_decoder: msgspec.json.Decoder[ChannelFrame] = msgspec.json.Decoder(ChannelFrame)
_hub_decoder: msgspec.json.Decoder[HubFrame] = msgspec.json.Decoder(HubFrame)


def encode(frame: ChannelFrame | HubFrame) -> str:
    """The text of a WebSocket message."""
    return _encoder.encode(frame).decode()


def decode_from_channel(data: str | bytes) -> ChannelFrame:
    """What a channel sent; raises MalformedFrame."""
    return _decode(_channel_decoder, data)


def decode_from_hub(data: str | bytes) -> HubFrame:
    """What the hub sent; raises MalformedFrame."""
    return _decode(_hub_decoder, data)


def _decode(decoder: msgspec.json.Decoder[Frame], data: str | bytes) -> Frame:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedFrame(str(error)) from error
