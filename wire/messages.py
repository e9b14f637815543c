"""How a message looks inside Claude, and how it is recognised there again.

The channel writes it, the hub reads it back out of ``UserPromptSubmit``: that is the receipt.
"""

from __future__ import annotations

import re

SERVER_NAME = "heliograph"
"""The MCP server's name, in Claude Code's configuration and in every ``<channel>`` tag."""

TEXT_BYTES = 64 * 1024
"""The longest message, as UTF-8."""

_TAG = re.compile(r"<channel ([^>]*)>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def build_meta(message_id: str, author: str) -> dict[str, str]:
    """The notification's ``meta``: attributes of the tag. All strings, never ``source``."""
    return {"message_id": message_id, "from": author.replace('"', "'")}


def find_message_ids(prompt: str) -> list[str]:
    """The ids of our messages whose ``<channel>`` tags stand in a prompt that Claude Code reports."""
    found = []
    for tag in _TAG.finditer(prompt):
        attributes = dict(reversed(_ATTRIBUTE.findall(tag.group(1))))
        if attributes.get("source", "").rpartition(":")[2] == SERVER_NAME and "message_id" in attributes:
            found.append(attributes["message_id"])
    return found
