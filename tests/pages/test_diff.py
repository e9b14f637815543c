"""Diffs: numbers, signs and the words that changed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pages.diff import ROW_CHARS, ROWS, Diff, Part, compare_texts, mark_words, read_patch

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

HANG = 20.0
"""Seconds of processor time that nothing here needs a tenth of; without bounds it took minutes."""


def show(diff: Diff) -> list[tuple[str, int | None, str]]:
    rows = [row for hunk in diff.hunks for row in hunk.rows]
    return [(row.sign, row.number, "".join(part.text for part in row.parts)) for row in rows]


def compare(old: str, new: str) -> Diff:
    return compare_texts([(old, new)])


def test_claudes_own_patch_keeps_its_line_numbers() -> None:
    assert show(read_patch(PATCH)) == [
        (" ", 88, "pub fn renew() {"),
        ("-", 89, "    let now = SystemTime::now();"),
        ("+", 89, "    // One reading."),
        ("+", 90, "    let now = self.clock.tick();"),
        (" ", 91, "}"),
    ]
    assert (read_patch(PATCH).added, read_patch(PATCH).removed) == (2, 1)


def test_words_are_marked_against_the_line_most_alike() -> None:
    rows = read_patch(PATCH).hunks[0].rows
    assert [part.text for part in rows[1].parts if part.marked] == ["SystemTime::now"]
    assert not any(part.marked for part in rows[2].parts)
    assert "".join(part.text for part in rows[3].parts if part.marked) == "self.clock.tick"


@pytest.mark.parametrize(
    "patch", [None, "x", [None], [{}], [{"oldStart": "x", "newStart": 1, "lines": []}], [{"lines": 3}]]
)
def test_what_is_no_patch_gives_no_hunks(patch: Any) -> None:
    assert read_patch(patch).hunks == []


def test_two_texts_without_a_place_have_no_numbers() -> None:
    assert show(compare("a\nb\nc", "a\nB\nc")) == [
        (" ", None, "a"),
        ("-", None, "b"),
        ("+", None, "B"),
        (" ", None, "c"),
    ]
    assert show(compare("", "new")) == [("+", None, "new")]
    assert compare("", "").hunks == []


@given(st.text(), st.text())
def test_a_diff_holds_both_texts(old: str, new: str) -> None:
    diff = compare(old, new)
    total = sum(len(hunk.rows) for hunk in diff.hunks)
    assert total - diff.added == len(old.splitlines())
    assert total - diff.removed == len(new.splitlines())


@given(st.text(), st.text())
def test_marking_words_loses_no_character(old: str, new: str) -> None:
    left, right = mark_words(old, new)
    assert "".join(part.text for part in left) == old
    assert "".join(part.text for part in right) == new


def test_lines_that_nobody_reads_are_cut() -> None:
    [hunk] = compare("", "x" * (ROW_CHARS + 500)).hunks
    assert hunk.rows[0].parts == [Part("x" * ROW_CHARS + " … 500 more characters")]


def test_invisible_characters_show_in_a_diff() -> None:
    assert show(compare("", "a\u202eb")) == [("+", None, "a⟨U+202E⟩b")]


def test_lines_that_are_added_between_equal_ones_stand_there() -> None:
    assert "".join(sign for sign, _, _ in show(compare("a\nb\nb\nc", "a\nb\nb\nb\nc"))) == "   + "


CSV = [[",".join(str((row * column + shift) % 10) for column in range(495)) for row in range(20)] for shift in (0, 3)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n".join(CSV[0]), "\n".join(CSV[1])),
        ("x\ny\n" * 500, "x\ny\nz\n" * 333),
        ("a\n" * 60_000, "b\na\n" * 30_000),
        ("\u200b\u200b\n" * 15_000, "\u200b\n" * 15_000),
        ("a,b,c\n" * 10_000, "a,c\n" * 10_000),
    ],
)
def test_no_event_holds_the_hub_up(old: str, new: str) -> None:
    started = time.process_time()
    diff = compare(old, new)
    assert time.process_time() - started < HANG
    rows = sum(len(hunk.rows) for hunk in diff.hunks)
    assert rows <= ROWS
    assert rows + diff.left_out - diff.added == len(old.splitlines())


def test_many_small_edits_do_not_either() -> None:
    started = time.process_time()
    diff = compare_texts([("a b", "a c")] * 7000)
    assert time.process_time() - started < HANG
    assert (diff.added, diff.removed) == (7000, 7000)
    assert any(part.marked for part in diff.hunks[0].rows[0].parts)


def test_lines_that_a_page_has_no_room_for_are_counted() -> None:
    diff = compare("", "x\n" * 5000)
    assert (len(diff.hunks[0].rows), diff.left_out, diff.added) == (ROWS, 5000 - ROWS, 5000)
