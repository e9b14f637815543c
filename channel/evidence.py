"""Whether the session's transcript shows that Claude has got a message.

Where no hook tells: on some versions what is handed over in the middle of a turn fires none, and what a hook
answers never does. The client's own file shows both. Read only while a message of ours is unseen, from where
it ended when the message was said; what a message is told apart by is its id.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from channel import loose
from wire.messages import find_message_ids

CHUNK_BYTES = 1024 * 1024
"""Read at a time; a longer line is passed over."""

Kind = Literal["queued", "seen"]


def judge(line: bytes, sought: Collection[str]) -> dict[str, Kind]:
    """What one line of a transcript shows of the messages ``sought``. Pure.

    ``queued``: the client has taken it, the model hasn't. After a kill, what was queued is gone.
    """
    if not any(message_id.encode() in line for message_id in sought):
        return {}
    try:
        record = loose.read(line)
    except loose.NotJson:
        return {}
    if not isinstance(record, dict):
        return {}
    kind, text = _read_record(record)
    return {} if kind is None else {found: kind for found in find_message_ids(text) if found in sought}


def _read_record(record: dict[str, Any]) -> tuple[Kind | None, str]:
    match record.get("type"):
        case "queue-operation":
            operation = record.get("operation")
            is_taken = operation == "dequeue" or (operation == "remove" and record.get("reason") == "absorbed_mid_turn")
            kind: Kind | None = "seen" if is_taken else "queued" if operation == "enqueue" else None
            return kind, _gather(record.get("content"))
        case "user":
            message = record.get("message")
            return "seen", _gather(message.get("content") if isinstance(message, dict) else None)
        case "attachment":
            attachment = record.get("attachment")
            fields = attachment if isinstance(attachment, dict) else {}
            if fields.get("type") not in ("queued_command", "hook_additional_context"):
                return None, ""  # such as hook_success: what a hook printed, not yet what Claude got
            return "seen", _gather(fields.get("prompt")) + _gather(fields.get("content"))
        case _:
            return None, ""


def _gather(value: object) -> str:
    """All text in a message's content: a string, blocks with a ``text``, or a list of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(_gather(item.get("text") if isinstance(item, dict) else item) for item in value)
    return ""


class Transcript:
    """The file, as it grows. ``mark`` when a message is said, ``look`` for it afterwards."""

    def __init__(self) -> None:
        self._path = ""
        self._offset = 0

    def mark(self, path: str) -> None:
        """From here on it matters what is written, unless we read on from further back."""
        self._path = path
        try:
            self._offset = Path(path).stat().st_size if path else 0
        except OSError:
            self._offset = 0

    def look(self, path: str, sought: Collection[str]) -> dict[str, Kind]:
        """What the lines written since show of the messages ``sought``; never raises."""
        if path != self._path:
            is_first = not self._path
            self.mark(path)
            if is_first:
                self._offset = 0  # no hook had told where it is
        found: dict[str, Kind] = {}
        try:
            while data := _read(path, self._offset):
                end = data.rfind(b"\n") + 1
                if not end and len(data) < CHUNK_BYTES:
                    break
                self._offset += end or len(data)
                for line in data[:end].split(b"\n"):
                    found |= judge(line, sought)
        except OSError:
            pass
        return found


def _read(path: str, offset: int) -> bytes:
    if not path:
        return b""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(fd, CHUNK_BYTES, offset)
    finally:
        os.close(fd)
