"""Characters that no one sees: both the channel and the page spell them out. Pure."""

from __future__ import annotations

import re

_EMOJI = "#*0-9\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
"""What the emoji selector (U+FE0F) may follow; there it is seen, as colour."""

UNSEEN = re.compile(
    rf"(?<![{_EMOJI}])\ufe0f|["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but not tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"  # fillers, variation selectors, byte order mark
    "\ud800-\udfff"  # half surrogate pairs
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # format, and the "tag" alphabet
    "]"
)
"""One such character. Newline and tab are none: they are seen by what they do."""


def show_unseen(text: str) -> str:
    """``text`` with such characters spelled out: ``⟨U+202E⟩``."""
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
