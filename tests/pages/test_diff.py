"""Diffs: numbers, signs and the words that changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pages.diff import ROW_CHARS, Hunk, Part, compare_texts, count_changes, mark_words, read_patch

PATCH = [
    {
        "oldStart": 88,
        "oldLines": 4,
        "newStart": 88,
        "newLines": 5,
        "lines": [
            " pub fn renew() {",
            "-    let now = SystemTime::now();",
            "+    // One reading.",
            "+    let now = self.clock.tick();",
            " }",
            "\\ No newline at end of file",
        ],
    }
]


def show(hunks: list[Hunk]) -> list[tuple[str, int | None, str]]:
    return [(row.sign, row.number, "".join(part.text for part in row.parts)) for hunk in hunks for row in hunk.rows]


def test_claudes_own_patch_keeps_its_line_numbers() -> None:
    assert show(read_patch(PATCH)) == [
        (" ", 88, "pub fn renew() {"),
        ("-", 89, "    let now = SystemTime::now();"),
        ("+", 89, "    // One reading."),
        ("+", 90, "    let now = self.clock.tick();"),
        (" ", 91, "}"),
    ]
    assert count_changes(read_patch(PATCH)) == (2, 1)


def test_words_are_marked_against_the_line_most_alike() -> None:
    rows = read_patch(PATCH)[0].rows
    assert [part.text for part in rows[1].parts if part.marked] == ["SystemTime::now"]
    assert not any(part.marked for part in rows[2].parts)
    assert "".join(part.text for part in rows[3].parts if part.marked) == "self.clock.tick"


@pytest.mark.parametrize(
    "patch", [None, "x", [None], [{}], [{"oldStart": "x", "newStart": 1, "lines": []}], [{"lines": 3}]]
)
def test_what_is_no_patch_gives_no_hunks(patch: Any) -> None:
    assert read_patch(patch) == []


def test_two_texts_without_a_place_have_no_numbers() -> None:
    assert show(compare_texts("a\nb\nc", "a\nB\nc")) == [
        (" ", None, "a"),
        ("-", None, "b"),
        ("+", None, "B"),
        (" ", None, "c"),
    ]
    assert show(compare_texts("", "new")) == [("+", None, "new")]
    assert compare_texts("", "") == []


@given(st.text(), st.text())
def test_a_diff_holds_both_texts(old: str, new: str) -> None:
    rows = compare_texts(old, new)
    added, removed = count_changes(rows)
    total = sum(len(hunk.rows) for hunk in rows)
    assert total - added == len(old.splitlines())
    assert total - removed == len(new.splitlines())


@given(st.text(), st.text())
def test_marking_words_loses_no_character(old: str, new: str) -> None:
    left, right = mark_words(old, new)
    assert "".join(part.text for part in left) == old
    assert "".join(part.text for part in right) == new


def test_lines_that_nobody_reads_are_cut() -> None:
    [hunk] = compare_texts("", "x" * (ROW_CHARS + 500))
    assert hunk.rows[0].parts == [Part("x" * ROW_CHARS + " … 500 more characters")]


def test_invisible_characters_show_in_a_diff() -> None:
    assert show(compare_texts("", "a\u202eb")) == [("+", None, "a⟨U+202E⟩b")]
