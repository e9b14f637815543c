"""Tokens, context and cost as a channel reports them."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.model import Tokens
from hub.core.prices import estimate, estimate_all
from tests.hub.claude import Claude
from tests.hub.core.books import Books

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
