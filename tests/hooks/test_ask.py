"""The hook that waits for an answer, before a channel that does as the test says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channel import ring
from channel.answering import Asking, read_line
from channel.spool import parse
from hooks import ASK_EVENTS, heliograph_hook
from tests.hooks.runner import EVENT, SESSION, Hook
from tests.support.processes import PROC
from wire.frames import FRAME_BYTES

ASK = {
    "session_id": SESSION,
    "transcript_path": "/home/maya/.claude/projects/x/6cca265d.jsonl",
    "cwd": "/home/maya/x",
    "hook_event_name": "PermissionRequest",
    "tool_name": "Bash",
    "tool_input": {"command": "touch x"},
}

ANSWER = b'{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}'


class Channel:
    """The socket that the hook finds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{os.getpid()}.sock"
        self.callers: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(8)
        self.listener.settimeout(10)

    def close(self) -> None:
        for one in (self.listener, *self.callers):
            one.close()
        self.path.unlink(missing_ok=True)

    def accept(self) -> tuple[socket.socket, Asking]:
        """The next hook that asks; rings are taken on the way."""
        while True:
            caller, _ = self.listener.accept()
            caller.settimeout(10)
            self.callers.append(caller)
            asking = read_line(caller.recv(1000))
            if asking is not None:
                return caller, asking


@pytest.fixture
def channel(hook: Hook) -> Iterator[Channel]:
    (hook.home / "run").mkdir(mode=0o700)
    found = Channel(hook.home / "run")
    yield found
    found.close()


@pytest.fixture
def started(hook: Hook) -> Iterator[list[subprocess.Popen[bytes]]]:
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(
    hook: Hook, started: list[subprocess.Popen[bytes]], event: dict[str, Any] = ASK, **options: Any
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        hook.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=hook.environment,
        **options,
    )
    started.append(process)
    assert process.stdin is not None
    process.stdin.write(json.dumps(event).encode())
    process.stdin.close()
    process.stdin = None
    return process


def said(process: subprocess.Popen[bytes]) -> bytes:
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")
    return out


def give(caller: socket.socket, answer: bytes) -> None:
    caller.sendall(b"%d\n%s" % (len(answer), answer))


def test_hook_and_channel_agree() -> None:
    from hooks import heliograph_room, heliograph_wake  # noqa: PLC0415

    sys.modules.update(heliograph_room=heliograph_room, heliograph_wake=heliograph_wake)  # as the loader's path has it
    from hooks import heliograph_ask  # noqa: PLC0415

    assert heliograph_ask.ANSWER_BYTES == FRAME_BYTES
    assert heliograph_ask.read_answer(ring.LET_GO) == b""
    assert {name.decode() for name in heliograph_hook.ASKS} == set(ASK_EVENTS)


def test_it_says_what_it_was_answered(hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]) -> None:
    process = start(hook, started)
    caller, asking = channel.accept()
    record = parse(hook.spool.read_bytes()).records[0]
    assert asking == Asking(record.event_id, SESSION, "main")
    give(caller, ANSWER)
    assert caller.recv(10) == b"+"
    assert said(process) == ANSWER
    assert hook.log == ""


def test_a_long_answer_that_comes_in_pieces_is_said_whole(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]
) -> None:
    answer = json.dumps({"a": "é\n" * 130_000}, ensure_ascii=False).encode()
    process = start(hook, started)
    caller, _ = channel.accept()
    data = b"%d\n%s" % (len(answer), answer)
    for start_at in range(0, len(data), 50_001):
        caller.sendall(data[start_at : start_at + 50_001])
    assert said(process) == answer


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({}, "main"), ({"agent_id": "a1"}, "agent"), ({"hook_event_name": "Elicitation", "message": "?"}, "form")],
)
def test_it_says_whether_its_dialog_is_held_back(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]], fields: dict[str, Any], kind: str
) -> None:
    process = start(hook, started, json.loads(json.dumps({**ASK, **fields})))
    caller, asking = channel.accept()
    assert asking.kind == kind
    caller.sendall(ring.LET_GO)
    assert said(process) == b""


@pytest.mark.parametrize(("fields", "goes"), [({"agent_id": "a1"}, True), ({}, False)])
def test_a_channel_that_hangs_holds_no_dialog_back_for_ever(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]], fields: dict[str, Any], goes: bool
) -> None:
    for name, wanted in (("ask", "HOLD_SECONDS = 660.0"), ("wake", "WATCH_SECONDS = 10.0")):
        script = hook.home / "hooks" / f"heliograph_{name}.py"
        assert wanted in script.read_text()
        script.write_text(script.read_text().replace(wanted, f"{wanted.split()[0]} = 0.1"))
    process = start(hook, started, {**ASK, **fields})
    caller, _ = channel.accept()
    if not goes:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=1.0)
        give(caller, ANSWER)
    assert said(process) == (b"" if goes else ANSWER)


@pytest.mark.parametrize("entrypoint", ["sdk-cli", "sdk-py", ""])
def test_where_nobody_sits_it_does_not_wait(hook: Hook, channel: Channel, entrypoint: str) -> None:
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = entrypoint
    hook.run(ASK)
    assert hook.events() == [ASK]


def test_other_events_do_not_wait(hook: Hook, channel: Channel) -> None:
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    hook.run({**ASK, "hook_event_name": "PreToolUse"})


def test_without_a_channel_it_does_not_wait(hook: Hook) -> None:
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    hook.run(ASK)
    assert hook.log == ""


def test_what_was_not_kept_is_not_waited_for(hook: Hook, channel: Channel) -> None:
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    hook.spool.parent.mkdir(parents=True)
    hook.spool.symlink_to("/dev/full")
    hook.run(ASK)
    assert hook.counts() == b"d"


def test_a_home_that_was_moved_is_where_it_asks(
    hook: Hook, started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    elsewhere = tmp_path / ("deep" * 30)  # a socket's address has room for about 100 bytes
    (elsewhere / "run").mkdir(parents=True)
    here = Path.cwd()
    os.chdir(elsewhere / "run")
    channel = Channel(Path())
    hook.environment["HELIOGRAPH_HOME"] = str(elsewhere)
    process = start(hook, started)
    caller, _ = channel.accept()
    give(caller, ANSWER)
    assert said(process) == ANSWER
    channel.close()
    os.chdir(here)


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"\n",
        b"-1\n",
        b"1_0\n{}",
        b"+2\n{}",
        b"99999999999999999999",
        b"1048577\n",
        b"2\n{}more",
        b"2\n[]",
        b"0\n{}",
        b"\xff" * 100_000,
    ],
)
def test_bytes_that_are_no_answer_are_not_said(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]], data: bytes
) -> None:
    process = start(hook, started)
    caller, _ = channel.accept()
    with contextlib.suppress(OSError):  # it hangs up at once
        caller.sendall(data)
    assert said(process) == b""
    with contextlib.suppress(ConnectionResetError):
        assert caller.recv(10) == b""
    assert "is no" in hook.log


def test_an_answer_that_is_cut_short_is_asked_for_again(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]
) -> None:
    process = start(hook, started)
    caller, first = channel.accept()
    caller.sendall(b"100\n" + ANSWER[:50])
    caller.close()
    caller, second = channel.accept()
    assert second == first
    give(caller, ANSWER)
    assert said(process) == ANSWER


def test_a_channel_that_comes_back_is_asked_again(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]
) -> None:
    process = start(hook, started)
    _, first = channel.accept()
    channel.close()
    assert process.poll() is None
    channel.open()
    caller, second = channel.accept()
    assert second == first
    give(caller, ANSWER)
    assert said(process) == ANSWER


def test_a_channel_that_only_ever_hangs_up_is_left(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]
) -> None:
    process = start(hook, started)
    channel.listener.settimeout(1)
    count = 0
    with contextlib.suppress(TimeoutError):
        while True:
            channel.accept()[0].close()
            count += 1
    assert said(process) == b""
    assert 1 < count < 20


def test_it_ends_with_claude(hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]) -> None:
    """Killed, with the hook's output in nobody's hands any more."""
    process = start(hook, started)
    caller, _ = channel.accept()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert caller.recv(10) == b""
    assert process.wait(10) == 0


def test_it_goes_silently_when_it_is_told_to(
    hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]
) -> None:
    process = start(hook, started)
    caller, _ = channel.accept()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == (b"", b"")
    assert process.returncode == -signal.SIGTERM
    assert caller.recv(10) == b""
    assert hook.log == ""


@pytest.mark.skipif(not PROC.is_dir(), reason="measured through /proc")
def test_it_waits_in_ten_megabytes(hook: Hook, channel: Channel, started: list[subprocess.Popen[bytes]]) -> None:
    process = start(hook, started, {**ASK, "tool_input": {"command": "x" * 200_000}})
    channel.accept()
    status = (PROC / str(process.pid) / "status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) <= 10 * 1024


def test_asking_costs_other_events_nothing(hook: Hook, channel: Channel) -> None:
    """The waiting half is a script of its own, which only a dialog loads."""
    (hook.home / "hooks" / "heliograph_ask.py").write_text("raise SystemExit('loaded')\n")
    hook.environment["CLAUDE_CODE_ENTRYPOINT"] = "cli"
    hook.run(EVENT)
    assert hook.log == ""
    hook.run(ASK)
    assert "loaded" in hook.log
