"""The transcript's lines, whatever is done to the file meanwhile."""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import pytest

from channel.transcript import AGENT_FILES, CHUNK_BYTES, LINE_BYTES, Transcript, list_agents

MEGABYTE = 1024 * 1024


def read_all(transcript: Transcript) -> list[bytes]:
    """Every line that is new; a restart begins the list anew."""
    lines: list[bytes] = []
    while True:
        piece = transcript.read()
        if piece.restarted:
            lines = []
        lines += piece.lines
        if not piece.more:
            return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.jsonl"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_what_is_new_is_given(path: Path) -> None:
    transcript = Transcript(path)
    assert read_all(transcript) == []
    append(path, b"one\ntwo\n")
    assert read_all(transcript) == [b"one", b"two"]
    assert read_all(transcript) == []
    append(path, b"three\n")
    assert read_all(transcript) == [b"three"]


def test_what_is_passed_over_is_not_given(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"one\ntwo\n")
    transcript.skip()
    assert read_all(transcript) == []
    append(path, b"three\n")
    assert read_all(transcript) == [b"three"]
    path.write_bytes(b"1\n")
    assert read_all(transcript) == [b"1"]


def test_a_torn_line_is_given_when_it_is_whole(path: Path) -> None:
    transcript = Transcript(path)
    for byte in b"one\ntwo\n":
        append(path, bytes([byte]))
        last = read_all(transcript)
    assert last == [b"two"]


def test_a_line_that_is_too_long_is_skipped_and_the_next_is_not(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"a\n" + b"x" * (LINE_BYTES + CHUNK_BYTES) + b"\nb\n" + b"y" * LINE_BYTES + b"\nc\n")
    assert [line[:1] for line in read_all(transcript)] == [b"a", b"b", b"y", b"c"]
    append(path, b"z" * (LINE_BYTES + CHUNK_BYTES))
    assert read_all(transcript) == []
    append(path, b"z" * CHUNK_BYTES)
    assert read_all(transcript) == []
    append(path, b"\nd\n")
    assert read_all(transcript) == [b"d"]


def test_a_file_cut_short_is_read_again(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"one\ntwo\nthr")
    read_all(transcript)
    path.write_bytes(b"one\n")
    piece = transcript.read()
    assert (piece.restarted, piece.lines) == (True, [b"one"])


def test_a_file_put_in_its_place_is_read_from_its_start(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"one\ntwo\n")
    read_all(transcript)
    beside = path.with_suffix(".new")
    beside.write_bytes(b"one\ntwo\nthree\n")
    beside.replace(path)
    piece = transcript.read()
    assert (piece.restarted, piece.lines) == (True, [b"one", b"two", b"three"])


def test_a_file_rewritten_in_place_is_read_from_its_start(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"one\ntwo\n")
    read_all(transcript)
    with path.open("r+b") as file:
        file.write(b"six\nsix\nsix\n")
    piece = transcript.read()
    assert (piece.restarted, piece.lines) == (True, [b"six"] * 3)


def test_a_file_that_is_away_for_a_moment_is_not_counted_twice(path: Path) -> None:
    transcript = Transcript(path)
    append(path, b"one\n")
    read_all(transcript)
    path.rename(path.with_suffix(".away"))
    assert read_all(transcript) == []
    path.with_suffix(".away").rename(path)
    append(path, b"two\n")
    assert read_all(transcript) == [b"two"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_nothing(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert read_all(Transcript(path)) == []


def test_a_huge_file_takes_little_memory_and_one_chunk_at_a_time(path: Path) -> None:
    with path.open("wb") as file:
        for number in range(4):
            file.write(b"%d\n" % number)
            file.seek(50 * MEGABYTE, os.SEEK_CUR)  # a hole of zeros: one line of 50 MB
            file.write(b"\n")
        file.write(b"last\n")
    transcript, lines, most = Transcript(path), [], 0
    tracemalloc.start()
    try:
        while True:
            piece = transcript.read()
            lines += piece.lines
            most = max(most, sum(map(len, piece.lines)))
            if not piece.more:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == [b"0", b"1", b"2", b"3", b"last"]
    assert most <= LINE_BYTES + CHUNK_BYTES
    assert peak < 3 * LINE_BYTES


@pytest.mark.parametrize("seed", range(10))
def test_however_it_grows_each_line_is_given_once(path: Path, seed: int) -> None:
    dice = random.Random(seed)
    lines = [b"%d %s" % (number, b"x" * dice.choice((1, 100, CHUNK_BYTES))) for number in range(100)]
    data, found, transcript = b"\n".join(lines) + b"\n", [], Transcript(path)
    while data:
        size = dice.choice((1, 50, 5000, 3 * CHUNK_BYTES))
        append(path, data[:size])
        data = data[size:]
        if dice.random() < 0.3 or not data:
            found += read_all(transcript)
    assert found == lines


def test_subagents_are_found_wherever_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    assert list(list_agents(path)) == []
    folder = tmp_path / "s" / "subagents"
    (folder / "run-1").mkdir(parents=True)
    for name in ("agent-a.jsonl", "agent-a.meta.json", "run-1/agent-b.jsonl"):
        (folder / name).touch()
    (folder / "loop").symlink_to(folder)
    assert sorted(found.name for found in list_agents(path)) == ["agent-a.jsonl", "agent-b.jsonl"]


def test_no_more_subagents_than_can_be_followed(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "subagents"
    folder.mkdir(parents=True)
    for number in range(AGENT_FILES + 10):
        (folder / f"agent-{number}.jsonl").touch()
    assert len(list(list_agents(tmp_path / "s.jsonl"))) == AGENT_FILES
