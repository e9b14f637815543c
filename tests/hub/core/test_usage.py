"""Tokens, context and cost as a channel reports them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.core.fold import fold
from hub.core.model import Tokens, name_foreign
from hub.core.prices import estimate, estimate_all
from tests.hub.claude import Claude
from tests.hub.core.books import Books, as_stored

OPUS, TOKENS = "claude-opus-5-5", {"input": 1_000_000, "output": 100_000, "cache_read": 2_000_000, "cache_write": 0}


def report(**fields: Any) -> dict[str, Any]:
    known = {"model": OPUS, "context_used": 50_000, "context_window": 200_000, "totals": {OPUS: TOKENS}}
    return {"usage": {**known, "days": {"2026-11-21": {OPUS: TOKENS}}, **fields}}


def test_a_report_is_the_sum_so_far_and_the_same_again_changes_nothing() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start(), claude.channel("ChannelUsage", **report()))
    first = books.session(claude).usage
    books.take(claude.channel("ChannelUsage", **report()))
    assert books.session(claude).usage == first
    assert (first.context_used, first.context_window, first.totals[OPUS].input) == (50_000, 200_000, 1_000_000)
    (day,) = books.world.days.values()
    assert (day.day, day.model, day.output) == ("2026-11-21", OPUS, 100_000)


def test_the_client_s_own_cost_counts_more_than_an_estimate() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start(), claude.channel("ChannelUsage", **report()))
    usage = books.session(claude).usage
    assert usage.is_estimate
    assert usage.cost_usd == pytest.approx(4.0 + 2.0 + 0.4)
    books.take(claude.channel("ChannelUsage", **report(cost_usd=1.25)))
    assert (books.session(claude).usage.cost_usd, books.session(claude).usage.is_estimate) == (1.25, False)


def test_limits_and_the_window_stay_until_they_are_told_anew() -> None:
    books, claude = Books(), Claude()
    limits = {"five_hour": {"used_percent": 12.5, "resets_at": 1_795_243_093_630_000}}
    books.take(claude.start(), claude.channel("ChannelUsage", **report(limits=limits)))
    books.take(claude.channel("ChannelUsage", **report(context_window=None)))
    usage = books.session(claude).usage
    assert usage.limits is not None
    assert (usage.limits["five_hour"].used_percent, usage.context_window) == (12.5, 200_000)


def test_a_model_without_a_known_price_has_no_estimate() -> None:
    assert estimate("gpt-x", Tokens(input=1)) is None
    assert estimate_all([(OPUS, Tokens(input=1)), ("gpt-x", Tokens(input=1))]) is None
    assert estimate_all([]) is None


@pytest.mark.parametrize(
    "name",
    [
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "claude-opus-4-5[1m]",
    ],
)
def test_a_model_is_known_by_whatever_name_its_provider_gives_it(name: str) -> None:
    assert estimate(name, Tokens(input=1_000_000)) == 5.0


def test_a_report_that_makes_no_sense_changes_nothing() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start(), claude.channel("ChannelUsage", usage={"totals": "many"}))
    assert books.session(claude).usage.totals == {}


MORE = {"input": 1_500_000, "output": 100_000, "cache_read": 2_000_000, "cache_write": 7}
NEW_DAY = {"input": 500_000, "output": 0, "cache_read": 0, "cache_write": 7}


def copy_to_another_machine(books: Books, claude: Claude, **fields: Any) -> None:
    """Its channel reports there, under the session's row of that machine."""
    stored = as_stored(claude.channel("ChannelUsage", **report(**fields)), "machine-2")
    fold(books.world, msgspec.structs.replace(stored, session_id=name_foreign(claude.session_id, "machine-2")))


def days_of(books: Books, session_id: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Input and cache writes by day and model."""
    return {
        (day.day, day.model): (day.input, day.cache_write)
        for day in books.world.days.values()
        if day.session_id == session_id
    }


def test_what_a_copied_transcript_brings_along_is_counted_where_it_was_used() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start(), claude.channel("ChannelUsage", **report()))
    at_home, copy = dict(books.world.days), name_foreign(claude.session_id, "machine-2")
    copy_to_another_machine(books, claude)
    assert books.world.days == at_home
    usage = books.session(copy).usage
    assert (usage.totals, usage.cost_usd, usage.context_used) == ({}, None, 50_000)
    days = {"2026-11-20": {OPUS: TOKENS}, "2026-11-21": {OPUS: MORE}, "2026-11-22": {OPUS: NEW_DAY}}
    copy_to_another_machine(books, claude, totals={OPUS: MORE, "claude-opus-5": TOKENS}, days=days)
    assert books.session(copy).usage.totals == {
        OPUS: Tokens(input=500_000, cache_write=7),
        "claude-opus-5": Tokens(**TOKENS),
    }
    assert days_of(books, copy) == {("2026-11-21", OPUS): (500_000, 7), ("2026-11-22", OPUS): (500_000, 7)}
    assert days_of(books, claude.session_id) == {("2026-11-21", OPUS): (1_000_000, 0)}


def test_a_copy_s_cost_begins_where_it_was_copied_and_is_never_below_nothing() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start())
    copy = name_foreign(claude.session_id, "machine-2")
    for told, shown in ((2.0, 0.0), (2.5, 0.5), (1.0, 0.0)):
        copy_to_another_machine(books, claude, cost_usd=told, totals={}, days={})
        assert books.session(copy).usage.cost_usd == shown


def test_a_copy_that_shrinks_has_used_nothing() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start())
    copy = name_foreign(claude.session_id, "machine-2")
    copy_to_another_machine(books, claude)
    less = {**TOKENS, "input": 3}
    copy_to_another_machine(books, claude, totals={OPUS: less}, days={"2026-11-21": {OPUS: less}})
    assert books.session(copy).usage.totals == {}
    assert days_of(books, copy) == {}
