"""What can be searched: the words of an entry, what a query asks for, and the excerpt that shows a match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

VERSION = 1
"""Of ``read_words``: with another number the index is made anew, since its rows go by the words they came by."""

SEARCHED = ("prompt", "message", "assistant", "reply", "tool", "notice")
"""Kinds of entries that have words."""

TEXT_CHARS = 16 * 1024
INPUT_CHARS = 2 * 1024
OUTPUT_CHARS = 4 * 1024
"""How much of a text, of a tool's input and of its output is searched: their beginnings say what they are."""

VALUES = 1_000
"""Values looked at in one input or output."""

PACKED_CHARS = 256
"""A text that begins with so many characters without a space is data (an image), which nobody looks for."""

QUERY_CHARS = 200
QUERY_TERMS = 16

PREFIX_CHARS = 3
"""A shorter beginning stands for too many words to look all of them up."""

EXCERPT_CHARS = 240
EXCERPT_BEFORE = 60
"""Characters of an excerpt, and how many of them stand before the first match."""

_ECHOING = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})
"""Tools that answer with what they were given, and the whole file besides."""

_TERM = re.compile(r'"([^"]*)"|([^\s"]+)')
_BEGINNING = re.compile(rf"[^\W_]{{{PREFIX_CHARS},}}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Span = tuple[int, int]


class Term(msgspec.Struct, frozen=True):
    """Words that must stand together in this order; ``is_prefix``: the last may go on."""

    text: str
    is_prefix: bool = False


class Excerpt(msgspec.Struct, frozen=True):
    """Plain text, and where in it (in characters) the matches are."""

    text: str
    marks: list[Span]


def read_words(kind: str, data: dict[str, Any]) -> str:
    """What an entry is found by; empty while it is still to change, and where there is nothing to find."""
    if kind not in SEARCHED:
        return ""
    if kind == "tool":
        return _read_tool(data)
    if data.get("streaming"):
        return ""
    return str(data["text"] or "")[:TEXT_CHARS]


def _read_tool(data: dict[str, Any]) -> str:
    if data["state"] in ("running", "waiting"):
        return ""
    came_back = [data["error"], None if data["tool_name"] in _ECHOING else data["response"]]
    texts = [data["tool_name"], *_collect(data["input"], INPUT_CHARS), *_collect(came_back, OUTPUT_CHARS)]
    return "\n".join(texts)


def _collect(value: Any, room: int) -> Iterator[str]:
    """The texts in a value, in order, until there is no more room."""
    waiting, looks = [value], VALUES
    while waiting and room > 0 and looks > 0:
        item = waiting.pop()
        looks -= 1
        if isinstance(item, str) and not _is_packed(item):
            yield item[:room]
            room -= len(item)
        elif isinstance(item, dict):
            waiting += reversed(item.values())
        elif isinstance(item, list):
            waiting += reversed(item)


def _is_packed(text: str) -> bool:
    return len(text) > PACKED_CHARS and len(text[:PACKED_CHARS].split(maxsplit=1)) < 2


def split_query(query: str) -> list[Term]:
    """What a person looks for: words, or several in quotes that stand together. All must be there; the last may be
    the beginning of a word. Whatever else stands in a query is text too, never syntax.
    """
    found = _TERM.findall(_CONTROL.sub(" ", query))
    terms = [Term(quoted or word) for quoted, word in found if word or quoted.strip()]
    if found and _BEGINNING.search(found[-1][1]):
        terms[-1] = Term(terms[-1].text, is_prefix=True)
    return terms


def cut_excerpt(text: str, marks: list[Span]) -> Excerpt:
    """The surroundings of the first match, on one line; ``…`` where text is left out."""
    first = marks[0][0] if marks else 0
    start = max(0, first - EXCERPT_BEFORE)
    if start:
        start = max(start, text.find(" ", start, first) + 1)
    end = start + EXCERPT_CHARS
    before, after = "…" if start else "", "…" if end < len(text) else ""
    shift = len(before) - start
    shown = [(begin + shift, min(stop, end) + shift) for begin, stop in marks if begin < end]
    return Excerpt(f"{before}{blank_controls(text[start:end])}{after}", shown)


def blank_controls(text: str) -> str:
    """Each control character, line ends among them, as a space: everything else keeps its place."""
    return _CONTROL.sub(" ", text)
