"""A channel of the previous wire level against this hub: what it says is understood, and it is told nothing new."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.links import Link, until
from tests.faults.world import World, make_world

pytestmark = pytest.mark.timeout(240)


def test_a_channel_of_level_1_delivers_events_and_messages_as_ever(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed, claudes=0) as world:
        asyncio.run(live_at_level_1(world))


async def live_at_level_1(world: World) -> None:
    link = Link(world.next_link(), level=1)
    world.links.append(link)
    key = world.machines[0].key
    link.fire("SessionStart", source="startup")
    keeping = asyncio.create_task(link.keep(world.proxy.url, key))
    try:
        await until(lambda: link.is_done or keeping.done(), "its start acknowledged")
        assert link.welcome["level"] == 1
        for number in range(3):
            await take_a_message(world, link)
            if number == 0:
                await asyncio.to_thread(world.proxy.cut_all)
            elif number == 1:
                await asyncio.to_thread(world.hub.kill)
                await asyncio.to_thread(world.restart_hub)
        await take_one_back(world, link)
        assert link.connected >= 3
        assert not keeping.done()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def take_a_message(world: World, link: Link) -> None:
    """Pushed, injected, seen, answered; pushed again it would be the same."""
    message_id = await asyncio.to_thread(world.people.send, link.session_id)
    await until(lambda: link.pushes, "the push")
    push = link.pushes.pop()
    assert push["message_id"] == message_id
    link.truth.got[message_id] = 1
    link.report("ChannelInjected", message_id=message_id)
    tag = f'<channel source="heliograph" message_id="{message_id}" from="x">\n{push["text"]}\n</channel>'
    link.busy = True
    link.truth.took[message_id] = link.fire("UserPromptSubmit", prompt=tag)
    link.fire("Stop", last_assistant_message="done")
    link.busy = False
    await until(lambda: link.is_done, "its turn acknowledged")
    await wait_for_state(world, message_id, "answered")


async def take_one_back(world: World, link: Link) -> None:
    """A level 1 channel can't be told so: nothing but what it knows may reach it (``Link`` sees to that)."""
    link.busy = True
    link.fire("UserPromptSubmit", prompt="a turn of its own")
    await until(lambda: link.is_done, "its prompt acknowledged")
    message_id = await asyncio.to_thread(world.people.send, link.session_id)
    assert await asyncio.to_thread(world.people.cancel, message_id)
    link.fire("Stop", last_assistant_message="done")
    await until(lambda: link.is_done, "its turn acknowledged")
    await wait_for_state(world, message_id, "cancelled")


async def wait_for_state(world: World, message_id: str, state: str) -> None:
    client = world.hub.client()
    for _ in range(500):
        message = await asyncio.to_thread(client.get, f"/api/v1/messages/{message_id}")
        if message["state"] == state:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"message {message_id} is {message['state']}, not {state}")
