"""Wraps the status line in Claude Code's settings, finds our wrapper there, and unwraps it. Pure.

The user's own command stands whole inside ours, as one quoted word, so nothing but the settings is needed to
give it back: whoever edits it there, or replaces the whole by something else, is not in our way.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from cli import json_text
from cli.json_text import NotUnderstood

KEY = "statusLine"
_COMMAND = (KEY, "command")

_OURS = re.compile(r"^[^#\n]*\bfrom\s+heliograph_statusline\s+import\b", re.MULTILINE)


@dataclass(frozen=True)
class Wrapper:
    """A status line's command of ours; ``original`` is the user's, None where there was none."""

    interpreter: str
    original: str | None


def build_command(interpreter: str, loader: str, home: str, original: str | None) -> str:
    """For ``/bin/sh``, as Claude Code runs it. It becomes our loader, and that becomes ``original``, in the
    shell that was to run it; where our interpreter is gone, the shell goes there by itself.
    """
    python = shlex.quote(interpreter)
    words = f"{python} -I -S -c {shlex.quote(loader)} {shlex.quote(home)}"
    own = "" if original is None else f"{shlex.quote(original)} "
    return (
        f"set -- {own}; "
        f'test -x {python} && exec {words} "${{LC_CTYPE+=$LC_CTYPE}}" "$0" "$@"; '
        'test $# = 0 || exec "$0" -c "$1"'
    )


def parse_command(command: Any) -> Wrapper | None:
    """None if it isn't ours, this or an older one."""
    if not isinstance(command, str) or not command.startswith("set -- ") or not _OURS.search(command):
        return None
    try:
        words = shlex.split(command)[2:]
    except ValueError:
        return None
    original = None if command.startswith("set -- ; ") else words.pop(0)
    return Wrapper(words[3], original) if words[:3] == [";", "test", "-x"] and len(words) > 3 else None


def find_wrapper(settings: Any) -> Wrapper | None:
    """Ours in parsed settings."""
    line = settings.get(KEY) if isinstance(settings, dict) else None
    return parse_command(line.get("command")) if isinstance(line, dict) else None


def wrap(text: str, interpreter: str, loader: str, home: str) -> str:
    """The settings with our command around the status line's; raises NotUnderstood."""
    settings = json_text.parse(text)
    line = settings.get(KEY)
    if line is None:
        command = build_command(interpreter, loader, home, None)
        return json_text.set_value(text, (KEY,), {"type": "command", "command": command})
    present = line.get("command") if isinstance(line, dict) else None
    if not isinstance(present, str) or line.get("type") != "command":
        raise NotUnderstood(text, json_text.locate(text, (KEY,)), "a status line with a command was expected here")
    ours = parse_command(present)
    command = build_command(interpreter, loader, home, ours.original if ours else present)
    return text if command == present else json_text.set_value(text, _COMMAND, command)


def unwrap(text: str) -> str:
    """The settings with the status line as the user has it."""
    ours = find_wrapper(json_text.parse(text))
    if ours is None:
        return text
    if ours.original is None:
        return json_text.remove(text, (KEY,))
    return json_text.set_value(text, _COMMAND, ours.original)
