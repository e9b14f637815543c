"""Names, sizes, and text whose invisible characters must show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pages.text import (
    build_initials,
    name_mode,
    name_model,
    name_project,
    reveal,
    reveal_output,
    say_count,
    say_size,
    shorten_home,
    shorten_path,
)

BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    "code",
    [0x00, 0x07, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x200D, 0x202E, 0x2028, 0x2066, 0xFEFF, 0xE0041, 0x1BCA0, 0xD800],
)
def test_what_cannot_be_seen_is_spelled_out(code: int) -> None:
    assert reveal(f"rm{chr(code)} x") == f"rm⟨U+{code:04X}⟩ x"


@given(st.text())
def test_no_control_and_no_bidi_character_is_left(text: str) -> None:
    shown = reveal(text)
    assert {c for c in shown if unicodedata.category(c) in {"Cc", "Zl", "Zp"}} <= {"\n", "\t"}
    assert not {c for c in shown if unicodedata.bidirectional(c) in BIDI_CONTROLS}


def test_an_output_loses_its_colours_but_a_command_shows_them() -> None:
    assert reveal_output("\x1b[31mred\x1b[0m 10%\r20%") == "red 10%\n20%"
    assert reveal("\x1b[31mred") == "⟨U+001B⟩[31mred"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-opus-5-5", "Opus 5.5"),
        ("claude-sonnet-4-5-20250929", "Sonnet 4.5"),
        ("claude-opus-4-1[1m]", "Opus 4.1"),
        ("claude-3-5-haiku-20241022", "Haiku 3.5"),
        ("claude-sonnet-4-20250514", "Sonnet 4"),
        ("some/other:model", "some/other:model"),
        (None, ""),
    ],
)
def test_models_go_by_their_short_names(model: str | None, name: str) -> None:
    assert name_model(model) == name


def test_the_default_mode_is_not_mentioned() -> None:
    assert name_mode("default") == name_mode(None) == ""
    assert name_mode("acceptEdits") == "accept edits"
    assert name_mode("somethingNew") == "somethingNew"


def test_paths_are_said_from_where_one_stands() -> None:
    assert shorten_home("/home/maya/src/app", "maya") == "~/src/app"
    assert shorten_home("/home/mayaX/src", "maya") == "/home/mayaX/src"
    assert shorten_home("/root/x", "root") == "~/x"
    assert shorten_home("/home/x", "") == "/home/x"
    assert shorten_path("/home/maya/app/a.py", "/home/maya/app") == "a.py"
    assert shorten_path("/etc/passwd", "/home/maya/app") == "/etc/passwd"
    assert name_project("/home/maya/app/") == "app"
    assert name_project("/") == "/"


def test_initials_and_counts_and_sizes() -> None:
    assert [build_initials(name) for name in ("Maya Okafor", "jonas", "a", "", "ci-bot")] == [
        "MO",
        "JO",
        "A",
        "?",
        "CB",
    ]
    assert [say_size(n) for n in (312, 1800, 18_000, 1_234_567)] == ["312 B", "1.8 kB", "18 kB", "1.2 MB"]
    assert [say_count(1, "line"), say_count(1204, "line"), say_count(2, "match", "matches")] == [
        "1 line",
        "1,204 lines",
        "2 matches",
    ]
