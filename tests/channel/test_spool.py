"""The spool: torn writes cost the torn line, draining costs nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.outbox import RETIRE_BYTES, WINDOW, Outbox
from channel.spool import Record, SpoolFile, append, build_line, list_orphans, parse
from wire.frames import BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, Ack, Rejected
from wire.ids import build_id

NOBODY = 999_999_999
"""No process has this pid."""


def record(number: int, body: bytes = b'{"hook_event_name":"Stop","session_id":"s"}', source: str = "h") -> Record:
    return Record(source, build_id(1_000_000 + number, bytes(8)), 1_000_000 + number, 4711, body)


bodies = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(
    lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
)


@given(st.lists(st.tuples(bodies, st.none() | st.integers(0, 200)), max_size=20))
def test_torn_writes_lose_only_the_torn_lines(writes: list[tuple[bytes, int | None]]) -> None:
    data, whole, torn = b"", [], 0
    for number, (body, cut) in enumerate(writes):
        line = build_line(record(number, body))
        if cut is None or cut >= len(line) - 1:  # the last byte is only the newline that the next line brings
            data += line if cut is None or cut >= len(line) else line[:cut]
            whole.append(record(number, body))
        else:
            data += line[:cut]
            torn += cut > 1
    data += build_line(record(len(writes)))
    page = parse(data, max_bytes=10**9)
    assert page.records == [*whole, record(len(writes))]
    assert page.torn == torn
    assert page.size == len(data)


def test_a_kill_at_any_byte_costs_the_line_it_hit_and_no_other() -> None:
    """Cut off, overwritten or written into at every byte of a small file, by a seeded hand."""
    chance = random.Random(20261121)
    lines = [build_line(record(number, b'{"n":%d,"session_id":"s"}' % number)) for number in range(5)]
    data, after = b"".join(lines), build_line(record(9))
    junk = (b"\0", b"\n", b"\xff")
    for at in range(len(data)):
        hit = len(data[:at].split(b"\n\n")) - 1  # the line that this byte belongs to, or the one before
        damaged = {
            "cut off": (data[:at] + after, range(hit)),
            "overwritten": (data[:at] + chance.choice(junk) + data[at + 1 :] + after, {*range(5)} - {hit, hit + 1}),
            "written into": (data[:at] + after + data[at:] + after, {*range(5)} - {hit, hit + 1}),
            "torn by a second writer": (data[:at] + data + after, range(5)),
        }
        for what, (found, whole) in damaged.items():
            page = parse(found)
            ids = {found.event_id for found in page.records}
            assert {record(number).event_id for number in whole} | {record(9).event_id} <= ids, (what, at)
            assert ids <= {record(number).event_id for number in (*range(5), 9)}, (what, at)
            assert page.size == len(found), (what, at)


@given(st.binary())
def test_arbitrary_bytes_never_make_it_raise(data: bytes) -> None:
    page = parse(data)
    assert 0 <= page.size <= len(data)


@given(st.lists(bodies, min_size=1, max_size=10), st.data())
def test_a_file_can_be_read_while_it_is_written(found: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(build_line(record(number, body)) for number, body in enumerate(found))
    cut = data.draw(st.integers(0, len(whole)))
    first = parse(whole[:cut])
    second = parse(whole[first.size :])
    assert [r.body for r in first.records + second.records] == found
    assert first.torn == second.torn == 0


def test_batches_are_bounded() -> None:
    many = b"".join(build_line(record(number)) for number in range(BATCH_EVENTS + 1))
    assert len(parse(many).records) == BATCH_EVENTS
    large = b'{"x":"' + b"x" * (EVENT_BYTES - 8) + b'"}'
    assert len(large) == EVENT_BYTES
    page = parse(build_line(record(1, large)) * 5)
    assert sum(len(r.body) for r in page.records) < BATCH_BYTES + EVENT_BYTES
    assert parse(build_line(record(1, large + b" "))).torn == 1


def outbox(folder: Path, pid: int = 4711) -> Outbox:
    return Outbox(folder, pid, lambda _: None)


def drain(box: Outbox) -> list[str]:
    """Take and acknowledge all there is; the ids."""
    ids = []
    box.start_link()
    while (batch := box.next_batch(0.0)) is not None:
        ids += [event.event_id for event in batch.events]
        box.see()
        box.ack(Ack(seq=batch.seq))
    return ids


def test_what_is_committed_is_deleted_and_the_rest_stays(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(record(1))
    assert drain(box) == [record(1).event_id]
    box.put(record(2))
    box.see()
    box.tidy(own_bytes=0)
    assert (tmp_path / "4711.log").exists()
    assert drain(box) == [record(2).event_id]
    box.tidy(own_bytes=0)
    assert list(tmp_path.iterdir()) == []
    box.close()


def test_a_rejected_event_is_not_sent_again(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(record(1))
    box.start_link()
    batch = box.next_batch(0.0)
    assert batch is not None
    box.ack(Ack(seq=batch.seq, rejected=[Rejected(event_id=record(1).event_id, code="malformed")]))
    box.start_link()
    assert box.next_batch(0.0) is None
    box.close()


def test_a_new_link_begins_at_what_is_committed(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for number in range(3):
        box.put(record(number))
        box.start_link() if number == 0 else None
        assert box.next_batch(0.0) is not None
    box.ack(Ack(seq=1))
    box.ack(Ack(seq=3))  # out of order: 2 is still on its way, so 3 doesn't count yet
    box.start_link()
    batch = box.next_batch(0.0)
    assert batch is not None
    assert (batch.seq, [event.event_id for event in batch.events]) == (1, [record(1).event_id, record(2).event_id])
    box.close()


def test_no_more_than_a_window_is_on_its_way(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.start_link()
    for number in range(WINDOW):
        box.put(record(number))
        assert box.next_batch(0.0) is not None
    box.put(record(WINDOW))
    assert box.next_batch(0.0) is None
    box.ack(Ack(seq=1))
    assert box.next_batch(0.0) is not None
    box.close()


def test_a_long_session_leaves_no_long_file(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    body = b'{"x":"' + b"x" * 50_000 + b'"}'
    for number in range(20):
        box.put(record(number, body))
        assert drain(box) == [record(number).event_id]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < RETIRE_BYTES + 60_000
    box.close()


def test_a_file_deleted_by_hand_is_noticed(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(record(1))
    drain(box)
    (tmp_path / "4711.log").unlink()
    box.put(record(2))
    box.tidy()
    assert drain(box) == [record(2).event_id]
    box.close()


def test_an_orphan_is_drained_by_one_channel_only(tmp_path: Path) -> None:
    append(tmp_path / f"{NOBODY}.log", build_line(record(1)))
    one, other = outbox(tmp_path, 1), outbox(tmp_path, 2)
    one.start_link()
    other.start_link()
    batch = one.next_batch(0.0)
    assert batch is not None
    assert other.next_batch(0.0) is None
    one.ack(Ack(seq=batch.seq))
    assert list(tmp_path.iterdir()) == []
    other.start_link()
    assert other.next_batch(0.0) is None
    one.close()
    other.close()


def test_an_orphan_of_a_channel_that_died_is_taken_over(tmp_path: Path) -> None:
    append(tmp_path / f"{NOBODY}.log", build_line(record(1)))
    one, other = outbox(tmp_path, 1), outbox(tmp_path, 2)
    one.start_link()
    assert one.next_batch(0.0) is not None
    one.close()
    assert drain(other) == [record(1).event_id]
    other.close()


def test_files_of_living_processes_are_left_alone(tmp_path: Path) -> None:
    ours = (f"{os.getpid()}.log", f"{os.getppid()}.log", f"{os.getppid()}.77.old", "notes.txt", "x.log", "full")
    left = (f"{NOBODY}.77.old", f"{NOBODY}.log")
    for name in (*ours, *reversed(left)):
        (tmp_path / name).touch()
    assert [(pid, path.name) for pid, path in list_orphans(tmp_path, os.getpid())] == [(NOBODY, name) for name in left]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells when a process began")
def test_a_pid_that_was_given_away_again_hides_no_file(tmp_path: Path) -> None:
    path = tmp_path / f"{os.getppid()}.log"
    append(path, build_line(record(1)))
    assert list_orphans(tmp_path, os.getpid()) == []
    os.utime(path, (1, 1))  # written before this process began, so by another one
    assert drain(outbox(tmp_path, 1)) == [record(1).event_id]


def test_what_a_crash_left_renamed_comes_before_what_was_written_since(tmp_path: Path) -> None:
    for pid in (4711, NOBODY):
        append(tmp_path / f"{pid}.77.old", build_line(record(pid)))
        append(tmp_path / f"{pid}.log", build_line(record(pid + 1)))
        os.utime(tmp_path / f"{pid}.log", (1, 1))
    box = outbox(tmp_path)
    assert len(box.see()) == 2
    assert drain(box) == [record(number).event_id for number in (4711, 4712, NOBODY, NOBODY + 1)]
    box.tidy(own_bytes=0)
    assert list(tmp_path.iterdir()) == []
    box.close()


def test_two_drainers_never_share_the_files_of_one_process(tmp_path: Path) -> None:
    append(tmp_path / f"{NOBODY}.77.old", build_line(record(1)))
    append(tmp_path / f"{NOBODY}.log", build_line(record(2)))
    append(tmp_path / f"{NOBODY + 1}.log", build_line(record(3)))
    one, other = outbox(tmp_path, 1), outbox(tmp_path, 2)
    one.start_link()
    assert one.next_batch(0.0) is not None
    assert drain(other) == [record(3).event_id]
    assert one.next_batch(0.0) is None
    one.ack(Ack(seq=1))
    assert drain(one) == [record(2).event_id]
    one.close()
    other.close()


def test_a_channel_keeps_to_the_bound_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_SPOOL_MIB", "1")
    with (tmp_path / f"{NOBODY}.log").open("wb") as file:
        file.truncate(1024 * 1024 + 1)
    box = outbox(tmp_path)
    box.put(record(1))  # nobody has found it full
    (tmp_path / "full").touch()
    with pytest.raises(OSError, match="full"):
        box.put(record(2))
    (tmp_path / f"{NOBODY}.log").unlink()
    box.put(record(3))
    assert drain(box) == [record(1).event_id, record(3).event_id]
    box.close()


def test_a_file_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "1.log").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "2.log")
    assert SpoolFile.open(tmp_path / "1.log") is None
    assert SpoolFile.open(tmp_path / "2.log") is None


def _write_many(path: Path, writer: int, count: int) -> None:
    for number in range(count):
        append(path, build_line(record(writer * 10_000 + number)))


def test_nothing_is_lost_between_writers_and_a_drainer_that_deletes(tmp_path: Path) -> None:
    path = tmp_path / "4711.log"
    writers = [multiprocessing.get_context("fork").Process(target=_write_many, args=(path, n, 400)) for n in range(4)]
    for writer in writers:
        writer.start()
    box = outbox(tmp_path)
    found: set[str] = set()
    while any(writer.is_alive() for writer in writers):
        found.update(drain(box))
        box.tidy(own_bytes=0)
    for writer in writers:
        writer.join()
    found.update(drain(box))
    found.update(drain(box))
    assert len(found) == 1600
    box.close()
