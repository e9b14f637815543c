"""Small ways of saying things: names, sizes, folders, and text whose invisible characters must show."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from wire.text import show_unseen

_MODEL = re.compile(r"claude-(?:(\d+)(?:-(\d+))?-)?([a-z]+)(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:-\d{8})?(?:\[.*\])?")

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")

_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
"""They look like a space."""

MODES = {
    "default": "",
    "manual": "",
    "acceptEdits": "accept edits",
    "bypassPermissions": "bypass",
    "dontAsk": "don\u2019t ask",
}
"""How permission modes are called on the page; the default is not shown. Others go by their own name."""


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def reveal(text: str) -> str:
    """The text with everything that can't be seen spelled out: ``⟨U+202E⟩``. Newline and tab stay."""
    return show_unseen(text.replace("\r\n", "\n"))


def reveal_exactly(text: str) -> str:
    """The same of what is asked, where nothing may be taken for something else: a carriage return before a newline, and
    blanks that a shell doesn't take for a space, are spelled out too."""
    return show_unseen(_BLANKS.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text))


def reveal_output(text: str) -> str:
    """A command's output: terminal colours are dropped, overwritten lines kept, the rest revealed."""
    return reveal(_ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def name_model(model: str | None) -> str:
    """``claude-opus-5-5`` is Opus 5.5; what doesn't look like that is shown as it is."""
    found = _MODEL.fullmatch(model or "")
    if not found:
        return model or ""
    old_major, old_minor, family, major, minor = found.groups()
    numbers = [part for part in (old_major, old_minor) if part] or [part for part in (major, minor) if part]
    return " ".join(part for part in (family.capitalize(), ".".join(numbers)) if part)


def name_mode(mode: str | None) -> str:
    """What a permission mode is called on the page."""
    return MODES.get(mode or "", mode or "")


def name_project(cwd: str) -> str:
    """The folder's own name."""
    return PurePosixPath(cwd).name or cwd


def shorten_home(path: str, user: str) -> str:
    """The path with the user's home as ``~``, where it stands where homes stand."""
    homes = (f"/home/{user}", f"/Users/{user}", *(["/root"] if user == "root" else []))
    for home in homes:
        if user and (path == home or path.startswith(f"{home}/")):
            return f"~{path.removeprefix(home)}"
    return path


def shorten_path(path: str, cwd: str) -> str:
    """A file's path, from the session's folder on where it lies inside."""
    inside = path.removeprefix(f"{cwd.rstrip('/')}/") if cwd else path
    return inside or path


def build_initials(name: str) -> str:
    """Two letters for an avatar."""
    words = [word for word in re.split(r"[\s._@-]+", name) if word]
    letters = words[0][:1] + words[-1][:1] if len(words) > 1 else "".join(words)[:2]
    return letters.upper() or "?"


def say_size(count: int) -> str:
    """Bytes for people: 312 B, 1.8 kB, 18 kB, 1.2 MB."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB" if count >= 9950 else f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def say_ordinal(number: int) -> str:
    """``first``, ``second``, and ``no. 11`` from there on."""
    return _ORDINALS[number - 1] if 0 < number <= len(_ORDINALS) else f"no. {number:,}"


def say_count(count: int, noun: str, plural: str = "") -> str:
    """``1 line``, ``2 lines``, ``1,204 lines``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
