"""The hub's end of a link: hello first, events acknowledged after their commit, messages pushed one at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from hub.clock import now
from hub.db import schema
from hub.db.engine import Transaction
from hub.keys import LINKS, PRINCIPALS
from hub.ws import channel as channel_module
from tests.hub.claude import Claude
from tests.hub.kit import Channel, Closed, Hub, Secrets, run_hub, until
from wire.frames import (
    BATCH_EVENTS,
    EVENT_BYTES,
    FRAME_BYTES,
    LEVEL,
    Bye,
    Declined,
    Error,
    Event,
    Events,
    Hello,
    Process,
    Welcome,
)

NO_FRAMES = [
    "",
    "{",
    "[]",
    "null",
    '"hello"',
    "{}",
    '{"type": "unknown"}',
    '{"type": "welcome", "level": 1}',
    '{"type": "push", "message_id": "m", "session_id": "s", "text": "x", "author": "a"}',
    '{"type": "events", "seq": "one", "events": []}',
    '{"type": "events", "seq": 1, "events": [{"event_id": "x"}]}',
    '{"type": "events", "seq": 1, "events": [{"event_id": 1}]}',
    '{"type": "declined", "message_id": "m", "reason": "no"}',
    '{"type": "hello", "level": 1}',
    '{"type": "bye", "reason": "\\ud800"}',
    "[" * 50_000,
    '{"type": "events", "seq": 1, "events": ' + "[" * 5000,
]


@pytest.fixture
async def claude(hub: Hub) -> Claude:
    """A session at rest; no channel yet."""
    claude = Claude()
    await hub.post_events(claude.start())
    return claude


async def is_in_state(hub: Hub, claude: Claude, state: str) -> bool:
    return bool((await hub.session(claude.session_id))["state"] == state)


async def notices(hub: Hub, claude: Claude) -> list[str]:
    return [entry["code"] for entry in await hub.timeline(claude.session_id) if entry["kind"] == "notice"]


async def expect_refusal(channel: Channel, code: str, close_code: int = 1008) -> None:
    """An error frame with this code, then the end."""
    error = await channel.expect(Error)
    assert error.code == code
    assert error.message
    assert await channel.hear() == Closed(close_code)


async def test_hello_is_welcomed_with_what_both_speak(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel() as channel:
        await channel.say(claude.hello(level=99))
        welcome = await channel.expect(Welcome)
        assert (welcome.level, welcome.features) == (LEVEL, [])
        assert welcome.link_id
        assert welcome.hub_version


async def test_a_link_that_stays_silent_is_closed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "HELLO_SECONDS", 0.05)
    async with hub.channel() as channel:
        await expect_refusal(channel, "no_hello")


@pytest.mark.parametrize(
    "first", [Events(seq=1, events=[]), Declined(message_id="m", reason="busy"), Bye(reason="stopped")]
)
async def test_hello_comes_first(hub: Hub, first: Any) -> None:
    async with hub.channel() as channel:
        await channel.say(first)
        await expect_refusal(channel, "no_hello")


async def test_hello_comes_once(hub: Hub, claude: Claude) -> None:
    async with hub.channel(claude) as channel:
        await channel.say(claude.hello())
        await expect_refusal(channel, "unexpected_frame")


async def test_a_level_that_is_too_old_is_told_to_update(hub: Hub) -> None:
    async with hub.channel() as channel:
        await channel.say(Claude().hello(level=0))
        await expect_refusal(channel, "too_old")


@pytest.mark.parametrize("welcomed", [True, False])
async def test_what_is_no_frame_closes_the_link_and_stores_nothing(hub: Hub, welcomed: bool) -> None:
    for number, text in enumerate(NO_FRAMES):
        claude = Claude(pid=100 + number)
        async with hub.channel(claude if welcomed else None) as channel:
            if welcomed:
                await channel.send()  # the link is noted
            before = await hub.snapshot()
            await channel.say(text)
            await expect_refusal(channel, "malformed_frame")
            assert await hub.snapshot() == before, text[:40]
    assert (await hub.call("GET", "/healthz")).status == 200


@pytest.mark.parametrize("welcomed", [True, False])
async def test_a_binary_frame_closes_the_link(hub: Hub, welcomed: bool) -> None:
    async with hub.channel(Claude() if welcomed else None) as channel:
        await channel.socket.send_bytes(b'{"type": "bye", "reason": "stopped"}')
        await expect_refusal(channel, "malformed_frame")


@pytest.mark.parametrize("welcomed", [True, False])
async def test_a_frame_that_is_too_large_closes_the_link(hub: Hub, welcomed: bool) -> None:
    async with hub.channel(Claude() if welcomed else None) as channel:
        await channel.say(" " * (FRAME_BYTES + 1))
        assert await channel.hear() == Closed(1009)


@pytest.mark.parametrize(
    "fields",
    [
        {"process": Process(pid=-1)},
        {"process": Process(pid=2**31)},
        {"process": Process(pid=2**70)},
        {"process": Process(pid=1, started_at=-1)},
        {"process": Process(pid=1, started_at=2**70)},
        {"session_id": "x" * 129},
        {"cwd": "/" * 5000},
        {"branch": "b" * 5000},
    ],
    ids=repr,
)
async def test_a_hello_of_nothing_possible_is_refused(hub: Hub, fields: dict[str, Any]) -> None:
    hello: Hello = msgspec.structs.replace(Claude().hello(), **fields)
    before = await hub.snapshot()
    async with hub.channel() as channel:
        await channel.say(hello)
        await expect_refusal(channel, "malformed_frame")
    assert await hub.snapshot() == before


@pytest.mark.parametrize("token", ["owner", "member", "viewer"])
async def test_people_have_no_links(hub: Hub, token: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with hub.channel(key=hub.secrets.token(token)):
            pass
    assert refused.value.status == 403


async def test_a_revoked_key_can_not_connect(hub: Hub) -> None:
    async def revoke(tx: Transaction) -> None:
        table = schema.tokens
        machine = table.c.machine_id == hub.secrets.atlas.machine_id
        await tx.conn.execute(update(table).where(machine).values(revoked_at=now()))

    await hub.db.write(revoke)
    hub.app[PRINCIPALS].forget()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with hub.channel():
            pass
    assert refused.value.status == 401


async def test_events_are_acknowledged_once_they_are_stored(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude) as channel:
        events = [claude.start(), *claude.turn("do it", "done")]
        for event in events:
            assert await channel.send(event) == []
            assert event.event_id in {row["event_id"] for row in await hub.rows("events")}
        assert await channel.send(*events) == []
    assert len([row for row in await hub.rows("events") if row["source"] == "hook"]) == len(events)


async def test_rejected_events_are_listed_and_the_rest_is_stored(hub: Hub) -> None:
    other = Claude(pid=9)
    async with hub.channel(other, hub.secrets.borea.key) as channel:
        good = other.start()
        large = other.hook("X", pad="x" * EVENT_BYTES)
        malformed = Event(event_id="nonsense", at=1, source="hook", pid=1, body=msgspec.Raw(b"{}"))
        rejected = await channel.send(large, malformed, good)
    assert {item.event_id: item.code for item in rejected} == {
        large.event_id: "too_large",
        "nonsense": "malformed",
    }
    assert (await hub.session(other.session_id))["machine"]["name"] == "borea"


async def test_a_batch_has_a_bound(hub: Hub, claude: Claude) -> None:
    async with hub.channel(claude) as channel:
        await channel.say(Events(seq=1, events=[claude.hook("X") for _ in range(BATCH_EVENTS + 1)]))
        await expect_refusal(channel, "too_many_events")


async def test_another_machines_session_in_the_hello_gives_nothing(hub: Hub, claude: Claude) -> None:
    thief = Claude(claude.session_id, pid=9)
    async with hub.channel(thief, hub.secrets.borea.key) as channel:
        await channel.send(thief.hook("X", session_id=Claude().session_id))
        await hub.send(claude.session_id, "secret")
        await hub.pushes_done()
        await channel.send()
        assert channel.pushes == []
    assert (await hub.session(claude.session_id))["delivery"] == "none"


class TestMessages:
    """On their way to Claude."""

    async def test_an_idle_session_gets_its_message_at_once(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as channel:
            await until(lambda: is_in_state(hub, claude, "idle"), "idle")
            await until(self.has_channel(hub, claude), "linked")
            sent = await hub.send(claude.session_id, "hello there")
            push = await channel.next_push()
            assert (push.message_id, push.session_id) == (sent["message_id"], claude.session_id)
            assert (push.text, push.author) == ("hello there", "member token")
            message = push.message_id
            await channel.send(claude.injected(message), claude.take(message), claude.replies("hi", message))
            assert await hub.message_state(message) == "answered"

    async def test_what_was_queued_before_the_link_is_pushed_when_it_is_up(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_a_session_that_appears_after_the_link_gets_its_message(self, hub: Hub) -> None:
        claude = Claude()
        async with hub.channel(claude) as channel:
            await channel.send(claude.start())
            sent = await hub.send(claude.session_id)
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_a_busy_session_gets_it_when_its_turn_ends(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as channel:
            await channel.send(claude.prompt("go"), claude.pre_tool("t1"))
            sent = await hub.send(claude.session_id)
            await channel.send(claude.asks())
            await hub.pushes_done()
            await channel.send(claude.post_tool("t1"))
            await hub.pushes_done()
            await channel.send()
            assert channel.pushes == []
            await channel.send(claude.stop())
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_one_at_a_time_in_the_order_they_were_sent(self, hub: Hub, claude: Claude) -> None:
        sent = [(await hub.send(claude.session_id, f"{number}"))["message_id"] for number in range(3)]
        async with hub.channel(claude) as channel:
            for message_id in sent:
                assert (await channel.next_push()).message_id == message_id
                await channel.send(claude.injected(message_id))
                await hub.pushes_done()
                await channel.send()
                assert channel.pushes == []
                await channel.send(claude.take(message_id), claude.stop())
        assert [await hub.message_state(message_id) for message_id in sent] == ["answered"] * 3

    async def test_a_message_that_is_not_seen_holds_the_next(self, hub: Hub, claude: Claude) -> None:
        first = (await hub.send(claude.session_id))["message_id"]
        await hub.send(claude.session_id, "second")
        async with hub.channel(claude) as channel:
            await channel.next_push()
            await channel.send(claude.injected(first))
            await channel.send(claude.prompt("typed meanwhile"))
            await hub.pushes_done()
            await channel.send()
            assert channel.pushes == []
            await channel.send(claude.stop())
            assert (await channel.next_push()).text == "second"

    async def test_a_declined_message_is_pushed_again_after_the_turn(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            await channel.next_push()
            await channel.say(Declined(message_id=sent["message_id"], reason="busy"))
            await channel.send(claude.prompt("typed just before"))
            assert await hub.message_state(sent["message_id"]) == "queued"
            await channel.send(claude.stop())
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_a_refusal_that_comes_after_the_turns_end_is_not_final(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            await channel.next_push()
            await channel.send(claude.prompt("typed just before"), claude.stop())
            await channel.say(Declined(message_id=sent["message_id"], reason="busy"))
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_a_message_in_flight_is_pushed_once(self, hub: Hub, claude: Claude) -> None:
        await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            await channel.next_push()
            for _ in range(5):
                await channel.send(claude.channel("ChannelFacts", branch="main"))
            await hub.send(claude.session_id, "second")
            await hub.pushes_done()
            await channel.send()
            assert channel.pushes == []

    async def test_a_cancelled_message_is_not_pushed(self, hub: Hub, claude: Claude) -> None:
        first, second = [(await hub.send(claude.session_id))["message_id"] for _ in range(2)]
        await hub.call("DELETE", f"/api/v1/messages/{first}", token=hub.secrets.member)
        async with hub.channel(claude) as channel:
            assert (await channel.next_push()).message_id == second

    async def test_a_message_pushed_and_cancelled_does_not_hold_the_next(self, hub: Hub, claude: Claude) -> None:
        first, second = [(await hub.send(claude.session_id))["message_id"] for _ in range(2)]
        async with hub.channel(claude) as channel:
            assert (await channel.next_push()).message_id == first
            await hub.call("DELETE", f"/api/v1/messages/{first}", token=hub.secrets.member)
            assert (await channel.next_push()).message_id == second

    async def test_what_a_dead_link_had_is_pushed_on_the_next(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            await channel.next_push()
        async with hub.channel(claude) as channel:
            assert (await channel.next_push()).message_id == sent["message_id"]

    async def test_the_session_after_a_clear_gets_the_message(self, hub: Hub, claude: Claude) -> None:
        first = claude.session_id
        async with hub.channel(claude) as channel:
            await channel.send(*claude.clear())
            sent = await hub.send(first)
            push = await channel.next_push()
            assert (push.message_id, push.session_id) == (sent["message_id"], claude.session_id)

    async def test_a_session_that_does_not_listen_gets_none(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude, push=False) as channel:
            await channel.send(claude.prompt("go"), claude.stop())
            await hub.pushes_done()
            await channel.send()
            assert channel.pushes == []
        assert await hub.message_state(sent["message_id"]) == "queued"

    async def test_a_message_waits_for_a_hub_that_was_away(self, database: Path, secrets: Secrets) -> None:
        claude = Claude()
        async with run_hub(database, secrets) as hub, hub.channel(claude) as channel:
            await channel.send(claude.start(), claude.prompt("go"))
            sent = await hub.send(claude.session_id)
        async with run_hub(database, secrets) as hub, hub.channel(claude) as channel:
            await channel.send(claude.stop())
            assert (await channel.next_push()).message_id == sent["message_id"]

    @staticmethod
    def has_channel(hub: Hub, claude: Claude) -> Any:
        async def look() -> bool:
            return bool((await hub.session(claude.session_id))["delivery"] == "channel")

        return look


class TestTheEndOfALink:
    """How it ended decides what it means."""

    async def test_a_goodbye_is_offline_at_once(self, hub: Hub, claude: Claude) -> None:
        hub.app[LINKS]._grace = 1000.0
        async with hub.channel(claude) as channel:
            await channel.send(claude.prompt("go"))
            await channel.say(Bye(reason="parent_gone"))
            await until(lambda: is_in_state(hub, claude, "offline"), "offline")
            assert isinstance(await channel.hear(), Closed)
        assert await notices(hub, claude) == ["offline"]

    async def test_exit_ends_the_session_and_the_link(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as channel:
            await channel.send(claude.end())
            await channel.say(Bye(reason="stopped"))
            assert isinstance(await channel.hear(), Closed)
        assert await is_in_state(hub, claude, "ended")
        assert await notices(hub, claude) == ["ended"]

    async def test_claude_killed_makes_the_delivered_uncertain(self, hub: Hub, claude: Claude) -> None:
        sent = await hub.send(claude.session_id)
        async with hub.channel(claude) as channel:
            await channel.next_push()
            await channel.send(claude.injected(sent["message_id"]))
            await channel.say(Bye(reason="parent_gone"))
            assert isinstance(await channel.hear(), Closed)
        await until(lambda: is_in_state(hub, claude, "offline"), "offline")
        assert await hub.message_state(sent["message_id"]) == "uncertain"

    async def test_a_cut_is_offline_after_the_grace(self, hub: Hub, claude: Claude) -> None:
        hub.app[LINKS]._grace = 0.05
        async with hub.channel(claude) as channel:
            await channel.send()
            self.cut(channel)
        await until(lambda: is_in_state(hub, claude, "offline"), "offline")
        assert await notices(hub, claude) == ["offline"]

    async def test_back_within_the_grace_nobody_noticed(self, hub: Hub, claude: Claude) -> None:
        hub.app[LINKS]._grace = 0.2
        async with hub.channel(claude) as channel:
            await channel.send(claude.prompt("go"))
            self.cut(channel)
        async with hub.channel(claude) as channel:
            await hub.pushes_done()  # the grace is over
            assert await is_in_state(hub, claude, "working")
            assert await notices(hub, claude) == []
            await channel.send(claude.stop())

    async def test_back_after_the_grace_is_told(self, hub: Hub, claude: Claude) -> None:
        hub.app[LINKS]._grace = 0.01
        async with hub.channel(claude) as channel:
            await channel.send()
            self.cut(channel)
        await until(lambda: is_in_state(hub, claude, "offline"), "offline")
        async with hub.channel(claude) as channel:
            await channel.send()
            assert await is_in_state(hub, claude, "idle")
            assert await notices(hub, claude) == ["offline", "online"]

    async def test_a_second_channel_of_a_process_replaces_the_first(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as first:
            await first.send()
            async with hub.channel(claude) as second:
                await expect_refusal(first, "replaced")
                await second.send(claude.prompt("go"), claude.stop())
                sent = await hub.send(claude.session_id)
                assert (await second.next_push()).message_id == sent["message_id"]
                assert await is_in_state(hub, claude, "idle")
        assert await notices(hub, claude) == []

    async def test_two_processes_of_a_machine_have_two_links(self, hub: Hub, claude: Claude) -> None:
        other = Claude(pid=9)
        async with hub.channel(claude) as first, hub.channel(other) as second:
            await second.send(other.start())
            await first.send(claude.prompt("go"))
            assert await is_in_state(hub, claude, "working")
            assert await is_in_state(hub, other, "idle")

    async def test_a_hub_that_stops_says_so_and_leaves_the_sessions_alone(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as channel:
            await channel.send(claude.prompt("go"))
            await hub.stop_links()
            await expect_refusal(channel, "hub_stopping")
        assert await is_in_state(hub, claude, "working")
        assert await notices(hub, claude) == []

    async def test_after_a_restart_a_channel_that_stays_away_is_offline(self, hub: Hub, claude: Claude) -> None:
        async with hub.channel(claude) as channel:
            await channel.send()
            await hub.stop_links()
        links = hub.app[LINKS]
        links._restart_grace = 0.01
        links.start([(hub.secrets.atlas.machine_id, claude.pid, claude.session_id)], [], [])
        await until(lambda: is_in_state(hub, claude, "offline"), "offline")

    @staticmethod
    def cut(channel: Channel) -> None:
        """The network is gone: no close frame."""
        transport = channel.socket._response.connection
        assert transport is not None
        assert transport.transport is not None
        transport.transport.abort()


async def test_a_channel_that_does_not_read_holds_up_nobody(hub: Hub, claude: Claude) -> None:
    other = Claude(pid=9)
    async with hub.channel(claude) as deaf, hub.channel(other) as channel:
        await deaf.send()
        connection = deaf.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(200):  # acks and pushes that nobody takes
            await deaf.say(Events(seq=number, events=[]))
        await hub.send(claude.session_id, "x" * 60_000)
        async with asyncio.timeout(5):
            await channel.send(other.start(), *other.turn("do it", "done"))
            sent = await hub.send(other.session_id)
            assert (await channel.next_push()).message_id == sent["message_id"]
            assert await is_in_state(hub, claude, "idle")
        connection.transport.resume_reading()  # type: ignore[attr-defined]


async def test_a_link_that_loses_its_store_is_told_and_the_hub_lives(hub: Hub, claude: Claude) -> None:
    async def refuse(*args: object) -> None:
        raise OperationalError("x", {}, Exception("disk I/O error"))

    async with hub.channel(claude) as channel:
        await channel.send()
        write, hub.db.write_shared = hub.db.write_shared, refuse  # type: ignore[method-assign,assignment]
        await channel.say(Events(seq=2, events=[claude.prompt("go")]))
        await expect_refusal(channel, "store_unavailable")
        hub.db.write_shared = write  # type: ignore[method-assign]
    async with hub.channel(claude) as channel:
        assert await channel.send(claude.prompt("go")) == []
