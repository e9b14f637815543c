"""What people send, made safe to stand in front of Claude.

The client escapes ``</channel>`` in a pushed text, but neither an opening tag nor its own
``<system-reminder>``, and it passes control, bidi and zero-width characters on raw: a message could
pose as the client, or hide words from the person who reads it. Here both become visible. Pure.
"""

from __future__ import annotations

import re

from wire.messages import SERVER_NAME
from wire.text import show_unseen

RESERVED_TAGS = ("channel", "system-reminder", "task-notification")
"""Elements by which the client speaks to the model; whoever sends a message must not."""

NAME_CHARS = 100
"""Of an author's name, inside the tag."""

_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(RESERVED_TAGS)})\b)", re.IGNORECASE)


def neutralise(text: str) -> str:
    """``text`` with reserved tags defused (``&lt;channel``) and invisible characters shown (``⟨U+202E⟩``)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _TAG.sub("&lt;", show_unseen(text))


def neutralise_name(name: str) -> str:
    """An author's name as an attribute: one line, nothing that could end the tag."""
    line = " ".join(neutralise(name).split())[:NAME_CHARS]
    return line.replace("<", "(").replace(">", ")").replace('"', "'")


def build_tag(message_id: str, author: str, text: str) -> str:
    """A message in the form in which the client itself shows a push: for ways that don't lead through a push."""
    attributes = {"source": SERVER_NAME, "message_id": message_id, "from": neutralise_name(author)}
    values = " ".join(f'{name}="{_escape(value)}"' for name, value in attributes.items())
    return f"<channel {values}>\n{neutralise(text)}\n</channel>"


def _escape(value: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        value = value.replace(character, entity)
    return value
