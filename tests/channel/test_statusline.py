"""The report: what the transcript adds up to, and what the client told its status line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.statusline import StatusLine, build_report, read_status_line
from channel.usage import Usage
from tests.channel.test_usage import OPUS, A, B, build_line, fold

SAVED: dict[str, Any] = {
    "session_id": A,
    "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
    "cost": {"total_cost_usd": 0.0083275, "total_duration_ms": 533},
    "context_window": {"total_input_tokens": 6500, "total_output_tokens": 40, "context_window_size": 300_000},
    "rate_limits": {
        "five_hour": {"used_percentage": 42.2, "resets_at": 1795276413},
        "seven_day": {"used_percentage": 7, "resets_at": 1795532013},
    },
}
LIMITS = {
    "five_hour": {"used_percent": 42.2, "resets_at": 1795276413_000_000},
    "seven_day": {"used_percent": 7.0, "resets_at": 1795532013_000_000},
}


def read(**fields: Any) -> StatusLine:
    line = read_status_line(json.dumps({**SAVED, **fields}).encode())
    assert line is not None
    return line


def test_the_report_says_what_both_know() -> None:
    tokens = {"input": 1200, "output": 40, "cache_read": 5000, "cache_write": 300}
    assert build_report(fold(build_line()), read()) == {
        "model": OPUS,
        "context_used": 6500,
        "context_window": 300_000,
        "cost_usd": 0.0083275,
        "totals": {OPUS: tokens},
        "days": {"2026-11-21": {OPUS: tokens}},
        "limits": LIMITS,
    }


def test_without_a_status_line_there_is_no_cost_and_no_limit() -> None:
    report = build_report(fold(build_line()), None)
    assert (report["context_window"], report["cost_usd"], report["limits"]) == (1_000_000, None, None)


def test_another_sessions_status_line_knows_only_the_limits() -> None:
    report = build_report(fold(build_line()), read(session_id=B, model={"id": "x"}))
    assert (report["model"], report["context_window"], report["cost_usd"]) == (OPUS, 1_000_000, None)
    assert report["limits"] == LIMITS


def test_the_status_line_fills_in_what_no_transcript_tells() -> None:
    report = build_report(Usage(A), read())
    assert (report["model"], report["context_used"], report["context_window"]) == (OPUS, 6500, 300_000)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (None, []),
        ([], []),
        ({"five_hour": None, "seven_day": {"used_percentage": 1, "resets_at": 2}}, ["seven_day"]),
        ({"five_hour": {"used_percentage": "1", "resets_at": 2}}, []),
        ({"five_hour": {"used_percentage": 1}}, []),
        ({"five_hour": {"used_percentage": -1, "resets_at": 2}}, []),
        ({"five_hour": {"used_percentage": 1, "resets_at": 2**60}}, []),
        ({"new_window": {"used_percentage": 1, "resets_at": 2}}, []),
    ],
)
def test_limits_that_are_odd_are_left_out(limits: Any, kept: list[str]) -> None:
    assert list(read(rate_limits=limits).limits or {}) == kept


@pytest.mark.parametrize("odd", [None, [], 1, "x", {}, {"id": 1, "total_cost_usd": "1", "context_window_size": 0}])
def test_parts_that_are_odd_are_left_out(odd: Any) -> None:
    line = read(model=odd, cost=odd, context_window=odd)
    assert (line.model, line.cost_usd, line.context_used, line.context_window) == (None, None, None, None)


@given(st.binary())
def test_garbage_is_no_status_line(data: bytes) -> None:
    assert read_status_line(data) is None
