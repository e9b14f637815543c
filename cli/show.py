"""Text for a terminal. What sessions, hubs and machines say is data: it never moves the cursor."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Collection
from datetime import datetime

from wire.text import UNSEEN

# Control characters could drive the terminal; format characters (bidi, zero-width) could make a
# line read as another. Both are shown as what they are.
_KEPT = ("\n", "\t")

SHORT_ID = 8


def plain(text: str) -> str:
    """The text with everything that isn't plainly visible as an escape; newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    seen = "".join(character if _is_plain(character) else _escape(character) for character in text)
    return UNSEEN.sub(lambda found: _escape(found[0]), seen)


def plain_line(text: str) -> str:
    """The same, on one line."""
    return re.sub(r"\s+", " ", plain(text)).strip()


def cut(text: str, width: int) -> str:
    """At most ``width`` characters, with an ellipsis where something is missing."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def table(header: list[str], rows: list[list[str]], width: int | None) -> list[str]:
    """Aligned columns; the last one is cut to the terminal's width, if there is one."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        lines.append(cut(line, width) if width else line)
    return lines


def age(at: str, now: datetime) -> str:
    """How long ago that was, in its largest unit."""
    seconds = max(0, int((now - datetime.fromisoformat(at)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def shorten_id(whole: str, others: Collection[str], least: int = SHORT_ID) -> str:
    """The beginning of an id that names it among others."""
    for size in range(least, len(whole)):
        if not any(other != whole and other.startswith(whole[:size]) for other in others):
            return whole[:size]
    return whole


def terminal_width() -> int | None:
    """None when stdout is no terminal: a pipe gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _is_plain(character: str) -> bool:
    return character in _KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
