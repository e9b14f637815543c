"""What people send, made safe to stand in front of Claude.

The client escapes ``</channel>`` in a pushed text, but neither an opening tag nor its own
``<system-reminder>``, and it passes control, bidi and zero-width characters on raw: a message could
pose as the client, or hide words from the person who reads it. Here both become visible. Pure.
"""

from __future__ import annotations

import re

RESERVED_TAGS = ("channel", "system-reminder", "task-notification")
"""Elements by which the client speaks to the model; whoever sends a message must not."""

NAME_CHARS = 100
"""Of an author's name, inside the tag."""

_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(RESERVED_TAGS)})\b)", re.IGNORECASE)

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but not tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"  # fillers, variation selectors (not the emoji one), BOM
    "\ud800-\udfff"  # half surrogate pairs
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # format, and the "tag" alphabet
    "]"
)


def neutralise(text: str) -> str:
    """``text`` with reserved tags defused (``&lt;channel``) and invisible characters shown (``⟨U+202E⟩``)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _TAG.sub("&lt;", _INVISIBLE.sub(_show, text))


def neutralise_name(name: str) -> str:
    """An author's name as an attribute: one line, nothing that could end the tag."""
    line = " ".join(neutralise(name).split())[:NAME_CHARS]
    return line.replace("<", "(").replace(">", ")").replace('"', "'")


def _show(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match.group()):04X}⟩"
