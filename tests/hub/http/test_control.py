"""Interrupt and stop through the API: only what goes on, only through a channel that can, and on the record."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.hub.claude import Claude
from tests.hub.deciding import Asking, asking, read_answer
from tests.hub.kit import Answer, Channel, Hub
from wire.frames import Bye, Interrupt, Stop, Verdict


@pytest.fixture
async def claude(hub: Hub) -> Claude:
    """A session at rest; no channel yet."""
    claude = Claude()
    await hub.post_events(claude.start())
    return claude


@pytest.fixture
async def channel(hub: Hub, claude: Claude) -> AsyncIterator[Channel]:
    """Its channel, which can do it."""
    async with hub.channel(claude, level=3) as channel:
        await channel.send()
        yield channel


async def order(hub: Hub, claude: Claude, what: str) -> Answer:
    return await hub.call("POST", f"/api/v1/sessions/{claude.session_id}/{what}", token=hub.secrets.member)


async def orders_of(channel: Channel) -> list[Interrupt | Stop]:
    """What came before the answer to an empty batch."""
    channel.seq += 1
    await channel.say(f'{{"type": "events", "seq": {channel.seq}, "events": []}}')
    got = []
    while isinstance(frame := await channel.hear(), Interrupt | Stop):
        got.append(frame)
    return got


async def refuses(hub: Hub, claude: Claude, what: str) -> bool:
    before = await hub.snapshot()
    answer = await order(hub, claude, what)
    return (answer.status, answer.code, await hub.snapshot()) == (409, "not_running", before)


async def audited(hub: Hub) -> list[tuple[str, str]]:
    return [(row["did"], row["what"]) for row in await hub.rows("audit")]


async def test_what_works_is_interrupted_and_on_the_record(hub: Hub, claude: Claude, channel: Channel) -> None:
    await channel.send(claude.prompt("go"))
    answer = await order(hub, claude, "interrupt")
    assert (answer.status, answer.json) == (202, {"session_id": claude.session_id, "state": "working"})
    assert (await channel.expect(Interrupt)).session_id == claude.session_id
    assert (await audited(hub))[-1] == ("interrupt", claude.session_id)
    notice = (await hub.timeline(claude.session_id))[-1]
    assert (notice["code"], notice["text"]) == ("interrupt", "member token")


async def test_a_subagent_in_the_background_is_something_to_interrupt(
    hub: Hub, claude: Claude, channel: Channel
) -> None:
    await channel.send(claude.prompt("go"), claude.stop(agents=["a1"]))
    assert (await order(hub, claude, "interrupt")).status == 202
    await channel.expect(Interrupt)


async def test_each_interrupt_is_sent_once(hub: Hub, claude: Claude, channel: Channel) -> None:
    await channel.send(claude.prompt("go"))
    await order(hub, claude, "interrupt")
    await channel.expect(Interrupt)
    await channel.send(claude.pre_tool("t1"))
    assert await orders_of(channel) == []
    await order(hub, claude, "interrupt")
    await channel.expect(Interrupt)
    await channel.send(claude.channel("ChannelIdle", since=claude.at + 1))
    await channel.send(claude.prompt("next"))
    assert await orders_of(channel) == []


async def test_a_channel_that_comes_back_hears_of_it_again(hub: Hub, claude: Claude) -> None:
    async with hub.channel(claude, level=3) as channel:
        await channel.send(claude.prompt("go"))
        await order(hub, claude, "interrupt")
        first = await channel.expect(Interrupt)
    async with hub.channel(claude, level=3) as channel:
        assert await channel.expect(Interrupt) == first  # so that it can be told from another one
        assert first.at > 0
        await channel.send(claude.stop())
    async with hub.channel(claude, level=3) as channel:
        assert await orders_of(channel) == []


async def test_stop_is_said_once_and_never_later(hub: Hub, claude: Claude) -> None:
    async with hub.channel(claude, level=3) as channel:
        await channel.send()
        answer = await order(hub, claude, "stop")
        assert (answer.status, answer.json) == (202, {"session_id": claude.session_id, "state": "idle"})
        assert await channel.expect(Stop) == Stop(session_id=claude.session_id)
        assert (await audited(hub))[-1] == ("stop", claude.session_id)
    async with hub.channel(claude, level=3) as channel:
        assert await orders_of(channel) == []


async def test_what_is_idle_can_not_be_interrupted(hub: Hub, claude: Claude, channel: Channel) -> None:
    assert await refuses(hub, claude, "interrupt")
    await channel.send(*claude.turn("go", "done"))
    assert await refuses(hub, claude, "interrupt")
    assert await orders_of(channel) == []


@pytest.mark.parametrize("what", ["interrupt", "stop"])
async def test_without_a_channel_nobody_can_do_it(hub: Hub, claude: Claude, what: str) -> None:
    await hub.post_events(claude.prompt("go"))
    assert await refuses(hub, claude, what)


@pytest.mark.parametrize("what", ["interrupt", "stop"])
async def test_an_older_channel_can_not_do_it(hub: Hub, claude: Claude, what: str) -> None:
    async with hub.channel(claude, level=2) as channel:
        await channel.send(claude.prompt("go"))
        assert await refuses(hub, claude, what)
        assert await orders_of(channel) == []


@pytest.mark.parametrize("what", ["interrupt", "stop"])
async def test_what_has_ended_or_gone_can_not_be_ended(hub: Hub, claude: Claude, channel: Channel, what: str) -> None:
    await channel.send(claude.prompt("go"), claude.end())
    assert await refuses(hub, claude, what)
    await channel.send(claude.start("resume"), claude.prompt("again"))
    await channel.say(Bye(reason="parent_gone"))
    await channel.hear()
    await hub.pushes_done()
    assert await refuses(hub, claude, what)


@pytest.mark.parametrize("what", ["interrupt", "stop"])
async def test_a_session_that_nobody_knows_is_404(hub: Hub, what: str) -> None:
    answer = await order(hub, Claude("nobody"), what)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_foreign_session_is_told_apart_from_the_one_it_copies(hub: Hub, claude: Claude) -> None:
    copy = Claude(claude.session_id, pid=77)
    async with hub.channel(copy, key=hub.secrets.borea.key, level=3) as channel:
        await channel.send(copy.start("resume"), copy.prompt("go"))
        own = f"{claude.session_id}@{hub.secrets.borea.machine_id}"
        answer = await hub.call("POST", f"/api/v1/sessions/{own}/interrupt", token=hub.secrets.member)
        assert answer.status == 202, answer.body
        assert (await channel.expect(Interrupt)).session_id == claude.session_id


async def interrupt_waiting(hub: Hub, session: Asking) -> Verdict:
    """Interrupt; the verdict that its channel gets with it."""
    answer = await order(hub, session.claude, "interrupt")
    assert (answer.status, answer.json["state"]) == (202, "working")
    first, second = await session.channel.hear(), await session.channel.hear()
    (verdict,) = [frame for frame in (first, second) if isinstance(frame, Verdict)]
    assert [f.session_id for f in (first, second) if isinstance(f, Interrupt)] == [session.claude.session_id]
    return verdict


async def test_what_it_waits_for_is_denied_in_that_persons_name(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask()
        verdict = await interrupt_waiting(hub, session)
        answer = read_answer(verdict)
        assert answer == {
            "hookEventName": "PermissionRequest",
            "decision": {"behavior": "deny", "interrupt": True},
        }
        await session.report(decision["decision_id"])
        decided = await session.show(decision["decision_id"])
        assert (decided["state"], decided["decided"]["by"], decided["decided"]["where"]) == (
            "decided",
            "member token",
            "api",
        )


async def test_a_form_is_cancelled(hub: Hub) -> None:
    async with asking(hub) as session:
        await session.ask_form()
        answer = read_answer(await interrupt_waiting(hub, session))
        assert answer == {"hookEventName": "Elicitation", "action": "cancel"}


async def test_what_only_the_relay_takes_is_plainly_denied(hub: Hub) -> None:
    async with asking(hub) as session:
        await session.ask(by="relay")
        assert (await interrupt_waiting(hub, session)).behavior == "deny"


async def test_a_dialog_that_only_the_terminal_answers_stays_open(hub: Hub) -> None:
    async with asking(hub) as session:
        decision = await session.ask(by="none")
        answer = await order(hub, session.claude, "interrupt")
        assert (answer.status, answer.json["state"]) == (202, "needs_you")
        await session.channel.expect(Interrupt)
        assert (await session.show(decision["decision_id"]))["state"] == "open"
