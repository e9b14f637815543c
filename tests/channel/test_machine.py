"""What the channel reads of its machine: the pairing, its parent, the branch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel import VERSION, loose
from channel.config import NotPaired, Unreadable, find_home, read_machine, read_stamp
from channel.facts import read_branch
from channel.link import LONGEST_DELAY, SHORTEST_DELAY, backoff
from channel.process import read_parent
from channel.stdio import LineBuffer

PAIRING = {"hub_url": "https://hub.example/", "machine_id": "m", "machine_name": "desk", "key": "hgm_x", "more": 1}


def write_pairing(home: Path, text: str, mode: int = 0o600) -> None:
    path = home / "machine.json"
    path.write_text(text)
    path.chmod(mode)


def test_the_pairing_tells_where_the_link_goes(tmp_path: Path) -> None:
    write_pairing(tmp_path, json.dumps(PAIRING))
    machine = read_machine(tmp_path)
    assert machine.link_url == "wss://hub.example/ws/channel"
    assert not machine.is_on_loopback


def test_no_pairing_is_not_paired(tmp_path: Path) -> None:
    with pytest.raises(NotPaired):
        read_machine(tmp_path)
    assert read_stamp(tmp_path) is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o777])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_pairing(tmp_path, json.dumps(PAIRING), mode)
    with pytest.raises(Unreadable, match="chmod 600"):
        read_machine(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({**PAIRING, "hub_url": "hub.example"}), "\xff"])
def test_a_pairing_that_makes_no_sense_is_unreadable(tmp_path: Path, text: str) -> None:
    write_pairing(tmp_path, text)
    with pytest.raises(Unreadable):
        read_machine(tmp_path)


def test_a_new_pairing_has_a_new_stamp(tmp_path: Path) -> None:
    write_pairing(tmp_path, json.dumps(PAIRING))
    before = read_stamp(tmp_path)
    (tmp_path / "machine.json").chmod(0o644)
    assert read_stamp(tmp_path) != before


def test_the_home_is_absolute() -> None:
    assert find_home({"HELIOGRAPH_HOME": "/x"}) == Path("/x")
    assert find_home({"HELIOGRAPH_HOME": "x"}) == find_home({}) == Path.home() / ".heliograph"


def test_a_process_is_known_by_its_start_and_its_words() -> None:
    words = [sys.executable, "-c", "print(); input()", "--channels", "plugin:heliograph@official"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # only a program that runs has its words
    try:
        parent = read_parent(child.pid)
        assert parent.pid == child.pid
        assert abs(parent.started_at - Path(f"/proc/{child.pid}").stat().st_ctime_ns // 1000) < 5_000_000
        assert parent.takes_pushes
        assert read_parent(child.pid).started_at == parent.started_at
    finally:
        child.communicate(b"\n")


def test_a_process_that_is_gone_is_only_a_pid() -> None:
    assert read_parent(999_999_999).started_at == 0


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=folder, check=True, capture_output=True
    )


def test_the_branch_is_read_in_folders_below_worktrees_and_detached(tmp_path: Path) -> None:
    repository, worktree = tmp_path / "repository", tmp_path / "worktree"
    (repository / "deep" / "er").mkdir(parents=True)
    assert read_branch(str(repository)) is None
    git(repository, "init", "-q", "-b", "main")
    assert read_branch(str(repository / "deep" / "er")) == "main"
    git(repository, "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "worktree", "add", "-q", "-b", "feature/x", str(worktree))
    assert read_branch(str(worktree)) == "feature/x"
    git(repository, "checkout", "-q", "--detach")
    found = read_branch(str(repository))
    assert found is not None
    assert len(found) == 7


def test_a_broken_repository_has_no_branch(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert read_branch(str(tmp_path)) is None
    assert read_branch("/nowhere/at/all\x00") is None


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_its_bound_and_is_spread(attempt: int, random: float) -> None:
    assert SHORTEST_DELAY / 2 <= backoff(attempt, random) <= LONGEST_DELAY
    assert backoff(attempt, random) <= backoff(attempt + 1, random)


def test_backoff_begins_short_and_ends_long() -> None:
    assert backoff(0, 0.999) < 0.2
    assert backoff(10, 0.0) == LONGEST_DELAY / 2


@given(st.binary())
def test_json_from_elsewhere_is_read_or_refused(data: bytes) -> None:
    try:
        value, clean = loose.mend(data)
    except loose.NotJson:
        return
    assert loose.read(clean) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a":"\ud800"}', {"a": "?"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":NaN}', {"a": None}),
        (b'{"a":' + b"9" * 5000 + b',"b":1' + b"0" * 20 + b',"c":7}', {"a": None, "b": 1e20, "c": 7}),
    ],
)
def test_what_a_strict_reader_refuses_is_mended(data: bytes, value: object) -> None:
    assert loose.read(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"a":' * 2000 + b"1" + b"}" * 2000])
def test_what_cannot_be_mended_is_no_json(data: bytes) -> None:
    with pytest.raises(loose.NotJson):
        loose.read(data)


@given(st.lists(st.binary(max_size=30)), st.integers(1, 20))
def test_lines_come_out_as_they_went_in_whatever_the_pieces(lines: list[bytes], step: int) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    data = b"".join(line + b"\n" for line in lines)
    buffer = LineBuffer(limit=20)
    found = [line for start in range(0, len(data), step) for line in buffer.feed(data[start : start + step])]
    expected = [None if len(line) > 20 else line.strip() for line in lines]
    assert found == [line for line in expected if line != b""]


def test_the_version_is_the_distributions() -> None:
    assert version("heliograph") == VERSION


@pytest.mark.skipif(os.uname().sysname == "Linux", reason="Linux has /proc")
def test_ps_tells_where_there_is_no_proc() -> None:
    assert read_parent(os.getpid()).started_at > 0
