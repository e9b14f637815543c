"""What the lines of a transcript add up to."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.statusline import build_report
from channel.usage import DAYS, LARGE_WINDOW, MESSAGES, MODELS, WINDOW, Tokens, Usage, find_window
from wire.frames import EVENT_BYTES

A = "session-a"
B = "session-b"
OPUS = "claude-opus-5-5"
HAIKU = "claude-haiku-4-5-20251001"


def build_line(number: int = 1, *, model: str = OPUS, at: str = "2026-11-21T14:47:18.460Z", **fields: Any) -> bytes:
    """A line of the model's as Claude Code 2.1.329 writes it."""
    usage = {
        "input_tokens": 1200,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 5000,
        "output_tokens": 40,
        "service_tier": "standard",
        "iterations": [],
        **fields.pop("usage", {}),
    }
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "usage": usage}
    line = {"type": "assistant", "isSidechain": False, "message": message, "timestamp": at, "sessionId": A, **fields}
    return json.dumps(line).encode()


def fold(*lines: bytes) -> Usage:
    usage = Usage(A)
    for line in lines:
        usage.take(line)
    return usage


ONE = Tokens(1200, 40, 5000, 300)


def test_a_request_counts_for_its_model_and_its_day() -> None:
    usage = fold(build_line(1), build_line(2, model=HAIKU, at="2026-11-22T00:00:00.000Z"))
    assert usage.totals == {OPUS: ONE, HAIKU: ONE}
    assert usage.days == {"2026-11-21": {OPUS: ONE}, "2026-11-22": {HAIKU: ONE}}
    assert (usage.model, usage.context_used) == (HAIKU, 6500)


def test_the_lines_of_one_message_count_once() -> None:
    assert fold(build_line(), build_line(), build_line()).totals == {OPUS: ONE}


def test_a_message_that_was_still_streaming_counts_as_it_ended() -> None:
    lines = [build_line(usage={"output_tokens": count}) for count in (1, 7, 400)]
    assert fold(*lines).totals == {OPUS: Tokens(1200, 400, 5000, 300)}
    assert fold(*reversed(lines)).totals == {OPUS: Tokens(1200, 400, 5000, 300)}


def test_a_message_over_midnight_counts_for_the_day_it_began() -> None:
    usage = fold(build_line(at="2026-11-21T23:59:59.999Z"), build_line(at="2026-11-22T00:00:00.001Z"))
    assert usage.days == {"2026-11-21": {OPUS: ONE}}


def test_a_time_with_an_offset_falls_on_its_day_in_utc() -> None:
    assert list(fold(build_line(at="2026-11-22T01:30:00+02:00")).days) == ["2026-11-21"]


def test_a_record_without_a_time_counts_for_the_day_before_it() -> None:
    usage = fold(build_line(1), build_line(2, at="yesterday"))
    assert usage.days == {"2026-11-21": {OPUS: ONE + ONE}}


def test_subagents_count_but_leave_the_context_alone() -> None:
    usage = fold(build_line(1), build_line(2, model=HAIKU, isSidechain=True, usage={"input_tokens": 90_000}))
    assert usage.totals == {OPUS: ONE, HAIKU: Tokens(90_000, 40, 5000, 300)}
    assert (usage.model, usage.context_used) == (OPUS, 6500)


@pytest.mark.parametrize(
    "fields",
    [
        {"requestSessionId": B},
        {"requestSessionId": B, "forkedFrom": {"sessionId": B, "messageUuid": "u"}},
        {"sessionId": B},
    ],
)
def test_what_a_fork_has_copied_fills_the_context_and_is_paid_elsewhere(fields: dict[str, Any]) -> None:
    usage = fold(build_line(1, **fields))
    assert usage.totals == usage.days == {}
    assert (usage.model, usage.context_used) == (OPUS, 6500)
    usage.take(build_line(2))
    assert usage.totals == {OPUS: ONE}


def test_a_compaction_leaves_what_it_left() -> None:
    boundary = {"type": "system", "subtype": "compact_boundary", "compactMetadata": {"postTokens": 3163}}
    usage = fold(build_line(1), json.dumps(boundary, separators=(",", ":")).encode())
    assert usage.context_used == 3163
    usage.take(b'{"type":"system","subtype":"compact_boundary"}')
    assert usage.context_used is None
    usage.take(build_line(2))
    assert usage.context_used == 6500


def test_of_several_requests_for_one_answer_the_last_fills_the_context() -> None:
    iterations = [
        {"type": "message", "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 0},
        {"type": "message", "input_tokens": 11, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 1},
        {"type": "advisor_message", "input_tokens": 9999},
    ]
    assert fold(build_line(usage={"iterations": iterations})).context_used == 42


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("claude-opus-4-1-20250805", WINDOW),
        ("claude-opus-4-6", WINDOW),
        ("claude-opus-4-8", LARGE_WINDOW),
        ("claude-sonnet-4-20250514", WINDOW),
        ("claude-sonnet-4-5[1m]", LARGE_WINDOW),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", WINDOW),
        ("claude-3-5-sonnet-20241022", WINDOW),
        ("claude-opus-5-5", LARGE_WINDOW),
        ("claude-sonnet-5", LARGE_WINDOW),
        ("somebody-elses-7", WINDOW),
    ],
)
def test_the_window_follows_from_the_models_name(model: str, window: int) -> None:
    assert find_window(model, 0) == window
    assert find_window(model, WINDOW + 1) == LARGE_WINDOW


def test_the_window_is_that_of_the_model_as_it_was_asked_for() -> None:
    name = "claude-sonnet-4-5"
    assert fold(build_line(model=name)).context_window == WINDOW
    assert fold(build_line(model=name, requestedModel=f"{name}[1m]")).context_window == LARGE_WINDOW
    assert Usage(A).context_window is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"usage"',
        b'["usage"]',
        b'{"type":"api-request-blob","message":{"usage":1}}',
        b'{"type":"assistant","message":"usage"}',
        b'{"type":"assistant","message":{"model":null,"usage":{}}}',
        b'{"type":"assistant","message":{"model":"x","usage":[1]}}',
        b'{"type":"assistant","isUnmetered":true,"message":{"model":"x","usage":{"input_tokens":1}}}',
        b'{"type":"assistant","message":{"model":"<synthetic>","usage":{"input_tokens":1}}}',
        b'{"type":"something-new","usage":' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_not_understood_changes_nothing(line: bytes) -> None:
    assert fold(line).totals == {}
    assert fold(build_line(), line).totals == {OPUS: ONE}


@given(st.binary())
def test_no_garbage_does_harm(data: bytes) -> None:
    fold(data, b'"usage"' + data, b'{"usage":' + data)


def test_a_half_surrogate_in_the_text_loses_no_tokens() -> None:
    assert fold(build_line(extra="x").replace(b'"extra": "x"', rb'"extra": "\ud83d"')).totals == {OPUS: ONE}


@pytest.mark.parametrize("count", [-1, 2**41, True, "12", None, [1], 1e300])
def test_a_count_that_is_none_is_nought(count: Any) -> None:
    assert fold(build_line(usage={"input_tokens": count})).totals == {OPUS: Tokens(0, 40, 5000, 300)}


def test_a_transcript_can_not_make_it_grow_forever() -> None:
    usage = Usage(A)
    for number in range(MESSAGES + 2 * DAYS):
        at = f"{2000 + number % 800:04d}-01-01T00:00:00Z"
        usage.take(build_line(number, model=f"claude-{number}-{'x' * 500}", at=at))
    assert len(usage.totals) == MODELS
    assert len(usage.days) <= DAYS
    assert len(usage._counted) <= MESSAGES


def test_the_largest_report_fits_into_an_event() -> None:
    usage = Usage(A)
    largest = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_input_tokens"), 2**40 - 1)
    for day in range(DAYS + 1):
        for number in range(MODELS):
            at = f"{2000 + day}-01-01T00:00:00Z"
            usage.take(build_line(day * MODELS + number, model=f"{number:0>500}"[::-1], at=at, usage=largest))
    assert len(usage.days) == DAYS
    assert len(usage.totals) == MODELS
    assert len(msgspec.json.encode(build_report(usage, None))) < EVENT_BYTES - 4096


@pytest.mark.parametrize("seed", range(20))
def test_random_transcripts_add_up(seed: int) -> None:
    dice = random.Random(seed)
    expected: dict[str, Counter[str]] = {}
    by_day: dict[str, Counter[str]] = {}
    lines: list[tuple[int, bytes]] = []
    context = None
    for number in range(dice.randrange(1, 300)):
        model = dice.choice([OPUS, HAIKU])
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        tokens = {name: dice.randrange(10_000) for name in names}
        day = f"2026-11-{dice.randrange(1, 29):02d}"
        is_copied, is_side = dice.random() < 0.2, dice.random() < 0.2
        fields = {"requestSessionId": B} if is_copied else {}
        for part in range(dice.randrange(1, 4)):
            smaller = {**tokens, "output_tokens": tokens["output_tokens"] // (part + 1)}
            line = build_line(number, model=model, at=f"{day}T12:00:00Z", isSidechain=is_side, usage=smaller, **fields)
            lines.append((number * 10 + dice.randrange(12), line))
        lines.append((number * 10 + 5, dice.choice([b"{torn", b'{"type":"mode"}', b"null", b'{"usage":"usage"}'])))
        if not is_copied:
            expected.setdefault(model, Counter()).update(tokens)
            by_day.setdefault(day, Counter()).update(tokens)
    usage = Usage(A)
    for _, line in sorted(lines, key=lambda each: each[0]):
        usage.take(line)
        found = json.loads(line) if b"assistant" in line else {}
        if found and not found["isSidechain"]:
            used = found["message"]["usage"]
            context = used["input_tokens"] + used["cache_read_input_tokens"] + used["cache_creation_input_tokens"]
    shown = {model: Tokens(*(sums[name] for name in names)) for model, sums in expected.items()}
    assert usage.totals == shown
    assert usage.context_used == context
    for day, sums in by_day.items():
        total = sum(usage.days[day].values(), Tokens())
        assert total == Tokens(*(sums[name] for name in names))
