"""What Claude wants to do, whole: nothing is cut or folded here, since a person allows what is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

import msgspec

from hub.pages.diff import Diff, Hunk, compare_whole
from hub.pages.text import reveal, reveal_exactly
from hub.pages.tool_parts import name_tool

QUICK_LINES = 6
"""An input of at most so many lines fits into the rail."""

QUICK_CHARS = 30
"""Of a line there."""

BRIEF_CHARS = 72
"""JSON up to this long stays on one line."""

_MAIN = {"Bash": "command", "Edit": "new_string", "Write": "content", "WebFetch": "url", "WebSearch": "query"}
"""The field of a tool's input that a person would change."""

_LABELS = {"command": "Command", "new_string": "New text", "content": "Content", "url": "Address", "query": "Query"}


class Given(msgspec.Struct, frozen=True):
    """One name and value."""

    name: str
    value: str


class DiffShown(msgspec.Struct, frozen=True, kw_only=True):
    """All changes to a file."""

    path: str
    hunks: list[Hunk]
    added: int
    removed: int


class InputShown(msgspec.Struct, frozen=True, kw_only=True):
    """A command or a diff if it is one, and every field that neither shows."""

    command: str | None = None
    diff: DiffShown | None = None
    fields: list[Given] = []


class EditShown(msgspec.Struct, frozen=True, kw_only=True):
    """The text that can be changed. ``field``: of the input, empty if it is all of it as JSON; ``rest``: the others.
    ``is_seen``: a text field shows all of it, so it can stand in the place of what is asked.
    """

    field: str
    label: str
    text: str
    rest: str

    @property
    def is_seen(self) -> bool:
        return reveal_exactly(self.text) == self.text


def build_input(tool_name: str, given: Mapping[str, Any]) -> InputShown:
    """The input of a tool; one that doesn't have its usual shape is shown by its fields."""
    match tool_name, given:
        case "Bash", {"command": str(command)}:
            return InputShown(command=reveal_exactly(command), fields=_build_fields(given, "command", "description"))
        case "Edit", {"file_path": str(path), "old_string": str(old), "new_string": str(new)}:
            diff = _build_diff(path, compare_whole([(old, new)]))
            return InputShown(diff=diff, fields=_build_fields(given, "file_path", "old_string", "new_string"))
        case "Write", {"file_path": str(path), "content": str(content)}:
            diff = _build_diff(path, compare_whole([("", content)]))
            return InputShown(diff=diff, fields=_build_fields(given, "file_path", "content"))
        case "MultiEdit", {"file_path": str(path), "edits": list(edits)} if all(map(_is_edit, edits)):
            diff = _build_diff(path, compare_whole([(edit["old_string"], edit["new_string"]) for edit in edits]))
            return InputShown(diff=diff, fields=_build_fields(given, "file_path", "edits"))
    return InputShown(fields=_build_fields(given))


def build_edit(tool_name: str, given: Mapping[str, Any]) -> EditShown:
    """What a person may change of it before it is allowed."""
    field = _MAIN.get(tool_name, "")
    text = given.get(field)
    if not isinstance(text, str):
        return EditShown(field="", label="Input, as JSON", text=_say_json(given), rest="{}")
    rest = {name: value for name, value in given.items() if name != field}
    return EditShown(field=field, label=_LABELS[field], text=text, rest=json.dumps(rest))


def say_target(tool_name: str, given: Mapping[str, Any]) -> str:
    """The one line that says most about it, for where there is no room for more."""
    for name in ("command", "file_path", "notebook_path", "url", "pattern", "query", "description"):
        value = given.get(name)
        if isinstance(value, str) and value.strip():
            first, more, _ = value.strip().partition("\n")
            return reveal_exactly(first[:200]) + (" …" if more or len(first) > 200 else "")
    return reveal(name_tool(tool_name))


def say_quickly(tool_name: str, given: Mapping[str, Any]) -> str:
    """All of the input, if the rail has room for it; otherwise nothing."""
    shown = build_input(tool_name, given)
    if shown.diff is not None or (shown.command is not None and shown.fields):
        return ""
    fields = [f"{field.name}: {field.value}" for field in shown.fields]
    if any("\n" in field for field in fields):
        return ""  # a value could look like another field
    lines = shown.command.split("\n") if shown.command is not None else fields
    count = sum(max(1, ceil(len(line) / QUICK_CHARS)) for line in lines)
    return "\n".join(lines) if count <= QUICK_LINES else ""


def _build_diff(path: str, diff: Diff) -> DiffShown:
    return DiffShown(path=reveal_exactly(path), hunks=diff.hunks, added=diff.added, removed=diff.removed)


def _build_fields(given: Mapping[str, Any], *shown: str) -> list[Given]:
    return [
        Given(reveal_exactly(str(name)), reveal_exactly(value if isinstance(value, str) else _say_json(value)))
        for name, value in given.items()
        if name not in shown or (name == "description" and not isinstance(value, str))
    ]


def _is_edit(edit: Any) -> bool:
    """Only the two texts: what else an edit says must be seen, so it is shown by its fields then."""
    return (
        isinstance(edit, dict)
        and set(edit) == {"old_string", "new_string"}
        and all(isinstance(text, str) for text in edit.values())
    )


def _say_json(value: Any) -> str:
    brief = json.dumps(value, ensure_ascii=False, default=str)
    return brief if len(brief) <= BRIEF_CHARS else json.dumps(value, ensure_ascii=False, indent=2, default=str)
