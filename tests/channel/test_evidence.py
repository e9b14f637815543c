"""What a transcript shows of our messages, line by line and as it grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channel.evidence import CHUNK_BYTES, Transcript, judge

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
    transcript = Transcript()
    transcript.mark(str(path))
    assert transcript.look(str(path), ["m1"]) == {}
    with path.open("ab") as file:
        file.write(shown[:20])
    assert transcript.look(str(path), ["m1"]) == {}
    with path.open("ab") as file:
        file.write(shown[20:] + b"\n")
    assert transcript.look(str(path), ["m1"]) == {"m1": "seen"}
    assert transcript.look(str(path), ["m1"]) == {}


def test_a_line_longer_than_we_read_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    transcript = Transcript()
    transcript.mark(str(path))
    path.write_bytes(b"x" * (CHUNK_BYTES + 10) + b"\n" + line(type="user", message={"content": TAG}) + b"\n")
    assert transcript.look(str(path), ["m1"]) == {"m1": "seen"}


def test_a_transcript_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    transcript = Transcript()
    transcript.mark("")
    assert transcript.look("", ["m1"]) == {}
    path = tmp_path / "new.jsonl"
    assert transcript.look(str(path), ["m1"]) == {}
    path.write_bytes(line(type="user", message={"content": TAG}) + b"\n")
    assert transcript.look(str(path), ["m1"]) == {"m1": "seen"}
