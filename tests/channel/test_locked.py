"""One at a time has a file, and only while its name leads to it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from channel import locked
from channel.locked import Replaced, open_locked


def test_only_one_has_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first = open_locked(path, os.O_WRONLY | os.O_CREAT)
    assert first is not None
    assert open_locked(path, os.O_WRONLY) is None
    os.close(first)
    second = open_locked(path, os.O_WRONLY)
    assert second is not None
    os.close(second)


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_lost_its_name_meanwhile_is_not_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    path = tmp_path / "file"
    path.touch()
    flock = fcntl.flock

    def be_late(fd: int, operation: int) -> None:
        path.unlink()
        if is_replaced:
            (tmp_path / "beside").touch()
            (tmp_path / "beside").rename(path)
        flock(fd, operation)

    monkeypatch.setattr(locked.fcntl, "flock", be_late)
    with pytest.raises(Replaced):
        open_locked(path, os.O_WRONLY)
