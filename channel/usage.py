"""What a session has used, folded from the lines of its transcripts. Pure.

A message of the model stands on several lines, one for each of its parts, with the same usage or, while it
streamed, a smaller one: it counts once, at its largest. Lines that a fork has copied from the session it comes
from say how full the context is, and count there. What the client asks for on the side (titles, the summary of
a compaction) stands in no transcript.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import msgspec

from channel import loose

MESSAGES = 2048
"""Messages remembered to be told apart: the lines of one stand close together, those of parallel agents between."""

MODELS = 12
DAYS = 90
MODEL_CHARS = 96
TOKENS = 2**40
"""Bounds of what is believed and kept: the transcript isn't ours, and a report has to fit into an event."""

WINDOW = 200_000
LARGE_WINDOW = 1_000_000

SYNTHETIC = "<synthetic>"
"""The client's own words in the model's place, such as an error of the API."""

SIDE_ITERATIONS = ("advisor_message", "compaction")

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?![\d])")
_SMALL_UP_TO = (4, 6)
"""Claude models up to this version have the small window (2.1.329), unless ``[1m]`` is asked for."""

_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Tokens(msgspec.Struct, frozen=True):
    """A request's, or a sum of them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input - other.input,
            self.output - other.output,
            self.cache_read - other.cache_read,
            self.cache_write - other.cache_write,
        )

    def join(self, other: Tokens) -> Tokens:
        """The larger of each."""
        return Tokens(
            max(self.input, other.input),
            max(self.output, other.output),
            max(self.cache_read, other.cache_read),
            max(self.cache_write, other.cache_write),
        )

    @property
    def context(self) -> int:
        """What the request filled of the window, as the client's own status line counts it: without the answer."""
        return self.input + self.cache_read + self.cache_write


ByModel = dict[str, Tokens]


class _Message(msgspec.Struct):
    id: Any = None
    model: Any = None
    usage: Any = None


class _Line(msgspec.Struct, rename="camel"):
    """The parts of a line that matter; of any type, since the format is nobody's promise."""

    type: Any = None
    subtype: Any = None
    message: _Message | None = None
    timestamp: Any = None
    session_id: Any = None
    request_session_id: Any = None
    requested_model: Any = None
    request_id: Any = None
    forked_from: Any = None
    is_sidechain: Any = None
    is_unmetered: Any = None
    compact_metadata: Any = None


class _Counted(msgspec.Struct):
    """What a message has been counted as."""

    model: str
    day: str | None
    tokens: Tokens


class Usage:
    """The fold: ``take`` every line of the session's transcript and of its subagents'."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.model: str | None = None
        self.requested: str | None = None
        self.context_used: int | None = None
        self.totals: ByModel = {}
        self.days: dict[str, ByModel] = {}
        self._counted: OrderedDict[str, _Counted] = OrderedDict()
        self._day: str | None = None

    def take(self, line: bytes) -> None:
        """Take in one line; what isn't understood changes nothing."""
        if b'"usage"' not in line and b'"compact_boundary"' not in line:
            return
        found = _read(line)
        if found is None:
            return
        if found.type == "assistant" and found.message is not None and not found.is_unmetered:
            self._take_answer(found, found.message)
        elif found.type == "system" and found.subtype == "compact_boundary" and not found.is_sidechain:
            metadata = found.compact_metadata if isinstance(found.compact_metadata, dict) else {}
            self.context_used = _read_count(metadata.get("postTokens")) or None

    @property
    def context_window(self) -> int | None:
        """How large the window is, by the model's name; the status line knows better."""
        if self.model is None:
            return None
        return find_window(self.requested or self.model, self.context_used or 0)

    def _take_answer(self, line: _Line, message: _Message) -> None:
        usage, model = message.usage, message.model
        if not isinstance(usage, dict) or not isinstance(model, str) or model == SYNTHETIC:
            return
        model = model[:MODEL_CHARS]
        if not line.is_sidechain:
            self.model = model
            self.requested = line.requested_model if isinstance(line.requested_model, str) else None
            self.context_used = _read_tokens(_choose_iteration(usage)).context
        if self._is_copied(line):
            return
        key = message.id if isinstance(message.id, str) else line.request_id
        self._count(key if isinstance(key, str) else None, model, self._read_day(line.timestamp), _read_tokens(usage))

    def _is_copied(self, line: _Line) -> bool:
        """Whether another session has paid for it (seen: ``/branch`` marks a line with both, ``--fork-session``
        with ``requestSessionId`` alone; older clients leave the other session's id)."""
        if line.forked_from is not None:
            return True
        asked = line.request_session_id if line.request_session_id is not None else line.session_id
        return asked is not None and asked != self.session_id

    def _count(self, key: str | None, model: str, day: str | None, tokens: Tokens) -> None:
        known = self._counted.get(key) if key is not None else None
        if known is not None:
            model, day = known.model, known.day
            total = known.tokens.join(tokens)
            added, known.tokens = total - known.tokens, total
        else:
            if model not in self.totals and len(self.totals) >= MODELS:
                return
            added = tokens
            if key is not None:
                self._counted[key] = _Counted(model, day, tokens)
                if len(self._counted) > MESSAGES:
                    self._counted.popitem(last=False)
        self.totals[model] = self.totals.get(model, Tokens()) + added
        if day is not None:
            on_day = self.days.setdefault(day, {})
            on_day[model] = on_day.get(model, Tokens()) + added
            if len(self.days) > DAYS:
                del self.days[min(self.days)]

    def _read_day(self, timestamp: Any) -> str | None:
        """The day in UTC; a record without one belongs to the day before it in the file."""
        if isinstance(timestamp, str) and len(timestamp) < 64:
            try:
                moment = datetime.fromisoformat(timestamp)
                is_utc = _UTC_TIME.fullmatch(timestamp) is not None
                self._day = timestamp[:10] if is_utc else moment.astimezone(UTC).date().isoformat()
            except (ValueError, OverflowError):
                pass
        return self._day


def find_window(model: str, used: int) -> int:
    """By the model's name, as it was asked for; what doesn't fit the small window proves the large one."""
    if model.endswith("[1m]") or used > WINDOW:
        return LARGE_WINDOW
    version = _VERSION.search(model)
    if version is None:
        return WINDOW
    return LARGE_WINDOW if (int(version[1]), int(version[2] or 0)) > _SMALL_UP_TO else WINDOW


def _read(data: bytes) -> _Line | None:
    try:
        return msgspec.json.decode(data, type=_Line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return msgspec.convert(loose.read(data), _Line)
    except (loose.NotJson, msgspec.ValidationError):
        return None


def _choose_iteration(usage: dict[str, Any]) -> dict[str, Any]:
    """Where one answer took several requests, the context is what the last of them filled."""
    found = usage.get("iterations")
    iterations: list[Any] = found if isinstance(found, list) else []
    for iteration in reversed(iterations):
        if isinstance(iteration, dict) and iteration.get("type") not in SIDE_ITERATIONS:
            return iteration if "input_tokens" in iteration else usage
    return usage


def _read_tokens(usage: dict[str, Any]) -> Tokens:
    return Tokens(
        _read_count(usage.get("input_tokens")),
        _read_count(usage.get("output_tokens")),
        _read_count(usage.get("cache_read_input_tokens")),
        _read_count(usage.get("cache_creation_input_tokens")),
    )


def _read_count(value: Any) -> int:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < TOKENS
    return int(value) if is_count else 0
