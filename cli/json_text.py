"""Edits JSON text in place: what isn't ours keeps every byte, its order and its odd formatting.

Pure. Finds the container at a path and inserts, replaces or removes one thing in it, in the
file's own style. Knows nothing of what the file is for. Text that isn't strict JSON, and a
container that is of another kind than asked for, are refused with the place.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_FIRST_INDENT = re.compile(r"\n([ \t]+)")


class NotUnderstood(Exception):
    """Text we don't edit: where, and why."""

    def __init__(self, text: str, at: int, problem: str) -> None:
        super().__init__(at, problem)
        self.line = text.count("\n", 0, at) + 1
        self.column = at - (text.rfind("\n", 0, at) + 1) + 1
        self.problem = problem

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.problem}"


@dataclass(frozen=True)
class Member:
    """One member of an object (``key`` is its name) or of an array (``key`` is its index).

    The text of it, name included, is ``text[start:end]``; its value begins at ``value_start``.
    """

    key: str | int
    start: int
    value_start: int
    end: int


@dataclass(frozen=True)
class Container:
    """An object or array: ``text[start]`` is its opening bracket, ``text[end - 1]`` its closing one."""

    start: int
    end: int
    members: list[Member]

    def find(self, key: str | int) -> Member | None:
        return next((member for member in self.members if member.key == key), None)


def parse(text: str) -> Any:
    """The value of the whole text; raises NotUnderstood."""

    def refuse(name: str) -> Any:
        raise NotUnderstood(text, text.find(name), f"{name} isn't JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise NotUnderstood(text, error.pos, error.msg) from error
    except RecursionError as error:
        raise NotUnderstood(text, 0, "nested too deeply") from error


def get_value(value: Any, path: Path) -> Any:
    """What stands at ``path`` in a parsed value."""
    for key in path:
        value = value[key]
    return value


def set_value(text: str, path: Path, value: Any) -> str:
    """Put ``value`` at ``path``, a member of an existing object or an item of an existing array."""
    container = find_container(text, path[:-1])
    member = container.find(path[-1])
    if member is None:
        return _append(text, container, f"{json.dumps(path[-1])}{_Style.of(text).colon}", value)
    rendered = _render(text, value, _indent_of_line(text, member.start), container)
    return text[: member.value_start] + rendered + text[member.end :]


def append_item(text: str, path: Path, value: Any) -> str:
    """Add an item to the array at ``path``."""
    return _append(text, find_container(text, path), "", value)


def remove(text: str, path: Path) -> str:
    """Take the member at ``path`` out, with its comma and its line."""
    container = find_container(text, path[:-1])
    index = next(i for i, member in enumerate(container.members) if member.key == path[-1])
    member = container.members[index]
    if len(container.members) == 1:
        return text[: container.start + 1] + text[container.end - 1 :]
    if index + 1 < len(container.members):
        return text[: member.start] + text[container.members[index + 1].start :]
    return text[: container.members[index - 1].end] + text[member.end :]


def find_container(text: str, path: Path) -> Container:
    """The object or array at ``path``; raises NotUnderstood where the path leads elsewhere."""
    at = _skip(text, 0)
    for key in path:
        member = _scan(text, at).find(key)
        if member is None:
            raise NotUnderstood(text, at, f"there is no {key!r} here")
        at = member.value_start
    return _scan(text, at)


def locate(text: str, path: Path) -> int:
    """Where the value at ``path`` begins, for a message."""
    if not path:
        return _skip(text, 0)
    member = find_container(text, path[:-1]).find(path[-1])
    return member.value_start if member else 0


def _scan(text: str, at: int) -> Container:
    """List a container's members; C code skips over the values, however large."""
    if text[at] not in "{[":
        raise NotUnderstood(text, at, "an object or array was expected here")
    is_object = text[at] == "{"
    decoder = json.JSONDecoder()
    members: list[Member] = []
    here = _skip(text, at + 1)
    while text[here] not in "}]":
        start = value_start = here
        key: str | int = len(members)
        if is_object:
            key, here = decoder.raw_decode(text, here)
            value_start = _skip(text, _skip(text, here) + 1)
            if any(member.key == key for member in members):
                raise NotUnderstood(text, start, f"{key!r} stands here twice")
        _, here = decoder.raw_decode(text, value_start)
        members.append(Member(key, start, value_start, here))
        here = _skip(text, here)
        if text[here] == ",":
            here = _skip(text, here + 1)
    return Container(at, here + 1, members)


@dataclass(frozen=True)
class _Style:
    """How the file is written."""

    indent: str
    newline: str
    colon: str
    comma: str

    @staticmethod
    def of(text: str) -> _Style:
        found = _FIRST_INDENT.search(text)
        # Text on one line shows its colon; text on many is written as Claude Code writes it.
        is_tight = found is None and re.search(r'":\s', text) is None and '":' in text
        return _Style(
            indent=found.group(1) if found else "  ",
            newline="\r\n" if "\r\n" in text else "\n",
            colon=":" if is_tight else ": ",
            comma="," if is_tight else ", ",
        )


def _append(text: str, container: Container, name: str, value: Any) -> str:
    style = _Style.of(text)
    outer = _indent_of_line(text, container.start)
    if not container.members:
        if "\n" not in text.strip() and text.strip() not in ("{}", "[]"):
            return text[: container.start + 1] + name + _render_flat(style, value) + text[container.end - 1 :]
        inner = outer + style.indent
        content = style.newline + inner + name + _render_lines(style, value, inner) + style.newline + outer
        return text[: container.start + 1] + content + text[container.end - 1 :]
    last = container.members[-1]
    if not _spans_lines(text, container):
        return text[: last.end] + style.comma + name + _render_flat(style, value) + text[last.end :]
    inner = _indent_of_line(text, last.start)
    content = "," + style.newline + inner + name + _render_lines(style, value, inner)
    return text[: last.end] + content + text[last.end :]


def _render(text: str, value: Any, inner: str, container: Container) -> str:
    style = _Style.of(text)
    if _spans_lines(text, container):
        return _render_lines(style, value, inner)
    return _render_flat(style, value)


def _render_lines(style: _Style, value: Any, inner: str) -> str:
    rendered = json.dumps(value, indent=style.indent, ensure_ascii=False)
    return rendered.replace("\n", style.newline + inner)


def _render_flat(style: _Style, value: Any) -> str:
    return json.dumps(value, separators=(style.comma, style.colon), ensure_ascii=False)


def _spans_lines(text: str, container: Container) -> bool:
    """Whether members stand on lines of their own: seen at what precedes the first."""
    return "\n" in text[container.start : container.members[0].start]


def _indent_of_line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    space = re.compile(r"[ \t]*").match(text, start)
    return space.group() if space else ""


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
