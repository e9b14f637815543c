"""Logs tell where something failed, never what was said."""

from __future__ import annotations

from hub.logs import name_frames


def test_an_exception_is_logged_by_its_frames_alone() -> None:
    try:
        b"what Maya said".decode("ascii").index("canary")
    except ValueError as error:
        event = name_frames(None, "error", {"event": "failed", "exc_info": error})
    assert set(event) == {"event", "frames"}
    assert "test_logs.py" in event["frames"][0]
    assert "canary" not in str(event)
