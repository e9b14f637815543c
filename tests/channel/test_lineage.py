"""Where a forked session comes from: the command line tells, or the transcript does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channel.lineage import LOOKS, Lineage, find_origin, find_resumed

PARENT = "0c5d9f5e-31b0-4b0c-8f0e-1f0f6a3f8a11"
OTHER = "7d73016a-033b-4e7e-a5ee-fcad891f1317"
FORK = "2607a599-6053-44c0-ac52-749dce18d188"


def lines(*records: dict[str, Any]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


def copied(origin: str) -> dict[str, Any]:
    """A record of the model's in a fork, as 2.1.329 copies it."""
    return {"type": "assistant", "sessionId": FORK, "session_id": origin, "requestSessionId": origin}


OWN = {"type": "assistant", "sessionId": FORK, "session_id": FORK}


def start(source: str = "fork", session_id: str = FORK, path: str = "/none") -> dict[str, Any]:
    return {"hook_event_name": "SessionStart", "source": source, "session_id": session_id, "transcript_path": path}


def stop(session_id: str = FORK) -> dict[str, Any]:
    return {"hook_event_name": "Stop", "session_id": session_id}


REPORT = {"hook_event_name": "ChannelLineage", "session_id": FORK, "previous": PARENT, "relation": "fork"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["claude", "--resume", PARENT, "--fork-session", ""], PARENT),
        (["claude", f"--resume={PARENT}"], PARENT),
        (["claude", "-r", PARENT.upper()], PARENT),
        (["claude", f"-r{PARENT}"], PARENT),
        (["claude", "--continue", "--fork-session"], None),
        (["claude", "--resume", "the flaky test", "--fork-session"], None),
        (["claude", "--resume"], None),
        (["claude", "--", "--resume", PARENT], None),
        (["claude", "--session-id", OTHER, "-r", PARENT], PARENT),
        ([], None),
    ],
)
def test_a_command_line_names_what_it_resumes(words: list[str], named: str | None) -> None:
    assert find_resumed(words) == named


def test_the_last_copied_record_tells_where_a_fork_of_a_fork_comes_from() -> None:
    assert find_origin(lines(copied(OTHER), copied(PARENT), OWN, {"type": "user", "sessionId": FORK}), FORK) == PARENT


def test_a_branch_names_its_origin_in_each_record() -> None:
    branched = {"type": "user", "sessionId": FORK, "forkedFrom": {"sessionId": PARENT, "messageUuid": "x"}}
    assert find_origin(lines(branched, OWN), FORK) == PARENT


@pytest.mark.parametrize("odd", [b"", b"{", b"[]", b'"x"', b'{"session_id": 1}', b'{"forkedFrom": "x"}', b"\xff"])
def test_odd_lines_tell_nothing(odd: bytes) -> None:
    assert find_origin([odd], FORK) is None
    assert find_origin([*lines(copied(PARENT)), odd], FORK) == PARENT


def test_a_fork_by_id_is_reported_once_as_soon_as_the_command_line_is_known() -> None:
    lineage = Lineage()
    lineage.see(start())
    assert lineage.look([]) is None
    assert lineage.look(["claude", "--resume", PARENT, "--fork-session"]) == REPORT
    assert lineage.look(["claude", "--resume", PARENT, "--fork-session"]) is None


def test_a_fork_of_the_latest_is_reported_after_its_first_turn(tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    words = ["claude", "--continue", "--fork-session"]
    lineage = Lineage()
    lineage.see(start(path=str(transcript)))
    assert lineage.look(words) is None
    transcript.write_bytes(b"\n".join(lines(copied(PARENT), OWN)))
    lineage.see(stop())
    assert lineage.look(words) == REPORT


def test_a_transcript_that_tells_nothing_is_looked_at_again_after_the_next_turn(tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    lineage = Lineage()
    lineage.see(start(path=str(transcript)))
    lineage.see(stop())
    assert [lineage.look(["claude", "-c"]) for _ in range(LOOKS)] == [None] * LOOKS
    transcript.write_bytes(b"\n".join(lines(copied(PARENT))))
    assert lineage.look(["claude", "-c"]) is None
    lineage.see(stop())
    assert lineage.look(["claude", "-c"]) == REPORT


def test_a_transcript_that_is_written_a_moment_after_the_turn_tells_too(tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    lineage = Lineage()
    lineage.see(start(path=str(transcript)))
    lineage.see(stop())
    assert lineage.look(["claude", "-c"]) is None
    transcript.write_bytes(b"\n".join(lines(copied(PARENT))))
    assert lineage.look(["claude", "-c"]) == REPORT


@pytest.mark.parametrize("source", ["startup", "resume", "clear", "compact"])
def test_what_is_no_fork_is_not_reported(source: str) -> None:
    lineage = Lineage()
    lineage.see(start(source))
    assert lineage.look(["claude", "--resume", PARENT]) is None


def test_a_fork_inside_a_running_process_is_for_the_hub_to_see() -> None:
    lineage = Lineage()
    lineage.see(start("resume", PARENT))
    lineage.see(start("fork", FORK))
    lineage.see(stop())
    assert lineage.look(["claude", "--resume", PARENT]) is None
