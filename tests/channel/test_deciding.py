"""Decisions through the real channel and the real hooks, between a played Claude Code and a hub double."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import msgspec
import pytest

from tests.channel.hub_double import HubDouble
from tests.channel.peer import NEXT_SESSION, SESSION, Claude, eventually
from wire.frames import Events, Settled, Verdict

Process = asyncio.subprocess.Process

TOUCH = {"command": "touch x", "description": "d"}
PREVIEW = '{ "command": "touch x", "description": "d" }'


def answer(**said: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": said}}


ALLOW = answer(behavior="allow")


async def decide(hub: HubDouble, decision_id: str, said: dict[str, Any] = ALLOW, *, plain: bool = True) -> None:
    decision = said["hookSpecificOutput"].get("decision", {})
    await hub.send(
        Verdict(
            decision_id=decision_id,
            session_id=SESSION,
            answer=msgspec.Raw(msgspec.json.encode(said)),
            behavior=decision.get("behavior") if plain else None,
        )
    )


def ids(hub: HubDouble, name: str) -> list[str]:
    """The ids of the events of that name, each once."""
    found = [
        event.event_id
        for frame in hub.frames
        if isinstance(frame, Events)
        for event in frame.events
        if json.loads(bytes(event.body))["hook_event_name"] == name
    ]
    return list(dict.fromkeys(found))


def ways(hub: HubDouble) -> list[tuple[str, str]]:
    return [(body["decision_id"], body["answered_by"]) for body in hub.named("ChannelWaits")]


def outcomes(hub: HubDouble) -> list[tuple[str, bool]]:
    return [(body["decision_id"], body["taken"]) for body in hub.named("ChannelDecided")]


async def asking(
    claude: Claude, hub: HubDouble, event: str = "PermissionRequest", **fields: Any
) -> tuple[Process, str]:
    """A hook that waits, and its decision's id, once the hub knows."""
    known = set(ids(hub, event))
    process = await claude.ask(event, **{"tool_name": "Bash", "tool_input": TOUCH, **fields})
    await hub.until(lambda: set(ids(hub, event)) - known, "the dialog")
    (decision_id,) = set(ids(hub, event)) - known
    await hub.until(lambda: (decision_id, "hook") in ways(hub), "the hook that waits")
    return process, decision_id


async def said(process: Process) -> Any:
    """What the hook answers Claude Code; None for nothing."""
    out, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, errors) == (0, b"")
    return json.loads(out) if out else None


async def until_outcomes(hub: HubDouble, *wanted: tuple[str, bool]) -> None:
    await hub.until(lambda: len(outcomes(hub)) >= len(wanted), "what became of the verdict")
    assert outcomes(hub) == list(wanted)


async def relay(claude: Claude, request_id: str = "abcde", preview: str = PREVIEW, tool_name: str = "Bash") -> None:
    params = {"request_id": request_id, "tool_name": tool_name, "description": "Touch", "input_preview": preview}
    method = "notifications/claude/channel/permission_request"
    await claude.write({"jsonrpc": "2.0", "method": method, "params": params})


def relayed(claude: Claude) -> list[dict[str, Any]]:
    method = "notifications/claude/channel/permission"
    return [message["params"] for message in claude.notifications if message["method"] == method]


# -- the hook -----------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["PermissionRequest", "Elicitation"])
async def test_a_verdict_is_what_the_hook_says(linked: Claude, hub: HubDouble, event: str) -> None:
    process, decision_id = await asking(linked, hub, event)
    await decide(hub, decision_id, ALLOW)
    assert await said(process) == ALLOW
    await until_outcomes(hub, (decision_id, True))
    assert hub.named("ChannelDecided")[0]["session_id"] == SESSION


async def test_a_long_verdict_arrives_whole(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    edited = answer(behavior="allow", updatedInput={"command": "é\n\u202e" * 60_000})
    await decide(hub, decision_id, edited, plain=False)
    assert await said(process) == edited


async def test_of_dialogs_at_once_each_has_its_own_answer(linked: Claude, hub: HubDouble) -> None:
    waiting = [await asking(linked, hub) for _ in range(3)]
    for number, (_, decision_id) in reversed(list(enumerate(waiting))):
        await decide(hub, decision_id, answer(behavior="deny", message=str(number)), plain=False)
    for number, (process, _) in enumerate(waiting):
        assert await said(process) == answer(behavior="deny", message=str(number))


async def test_a_verdict_sent_again_is_answered_again(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    for _ in range(3):
        await decide(hub, decision_id)
    assert await said(process) == ALLOW
    await decide(hub, decision_id)
    await hub.until(lambda: outcomes(hub), "what became of the verdict")
    await decide(hub, "nobody's")
    await hub.until(lambda: ("nobody's", False) in outcomes(hub), "a verdict of nobody's")
    assert {taken for key, taken in outcomes(hub) if key == decision_id} == {True}


async def test_what_the_hub_settles_is_let_go(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    await hub.send(Settled(decision_id=decision_id))
    assert await said(process) is None
    await decide(hub, decision_id)
    await hub.until(lambda: outcomes(hub), "what became of the verdict")
    assert outcomes(hub) == [(decision_id, False)]


async def test_the_turns_end_lets_go_though_the_hub_is_away(linked: Claude, hub: HubDouble) -> None:
    process, _ = await asking(linked, hub)
    agents, _ = await asking(linked, hub, agent_id="a1")
    await hub.stop()
    await linked.hook("Stop")
    assert await said(process) is None
    assert agents.returncode is None
    await linked.hook("SessionEnd")
    assert await said(agents) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_hook_that_is_killed_takes_no_verdict(linked: Claude, hub: HubDouble, number: signal.Signals) -> None:
    process, decision_id = await asking(linked, hub)
    process.send_signal(number)
    await hub.until(lambda: ways(hub) == [(decision_id, "hook"), (decision_id, "none")], "its end")
    await decide(hub, decision_id)
    await until_outcomes(hub, (decision_id, False))


async def test_what_ends_the_turn_is_said_only_to_an_open_dialog(linked: Claude, hub: HubDouble) -> None:
    stop = answer(behavior="deny", interrupt=True)
    process, decision_id = await asking(linked, hub)
    linked.show_status("waiting", NEXT_SESSION)
    await decide(hub, decision_id, stop, plain=False)
    await until_outcomes(hub, (decision_id, False))
    assert process.returncode is None
    linked.show_status("waiting")
    await decide(hub, decision_id, stop, plain=False)
    assert await said(process) == stop


async def test_an_answer_at_the_terminal_shows_within_a_second(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="work")
    linked.show_status("waiting")
    await asking(linked, hub)
    linked.show_status("busy")
    await hub.until(lambda: hub.named("ChannelBusy"), "the dialog's end")
    (noted_at,) = [event.at for batch in hub.batches for event in batch.events if b"ChannelBusy" in bytes(event.body)]
    assert noted_at - hub.named("ChannelBusy")[0]["since"] < 1_000_000


async def test_a_turn_that_is_stopped_at_the_terminal_lets_its_hook_go(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="work")
    process, _ = await asking(linked, hub, "Elicitation")
    await hub.stop()
    linked.show_status("idle")
    assert await said(process) is None


# -- channels that end -----------------------------------------------------------------------


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_hook_finds_the_channel_that_comes_after(linked: Claude, hub: HubDouble, is_killed: bool) -> None:
    process, decision_id = await asking(linked, hub)
    assert linked.process is not None
    if is_killed:
        linked.process.kill()
    else:
        await linked.close_stdin()
    await linked.ended()
    known = len(hub.named("ChannelWaits"))
    second = Claude(linked.home, linked.project)
    try:
        await second.start()
        await second.greet()
        await hub.until(lambda: len(hub.hellos) == 2, "a second link")
        await decide(hub, decision_id)  # at once, as a hub does that has had no answer
        assert await said(process) == ALLOW
        await hub.until(lambda: (decision_id, True) in outcomes(hub), "what became of the verdict")
        assert ways(hub)[known:] == [(decision_id, "hook")]
        assert hub.named("ChannelWaits")[-1]["session_id"] == SESSION
    finally:
        await second.stop()


async def test_the_hub_coming_back_finds_the_hook_waiting(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    await hub.stop()
    await hub.start()
    await hub.until(lambda: len(hub.hellos) == 2, "a second link")
    await decide(hub, decision_id)
    assert await said(process) == ALLOW


async def test_a_full_disk_owes_the_outcome(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    linked.spool.rename(linked.spool.with_name("kept"))
    linked.spool.symlink_to("/dev/full")
    await decide(hub, decision_id)
    assert await said(process) == ALLOW
    linked.spool.unlink()
    await hub.until(lambda: outcomes(hub), "what became of the verdict")
    assert outcomes(hub) == [(decision_id, True)]


async def test_what_was_settled_meanwhile_is_let_go_when_its_hook_comes_back(linked: Claude, hub: HubDouble) -> None:
    process, decision_id = await asking(linked, hub)
    assert linked.process is not None
    linked.process.kill()
    await linked.ended()
    process.send_signal(signal.SIGSTOP)
    second = Claude(linked.home, linked.project)
    try:
        await second.start()
        await second.greet()
        await hub.until(lambda: len(hub.hellos) == 2, "a second link")
        await hub.send(Settled(decision_id=decision_id))
        await decide(hub, "nobody's")
        await hub.until(lambda: ("nobody's", False) in outcomes(hub), "a channel that has heard both")
        process.send_signal(signal.SIGCONT)
        assert await said(process) is None
    finally:
        await second.stop()


# -- the relay ----------------------------------------------------------------------------------


async def test_the_relay_takes_a_plain_verdict_once_the_hook_is_gone(linked: Claude, hub: HubDouble) -> None:
    await relay(linked)
    process, decision_id = await asking(linked, hub)
    process.kill()
    await hub.until(lambda: (decision_id, "relay") in ways(hub), "the relay")
    assert hub.named("ChannelWaits")[-1]["request_id"] == "abcde"
    await decide(hub, decision_id, answer(behavior="deny", message="no"), plain=False)
    await until_outcomes(hub, (decision_id, False))
    assert relayed(linked) == []
    await decide(hub, decision_id)
    await eventually(lambda: relayed(linked), "an answer by the relay")
    assert relayed(linked) == [{"request_id": "abcde", "behavior": "allow"}]
    await until_outcomes(hub, (decision_id, False), (decision_id, True))
    assert hub.named("ChannelAsked") == []


async def test_what_only_the_relay_tells_is_told(linked: Claude, hub: HubDouble) -> None:
    await relay(linked, preview="x" * 50_000)
    (asked,) = await hub.until(lambda: hub.named("ChannelAsked"), "the dialog")
    assert len(asked.pop("input_preview")) == 16_000
    assert asked == {
        "hook_event_name": "ChannelAsked",
        "session_id": SESSION,
        "request_id": "abcde",
        "tool_name": "Bash",
        "description": "Touch",
    }
    (decision_id,) = ids(hub, "ChannelAsked")
    await decide(hub, decision_id, answer(behavior="deny"))
    await eventually(lambda: relayed(linked), "an answer by the relay")
    assert relayed(linked) == [{"request_id": "abcde", "behavior": "deny"}]
    await until_outcomes(hub, (decision_id, True))


async def test_without_the_flag_there_is_no_relay(claude: Claude, hub: HubDouble) -> None:
    claude.pair(hub.url)
    await claude.start(("claude",))
    await claude.greet()
    await hub.until(lambda: hub.hellos, "hello")
    await claude.hook("SessionStart", source="startup")
    await relay(claude)
    process, decision_id = await asking(claude, hub)
    process.kill()
    await hub.until(lambda: (decision_id, "none") in ways(hub), "nothing")


# -- hostile callers -------------------------------------------------------------------------------


async def test_whatever_callers_say_the_channel_goes_on(linked: Claude, hub: HubDouble) -> None:
    line = b"ask 01a1fcf2-71ce-7774-82fd-d2e986746859 %s main\n" % SESSION.encode()
    here = os.open(".", os.O_RDONLY)
    os.chdir(linked.socket.parent)
    writers = []
    for data in (b"\xff" * 100_000, line * 2, line, line + b"+", b"ask \n", b"park\n" * 2):
        _, writer = await asyncio.open_unix_connection(linked.socket.name)
        writer.write(data)
        writers.append(writer)
    os.fchdir(here)
    os.close(here)
    for writer in writers:
        writer.close()
    process, decision_id = await asking(linked, hub)
    await decide(hub, decision_id)
    assert await said(process) == ALLOW
