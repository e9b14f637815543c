"""What can't be seen is spelled out."""

from __future__ import annotations

import pytest

from wire.text import UNSEEN, show_unseen

HIDDEN = "\x00\x1b\r\x7f\x9f\u00ad\u200b\u202e\u2066\u3164\ufe00\ufeff\ufff0\ufff9\U0001bca0\U000e0041"


@pytest.mark.parametrize("character", HIDDEN)
def test_what_nobody_sees_is_spelled_out(character: str) -> None:
    assert UNSEEN.search(character)
    assert show_unseen(f"a{character}b") == f"a⟨U+{ord(character):04X}⟩b"


@pytest.mark.parametrize("text", ["tab\tnew\nline", "ünï 日本 ❤️ ☀️ 1️⃣ ©️ 🏳️", "a b"])
def test_what_is_seen_stays(text: str) -> None:
    assert show_unseen(text) == text


@pytest.mark.parametrize(("text", "shown"), [("a\ufe0f", "a⟨U+FE0F⟩"), ("❤\ufe0f\ufe0f", "❤\ufe0f⟨U+FE0F⟩")])
def test_the_emoji_selector_hides_nowhere_else(text: str, shown: str) -> None:
    assert show_unseen(text) == shown
