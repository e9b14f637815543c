"""The hook as Claude Code runs it: a process with an event on stdin, whatever state the machine is in."""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.spool import parse
from hooks import LOADER, heliograph_hook, heliograph_room
from tests.hooks.runner import EVENT, Hook
from tests.support.waiting import wait_until
from wire.frames import EVENT_BYTES
from wire.ids import build_id


@pytest.fixture
def bell(hook: Hook) -> Iterator[socket.socket]:
    (hook.home / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(hook.home / "run" / f"{os.getpid()}.sock"))
        listener.listen(8)
        listener.settimeout(10)
        yield listener


def test_an_event_is_spooled_as_it_came_with_an_id_and_a_time(hook: Hook) -> None:
    before = time.time_ns() // 1000
    hook.run()
    assert hook.events() == [EVENT]
    record = parse(hook.spool.read_bytes()).records[0]
    assert before <= record.at <= time.time_ns() // 1000
    assert uuid.UUID(record.event_id).version == 7
    assert record.body == json.dumps(EVENT).encode()
    assert hook.log == ""  # a session without a channel is nothing to complain about


def test_the_channel_is_rung_with_the_events_id(hook: Hook, bell: socket.socket) -> None:
    hook.run()
    connection, _ = bell.accept()
    with connection:
        assert connection.recv(100).decode() == parse(hook.spool.read_bytes()).records[0].event_id + "\n"
        assert connection.recv(100) == b""


def test_a_hanging_channel_is_not_waited_for(hook: Hook, bell: socket.socket) -> None:
    for _ in range(12):  # its queue is full after the ninth, and nobody accepts
        hook.run()
    assert len(hook.events()) == 12
    assert "BlockingIOError" in hook.log


@pytest.fixture
def uploads(hook: Hook, tmp_path: Path) -> Callable[[], list[str]]:
    """A paired machine whose uploader only notes how it was started, and what it was given."""
    notes, program = tmp_path / "notes", tmp_path / "python"
    program.write_text(
        "#!/bin/sh\n"
        'test "$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 | sort -u)" = /dev/null || echo "held open" >> '
        f'{notes}\necho "$HELIOGRAPH_HOME $*" >> {notes}\n'
    )
    program.chmod(0o700)
    (hook.home / "hooks" / "uploader.path").write_text(f"{program}\n")
    (hook.home / "machine.json").touch(0o600)
    return lambda: notes.read_text().splitlines() if notes.exists() else []


def test_where_nobody_listens_one_uploader_is_started(hook: Hook, uploads: Callable[[], list[str]]) -> None:
    hook.run()
    hook.run()
    command = f"{hook.home} -I -m channel.uploader {os.getpid()}"
    wait_until(lambda: uploads() == [command], "one uploader", describe=lambda: f"{uploads()} {hook.log}")
    os.utime(hook.mark, (1, 1))  # an uploader was killed: nobody renews its mark
    hook.run()
    wait_until(lambda: uploads() == [command] * 2, "another")
    assert len(hook.events()) == 3
    assert hook.mark.stat().st_mode & 0o777 == 0o600


def test_an_event_whose_claude_is_gone_is_nobodys_but_the_next_channels(
    hook: Hook, uploads: Callable[[], list[str]]
) -> None:
    """Killed while its hook starts: from then on the parent is pid 1, which never was Claude Code and never ends."""
    leave = "import subprocess, sys; subprocess.Popen(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", leave, *hook.command], stdin=subprocess.PIPE) as claude:
        wait_until(lambda: claude.poll() is not None, "no parent any more")
        assert claude.stdin is not None
        claude.stdin.write(json.dumps(EVENT).encode())
    wait_until(lambda: list(hook.home.glob("spool/*.log")), "the event in the spool")
    [spool] = hook.home.glob("spool/*.log")
    assert spool.name != "1.log"
    assert parse(spool.read_bytes()).records[0].pid == int(spool.stem)
    assert uploads() == []


def test_a_dead_channels_socket_is_nobody(hook: Hook, bell: socket.socket, uploads: Callable[[], list[str]]) -> None:
    bell.close()
    hook.run()
    wait_until(uploads, "an uploader")
    assert hook.events() == [EVENT]
    assert hook.log == ""


def test_a_session_that_starts_has_time_to_start_its_channel(hook: Hook, uploads: Callable[[], list[str]]) -> None:
    start = json.dumps({**EVENT, "hook_event_name": "SessionStart"}, separators=(",", ":")).encode()
    hook.run(start)
    assert hook.log == ""
    assert hook.mark.exists()
    hook.run()
    assert abs(time.time() - hook.mark.stat().st_mtime) < heliograph_hook.UPLOADER_SECONDS
    os.utime(hook.mark, (1, 1))
    hook.run(start)
    hook.run()
    os.utime(hook.mark, (1, 1))
    hook.run()
    wait_until(uploads, "an uploader")
    assert len(uploads()) == 1


def test_a_session_too_short_for_a_channel_is_sent_at_its_end(hook: Hook, uploads: Callable[[], list[str]]) -> None:
    for name in ("SessionStart", "UserPromptSubmit", "Stop"):
        hook.run({**EVENT, "hook_event_name": name})
    assert uploads() == []
    with hook.mark.open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        hook.run({**EVENT, "hook_event_name": "SessionEnd"})  # an uploader is at work
    hook.run({**EVENT, "hook_event_name": "SessionEnd"})
    wait_until(uploads, "an uploader")
    assert len(uploads()) == 1
    assert hook.log == ""


@pytest.mark.parametrize("missing", ["machine.json", "hooks/uploader.path"])
def test_without_a_pairing_or_the_installers_word_nothing_is_started(
    hook: Hook, uploads: Callable[[], list[str]], missing: str
) -> None:
    (hook.home / missing).unlink()
    hook.run()
    assert hook.log == ""
    assert not hook.mark.exists()


def test_a_channel_that_listens_needs_no_uploader(
    hook: Hook, bell: socket.socket, uploads: Callable[[], list[str]]
) -> None:
    hook.run()
    assert not hook.mark.exists()


def test_an_uploader_that_is_gone_is_a_line_in_the_log(hook: Hook, uploads: Callable[[], list[str]]) -> None:
    (hook.home / "hooks" / "uploader.path").write_text("/nowhere/python\n")
    hook.run()
    assert hook.events() == [EVENT]
    assert "FileNotFoundError" in hook.log


def test_many_hooks_at_once_lose_nothing(hook: Hook) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: hook.run({**EVENT, "n": n, "pad": "x" * n * 1000}), range(80)))
    assert sorted(event["n"] for event in hook.events()) == list(range(80))
    ids = [record.event_id for record in parse(hook.spool.read_bytes(), max_bytes=10**9).records]
    assert len(set(ids)) == 80


def test_json_over_several_lines_becomes_one(hook: Hook) -> None:
    hook.run(json.dumps(EVENT, indent=2).replace("\n", "\r\n").encode())
    assert hook.events() == [EVENT]


@pytest.mark.parametrize("garbage", [b"", b" \n", b"hello", b"[1,2]", b'{"cut":', b"\x00\xff" * 1000, b"nullnull"])
def test_what_is_no_object_is_logged_not_spooled(hook: Hook, garbage: bytes) -> None:
    hook.run(garbage)
    assert hook.events() == []
    assert "not a JSON object" in hook.log
    assert len(hook.log) < 200


@pytest.mark.parametrize(
    "response",
    [
        {"stdout": 'é\u202e\\"' * 250_000, "stderr": "short"},
        {"lines": ["line of text\n" * 10] * 20_000},
        {"files": {f"file-{n}": "x" * 5000 for n in range(1000)}},
        [[["deep " * 10] * 10] * 10] * 300,
    ],
)
def test_a_large_event_is_cut_and_stays_whole_json(hook: Hook, response: object) -> None:
    event = {**EVENT, "tool_response": response}
    hook.run(event)
    (kept,) = hook.events()
    assert kept["heliograph_cut"] is True
    assert {key: kept[key] for key in heliograph_room.KEPT if key in kept} == {
        key: event[key] for key in heliograph_room.KEPT if key in event
    }
    assert len(json.dumps(kept, ensure_ascii=False).encode()) <= EVENT_BYTES * 1.2  # spaces, as dumped here
    assert hook.log == ""


def test_a_cut_says_how_much_is_missing_and_keeps_both_ends(hook: Hook) -> None:
    hook.run({**EVENT, "tool_response": {"stdout": "first" + "x" * 1_000_000 + "last", "stderr": "kept"}})
    response = hook.events()[0]["tool_response"]
    assert response["stderr"] == "kept"
    assert response["stdout"].startswith("first")
    assert response["stdout"].endswith("last")
    assert "characters cut by Heliograph" in response["stdout"]


def test_a_megabyte_of_nothing_is_logged(hook: Hook) -> None:
    hook.run(b"{" + b"x" * 1_000_000 + b"}")
    assert hook.events() == []
    assert "JSONDecodeError" in hook.log


def test_folders_and_files_are_private_whatever_the_umask(hook: Hook) -> None:
    for mask in (0o000, 0o777):
        shutil.rmtree(hook.home / "spool", ignore_errors=True)
        shutil.rmtree(hook.home / "log", ignore_errors=True)
        hook.run(umask=mask)
        hook.run(b"garbage", umask=mask)
        modes = {path.relative_to(hook.home).parts[0]: path.stat().st_mode & 0o777 for path in hook.home.iterdir()}
        assert (modes["spool"], modes["log"]) == (0o700, 0o700)
        assert hook.spool.stat().st_mode & 0o777 == 0o600
        assert (hook.home / "log" / "hook.log").stat().st_mode & 0o777 == 0o600


def test_the_environment_moves_the_home(hook: Hook, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    hook.environment["HELIOGRAPH_HOME"] = str(elsewhere)
    hook.run()
    assert (elsewhere / "spool" / f"{os.getpid()}.log").exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    assert hook.events() == []


def test_a_home_that_is_gone_is_nobodys_trouble(hook: Hook) -> None:
    shutil.rmtree(hook.home)
    hook.run()
    assert not hook.home.exists()


def test_a_home_that_cant_be_written_is_nobodys_trouble(hook: Hook, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    for home in (blocked, blocked / "below", Path("/proc/heliograph"), Path("/" + "x" * 5000)):
        hook.environment["HELIOGRAPH_HOME"] = str(home)
        hook.run()


def test_a_full_disk_is_a_line_in_the_log(hook: Hook) -> None:
    hook.spool.parent.mkdir(parents=True)
    hook.spool.symlink_to("/dev/full")
    hook.run()
    assert "No space left" in hook.log
    assert hook.counts() == b"d"


def test_a_disk_that_fills_up_in_mid_line_tears_only_that_line(hook: Hook) -> None:
    hook.run()
    size = hook.spool.stat().st_size
    hook.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100)))
    assert "wrote 100 of" in hook.log
    hook.run()
    page = parse(hook.spool.read_bytes())
    assert (len(page.records), page.torn) == (2, 1)
    assert hook.counts() == b"d"


def test_the_log_is_bounded(hook: Hook) -> None:
    folder = hook.home / "log"
    folder.mkdir()
    (folder / "hook.log").write_text("x" * (heliograph_hook.LOG_BYTES + 1))
    hook.run(b"garbage")
    assert len(hook.log) < 200
    assert sorted(path.name for path in folder.iterdir()) == ["hook.log", "hook.log.1"]


def test_the_log_shows_nothing_of_the_event(hook: Hook) -> None:
    for body in (b"hunter2", b'{"x": "hunter2', b"{" + b"hunter2" * 100_000 + b"}"):
        hook.run(body)
    assert hook.log.count("\n") == 3
    assert "hunter2" not in hook.log


def test_a_hook_whose_file_is_renamed_under_it_writes_to_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bytes(tmp_path / "1.log")
    write, written = os.write, list[int]()

    class Posix:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, fd: int, data: bytes) -> int:
            if not written:
                Path(os.fsdecode(path)).rename(tmp_path / "1.77.old")  # the drainer, between open and write
            written.append(fd)
            return write(fd, data)

    monkeypatch.setattr(heliograph_hook, "posix", Posix())
    heliograph_hook.write_spool(path, b"line\n")
    for fd in written[1:]:
        os.close(fd)
    assert (tmp_path / "1.log").read_bytes() == b"line\n"


def test_nothing_heavy_is_imported_on_the_common_path(hook: Hook, bell: socket.socket) -> None:
    loader = LOADER.replace("main(sys.argv[1])", "import posix; posix._exit = lambda code: None; main(sys.argv[1])")
    spy = "\nimport sys\nprint(*sys.modules)"
    hook.run()  # the first event of a file has a look at the whole spool
    environment: dict[str, str] = {}
    baseline = subprocess.run(
        [sys.executable, "-I", "-S", "-c", spy], env=environment, capture_output=True, text=True, check=True
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", loader + spy, str(hook.home)],
        input=json.dumps(EVENT), env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    added = set(done.stdout.split()) - set(baseline.stdout.split())
    assert len(hook.events()) == 2
    assert added <= {"heliograph_hook", "posix", "time", "_socket"}


def test_a_missing_script_does_not_block_claude(hook: Hook) -> None:
    (hook.home / "hooks" / "heliograph_hook.py").unlink()
    hook.run()


def test_a_broken_script_does_not_block_claude(hook: Hook) -> None:
    (hook.home / "hooks" / "heliograph_hook.py").write_text("def main(:\n")
    hook.run()


def test_a_closed_stdin_or_stdout_is_no_trouble(hook: Hook) -> None:
    for closed in (0, 1):
        done = subprocess.run(
            hook.command, env={}, timeout=30, check=False, preexec_fn=partial(os.close, closed),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")


@given(st.integers(0, 2**48 * 1000 - 1), st.binary(min_size=8, max_size=8))
def test_hook_and_wire_make_the_same_ids(at: int, bits: bytes) -> None:
    assert heliograph_hook.build_id(at, bits).decode() == build_id(at, bits)


def test_hook_and_wire_have_the_same_bound() -> None:
    assert heliograph_hook.EVENT_BYTES == EVENT_BYTES


texts = st.text(max_size=50)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)  # a large event takes its time on a busy machine
@given(st.dictionaries(texts, values, max_size=5), st.integers(0, 2**32))
def test_whatever_is_cut_fits_and_parses(event: dict[str, Any], seed: int) -> None:
    filler = random.Random(seed)
    event["filler"] = ["".join(filler.choices('ab\n"é😀', k=filler.randint(1, 3000))) for _ in range(300)]
    body = heliograph_room.cut(json.dumps(event).encode(), EVENT_BYTES)
    assert len(body) <= EVENT_BYTES
    assert json.loads(body)["heliograph_cut"] is True
    assert b"\n" not in body
