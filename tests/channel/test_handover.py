"""Files for hooks: whoever dies over one, it is reported once, or was never said."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from channel import handover
from channel.handover import Handover, report_claims
from channel.injected import InjectedLog
from channel.spool import Record, append, build_line

NOBODY = 999_999_999
"""No process has this pid."""

EVENT = "01a1fcf2-71ce-7774-82fd-d2e986746859"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claimed file is an old one."""
    monkeypatch.setattr(handover, "CLAIM_SECONDS", 0.0)


def leave(folder: Path, name: str, message_id: str = "m") -> Path:
    record = {"session_id": "s", "hook_event_name": "ChannelInjected", "message_id": message_id, "via": "steer"}
    path = folder / name
    path.write_bytes(b"s\n" + json.dumps(record).encode() + b'\n"hello"')
    return path


def report(folder: Path, pid: int = 4711) -> list[Record]:
    found: list[Record] = []
    assert report_claims(folder, folder / "spool", pid, found.append) == len(found)
    return found


def test_what_was_claimed_for_a_dead_process_is_reported_as_its_own_event_and_removed(tmp_path: Path) -> None:
    path = leave(tmp_path, f"{NOBODY}.now.{EVENT}")
    (record,) = report(tmp_path)
    assert (record.source, record.pid, record.event_id) == ("c", NOBODY, EVENT)
    assert abs(record.at / 1_000_000 - time.time()) < 60
    assert json.loads(record.body) == {
        "hook_event_name": "ChannelInjected",
        "session_id": "s",
        "message_id": "m",
        "via": "steer",
    }
    assert not path.exists()
    assert report(tmp_path) == []


def test_what_a_dead_process_got_into_the_spool_is_sent_before_what_was_claimed(tmp_path: Path) -> None:
    leave(tmp_path, f"{NOBODY}.next.{EVENT}")
    spool = tmp_path / "spool" / f"{NOBODY}.log"
    spool.parent.mkdir()
    append(spool, build_line(Record("h", "0" * 36, 1, NOBODY, b"{}")))
    assert report(tmp_path) == []
    assert len(report(tmp_path, NOBODY)) == 1  # who sends that file sends this behind it


def test_what_was_claimed_for_a_living_process_is_its_channels(tmp_path: Path) -> None:
    path = leave(tmp_path, f"{os.getpid()}.now.{EVENT}")
    assert report(tmp_path) == []
    found: list[Record] = []
    assert list(Handover(tmp_path, os.getpid()).collect_claimed(found.append)) == ["m"]
    assert [(record.pid, record.event_id) for record in found] == [(os.getpid(), EVENT)]
    assert not path.exists()


def test_a_report_that_finds_no_room_is_made_later(tmp_path: Path) -> None:
    def fail(_: Record) -> None:
        raise OSError("the spool is full")

    for pid in (NOBODY, os.getpid()):
        leave(tmp_path, f"{pid}.now.{EVENT}")
    with pytest.raises(OSError, match="full"):
        report_claims(tmp_path, tmp_path / "spool", 4711, fail)
    with pytest.raises(OSError, match="full"):
        list(Handover(tmp_path, os.getpid()).collect_claimed(fail))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_claimed_file_without_sense_is_only_removed(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"s\n{}\n", b"s\n\xff\n")):
        (tmp_path / f"{NOBODY}.now.{number}{EVENT[1:]}").write_bytes(data)
    assert report(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_hook_may_still_remove_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "CLAIM_SECONDS", 60.0)
    path = leave(tmp_path, f"{NOBODY}.now.{EVENT}")
    assert report(tmp_path) == []
    assert path.exists()


def test_what_nobody_claimed_for_a_dead_process_was_never_said(tmp_path: Path) -> None:
    left = leave(tmp_path, f"{NOBODY}.next", "left")
    theirs, own = leave(tmp_path, f"{os.getppid()}.next", "theirs"), leave(tmp_path, f"{os.getpid()}.next", "own")
    here = Handover(tmp_path, os.getpid())
    assert list(here.sweep(also_own=False)) == ["left"]
    assert (left.exists(), theirs.exists(), own.exists()) == (False, True, True)
    assert list(here.sweep(also_own=True)) == ["own"]
    assert (theirs.exists(), own.exists()) == (True, False)


def test_what_is_taken_back_can_be_noted_again(tmp_path: Path) -> None:
    injected = InjectedLog(tmp_path / "injected.log")
    assert injected.add("left")
    leave(tmp_path, f"{NOBODY}.next", "left")
    for message_id in Handover(tmp_path, os.getpid()).sweep(also_own=False):
        injected.forget(message_id)
    assert injected.add("left")
