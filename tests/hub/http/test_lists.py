"""Sessions and timelines: filtered, and paged without loss or repetition."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.hub.claude import Claude
from tests.hub.kit import Hub


async def read_all(hub: Hub, path: str, items: str, cursor: str, limit: int) -> list[Any]:
    """Follow ``next`` to the end."""
    found: list[Any] = []
    answer = await hub.get(f"{path}?limit={limit}")
    while True:
        found += answer[items]
        assert len(answer[items]) <= limit
        if answer["next"] is None:
            return found
        answer = await hub.get(f"{path}?limit={limit}&{cursor}={answer['next']}")


async def test_a_session_has_all_of_the_contract(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start(), *claude.turn("do it", "done"))
    session = await hub.session(claude.session_id)
    assert session | {"change_id": 0} == {
        "session_id": claude.session_id,
        "title": "do it",
        "machine": {"id": hub.secrets.atlas.machine_id, "name": "atlas"},
        "cwd": "/home/maya/project",
        "branch": None,
        "state": "idle",
        "model": "claude-opus-5-5",
        "permission_mode": "default",
        "context": {"used": None, "window": None, "percent": None},
        "cost_usd": None,
        "cost_is_estimate": False,
        "usage": {},
        "limits": None,
        "delivery": "none",
        "delivery_reason": {"code": "no_channel", "text": "No Heliograph channel runs in this session."},
        "foreign": False,
        "lineage": None,
        "next_session_id": None,
        "open_decisions": 0,
        "queue": [],
        "preview": {"kind": "assistant", "text": "done", "tool_name": None},
        "started_at": "2026-11-21T06:38:13.640Z",
        "last_activity_at": "2026-11-21T06:38:13.710Z",
        "turn_started_at": None,
        "interrupted_at": None,
        "change_id": 0,
    }
    assert (await hub.get("/api/v1/sessions"))["sessions"] == [session]


async def test_sessions_page_by_latest_activity_even_when_it_is_the_same(hub: Hub) -> None:
    claudes = [Claude(pid=100 + number) for number in range(11)]  # all start in the same microsecond
    later = Claude(pid=99, at=claudes[0].at + 1000)
    await hub.post_events(*(claude.start() for claude in claudes), later.start())
    whole = (await hub.get("/api/v1/sessions"))["sessions"]
    assert whole[0]["session_id"] == later.session_id
    assert len(whole) == 12
    for limit in (1, 3, 11, 12, 200):
        assert await read_all(hub, "/api/v1/sessions", "sessions", "cursor", limit) == whole


async def test_a_timeline_pages_in_order_with_texts_that_came_late(hub: Hub) -> None:
    claude = Claude()
    texts = [claude.says(f"late {number}") for number in range(5)]
    await hub.post_events(claude.start(), claude.prompt("go"), claude.pre_tool("t1"), *texts)
    await hub.post_events(claude.post_tool("t1"), *claude.turn("more", "done"))
    path = f"/api/v1/sessions/{claude.session_id}/timeline"
    whole = (await hub.get(path))["entries"]
    assert len({entry["position"] for entry in whole}) == len(whole)
    assert [entry.get("text") for entry in whole][:6] == ["go", *(f"late {number}" for number in range(5))]
    for limit in (1, 2, 3, len(whole)):
        assert await read_all(hub, path, "entries", "after", limit) == whole


async def test_usage_pages_by_day_and_model_without_loss_or_repetition(hub: Hub) -> None:
    claude, models = Claude(), {f"model {number}": {"input": number} for number in range(4)}
    days = {f"2026-11-{number:02}": models for number in range(1, 6)}
    await hub.post_events(claude.start(), claude.channel("ChannelUsage", usage={"totals": models, "days": days}))
    whole = await hub.get("/api/v1/usage")
    assert whole["next"] is None
    assert [(row["day"], row["model"]) for row in whole["days"]] == [(d, m) for d in sorted(days)[::-1] for m in models]
    for limit in (1, 3, 4, 19, 20, 10**6):
        assert await read_all(hub, "/api/v1/usage", "days", "cursor", limit) == whole["days"]


async def test_a_page_is_bounded_whatever_is_asked(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(*(claude.prompt(f"{number}") for number in range(250)))
    path = f"/api/v1/sessions/{claude.session_id}/timeline"
    assert len((await hub.get(f"{path}?limit=100000"))["entries"]) == 200
    assert len((await hub.get(path))["entries"]) == 200
    assert len(await read_all(hub, path, "entries", "after", 200)) == 250


async def test_filters(hub: Hub) -> None:
    one, other = Claude(pid=1), Claude(pid=2)
    await hub.post_events(one.start(), one.prompt("Fix the 100% build"))
    await hub.post_events(other.start(), other.prompt("write docs"), other.end(), key=hub.secrets.borea.key)

    async def found(query: str) -> list[str]:
        return [item["session_id"] for item in (await hub.get(f"/api/v1/sessions?{query}"))["sessions"]]

    assert await found("state=working") == [one.session_id]
    assert await found("state=ended") == [other.session_id]
    assert await found("state=offline") == []
    assert await found(f"machine={hub.secrets.borea.machine_id}") == [other.session_id]
    assert await found("machine=nothing") == []
    assert await found("q=BUILD") == [one.session_id]
    assert await found("q=100%25") == [one.session_id]
    assert await found("q=%25") == [one.session_id]
    assert await found("q=_") == []
    assert await found("state=working&q=docs") == []


def cursor_of(value: object) -> str:
    return quote(base64.urlsafe_b64encode(json.dumps(value).encode()).decode())


@pytest.mark.parametrize(
    "query",
    [
        "state=sleeping",
        "limit=0",
        "limit=-1",
        "limit=many",
        "limit=1.5",
        "limit=" + "9" * 5000,
        "cursor=nonsense",
        "cursor=%ff%fe",
        "cursor=" + cursor_of([1]),
        "cursor=" + cursor_of(["a", "b"]),
        "cursor=" + cursor_of({"a": 1}),
        "cursor=" + cursor_of([2**70, "x"]),
        "cursor=" + cursor_of([1.5, "x"]),
        "cursor=é",
    ],
)
async def test_a_bad_query_is_422_in_words(hub: Hub, query: str) -> None:
    answer = await hub.call("GET", f"/api/v1/sessions?{query}", token=hub.secrets.viewer)
    assert (answer.status, answer.code) == (422, "unprocessable")
    claude = Claude()
    await hub.post_events(claude.start())
    if "state" not in query:
        answer = await hub.call("GET", f"/api/v1/usage?{query}", token=hub.secrets.viewer)
        assert (answer.status, answer.code) == (422, "unprocessable")
        path = f"/api/v1/sessions/{claude.session_id}/timeline?{query.replace('cursor', 'after')}"
        answer = await hub.call("GET", path, token=hub.secrets.viewer)
        assert (answer.status, answer.code) == (422, "unprocessable")


@pytest.mark.parametrize("word", ["%ff", "%ED%A0%80", "%00", "'%22;--", "%F0%9F%98%80" * 100])
async def test_odd_characters_in_a_query_find_nothing_and_break_nothing(hub: Hub, word: str) -> None:
    for path in (f"/api/v1/sessions?q={word}", f"/api/v1/sessions?machine={word}"):
        assert (await hub.get(path))["sessions"] == []


@pytest.mark.parametrize("session_id", ["nothing", "%ff", "%ED%A0%80", "%00", "..%2f..%2fetc", "x" * 4000])
async def test_an_unknown_session_is_404_with_a_code(hub: Hub, session_id: str) -> None:
    for path in (f"/api/v1/sessions/{session_id}", f"/api/v1/sessions/{session_id}/timeline"):
        answer = await hub.call("GET", path, token=hub.secrets.viewer)
        assert (answer.status, answer.code) == (404, "not_found")
