"""`heliograph sessions`, `say` and `tail` against a hub."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from tests.cli.fake_hub import TOKEN, FakeHub, build_entry, build_session
from tests.cli.world import World

ONE, TWO, THREE = "aaaa1111-0000", "aaaa2222-0000", "bbbb3333-0000"


@pytest.fixture
def person(world: World, hub: FakeHub) -> World:
    world.env |= {"HELIOGRAPH_URL": hub.url, "HELIOGRAPH_TOKEN": TOKEN}
    hub.sessions = [
        build_session(ONE),
        build_session(TWO, title="evil \x1b[2J\u202ename", state="working", delivery="none"),
        build_session(THREE, machine={"id": "m-2", "name": "laptop"}),
    ]
    return world


async def test_sessions_are_listed_over_all_pages(person: World, hub: FakeHub) -> None:
    done = await person.run_async("sessions")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["SESSION", "STATE", "ACTIVE", "MACHINE", "TITLE", "FOLDER"]
    assert lines[1].startswith("aaaa1111  idle")
    assert "/src/parser (main)" in lines[1]
    assert "\x1b" not in done.out
    assert "evil \\x1b[2J\\u202ename" in lines[2]


async def test_sessions_as_json_are_the_apis_objects(person: World, hub: FakeHub) -> None:
    done = await person.run_async("sessions", "--json", "--machine", "laptop")
    assert json.loads(done.out) == [hub.sessions[2]]
    await person.run_async("sessions", "--state", "working")
    assert "state=working" in hub.requests[-1][1]


async def test_a_token_file_serves_too_if_only_its_owner_reads_it(person: World) -> None:
    del person.env["HELIOGRAPH_TOKEN"]
    done = await person.run_async("sessions")
    assert done.code == 4
    assert "heliograph token create" in done.err
    file = person.write(person.heliograph / "token", TOKEN + "\n")
    file.chmod(0o644)
    assert "chmod 600" in (await person.run_async("sessions")).err
    file.chmod(0o600)
    assert (await person.run_async("sessions")).code == 0


async def test_a_wrong_token_is_refused(person: World) -> None:
    person.env["HELIOGRAPH_TOKEN"] = "wrong"
    for words in (["sessions"], ["say", ONE, "hi"], ["tail", ONE]):
        done = await person.run_async(*words)
        assert done.code == 4
        assert done.err == "heliograph: the hub says: Unknown token. (not_signed_in)\n"


@pytest.mark.parametrize("token", ["hgt_a\nb", "hgt_é", "hgt a"])
async def test_a_token_that_fits_in_no_header_is_refused(person: World, hub: FakeHub, token: str) -> None:
    person.env["HELIOGRAPH_TOKEN"] = token
    for words in (["sessions"], ["tail", ONE]):
        done = await person.run_async(*words)
        assert done.code == 4
        assert done.err.startswith("heliograph: the token")
        assert done.err.count("\n") == 1
    assert hub.requests == []


def test_a_token_file_that_is_a_pipe_keeps_nobody_waiting(world: World) -> None:
    world.heliograph.mkdir()
    os.mkfifo(world.heliograph / "token", 0o600)
    assert world.run("sessions").code == 1


def test_a_hub_that_is_not_there_is_unavailable(world: World) -> None:
    world.env |= {"HELIOGRAPH_URL": "http://127.0.0.1:1", "HELIOGRAPH_TOKEN": TOKEN}
    assert world.run("sessions").code == 3


async def test_say_sends_to_the_session_that_the_prefix_names(person: World, hub: FakeHub) -> None:
    done = await person.run_async("say", "bbbb", "run", "the", "tests")
    assert (done.code, done.out) == (0, "queued: message msg-1\n")
    method, path, body = hub.requests[-1]
    assert (method, path) == ("POST", f"/api/v1/sessions/{THREE}/messages")
    assert body["text"] == "run the tests"
    assert body["client_id"]


@pytest.mark.parametrize(("words", "when"), [([], "auto"), (["--now"], "now"), (["--next-turn"], "next_turn")])
async def test_say_passes_on_when_claude_is_to_read_it(
    person: World, hub: FakeHub, words: list[str], when: str
) -> None:
    assert (await person.run_async("say", ONE, "hi", *words)).code == 0
    assert hub.requests[-1][2]["when"] == when


async def test_say_reads_stdin_and_prints_json(person: World, hub: FakeHub) -> None:
    done = await person.run_async("say", ONE, "-", "--json", answer="line one\nline two\n")
    assert json.loads(done.out) == {"message_id": "msg-1", "session_id": ONE, "state": "queued"}
    assert hub.requests[-1][2]["text"] == "line one\nline two\n"


@pytest.mark.parametrize(
    ("state", "why", "help_"),
    [
        ("ended", "has ended", f"heliograph claude --resume {TWO}"),
        ("offline", "isn't connected", "heliograph doctor"),
        ("working", "takes no messages now", f"heliograph claude --resume {TWO}"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--json"]])
async def test_say_tells_why_a_message_waits_and_what_would_help(
    person: World, hub: FakeHub, state: str, why: str, help_: str, words: list[str]
) -> None:
    hub.sessions[1]["state"] = state
    done = await person.run_async("say", TWO, "hi", *words)
    assert done.code == 0
    assert why in done.err
    assert help_ in done.err
    assert why not in done.out


async def test_say_tells_it_before_it_waits_too(person: World, hub: FakeHub) -> None:
    hub.sessions[1]["state"] = "ended"
    process = await person.start("say", TWO, "hi", "--wait")
    await asyncio.wait_for(hub.listening.wait(), 20)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert b"has ended" in err


@pytest.mark.parametrize(("named", "code", "words"), [("aaaa", 2, TWO), ("cccc", 1, "heliograph sessions")])
async def test_a_prefix_that_names_no_one_session_is_refused(person: World, named: str, code: int, words: str) -> None:
    done = await person.run_async("say", named, "hi")
    assert done.code == code
    assert words in done.err


async def test_an_empty_message_is_not_sent(person: World, hub: FakeHub) -> None:
    assert (await person.run_async("say", ONE, "-", answer=" \n")).code == 2
    assert hub.requests == []


async def test_say_waits_for_the_answer_and_prints_it(person: World, hub: FakeHub) -> None:
    message = {"message_id": "msg-1", "text": "hi", "author": "me"}
    for change, state in ((8, "delivered"), (9, "seen"), (10, "answered")):
        entry = build_entry("e1", "message", 1, change, state=state, **message)
        hub.frames.put_nowait({"change_id": change, "sessions": [], "entries": [entry]})
    hub.timeline = [
        build_entry("e0", "reply", 0, 3, text="older", message_id="msg-0"),
        build_entry("e1", "message", 1, 10, state="answered", **message),
        build_entry("e2", "assistant", 2, 9, text="thinking aloud", streaming=False),
        build_entry("e3", "reply", 3, 10, text="all \x1b]0;x\x07green", message_id="msg-1"),
        build_entry("e4", "assistant", 4, 11, text="later", streaming=False),
    ]
    done = await person.run_async("say", ONE, "hi", "--wait")
    assert (done.code, done.out) == (0, "all \\x1b]0;x\\x07green\n")
    assert done.err.split() == ["delivered", "seen", "answered"]
    assert hub.resumed_after == [7]


async def test_without_a_reply_the_last_thing_said_is_the_answer(person: World, hub: FakeHub) -> None:
    entry = build_entry("e1", "message", 1, 8, state="answered", message_id="msg-1", text="hi", author="me")
    hub.frames.put_nowait({"change_id": 8, "entries": [entry]})
    hub.timeline = [entry, build_entry("e2", "assistant", 2, 9, text="done", streaming=False)]
    done = await person.run_async("say", ONE, "hi", "--wait", "--json")
    answer = json.loads(done.out)
    assert answer["message"]["message_id"] == "msg-1"
    assert answer["reply"]["text"] == "done"


async def test_an_answer_whose_text_comes_after_its_receipt_is_waited_for(person: World, hub: FakeHub) -> None:
    entry = build_entry("e1", "message", 1, 8, state="answered", message_id="msg-1", text="hi", author="me")
    hub.frames.put_nowait({"change_id": 8, "entries": [entry]})
    hub.timeline = [entry, build_entry("e2", "assistant", 2, 9, text="do", streaming=True)]
    process = await person.start("say", ONE, "hi", "--wait")
    await asyncio.wait_for(hub.timeline_read.wait(), 20)
    hub.timeline[1] = build_entry("e2", "assistant", 2, 10, text="done", streaming=False)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert out == b"done\n"


async def test_a_message_that_got_lost_ends_the_wait_with_failure(person: World, hub: FakeHub) -> None:
    entry = build_entry("e1", "message", 1, 8, state="uncertain", message_id="msg-1", text="hi", author="me")
    hub.frames.put_nowait({"change_id": 8, "entries": [entry]})
    done = await person.run_async("say", ONE, "hi", "--wait")
    assert (done.code, done.out, done.err) == (1, "", "uncertain\n")


class Tail:
    """A running `heliograph tail`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read_line(self) -> str:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 20)).decode().rstrip("\n")

    async def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(self._process.communicate(), 20)
        assert b"Traceback" not in err
        return self._process.returncode or 0


async def test_tail_prints_the_timeline_and_then_what_happens(person: World, hub: FakeHub) -> None:
    tool = {"tool_name": "Bash", "input": {"command": "make test"}}
    hub.timeline = [
        build_entry("e1", "prompt", 1, 3, text="fix it\nplease", by="maya"),
        build_entry("e2", "tool", 2, 4, state="running", **tool),
        build_entry("e3", "assistant", 3, 5, text="On", streaming=True),
    ]
    tail = Tail(await person.start("tail", "aaaa1"))
    assert (await tail.read_line()).endswith("prompt     fix it")
    assert (await tail.read_line()).strip() == "please"
    assert (await tail.read_line()).endswith("tool       Bash  make test")
    await asyncio.wait_for(hub.listening.wait(), 20)
    hub.frames.put_nowait(
        {"change_id": 6, "entries": [build_entry("e2", "tool", 2, 6, state="failed", duration_ms=1500, **tool)]}
    )
    whole = build_entry("e3", "assistant", 3, 7, text="On it\x1b[31m", streaming=False)
    hub.frames.put_nowait({"change_id": 7, "entries": [whole]})
    assert (await tail.read_line()).endswith("Bash  make test  failed  1.5 s")
    assert (await tail.read_line()).endswith("claude     On it\\x1b[31m")
    hub.frames.put_nowait(None)  # the hub restarts
    hub.frames.put_nowait({"change_id": 8, "entries": [whole, build_entry("e4", "notice", 4, 8, text="Ended.")]})
    assert (await tail.read_line()).endswith("notice     Ended.")
    assert hub.resumed_after == [5, 7]
    assert await tail.interrupt() == 130


async def test_tail_that_is_too_far_behind_loads_the_timeline_again(person: World, hub: FakeHub) -> None:
    hub.timeline = [build_entry("e1", "prompt", 1, 3, text="one")]
    tail = Tail(await person.start("tail", ONE, "--json"))
    assert json.loads(await tail.read_line())["text"] == "one"
    await asyncio.wait_for(hub.listening.wait(), 20)
    hub.timeline.append(build_entry("e2", "prompt", 2, 900, text="two"))
    hub.frames.put_nowait({"reload": True, "change_id": 900})
    assert json.loads(await tail.read_line())["text"] == "two"
    assert await tail.interrupt() == 130


async def test_tail_into_a_pipe_that_closes_ends_quietly(person: World, hub: FakeHub) -> None:
    hub.timeline = [build_entry("e1", "prompt", 1, 3, text="one")]
    process = await person.start("tail", ONE)
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 20)
    process.stdout._transport.close()  # type: ignore[attr-defined]
    await asyncio.wait_for(hub.listening.wait(), 20)
    for change in range(10, 40):
        hub.frames.put_nowait(
            {"change_id": change, "entries": [build_entry(f"x{change}", "prompt", 2, change, text="more")]}
        )
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_tail_of_an_unknown_session_says_so(person: World) -> None:
    assert (await person.run_async("tail", "cccc")).code == 1
