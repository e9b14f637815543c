"""Verdicts on the link: said once, said again to a channel that comes back, and the word that all is over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.hub.claude import Claude
from tests.hub.deciding import BASH, Asking, asking, decide
from tests.hub.kit import Channel, Hub, Secrets, run_hub, until
from wire.frames import LEVEL, Settled, Verdict


async def heard(channel: Channel) -> list[Any]:
    """What the hub has said of decisions until now, that nobody expected yet: it says so before it acknowledges."""
    await channel.send()
    kept = [frame for frame in channel.kept if isinstance(frame, Verdict | Settled)]
    channel.kept.clear()
    return kept


async def test_a_verdict_is_said_once(hub: Hub) -> None:
    async with asking(hub) as session:
        answer, _ = await session.decide(await session.ask())
        assert answer.status == 200
        assert await heard(session.channel) == []


async def test_a_verdict_given_while_the_channel_is_away_is_said_when_it_is_back(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
    await hub.links_gone()
    assert (await decide(hub, decision)).status == 202
    async with hub.channel(session.claude, level=LEVEL) as channel:
        again = Asking(hub, session.claude, channel)
        assert (await again.take()).decision_id == decision["decision_id"]
        assert (await again.show(decision["decision_id"]))["state"] == "decided"


async def test_a_verdict_that_was_not_answered_is_said_again_to_the_next_channel(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
        answering = asyncio.ensure_future(decide(hub, decision))
        first = await session.take_nothing()
    async with hub.channel(session.claude, level=LEVEL) as channel:
        again = Asking(hub, session.claude, channel)
        assert await again.take() == first
        assert (await answering).status == 200
        assert await heard(channel) == []


async def test_a_hub_that_was_restarted_says_it_again(database: Path, secrets: Secrets) -> None:
    async with run_hub(database, secrets) as hub, asking(hub) as session:
        decision = await session.ask()
        answering = asyncio.ensure_future(decide(hub, decision, behavior="deny", message="no"))
        first = await session.take_nothing()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    async with run_hub(database, secrets) as hub, hub.channel(session.claude, level=LEVEL) as channel:
        again = Asking(hub, session.claude, channel)
        assert (await again.show(decision["decision_id"]))["state"] == "sending"
        assert await again.take() == first
        assert (await again.show(decision["decision_id"]))["state"] == "decided"
    async with run_hub(database, secrets) as hub, hub.channel(session.claude, level=LEVEL) as channel:
        await channel.send()
        assert channel.kept == [Settled(decision_id=decision["decision_id"])]


async def test_a_verdict_reaches_a_copied_session_under_claudes_own_id(hub: Hub) -> None:
    home = Claude(pid=11)
    await hub.post_events(home.start())
    async with asking(hub, Claude(home.session_id, pid=12), key=hub.secrets.borea.key) as session:
        decision = await session.ask()
        assert decision["session_id"] == f"{home.session_id}@{hub.secrets.borea.machine_id}"
        answer, frame = await session.decide(decision)
        assert (answer.status, frame.session_id) == (200, home.session_id)


@pytest.mark.parametrize("ending", ["ran", "refused", "turn over", "went on", "session over"])
async def test_what_is_over_without_a_verdict_is_settled(hub: Hub, ending: str) -> None:
    async with asking(hub) as session:
        claude, decision = session.claude, await session.ask()
        await session.channel.send(
            {
                "ran": claude.post_tool("t1", "Bash", BASH),
                "refused": claude.end_batch(),
                "turn over": claude.channel("ChannelIdle"),
                "went on": claude.channel("ChannelBusy"),
                "session over": claude.end(),
            }[ending]
        )
        assert await heard(session.channel) == [Settled(decision_id=decision["decision_id"])]
        assert (await session.show(decision["decision_id"]))["closed_at"] is not None


async def test_what_is_settled_is_said_once(hub: Hub) -> None:
    async with asking(hub) as session:
        claude, decision = session.claude, await session.ask()
        await session.channel.send(claude.channel("ChannelBusy"))
        await session.channel.send(claude.post_tool("t1", "Bash", BASH))
        assert (await session.show(decision["decision_id"]))["outcome"] == "allowed"
        assert await heard(session.channel) == [Settled(decision_id=decision["decision_id"])]


async def test_a_verdict_that_was_taken_is_not_settled(hub: Hub) -> None:
    async with asking(hub) as session:
        await session.decide(await session.ask())
        await session.channel.send(session.claude.post_tool("t1", "Bash", BASH))
        assert await heard(session.channel) == []


async def test_what_was_asked_and_answered_in_one_batch_is_settled(hub: Hub) -> None:
    async with asking(hub) as session:
        asked = session.claude.asks()
        await session.channel.send(asked, session.claude.end_batch())
        assert await heard(session.channel) == [Settled(decision_id=asked.event_id)]


async def test_what_ended_while_the_channel_was_away_is_settled_when_it_is_back(hub: Hub) -> None:
    async with asking(hub) as session:
        ended, still_open = await session.ask("Write", {"file_path": "/x"}), await session.ask()
    await hub.links_gone()
    await hub.post_events(session.claude.post_tool("t1", "Write", {"file_path": "/x"}))
    async with hub.channel(session.claude, level=LEVEL) as channel:
        assert await channel.expect(Settled) == Settled(decision_id=ended["decision_id"])
        assert await heard(channel) == []
        assert (await Asking(hub, session.claude, channel).show(still_open["decision_id"]))["state"] == "open"


async def test_a_channel_that_is_back_is_told_of_a_few_of_many_that_are_over(hub: Hub) -> None:
    async with asking(hub) as session:
        for number in range(30):
            asked = session.claude.asks("Write", {"file_path": f"/{number}"})
            await session.channel.send(asked, session.claude.end_batch())
    await hub.links_gone()
    async with hub.channel(session.claude, level=LEVEL) as channel:
        await channel.expect(Settled)
        assert 0 < len(await heard(channel)) < 30


@pytest.mark.parametrize("level", [1, 2])
async def test_a_channel_of_an_older_level_is_told_nothing(hub: Hub, level: int) -> None:
    claude = Claude()
    async with asking(hub, claude) as session:
        decision = await session.ask()
    await hub.links_gone()
    async with hub.channel(claude, level=level) as channel:
        answer = await decide(hub, decision)
        assert (answer.status, answer.json["state"]) == (202, "sending")
        await channel.send(claude.end_batch())
        assert await heard(channel) == []
        asked = claude.asks()
        await channel.send(asked)
        assert (await hub.get(f"/api/v1/decisions/{asked.event_id}"))["offers"] == []


async def test_a_verdict_that_nothing_took_and_that_is_given_again_is_said_again(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
        for _ in range(2):
            answer, frame = await session.decide(decision, taken=False)
            assert (answer.code, frame.decision_id) == ("not_taken", decision["decision_id"])
            waits = {"decision_id": decision["decision_id"], "answered_by": "hook"}
            await session.channel.send(session.claude.channel("ChannelWaits", **waits))
        answer, _ = await session.decide(decision)
        assert answer.status == 200


async def test_another_process_with_the_same_pid_is_not_told(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
    await hub.links_gone()
    assert (await decide(hub, decision)).status == 202
    later = Claude(pid=session.claude.pid, started_at=session.claude.started_at + 5, at=session.claude.at)
    async with hub.channel(later, level=LEVEL) as channel:
        shown = Asking(hub, later, channel)

        async def is_withdrawn() -> bool:
            return bool((await shown.show(decision["decision_id"]))["state"] == "withdrawn")

        await until(is_withdrawn, "withdrawn")
        assert not [frame for frame in await heard(channel) if isinstance(frame, Verdict)]


async def test_followers_are_told_of_decisions(hub: Hub) -> None:
    async with asking(hub) as session, asking(hub, Claude(pid=9)) as other:
        before = await session.ask()
        all_of_them = "format=json&after=0"
        its_own = f"format=json&view=session&session={session.claude.session_id}&after=0"
        async with hub.dashboard(all_of_them) as overview, hub.dashboard(its_own) as chat:
            for page in (overview, chat):
                assert (await page.hear())["decisions"] == [before]
            theirs = await other.ask()
            mine = await session.ask()
            told = await overview.hear_until(mine["change_id"])
            latest = {d["decision_id"]: d for frame in told for d in frame["decisions"]}
            assert latest == {d["decision_id"]: d for d in (theirs, mine)}
            told = await chat.hear_until(mine["change_id"])
            assert [d["decision_id"] for frame in told for d in frame["decisions"]][-1] == mine["decision_id"]
            assert theirs["decision_id"] not in str(told)
            answer, _ = await session.decide(mine)
            told = await chat.hear_until(answer.json["change_id"])
            assert told[-1]["decisions"] == [answer.json]
