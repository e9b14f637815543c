"""Whatever a machine reports of its sessions: everybody's lists and pages go on, and its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.api_json import session_json
from hub.core.model import Machine
from hub.pages.cards import build_card
from hub.pages.sessions import build_facts, build_line
from tests.hub.claude import NOW, Claude
from tests.hub.core.books import Books
from tests.hub.kit import Browser, Hub

MODEL = "claude-opus-5-5"
GOOD: dict[str, Any] = {
    "model": MODEL,
    "context_used": 50_000,
    "context_window": 200_000,
    "totals": {MODEL: {"input": 1000}},
    "days": {"2026-11-21": {MODEL: {"input": 1000}}},
}

HOSTILE: dict[str, dict[str, Any]] = {
    "a reset in no year": {"limits": {"five_hour": {"used_percent": 1.0, "resets_at": 10**18}}},
    "a reset before time": {"limits": {"five_hour": {"used_percent": 1.0, "resets_at": -(10**18)}}},
    "a percentage that is none": {"limits": {"five_hour": {"used_percent": "nan"}}},
    "a percentage without end": {"limits": {"five_hour": {"used_percent": "inf"}}},
    "many limits": {"limits": {f"limit {number}": {"used_percent": 1.0} for number in range(100)}},
    "a limit's long name": {"limits": {"x" * 100_000: {"used_percent": 1.0}}},
    "a context that no float holds": {"context_used": 10**400},
    "a window that no float holds": {"context_window": 10**400},
    "less than nothing": {"context_window": -1},
    "tokens that no column holds": {"totals": {MODEL: {"input": 2**63}}},
    "a day's tokens that no column holds": {"days": {"2026-11-21": {MODEL: {"output": 2**64}}}},
    "negative tokens": {"totals": {MODEL: {"input": -1}}},
    "a cost that is none": {"cost_usd": "nan"},
    "a cost without end": {"cost_usd": "inf"},
    "a cost that nobody has": {"cost_usd": 1e308},
    "many models": {"totals": {f"model {number}": {"input": 1} for number in range(3000)}},
    "many models a day": {"days": {"2026-11-21": {f"model {number}": {} for number in range(3000)}}},
    "many days": {"days": {f"{1000 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}": {} for n in range(3000)}},
    "a day that is none": {"days": {"yesterday": {MODEL: {}}}},
    "a day with more behind it": {"days": {"2026-11-21\n": {MODEL: {}}}},
    "a long name": {"model": "x" * 200_000},
    "a long name of what was used": {"totals": {"x" * 200_000: {}}},
}


async def check_everybody(hub: Hub, browser: Browser, session_id: str) -> Any:
    """Lists, pages and sums are there; returns the session."""
    for path in ("/", f"/sessions/{session_id}"):
        page = await hub.call("GET", path, headers={"Cookie": browser.cookie, "Accept": "text/html"})
        assert page.status == 200, path
    await hub.get("/api/v1/usage")
    await hub.timeline(session_id)
    (listed,) = (await hub.get("/api/v1/sessions"))["sessions"]
    return listed


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE)
async def test_a_report_that_does_not_fit_changes_nothing(hub: Hub, fields: dict[str, Any]) -> None:
    browser, claude = await hub.browser(), Claude()
    await hub.post_events(claude.start(), claude.channel("ChannelUsage", usage=GOOD))
    before = await hub.get("/api/v1/usage")
    answer = await hub.post_events(claude.channel("ChannelUsage", usage={**GOOD, **fields}))
    assert len(answer.json["committed"]) == 1
    session = await check_everybody(hub, browser, claude.session_id)
    assert session["context"] == {"used": 50_000, "window": 200_000, "percent": 25}
    assert (session["model"], session["limits"]) == (MODEL, None)
    assert await hub.get("/api/v1/usage") == before


@pytest.mark.parametrize("number", ["nan", "-inf", 10**400, -(10**400), 2**63, -1, 1e308, "1e999", None, {}])
async def test_a_number_of_any_other_event_breaks_nothing(hub: Hub, number: Any) -> None:
    browser, claude = await hub.browser(), Claude()
    events = [
        claude.start(),
        claude.channel("ChannelBusy", since=number),
        claude.channel("ChannelIdle", since=number),
        claude.channel("ChannelBusy", since=number),
        claude.channel("ChannelProgress", percent=number, phase="Tests"),
        claude.channel("ChannelGap", dropped=number, cut=number),
        claude.pre_tool("t1"),
        claude.post_tool("t1", duration_ms=number),
        claude.says("words", index=number),
    ]
    answer = await hub.post_events(*events)
    assert (answer.status, answer.json["rejected"]) == (200, [])
    await check_everybody(hub, browser, claude.session_id)


async def test_the_most_that_fits_adds_up_for_everybody(hub: Hub) -> None:
    browser = await hub.browser()
    most = dict.fromkeys(("input", "output", "cache_read", "cache_write"), 2**53)
    usage = {**GOOD, "totals": {MODEL: most}, "days": {"2026-11-21": {MODEL: most}}}
    for first in range(0, 1200, 400):
        claudes = [Claude(pid=1000 + first + number) for number in range(400)]
        await hub.post_events(*(claude.channel("ChannelUsage", usage=usage) for claude in claudes))
    (day,) = (await hub.get("/api/v1/usage"))["days"]
    assert day["input"] == 2**53
    page = await hub.call("GET", "/", headers={"Cookie": browser.cookie, "Accept": "text/html"})
    assert page.status == 200


numbers = st.one_of(st.integers(), st.floats().map(str), st.floats(allow_nan=False, allow_infinity=False), st.none())
names = st.one_of(st.text(max_size=120), st.just(MODEL), st.dates().map(str))
tokens = st.dictionaries(st.sampled_from(["input", "output", "cache_read", "cache_write"]), numbers)
reports = st.fixed_dictionaries(
    {},
    optional={
        "model": st.one_of(names, st.none()),
        "context_used": numbers,
        "context_window": numbers,
        "cost_usd": numbers,
        "totals": st.dictionaries(names, tokens, max_size=3),
        "days": st.dictionaries(names, st.dictionaries(names, tokens, max_size=3), max_size=3),
        "limits": st.dictionaries(names, st.fixed_dictionaries({"used_percent": numbers, "resets_at": numbers})),
    },
)


@settings(deadline=None)
@given(usage=reports)
def test_whatever_a_report_says_can_be_shown(usage: dict[str, Any]) -> None:
    books, claude = Books(), Claude()
    books.take(claude.start(), claude.channel("ChannelUsage", usage=usage))
    session = books.session(claude)
    machine = Machine(machine_id="machine-1", name="atlas", user="maya", os="Debian 12")
    json.dumps(session_json(session, machine), allow_nan=False)
    build_facts(session, machine, NOW)
    build_line(session, machine, NOW)
    build_card(session, machine, NOW)
