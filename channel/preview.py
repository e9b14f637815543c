"""Whether the relay's shortened preview shows a tool's input. Pure.

The client writes the input as JSON with spaces of its own, cuts long ones out of their middle, blanks characters that
no one sees, and covers tokens that it knows. What is left has to be there, in order, from the first to the last
character; in doubt the answer is no.
"""

from __future__ import annotations

import json
import re
from typing import Any

from wire.text import UNSEEN

COVERED = "[REDACTED]"

_ELIDED = re.compile(r"⋯(\d{1,7})codepointselided⋯")
_UNSHOWN = re.compile(rf"\s+|\ufe0f|{UNSEEN.pattern}")
_WORD = re.compile(r"[A-Za-z0-9_.+/=~-]{1,512}", re.ASCII)


def normalise(text: str) -> str:
    """Without white space, and without what no one sees: both may have been changed."""
    return _UNSHOWN.sub("", text)


def normalise_input(tool_input: dict[str, Any]) -> str:
    """A tool's input as ``shows`` compares it."""
    return normalise(json.dumps(tool_input, ensure_ascii=False, separators=(",", ":")))


def shows(preview: str, tool_input: str) -> bool:
    """Whether ``preview`` is one of ``tool_input``, both normalised."""
    head, *elided = _ELIDED.split(preview)
    if not elided:
        return _find_end(preview, tool_input) == len(tool_input)
    if len(elided) > 2:
        return False  # the input says such words itself
    count, tail = int(elided[0]), elided[1]
    end = _find_end(head, tool_input)
    start = len(tool_input) - len(tail)
    return end is not None and end <= start <= end + count and tool_input.endswith(tail)


def _find_end(pattern: str, text: str) -> int | None:
    """Where ``pattern`` ends in ``text``, if that begins with it; what is covered stands for part of a word."""
    first, *rest = pattern.split(COVERED)
    if not text.startswith(first):
        return None
    position = len(first)
    for part in rest:
        word = _WORD.match(text, position)
        if word is None:
            return None
        found = text.find(part, position + 1, word.end() + len(part)) if part else word.end()
        if found < 0:
            return None
        position = found + len(part)
    return position
