"""Interrupt and stop as the hub sends them, through the real channel to the real hooks and to the process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from channel.halt import NOTIFICATION
from channel.process import end_process, read_parent
from tests.channel.hub_double import HubDouble
from tests.channel.peer import NEXT_SESSION, SESSION, Claude, eventually
from wire.frames import Interrupt, Stop


@pytest.fixture
async def terms() -> AsyncIterator[list[int]]:
    """The SIGTERMs that Claude Code, which is this test, has got."""
    got: list[int] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, got.append, 1)
    yield got
    loop.remove_signal_handler(signal.SIGTERM)


async def interrupt(linked: Claude, hub: HubDouble) -> None:
    await hub.send(Interrupt(session_id=SESSION))
    await eventually(linked.halt.exists, "the hooks' word")


async def test_an_interrupted_turn_ends_at_its_next_step(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    linked.show_status("busy")
    await interrupt(linked, hub)
    answer = json.loads(await linked.hook("PreToolUse", tool_name="Bash"))
    assert answer["continue"] is False
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    linked.show_status("idle")
    (idle,) = await hub.until(lambda: hub.named("ChannelIdle"), "the turn's end")
    assert idle["session_id"] == SESSION
    assert not linked.halt.exists()
    await linked.hook("UserPromptSubmit", prompt="next")
    assert await linked.hook("PreToolUse", tool_name="Bash") == ""


async def test_a_turn_that_ends_by_itself_leaves_nothing(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    await interrupt(linked, hub)
    assert await linked.hook("Stop") == ""
    await eventually(lambda: not linked.halt.exists(), "the end of the interrupt")


async def test_a_turn_begun_before_anybody_saw_the_end_of_the_last_is_told_apart(
    linked: Claude, hub: HubDouble
) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    await interrupt(linked, hub)
    assert await linked.hook("PostToolBatch")
    await linked.hook("UserPromptSubmit", prompt="next")
    (idle,) = await hub.until(lambda: hub.named("ChannelIdle"), "the first turn's end")
    (prompt,) = [
        event.at
        for batch in hub.batches
        for event in batch.events
        if json.loads(bytes(event.body)).get("prompt") == "next"
    ]
    assert idle["since"] < prompt
    assert not linked.halt.exists()


async def test_only_subagents_are_interrupted_between_turns(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    running = [{"id": "a1", "type": "subagent", "status": "running"}]
    await linked.hook("Stop", background_tasks=running)
    linked.show_status("idle")
    await interrupt(linked, hub)
    assert await linked.hook("PreToolUse", agent_id="a1")
    assert await linked.hook("UserPromptSubmit", prompt=f"{NOTIFICATION}\n<task-id>a1</task-id>")
    linked.show_status("idle")
    await hub.until(lambda: hub.named("ChannelIdle"), "the end")
    assert not linked.halt.exists()


async def test_an_interrupt_that_is_said_again_stops_no_other_turn(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    linked.show_status("busy")
    await hub.send(Interrupt(session_id=SESSION, at=7))
    await eventually(linked.halt.exists, "the hooks' word")
    await linked.hook("Stop")
    await eventually(lambda: not linked.halt.exists(), "the end of the interrupt")
    await linked.hook("UserPromptSubmit", prompt="something else")
    await hub.send(Interrupt(session_id=SESSION, at=7))
    await hub.push("msg-1", SESSION)
    await hub.until(lambda: hub.declined, "what came after it")
    assert not linked.halt.exists()
    await hub.send(Interrupt(session_id=SESSION, at=9))
    await eventually(linked.halt.exists, "another one")


async def test_an_interrupt_that_comes_too_late_stops_nobody(linked: Claude, hub: HubDouble) -> None:
    linked.show_status("idle")
    await hub.send(Interrupt(session_id=SESSION))
    await hub.push("msg-1", SESSION)
    await hub.until(lambda: hub.named("ChannelInjected"), "what came after it")
    await eventually(lambda: not linked.halt.exists(), "the end of the interrupt")


async def test_another_session_is_neither_interrupted_nor_stopped(
    linked: Claude, hub: HubDouble, terms: list[int]
) -> None:
    await hub.send(Interrupt(session_id=NEXT_SESSION))
    await hub.send(Stop(session_id=NEXT_SESSION))
    await hub.push("msg-1", SESSION)
    await hub.until(lambda: hub.named("ChannelInjected"), "what came after it")
    assert not linked.halt.exists()
    assert terms == []


async def test_a_channel_that_ends_leaves_no_interrupt(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    await interrupt(linked, hub)
    await linked.stop()
    assert not linked.halt.exists()


async def test_what_a_killed_channel_left_is_gone_with_the_next(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="go")
    await interrupt(linked, hub)
    assert linked.process is not None
    linked.process.kill()
    await linked.ended()
    assert linked.halt.exists()
    await linked.start()
    await linked.greet()
    await hub.until(lambda: len(hub.hellos) == 2, "a second link")
    assert not linked.halt.exists()


async def test_stop_ends_the_process_that_carries_the_session(linked: Claude, hub: HubDouble, terms: list[int]) -> None:
    await hub.send(Stop(session_id=SESSION))
    await eventually(lambda: terms, "SIGTERM")
    await hub.push("msg-1", SESSION)
    await hub.until(lambda: hub.named("ChannelInjected"), "what came after it")
    assert terms == [1]


def test_another_process_of_the_same_number_is_not_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        known = read_parent(child.pid)
        assert not end_process(msgspec.structs.replace(known, started_at=known.started_at - 10_000_000))
        assert not end_process(msgspec.structs.replace(known, started_at=0))
        assert child.poll() is None
        assert end_process(known)
        assert child.wait(10) == -signal.SIGTERM
    finally:
        child.kill()
        child.communicate()
