"""What a transcript shows of our messages, line by line and as it grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channel.evidence import Evidence, judge
from channel.transcript import LINE_BYTES

TAG = '<channel source="heliograph" message_id="m1" from="Maya">\nhello\n</channel>'


def line(**record: Any) -> bytes:
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"type": "queue-operation", "operation": "enqueue", "content": TAG}, "queued"),
        ({"type": "queue-operation", "operation": "dequeue", "content": TAG}, "seen"),
        ({"type": "queue-operation", "operation": "remove", "reason": "absorbed_mid_turn", "content": TAG}, "seen"),
        ({"type": "queue-operation", "operation": "remove", "content": TAG}, None),
        ({"type": "user", "message": {"role": "user", "content": TAG}}, "seen"),
        ({"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": TAG}]}}, "seen"),
        ({"type": "user", "message": {"content": [{"type": "tool_result", "content": TAG}]}}, None),
        ({"type": "attachment", "attachment": {"type": "queued_command", "prompt": TAG}}, "seen"),
        ({"type": "attachment", "attachment": {"type": "hook_additional_context", "content": [TAG]}}, "seen"),
        ({"type": "attachment", "attachment": {"type": "hook_success", "content": "", "stdout": TAG}}, None),
        ({"type": "assistant", "message": {"content": [{"type": "text", "text": TAG}]}}, None),
        ({"type": "user", "message": None}, None),
        ({"type": "attachment", "attachment": TAG}, None),
        ({"content": "m1"}, None),
    ],
)
def test_only_what_the_model_got_is_seen(record: dict[str, Any], kind: str | None) -> None:
    assert judge(line(**record), ["m1"]) == ({} if kind is None else {"m1": kind})
    assert judge(line(**record), ["m2"]) == {}


@pytest.mark.parametrize("data", [b"", b"m1", b"[1, m1", b'["m1"]', b"\xffm1"])
def test_lines_without_sense_show_nothing(data: bytes) -> None:
    assert judge(data, ["m1"]) == {}


def test_it_reads_on_from_where_the_message_was_said(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    shown = line(type="user", message={"content": TAG})
    path.write_bytes(shown + b"\n")
    evidence = Evidence()
    evidence.mark(str(path))
    assert evidence.look(str(path), ["m1"]) == {}
    with path.open("ab") as file:
        file.write(shown[:20])
    assert evidence.look(str(path), ["m1"]) == {}
    with path.open("ab") as file:
        file.write(shown[20:] + b"\n")
    assert evidence.look(str(path), ["m1"]) == {"m1": "seen"}
    assert evidence.look(str(path), ["m1"]) == {}


def test_a_line_longer_than_we_read_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    evidence = Evidence()
    evidence.mark(str(path))
    path.write_bytes(b"x" * (LINE_BYTES + 10) + b"\n" + line(type="user", message={"content": TAG}) + b"\n")
    assert evidence.look(str(path), ["m1"]) == {"m1": "seen"}


def test_a_transcript_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    evidence = Evidence()
    evidence.mark("")
    assert evidence.look("", ["m1"]) == {}
    path = tmp_path / "new.jsonl"
    assert evidence.look(str(path), ["m1"]) == {}
    path.write_bytes(line(type="user", message={"content": TAG}) + b"\n")
    assert evidence.look(str(path), ["m1"]) == {"m1": "seen"}


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_transcript_that_is_written_anew_is_read_from_its_start(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"type":"user"}\n' * 100)
    evidence = Evidence()
    evidence.mark(str(path))
    new = line(type="user", message={"content": TAG}) + b"\n"
    for data in (new, b'{"type":"assistant"}\n' * 100 + new):  # shorter than it was, then longer
        target = tmp_path / "beside" if is_replaced else path
        target.write_bytes(data)
        target.rename(path)
        assert evidence.look(str(path), ["m1"]) == {"m1": "seen"}


def test_another_sessions_transcript_is_read_from_its_end(tmp_path: Path) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.touch()
    shown = line(type="user", message={"content": TAG}) + b"\n"
    second.write_bytes(shown)
    evidence = Evidence()
    evidence.mark(str(first))
    assert evidence.look(str(second), ["m1"]) == {}
    with second.open("ab") as file:
        file.write(shown)
    assert evidence.look(str(second), ["m1"]) == {"m1": "seen"}
