"""Whether the session's transcript shows that Claude has got a message.

Where no hook tells: on some versions what is handed over in the middle of a turn fires none, and what a hook
answers never does. The client's own file shows both. Read only while a message of ours is unseen, from where
it ended when the message was said; what a message is told apart by is its id.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from channel import loose
from channel.transcript import Transcript
from wire.messages import find_message_ids

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


class Evidence:
    """What a session's transcript shows. ``mark`` when a message is said, ``look`` for it afterwards."""

    def __init__(self) -> None:
        self._path = ""
        self._transcript: Transcript | None = None

    def mark(self, path: str) -> None:
        """From here on it matters what is written."""
        self._open(path)
        if self._transcript is not None:
            self._transcript.skip()

    def look(self, path: str, sought: Collection[str]) -> dict[str, Kind]:
        """What the lines written since show of the messages ``sought``, or all lines if the file was written anew;
        never raises.
        """
        if path != self._path:
            if self._path:
                self.mark(path)
            else:
                self._open(path)  # no hook had told where it is
        found: dict[str, Kind] = {}
        while self._transcript is not None:
            piece = self._transcript.read()
            for line in piece.lines:
                found |= judge(line, sought)
            if not piece.more:
                break
        return found

    def _open(self, path: str) -> None:
        self._path = path
        self._transcript = Transcript(Path(path)) if path else None
