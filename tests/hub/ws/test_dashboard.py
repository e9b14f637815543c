"""Live changes: what was missed, then everything once, in order; nobody waits for who doesn't read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import aiohttp
import pytest

from hub.live import QUEUE
from hub.ws import dashboard as dashboard_module
from tests.hub.claude import Claude
from tests.hub.kit import Closed, Dashboard, Hub, until


@pytest.fixture
async def claude(hub: Hub) -> Claude:
    """A session with one turn behind it."""
    claude = Claude()
    await hub.post_events(claude.start(), *claude.turn("do it", "done"))
    return claude


def of_session(claude: Claude, after: int = 0) -> str:
    return f"format=json&view=session&session={claude.session_id}&after={after}"


class Copy:
    """What a follower knows: the newest it was told of each session and entry."""

    def __init__(self) -> None:
        self.sessions: dict[str, Any] = {}
        self.entries: dict[str, Any] = {}

    def take(self, frame: Any) -> None:
        for known, items, name in (
            (self.sessions, frame["sessions"], "session_id"),
            (self.entries, frame["entries"], "entry_id"),
        ):
            for item in items:
                before = known.get(item[name])
                if before is None or before["change_id"] <= item["change_id"]:
                    known[item[name]] = item

    def timeline(self) -> list[Any]:
        return sorted(self.entries.values(), key=lambda entry: (entry["position"], entry["entry_id"]))


async def test_the_first_frame_has_all_and_says_that_it_is_live(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as page:
        frame = await page.hear()
    assert frame["live"] is True
    assert frame["sessions"] == [await hub.session(claude.session_id)]
    assert frame["entries"] == await hub.timeline(claude.session_id)
    assert frame["change_id"] == hub.db.last_change


async def test_who_comes_back_gets_what_was_missed(hub: Hub, claude: Claude) -> None:
    seen = hub.db.last_change
    await hub.post_events(claude.prompt("more"))
    async with hub.dashboard(of_session(claude, seen)) as page:
        frame = await page.hear()
        assert [entry["text"] for entry in frame["entries"]] == ["more"]
    async with hub.dashboard(of_session(claude, hub.db.last_change)) as page:
        frame = await page.hear()
        assert (frame["sessions"], frame["entries"], frame["live"]) == ([], [], True)


async def test_changes_come_as_they_are_committed(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as page:
        await page.hear()
        await hub.post_events(claude.prompt("more"))
        frame = await page.hear()
        assert "live" not in frame
        assert [entry["text"] for entry in frame["entries"]] == ["more"]
        assert [session["state"] for session in frame["sessions"]] == ["working"]
        assert frame["change_id"] == hub.db.last_change


async def test_a_page_hears_of_its_own_session_only(hub: Hub, claude: Claude) -> None:
    other = Claude(pid=9)
    async with hub.dashboard(of_session(claude)) as page:
        await page.hear()
        await hub.post_events(other.start(), *other.turn("elsewhere", "done"))
        await hub.post_events(claude.prompt("here"))
        frame = await page.hear()
        assert {session["session_id"] for session in frame["sessions"]} == {claude.session_id}
        assert {entry["session_id"] for entry in frame["entries"]} == {claude.session_id}


async def test_the_overview_hears_of_all_sessions(hub: Hub, claude: Claude) -> None:
    other = Claude(pid=9)
    async with hub.dashboard("format=json") as page:
        assert [item["session_id"] for item in (await page.hear())["sessions"]] == [claude.session_id]
        await hub.post_events(other.start())
        assert [item["session_id"] for item in (await page.hear())["sessions"]] == [other.session_id]


async def test_messages_and_their_receipts_are_live(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as page:
        await page.hear()
        sent = await hub.send(claude.session_id, "look")
        (entry,) = (await page.hear())["entries"]
        assert (entry["message_id"], entry["state"]) == (sent["message_id"], "queued")
        await hub.post_events(claude.take(sent["message_id"]))
        (entry,) = (await page.hear())["entries"]
        assert (entry["state"], set(entry["receipts"])) == ("seen", {"queued", "seen"})


async def test_html_is_streams_for_the_page(hub: Hub, claude: Claude) -> None:
    browser = await hub.browser()
    headers = browser.headers(csrf=False)
    async with (
        hub.dashboard(f"view=session&session={claude.session_id}", **headers) as chat,
        hub.dashboard("view=overview", **headers) as overview,
    ):
        assert "turbo-stream" in (await chat.hear())["html"]
        assert "turbo-stream" in (await overview.hear())["html"]
        await hub.post_events(claude.prompt("<script>alert(1)</script>"))
        shown = await chat.hear()
        assert "&lt;script&gt;" in shown["html"]
        assert "<script" not in shown["html"]
        card = await overview.hear()
        assert claude.session_id in card["html"]
        assert "<script" not in card["html"]
        assert shown["change_id"] == card["change_id"] == hub.db.last_change


async def test_too_much_to_catch_up_with_is_a_reload(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_module, "CATCH_UP", 10)
    claude = Claude()
    await hub.post_events(claude.start(), *(claude.prompt(f"{number}") for number in range(11)))
    async with hub.dashboard(of_session(claude)) as page:
        assert await page.hear() == {"reload": True, "change_id": hub.db.last_change}
        await hub.post_events(claude.stop(None))
        assert (await page.hear())["sessions"][0]["state"] == "idle"


async def test_a_place_that_never_was_is_a_reload(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude, hub.db.last_change + 1000)) as page:
        assert (await page.hear())["reload"] is True


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1e3", "after=" + "9" * 30, "view=session"])
async def test_a_bad_query_opens_nothing(hub: Hub, query: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with hub.dashboard(f"format=json&{query}"):
            pass
    assert refused.value.status == 400


async def test_an_unknown_session_is_404(hub: Hub) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with hub.dashboard("format=json&view=session&session=nothing"):
            pass
    assert refused.value.status == 404


async def test_a_machine_may_not_look(hub: Hub, claude: Claude) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with hub.dashboard(of_session(claude), Authorization=f"Bearer {hub.secrets.atlas.key}"):
            pass
    assert refused.value.status == 403


async def test_a_page_that_talks_is_ignored_and_one_that_shouts_is_closed(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as page:
        await page.hear()
        await page.socket.send_str("hello?")
        await hub.post_events(claude.prompt("go"))
        assert (await page.hear())["sessions"]
        await page.socket.send_str("x" * 5000)
        assert await page.hear() == Closed(1009)
    assert (await hub.call("GET", "/healthz")).status == 200


async def write_busily(hub: Hub, number: int) -> None:
    """A session's life, in small batches, with messages in between."""
    dice = random.Random(number)
    claude = Claude(pid=100 + number)
    key = hub.secrets.atlas.key if number % 2 else hub.secrets.borea.key
    await hub.post_events(claude.start(), key=key)
    for turn in range(4):
        events = list(claude.turn(f"do {turn}", f"done {turn}"))
        while events:
            size = dice.randint(1, 3)
            await hub.post_events(*events[:size], key=key)
            del events[:size]
        sent = await hub.send(claude.session_id, f"message {turn}")
        await hub.post_events(claude.injected(sent["message_id"]), claude.take(sent["message_id"]), key=key)
        if turn == 2:
            await hub.post_events(*claude.clear(), key=key)


async def test_a_snapshot_and_what_follows_equal_a_fresh_snapshot(hub: Hub) -> None:
    """Followers that join at any moment, under concurrent writes, end up with what a fresh look shows."""
    writers = [asyncio.create_task(write_busily(hub, number)) for number in range(4)]
    followers: list[tuple[str, Copy, Dashboard]] = []
    async with AsyncExitStack() as stack:
        while not all(writer.done() for writer in writers):
            sessions = [item["session_id"] for item in (await hub.get("/api/v1/sessions"))["sessions"]]
            for query in ["format=json", *(f"format=json&view=session&session={i}" for i in sessions)]:
                if len(followers) < 40:
                    page = await stack.enter_async_context(hub.dashboard(query))
                    followers.append((query.partition("session=")[2], Copy(), page))
        await asyncio.gather(*writers)
        assert len(followers) > 8
        for session_id, copy, page in followers:
            first = await page.hear()
            assert first["live"] is True
            copy.take(first)
            await follow(hub, session_id, copy, page, first["change_id"])
        everything = {item["session_id"]: item for item in (await hub.get("/api/v1/sessions"))["sessions"]}
        for session_id, copy, _ in followers:
            if session_id:
                assert copy.sessions == {session_id: everything[session_id]}
                assert copy.timeline() == await hub.timeline(session_id)
            else:
                assert copy.sessions == everything


async def follow(hub: Hub, session_id: str, copy: Copy, page: Dashboard, change_id: int) -> None:
    """Hear all there is, each change once and in order."""
    wanted = [session_id] if session_id else [i["session_id"] for i in (await hub.get("/api/v1/sessions"))["sessions"]]
    last = max([(await hub.session(i))["change_id"] for i in wanted])
    while change_id < last:
        frame = await page.hear()
        assert frame["change_id"] > change_id
        assert all(item["change_id"] <= frame["change_id"] for item in frame["sessions"] + frame["entries"])
        change_id = frame["change_id"]
        copy.take(frame)


@contextmanager
def deaf(page: Dashboard) -> Iterator[None]:
    """Stops taking bytes from the network."""
    connection = page.socket._response.connection
    assert connection is not None
    transport = connection.transport
    assert transport is not None
    transport.pause_reading()  # type: ignore[attr-defined]
    yield
    transport.resume_reading()  # type: ignore[attr-defined]


async def test_who_does_not_read_is_cut_and_nobody_else_notices(
    hub: Hub, claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_module, "SEND_SECONDS", 0.2)
    async with hub.dashboard(of_session(claude)) as slow, hub.dashboard(of_session(claude)) as quick:
        await slow.hear()
        await quick.hear()
        with deaf(slow):
            for number in range(60):
                await hub.post_events(claude.says(f"{number} " + "x" * 200_000))
                assert (await quick.hear())["entries"][-1]["text"].startswith(f"{number} ")
            await until(lambda: len(hub.app[dashboard_module.LIVE]._watchers) == 1, "the slow one cut")
        frames = 0
        while not isinstance(await slow.hear(), Closed):
            frames += 1
        assert frames < 60
        await hub.post_events(claude.prompt("still here"))
        assert (await quick.hear())["entries"][-1]["text"] == "still here"


async def test_who_lags_behind_too_far_is_cut_with_a_reason(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as slow:
        await slow.hear()
        (watcher,) = hub.app[dashboard_module.LIVE]._watchers
        gate, get = asyncio.Event(), watcher.queue.get

        async def hesitate() -> str | None:
            await gate.wait()
            return await get()

        watcher.queue.get = hesitate  # type: ignore[method-assign]
        await hub.post_events(claude.prompt("go"))  # the socket waits for this one already
        assert (await slow.hear())["entries"]
        for number in range(20 * QUEUE):  # a frame may tell of several
            await hub.post_events(claude.says(f"{number}"))
            if not hub.app[dashboard_module.LIVE]._watchers:
                break
        assert not hub.app[dashboard_module.LIVE]._watchers
        assert "slow" in watcher.reason
        gate.set()
        assert await slow.hear() == Closed(1013)


async def test_a_store_that_fails_ends_the_socket_not_the_hub(
    hub: Hub, claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(dashboard_module, "_catch_up", fail)
    async with hub.dashboard(of_session(claude)) as page:
        assert await page.hear() == Closed(1011)
    assert (await hub.call("GET", "/healthz")).status == 200


async def test_a_stopping_hub_closes_pages(hub: Hub, claude: Claude) -> None:
    async with hub.dashboard(of_session(claude)) as page:
        await page.hear()
        await hub.stop_links()
        assert await page.hear() == Closed(1013)
