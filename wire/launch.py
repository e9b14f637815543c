"""How a Claude Code command line shows that our channel is on: asked before a start, and of a running process. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wire.messages import SERVER_NAME

CHANNEL_FLAGS = ("--dangerously-load-development-channels", "--channels")
"""Claude Code's options that make a server a channel; each takes one or more names."""


def names_channel(arguments: Sequence[str]) -> bool:
    """Whether a command line loads our server as a channel: ``server:NAME`` or ``plugin:NAME@…``.

    The program's own name may come first. A name counts in the option's word (``--channels=…``) and in the
    words after it, up to the next option; commas part several. What stands behind ``--`` is a prompt.
    """
    is_open = False
    for word in arguments:
        if word == "--":
            return False
        values = word
        if word.startswith("-"):
            name, _, values = word.partition("=")
            is_open = name in CHANNEL_FLAGS and not values
            if name not in CHANNEL_FLAGS:
                continue
        elif not is_open:
            continue
        if any(_is_ours(item) for item in values.split(",")):
            return True
    return False


def _is_ours(item: str) -> bool:
    kind, _, name = item.strip().partition(":")
    return (kind == "server" and name == SERVER_NAME) or (kind == "plugin" and name.partition("@")[0] == SERVER_NAME)
