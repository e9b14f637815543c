"""Which messages were injected: on disk, across processes, whatever was torn."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from channel.injected import TRIM_BYTES, InjectedLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "injected.log"


def test_an_id_is_new_once(path: Path) -> None:
    log = InjectedLog(path)
    assert not log.has("m1")
    assert log.add("m1")
    assert log.has("m1")
    assert not log.add("m1")
    assert not InjectedLog(path).add("m1")
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_id_is_not_found_in_a_longer_one(path: Path) -> None:
    log = InjectedLog(path)
    assert log.add("m12")
    assert log.add("m1")


def test_a_torn_line_swallows_no_later_id(path: Path) -> None:
    path.write_bytes(b"m1\nm2-to")
    log = InjectedLog(path)
    assert log.add("m3")
    assert log.has("m1")
    assert log.has("m3")


def test_a_full_disk_says_so_instead_of_injecting_unnoted(path: Path) -> None:
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"."):
        InjectedLog(path).add("m1")


def test_an_id_that_did_not_reach_the_disk_is_not_injected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = InjectedLog(path)
    assert log.add("m1")

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            log.add("m2")
    assert not log.has("m2")
    assert log.add("m2")
    assert log.has("m1")


def test_an_id_that_is_safe_is_new_though_the_file_cant_be_trimmed(path: Path) -> None:
    path.write_text("".join(f"message-{n:010}\n" for n in range(TRIM_BYTES // 19 + 2)))
    path.with_suffix(".new").symlink_to("/dev/full")
    assert InjectedLog(path).add("newest")


def test_it_is_trimmed_to_the_newer_half(path: Path) -> None:
    path.write_text("".join(f"message-{n:010}\n" for n in range(TRIM_BYTES // 19 + 2)))
    log = InjectedLog(path)
    assert log.add("newest")
    assert path.stat().st_size < TRIM_BYTES * 0.6
    assert log.has("newest")
    assert log.has(f"message-{TRIM_BYTES // 19:010}")
    assert not log.has("message-0000000000")


def _add_all(path: Path, results: multiprocessing.Queue[int]) -> None:
    log = InjectedLog(path)
    results.put(sum(log.add(f"m{n}") for n in range(50)))


def test_of_many_channels_one_may_inject(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    racers = [context.Process(target=_add_all, args=(path, results)) for _ in range(4)]
    for racer in racers:
        racer.start()
    total = sum(results.get(timeout=30) for _ in racers)
    for racer in racers:
        racer.join()
    results.close()
    results.join_thread()
    assert total == 50


def test_an_id_that_is_forgotten_is_new_again(path: Path) -> None:
    log = InjectedLog(path)
    assert log.add("m1")
    assert log.add("m2")
    log.forget("m1")
    log.forget("m3")
    assert not log.has("m1")
    assert log.has("m2")
    assert not log.has("m3")
    assert log.add("m1")
    assert log.has("m1")
    log.forget("m1")
    assert not InjectedLog(path).has("m1")
