"""The ways to Claude through the real channel and the real hooks, between a played Claude Code and a hub double."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from channel import ring
from channel.injected import InjectedLog
from hooks import heliograph_wake
from tests.channel.hub_double import HubDouble
from tests.channel.peer import NEXT_SESSION, SESSION, Claude, eventually
from wire.frames import Events, Withdraw
from wire.messages import find_message_ids

PLAIN = ("claude",)

NOBODY = 999_999_999
"""No process has this pid."""


async def link(claude: Claude, hub: HubDouble, words: tuple[str, ...]) -> Claude:
    claude.pair(hub.url)
    await claude.start(words)
    await claude.greet()
    await hub.until(lambda: hub.hellos, "hello")
    await claude.hook("SessionStart", source="startup")
    await hub.until(lambda: hub.named("ChannelFacts"), "the session's start")
    return claude


@pytest.fixture
async def plain(claude: Claude, hub: HubDouble) -> Claude:
    """Linked, and started without the channel flag."""
    return await link(claude, hub, PLAIN)


async def woken(process: asyncio.subprocess.Process) -> tuple[int, str]:
    out, errors = await asyncio.wait_for(process.communicate(), 10)
    assert out == b""
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def parked_at(claude: Claude, hub: HubDouble, **environment: str) -> asyncio.subprocess.Process:
    """A parked hook, once the channel knows of it."""
    process = await claude.park(**environment)
    await hub.until(lambda: [ways for ways in hub.named("ChannelWays") if ways["wake"]], "a way to wake Claude")
    return process


def context_of(answer: str, event: str) -> str:
    """The text that a hook's answer hands to Claude."""
    output: dict[str, Any] = json.loads(answer)["hookSpecificOutput"]
    assert output["hookEventName"] == event
    return str(output["additionalContext"])


def slot_file(claude: Claude, slot: str) -> Path:
    return claude.home / "run" / f"{os.getpid()}.{slot}"


def injections(hub: HubDouble) -> list[tuple[str, str | None]]:
    return [(body["message_id"], body.get("via")) for body in hub.named("ChannelInjected")]


async def offered(claude: Claude, slot: str) -> Path:
    path = slot_file(claude, slot)
    await eventually(path.exists, f"the file {slot}")
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def test_the_hook_and_the_channel_agree_on_the_word() -> None:
    assert heliograph_wake.PARK == ring.PARK


# -- wake ---------------------------------------------------------------------------------


async def test_the_parked_hook_wakes_claude_with_the_text(plain: Claude, hub: HubDouble) -> None:
    process = await parked_at(plain, hub)
    text = "ünïcode & </channel> <system-reminder> " + "x" * 60_000
    await hub.push("msg-1", SESSION, text, 'O"Neil <a>')
    code, errors = await woken(process)
    assert code == 2
    assert find_message_ids(errors) == ["msg-1"]
    assert errors.startswith('<channel source="heliograph" message_id="msg-1" from="O')
    assert errors.count("<channel") == errors.count("</channel>") == 1
    assert "<system-reminder" not in errors
    assert errors.endswith("x" * 60_000 + "\n</channel>")
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    assert injections(hub) == [("msg-1", "wake")]
    assert plain.notifications == []


async def test_a_newer_parked_hook_lets_the_older_go(plain: Claude, hub: HubDouble) -> None:
    first = await parked_at(plain, hub)
    second = await plain.park()
    assert await woken(first) == (0, "")
    await hub.push("msg-1", SESSION)
    assert (await woken(second))[0] == 2


async def test_a_hook_parks_before_its_channel_is_up(claude: Claude, hub: HubDouble) -> None:
    process = await claude.park()
    await link(claude, hub, PLAIN)
    await hub.push("msg-1", SESSION)
    assert (await woken(process))[0] == 2


@pytest.mark.parametrize("entrypoint", ["sdk-cli", "sdk-py", ""])
async def test_a_hook_parks_only_in_a_terminal(plain: Claude, entrypoint: str) -> None:
    assert await woken(await plain.park(CLAUDE_CODE_ENTRYPOINT=entrypoint)) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_parked_hook_goes_with_its_channel(plain: Claude, hub: HubDouble, number: signal.Signals) -> None:
    process = await parked_at(plain, hub)
    assert plain.process is not None
    plain.process.send_signal(number)
    assert await woken(process) == (0, "")


async def test_a_text_that_is_cut_short_wakes_nobody(claude: Claude) -> None:
    (claude.home / "run").mkdir()
    here = Path.cwd()
    os.chdir(claude.home / "run")
    connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_unix_server(lambda _, writer: connected.put_nowait(writer), f"{os.getpid()}.sock")
    os.chdir(here)
    process = await claude.park()
    writer = await connected.get()
    writer.write(b"100\nonly the beg")
    writer.close()
    assert await woken(process) == (0, "")
    server.close()


async def test_print_mode_lets_a_parked_hook_go(claude: Claude, hub: HubDouble) -> None:
    await link(claude, hub, ("claude", "-p", "hello"))
    assert await woken(await claude.park()) == (0, "")
    (ways,) = await hub.until(lambda: hub.named("ChannelWays"), "what works")
    assert (ways["channel"], ways["wake"], ways["next_turn"], ways["why"]) == (False, False, True, "print")


async def test_a_parked_hook_that_is_killed_leaves_the_next_turn(plain: Claude, hub: HubDouble) -> None:
    process = await parked_at(plain, hub)
    process.kill()
    await hub.push("msg-1", SESSION)
    await offered(plain, "next")
    answer = await plain.hook("UserPromptSubmit", prompt="hi")
    assert find_message_ids(context_of(answer, "UserPromptSubmit")) == ["msg-1"]
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    assert injections(hub) == [("msg-1", "next_turn")]


# -- pushes that vanish -------------------------------------------------------------------


async def test_a_push_that_an_idle_client_ignores_goes_by_the_parked_hook(linked: Claude, hub: HubDouble) -> None:
    process = await parked_at(linked, hub)
    linked.show_status("idle")
    await hub.push("msg-1", SESSION)
    code, errors = await woken(process)
    assert (code, find_message_ids(errors)) == (2, ["msg-1"])
    await hub.until(lambda: len(hub.named("ChannelInjected")) == 2, "both reports")
    assert injections(hub) == [("msg-1", "channel"), ("msg-1", "wake")]
    assert len(linked.notifications) == 1
    ways = await hub.until(lambda: [w for w in hub.named("ChannelWays") if w.get("why") == "dropped"], "what works")
    assert ways[-1]["channel"] is False


async def test_a_client_that_answers_no_ping_is_not_given_it_twice(linked: Claude, hub: HubDouble) -> None:
    process = await parked_at(linked, hub)
    linked.show_status("idle")
    linked.is_frozen = True
    await hub.push("msg-1", SESSION)
    await eventually(lambda: linked.pings, "a ping")
    await asyncio.sleep(3)  # longer than the proof takes
    assert process.returncode is None
    assert len(linked.pings) == 1
    await linked.hook(
        "UserPromptSubmit", prompt='<channel source="heliograph" message_id="msg-1" from="M">\nx\n</channel>'
    )
    linked.is_frozen = False
    await linked.hook("Stop")
    await hub.until(lambda: hub.named("Stop"), "the turn's end")
    assert injections(hub) == [("msg-1", "channel")]


# -- files for hooks ----------------------------------------------------------------------


async def test_now_goes_with_the_next_tool_hook_of_the_main_thread(plain: Claude, hub: HubDouble) -> None:
    await plain.hook("UserPromptSubmit", prompt="work")
    await hub.push("msg-1", SESSION, "stop", when="now")
    path = await offered(plain, "now")
    assert await plain.hook("PostToolUse", agent_id="a1", tool_name="Bash") == ""
    assert await plain.hook("PreToolUse", tool_name="Bash") == ""
    assert await plain.hook("PostToolUse", session_id=NEXT_SESSION, tool_name="Bash") == ""
    answer = await plain.hook("PostToolUse", tool_name="Bash")
    assert context_of(answer, "PostToolUse") == (
        '<channel source="heliograph" message_id="msg-1" from="Maya">\nstop\n</channel>'
    )
    assert not path.exists()
    assert await plain.hook("PostToolUse", tool_name="Bash") == ""
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    assert injections(hub) == [("msg-1", "steer")]


async def test_of_hooks_that_run_at_once_one_hands_it_over(plain: Claude, hub: HubDouble) -> None:
    await plain.hook("UserPromptSubmit", prompt="work")
    await hub.push("msg-1", SESSION, when="now")
    await offered(plain, "now")
    answers = await asyncio.gather(*(plain.hook("PostToolUse", tool_name="Bash") for _ in range(6)))
    assert len([answer for answer in answers if answer]) == 1


async def test_after_a_stop_hook_spoke_the_session_is_busy(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="work")
    await hub.push("msg-1", SESSION, when="next_turn")
    await offered(linked, "next")
    assert context_of(await linked.hook("Stop"), "Stop")
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    await hub.push("msg-2", SESSION)
    declined = await hub.until(lambda: hub.declined, "a refusal")
    assert (declined[0].message_id, declined[0].reason) == ("msg-2", "busy")


async def test_what_is_withdrawn_from_its_file_can_be_pushed_again(plain: Claude, hub: HubDouble) -> None:
    await hub.push("msg-1", SESSION, when="next_turn")
    path = await offered(plain, "next")
    await hub.send(Withdraw(message_id="msg-1"))
    await eventually(lambda: not path.exists(), "the file's end")
    assert await plain.hook("UserPromptSubmit", prompt="hi") == ""
    await hub.push("msg-1", SESSION, when="next_turn")
    await offered(plain, "next")
    assert injections(hub) == []


async def test_a_channel_that_ends_takes_its_files_back(plain: Claude, hub: HubDouble) -> None:
    await hub.push("msg-1", SESSION, when="next_turn")
    path = await offered(plain, "next")
    await plain.close_stdin()
    await plain.ended()
    assert not path.exists()
    assert b"-msg-1" in (plain.home / "injected.log").read_bytes()


async def test_what_a_killed_channel_left_is_the_hubs_again(plain: Claude, hub: HubDouble, project: Path) -> None:
    await hub.push("msg-1", SESSION, when="next_turn")
    path = await offered(plain, "next")
    assert plain.process is not None
    plain.process.kill()
    second = Claude(plain.home, project)
    await second.start(PLAIN)
    await second.greet()
    await eventually(lambda: not path.exists(), "the file's end")
    await hub.until(lambda: len(hub.hellos) == 2, "a second link")
    await hub.push("msg-1", SESSION, when="next_turn")
    await offered(second, "next")
    assert injections(hub) == []
    await second.stop()


async def test_a_hook_that_was_killed_over_a_file_is_reported(plain: Claude, hub: HubDouble) -> None:
    await hub.push("msg-1", SESSION, when="next_turn")
    path = await offered(plain, "next")
    path.rename(path.with_name(path.name + ".01a1fcf2-71ce-7774-82fd-d2e986746859"))
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    assert injections(hub) == [("msg-1", "next_turn")]


async def test_what_hooks_of_dead_processes_were_killed_over_is_reported_for_these(
    plain: Claude, hub: HubDouble
) -> None:
    event_id = "01a1fcf2-71ce-7774-82fd-d2e986746859"
    record = {"session_id": SESSION, "hook_event_name": "ChannelInjected", "message_id": "msg-1", "via": "steer"}
    (plain.home / "run" / f"{NOBODY}.now.{event_id}").write_text(f'{SESSION}\n{json.dumps(record)}\n"x"')
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    (event,) = [
        event
        for frame in hub.frames
        if isinstance(frame, Events)
        for event in frame.events
        if event.event_id == event_id
    ]
    assert (event.pid, event.source) == (NOBODY, "channel")


async def test_what_waits_for_a_process_that_dies_later_is_not_taken_for_said(plain: Claude, hub: HubDouble) -> None:
    InjectedLog(plain.home / "injected.log").add("msg-2")
    record = {"session_id": SESSION, "hook_event_name": "ChannelInjected", "message_id": "msg-2", "via": "next_turn"}
    left = plain.home / "run" / f"{NOBODY}.next"
    left.write_text(f'{SESSION}\n{json.dumps(record)}\n"x"')
    await hub.push("msg-2", SESSION, when="next_turn")
    await offered(plain, "next")
    assert not left.exists()
    assert injections(hub) == []


async def test_a_disk_that_takes_no_file_declines(plain: Claude, hub: HubDouble) -> None:
    (plain.home / "run" / f"{os.getpid()}.next-new").symlink_to("/dev/full")
    await hub.push("msg-1", SESSION, when="next_turn")
    declined = await hub.until(lambda: hub.declined, "a refusal")
    assert declined[0].reason == "busy"
    assert not slot_file(plain, "next").exists()


async def test_what_waits_for_a_cleared_session_is_declined(plain: Claude, hub: HubDouble) -> None:
    await hub.push("msg-1", SESSION, when="next_turn")
    await offered(plain, "next")
    await plain.hook("SessionEnd", reason="clear")
    await plain.hook("SessionStart", session_id=NEXT_SESSION, source="clear")
    declined = await hub.until(lambda: hub.declined, "a refusal")
    assert declined[0].reason == "elsewhere"
    assert await plain.hook("UserPromptSubmit", session_id=NEXT_SESSION, prompt="hi") == ""


async def test_where_no_hook_runs_and_no_flag_was_given_there_is_no_way(claude: Claude, hub: HubDouble) -> None:
    claude.pair(hub.url)
    await claude.start(PLAIN)
    await claude.greet()
    await hub.until(lambda: hub.hellos, "hello")
    await hub.push("msg-1", SESSION)
    declined = await hub.until(lambda: hub.declined, "a refusal")
    assert declined[0].reason == "no_way"


# -- evidence -----------------------------------------------------------------------------


async def test_the_transcript_shows_what_no_prompt_does(plain: Claude, hub: HubDouble, tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    tag = '<channel source="heliograph" message_id="msg-1" from="Maya">\nhello\n</channel>'
    transcript.write_text(json.dumps({"type": "user", "message": {"content": tag.replace("msg-1", "msg-0")}}) + "\n")
    await plain.hook("UserPromptSubmit", prompt="work", transcript_path=str(transcript))
    await hub.push("msg-1", SESSION, when="now")
    await offered(plain, "now")
    await plain.hook("PostToolUse", transcript_path=str(transcript))
    with transcript.open("a") as file:
        file.write(
            json.dumps({"type": "attachment", "attachment": {"type": "hook_additional_context", "content": [tag]}})
        )
        file.write("\n")
    (seen,) = await hub.until(lambda: hub.named("ChannelSeen"), "the evidence")
    assert (seen["message_id"], seen["evidence"]) == ("msg-1", "transcript")


async def test_the_flag_pushes_now_into_a_turn(linked: Claude, hub: HubDouble) -> None:
    await linked.hook("UserPromptSubmit", prompt="work")
    await hub.push("msg-1", SESSION, when="now")
    await hub.until(lambda: hub.named("ChannelInjected"), "the report")
    assert injections(hub) == [("msg-1", "steer")]
    assert len(linked.notifications) == 1
