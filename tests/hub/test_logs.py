"""Logs tell where something failed, never what was said."""

from __future__ import annotations

import io

from hub.logs import Lossy, name_frames


def test_an_exception_is_logged_by_its_frames_alone() -> None:
    try:
        b"what Maya said".decode("ascii").index("canary")
    except ValueError as error:
        event = name_frames(None, "error", {"event": "failed", "exc_info": error})
    assert set(event) == {"event", "frames"}
    assert "test_logs.py" in event["frames"][0]
    assert "canary" not in str(event)


def test_a_disk_that_is_full_costs_the_line_and_nothing_else() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    print("link down", file=Lossy(Full()), flush=True)
