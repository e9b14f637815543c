"""A timeline as lines of plain text. Pure; remembers what of each entry it has shown already."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cli import show

Entry = dict[str, Any]

INPUT_CHARACTERS = 160
"""Of a tool's input: enough to recognise a command."""

_MAIN_INPUT = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")
_OPEN_TOOL = ("running", "waiting")


class TimelineText:
    """Turns entries, as they come and change, into lines."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def feed(self, entries: Iterable[Entry]) -> list[str]:
        """The lines that these entries add to what was shown."""
        lines: list[str] = []
        for entry in entries:
            stage = _find_stage(entry)
            known = self._shown.get(entry["entry_id"])
            if stage is None or stage == known:
                continue
            self._shown[entry["entry_id"]] = stage
            lines += _render(entry, is_first=known is None)
        return lines


def _find_stage(entry: Entry) -> str | None:
    """What makes an entry worth a line again; None while it is not worth one yet."""
    if entry["kind"] == "assistant":
        return None if entry.get("streaming") else "whole"
    if entry["kind"] == "tool":
        return "running" if entry.get("state") in _OPEN_TOOL else str(entry.get("state"))
    if entry["kind"] == "message":
        return str(entry.get("state"))
    return "shown"


def _render(entry: Entry, *, is_first: bool) -> list[str]:
    label, text = _describe(entry, is_first)
    head = f"{_clock(entry.get('at'))}  {label:<9}  "
    first, *rest = show.plain(text).split("\n") if text else [""]
    return [(head + first).rstrip(), *((" " * len(head) + line).rstrip() for line in rest)]


def _describe(entry: Entry, is_first: bool) -> tuple[str, str]:
    kind = entry["kind"]
    text = str(entry.get("text") or "").strip("\n")
    if kind == "message":
        author = show.plain_line(str(entry.get("author") or "someone"))
        return "message", f"{author}: {text}  [{entry.get('state')}]" if is_first else f"({entry.get('state')})"
    if kind == "tool":
        return "tool", _describe_tool(entry, is_first)
    if kind == "prompt":
        return "prompt", text
    if kind == "assistant":
        return "claude", text
    if kind == "progress":
        percent = entry.get("percent")
        parts = ["" if percent is None else f"{percent} %", entry.get("phase"), entry.get("status")]
        return "progress", "  ".join(str(part) for part in parts if part)
    return kind, text


def _describe_tool(entry: Entry, is_first: bool) -> str:
    name = show.plain_line(str(entry.get("tool_name") or "tool"))
    state = entry.get("state")
    outcome = "" if state in (*_OPEN_TOOL, "done") else f"  {state}"
    duration = entry.get("duration_ms")
    if state not in _OPEN_TOOL and isinstance(duration, int | float):
        outcome += f"  {duration / 1000:.1f} s"
    if not is_first and state == "done":
        outcome = f"  done{outcome}"
    return f"{name}  {summarise_input(entry.get('input'))}{outcome}".replace("\n", " ")


def summarise_input(tool_input: Any) -> str:
    """A tool's input in one line: what it is mainly about."""
    if isinstance(tool_input, dict):
        for name in _MAIN_INPUT:
            if isinstance(tool_input.get(name), str):
                return show.cut(show.plain_line(tool_input[name]), INPUT_CHARACTERS)
    return show.cut(show.plain_line(json.dumps(tool_input)), INPUT_CHARACTERS) if tool_input else ""


def _clock(at: Any) -> str:
    try:
        return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
    except (TypeError, ValueError):
        return "--:--:--"
