"""What a tool row is made of: the call as it came, the bodies a row can open to, names and icons."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import msgspec

from hub.pages.diff import Hunk
from hub.pages.outputs import Output

SELF_EVIDENT = frozenset({"Bash", "Edit", "MultiEdit", "Write", "Read", "Grep", "Glob", "WebFetch", "WebSearch"})
"""Tools whose icon and target say enough where there is little room."""


ToolState = Literal["running", "waiting", "done", "failed", "interrupted"]


class CommandBody(msgspec.Struct, frozen=True, kw_only=True, tag="bash"):
    """A command and what it printed."""

    command: Output
    output: Output | None
    error: Output | None


class DiffBody(msgspec.Struct, frozen=True, kw_only=True, tag="diff"):
    """Changes to a file, cut into what is shown at once, what is folded, and how many lines are left out."""

    label: str
    shown: list[Hunk]
    folded: list[Hunk]
    folded_rows: int
    left_out: int
    error: Output | None


class ContentBody(msgspec.Struct, frozen=True, kw_only=True, tag="content"):
    """A text: a file written, lines found."""

    content: Output | None
    error: Output | None


class Field(msgspec.Struct, frozen=True):
    """One name and value of a tool's input."""

    name: str
    value: Output


class FieldsBody(msgspec.Struct, frozen=True, kw_only=True, tag="fields"):
    """What went in, by name (but for ``left_out`` fields), and what came back."""

    fields: list[Field]
    left_out: int
    result: Output | None
    error: Output | None


Body = CommandBody | DiffBody | ContentBody | FieldsBody


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool entry's data, read leniently: it is what Claude Code sent, of whatever version."""

    name: str
    input: dict[str, Any]
    response: Any
    state: ToolState
    error: Output | None
    cwd: str

    def text(self, key: str) -> str:
        value = self.input.get(key)
        return value if isinstance(value, str) else ""

    def answer(self, key: str) -> Any:
        return self.response.get(key) if isinstance(self.response, dict) else None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What one tool's function decides."""

    icon: str
    body: Body
    target: str = ""
    mono: bool = True
    verb: str | None = None
    result: str = ""
    added: int = 0
    removed: int = 0


def name_tool(name: str) -> str:
    """``mcp__sentry__get_trace`` is sentry · get_trace."""
    found = re.fullmatch(r"mcp__(.+?)__(.+)", name)
    return f"{found[1]} · {found[2]}" if found else name


def pick_icon(name: str) -> str:
    """The icon of a tool."""
    if name.startswith("mcp__"):
        return "plug"
    return _ICONS.get(name, "wrench")


def read_text(response: Any) -> str:
    """What a tool answered, as text: as it is, its text blocks, or JSON."""
    if response is None:
        return ""
    if isinstance(response, str):
        return response
    blocks: Any = response.get("content") if isinstance(response, dict) else response
    if isinstance(blocks, str):
        return blocks
    listed = isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks)
    if listed and any("text" in block for block in blocks):
        return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in blocks)
    return json.dumps(response, indent=2, ensure_ascii=False, default=str)


_ICONS = {
    "Bash": "terminal",
    "Edit": "pencil",
    "MultiEdit": "pencil",
    "NotebookEdit": "pencil",
    "Write": "file-plus",
    "Read": "file-text",
    "Grep": "regex",
    "Glob": "folder",
    "LS": "folder",
    "WebFetch": "globe",
    "WebSearch": "globe",
    "Task": "bot",
    "Agent": "bot",
    "Skill": "book-open",
    "TodoWrite": "list-checks",
    "TaskCreate": "list-checks",
    "TaskUpdate": "list-checks",
}
