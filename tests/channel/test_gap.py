"""Counts of what didn't fit: reported once, whoever dies, and for whom."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from channel.gap import report_gaps
from channel.spool import Record, append, build_line

NOBODY = 999_999_999
"""No process has this pid."""


def report(folder: Path, pid: int = 4711) -> list[tuple[int, dict[str, object]]]:
    found: list[Record] = []
    assert report_gaps(folder, pid, found.append) == len(found)
    return [(record.pid, json.loads(record.body)) for record in found]


def gap(session_id: str, dropped: int, cut: int = 0) -> dict[str, object]:
    return {"hook_event_name": "ChannelGap", "session_id": session_id, "dropped": dropped, "cut": cut}


def test_each_session_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "4711.first.gap").write_bytes(b"d")
    (tmp_path / "4711.second.gap").write_bytes(b"ccdc")
    assert report(tmp_path) == [(4711, gap("first", 1)), (4711, gap("second", 1, 3))]
    assert list(tmp_path.iterdir()) == []
    assert report(tmp_path) == []


def test_whoever_comes_next_reports_for_processes_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / f"{NOBODY}.s.gap").write_bytes(b"dd")
    (tmp_path / f"{os.getppid()}.s.gap").write_bytes(b"d")
    assert report(tmp_path) == [(NOBODY, gap("s", 2))]
    assert [path.name for path in tmp_path.iterdir()] == [f"{os.getppid()}.s.gap"]


def test_what_a_dead_process_got_into_the_spool_is_sent_first(tmp_path: Path) -> None:
    (tmp_path / f"{NOBODY}.s.gap").write_bytes(b"d")
    append(tmp_path / f"{NOBODY}.log", build_line(Record("h", "0" * 36, 1, NOBODY, b"{}")))
    assert report(tmp_path) == []
    (tmp_path / f"{NOBODY}.log").unlink()
    assert report(tmp_path) == [(NOBODY, gap("s", 1))]


def test_a_report_that_finds_no_room_is_made_later_under_its_id(tmp_path: Path) -> None:
    tried: list[str] = []

    def fail(record: Record) -> None:
        tried.append(record.event_id)
        raise OSError("the spool is full")

    (tmp_path / "4711.s.gap").write_bytes(b"d")
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            report_gaps(tmp_path, 4711, fail)
    (tmp_path / "4711.s.gap").write_bytes(b"c")  # counted since
    found: list[Record] = []
    report_gaps(tmp_path, 4711, found.append)
    assert [json.loads(record.body) for record in found] == [gap("s", 1), gap("s", 0, 1)]
    assert tried == [found[0].event_id] * 2
