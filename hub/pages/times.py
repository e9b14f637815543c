"""How times are said on the page. Knows no clock: the present comes in as an argument.

All times are microseconds since the epoch. The server says them in UTC; the page's script says the
same words in the reader's own zone (`web/static/js/times.js` follows the rules below).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from wire.ids import to_rfc3339

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

TimeFormat = Literal["ago", "waiting", "clock", "elapsed"]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``<time>`` element needs: ``iso`` for programs, ``text`` to read, ``title`` the exact time."""

    iso: str
    text: str
    title: str
    format: TimeFormat


def build_moment(at: int, now: int, style: TimeFormat) -> Moment:
    """The time ``at``, said in one of the page's four ways."""
    said = {
        "ago": lambda: say_ago(at, now),
        "waiting": lambda: f"waiting {say_ago(at, now)}" if now - at >= 5 * SECOND else "waiting",
        "clock": lambda: f"{_utc(at):%H:%M}",
        "elapsed": lambda: say_elapsed((now - at) // 1000),
    }[style]()
    return Moment(iso=to_rfc3339(at), text=said, title=f"{_utc(at):%a %d %b %Y %H:%M:%S} UTC", format=style)


def say_ago(at: int, now: int) -> str:
    """now, 12s, 4m, 2h; then the weekday; after six days the date: 14 Nov, with the year if it is another."""
    age = now - at
    for limit, unit, suffix in ((MINUTE, SECOND, "s"), (HOUR, MINUTE, "m"), (DAY, HOUR, "h")):
        if age < limit:
            return "now" if age < 5 * SECOND else f"{age // unit}{suffix}"
    then = _utc(at)
    if age < 6 * DAY:
        return f"{then:%a}"
    return f"{then.day} {then:%b}" if then.year == _utc(now).year else f"{then.day} {then:%b %Y}"


def say_elapsed(millis: int) -> str:
    """A running time: 12s, 6m 12s, 2h 5m."""
    seconds = max(millis, 0) // 1000
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m {seconds}s"
    return f"{minutes // 60}h {minutes % 60}m"


def say_duration(millis: int) -> str:
    """How long a tool call took, as its row shows it: 0.1s, 14s, 1:12, 1:02:05."""
    if millis < 9950:
        return f"{millis / 1000:.1f}s"
    seconds = round(millis / 1000)
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def parse_rfc3339(text: str) -> int | None:
    """A time inside an entry's data, as microseconds; None if it is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp() * SECOND) if moment.tzinfo else None


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
