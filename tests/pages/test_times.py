"""How times are said."""

from __future__ import annotations

import pytest

from hub.pages.times import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    build_moment,
    parse_rfc3339,
    say_ago,
    say_duration,
    say_elapsed,
)

NOW = 1_795_243_200_000_000  # Saturday 2026-11-21 06:40:00 UTC


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (-3 * SECOND, "now"),
        (0, "now"),
        (4 * SECOND, "now"),
        (12 * SECOND, "12s"),
        (59 * SECOND, "59s"),
        (MINUTE, "1m"),
        (4 * MINUTE + 59 * SECOND, "4m"),
        (2 * HOUR, "2h"),
        (DAY - SECOND, "23h"),
        (DAY, "Fri"),
        (5 * DAY, "Mon"),
        (7 * DAY, "14 Nov"),
        (400 * DAY, "17 Oct 2025"),
    ],
)
def test_an_age_is_said_in_one_short_word(age: int, words: str) -> None:
    assert say_ago(NOW - age, NOW) == words


def test_a_moment_carries_the_exact_time_beside_the_relative_one() -> None:
    moment = build_moment(NOW - 18 * MINUTE, NOW, "waiting")
    assert moment.text == "waiting 18m"
    assert moment.iso == "2026-11-21T06:22:00.000Z"
    assert moment.title == "Sat 21 Nov 2026 06:22:00 UTC"


def test_inside_a_session_the_clock_is_absolute() -> None:
    assert build_moment(NOW - DAY, NOW, "clock").text == "06:40"


@pytest.mark.parametrize(
    ("millis", "words"), [(0, "0s"), (59_999, "59s"), (372_000, "6m 12s"), (7_500_000, "2h 5m"), (-5, "0s")]
)
def test_a_running_time_counts_up(millis: int, words: str) -> None:
    assert say_elapsed(millis) == words


@pytest.mark.parametrize(
    ("millis", "words"),
    [(39, "0.0s"), (104, "0.1s"), (9_949, "9.9s"), (14_000, "14s"), (72_000, "1:12"), (3_725_000, "1:02:05")],
)
def test_a_tool_says_how_long_it_took(millis: int, words: str) -> None:
    assert say_duration(millis) == words


def test_only_times_with_a_zone_are_times() -> None:
    assert parse_rfc3339("2026-11-21T06:40:00.000Z") == NOW
    assert parse_rfc3339("2026-11-21T06:40:00") is None
    assert parse_rfc3339("soon") is None
