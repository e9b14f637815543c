"""Diffs as rows to show: line numbers, what was added and removed, and the words that changed.

Takes Claude Code's own ``structuredPatch`` where there is one, and compares two texts otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate, groupby, takewhile
from typing import Any, Literal

import msgspec

from hub.pages.outputs import PAGE_BYTES
from hub.pages.text import reveal

Sign = Literal[" ", "-", "+"]

MARK_CHARS = 1000
"""Longer lines get no word marks: comparing them costs more than it tells."""

MARK_RATIO = 0.5
"""Lines less alike than this are just another line; marks would be noise."""

WORK = 200_000
"""Steps of comparing that one diff may take, tens of milliseconds. What isn't compared by then is shown plain."""

START = 100
"""Steps that a comparison costs before it has begun."""

ROWS = 1000
"""No diff puts more lines than this into a page."""

ROW_CHARS = 2000
"""Longer lines are cut: they are minified or data, and nobody reads them in a diff."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Part(msgspec.Struct, frozen=True):
    """A stretch of a line; ``marked`` where it differs from its counterpart."""

    text: str
    marked: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a diff. ``number`` is where it stands (in the old file for ``-``); None if unknown."""

    sign: Sign
    number: int | None
    parts: list[Part]


class Hunk(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that stand together; ``heading`` as git writes it, or empty."""

    heading: str
    rows: list[Row]


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """``added`` and ``removed`` count every line; ``left_out`` are those that no hunk holds."""

    hunks: list[Hunk]
    added: int
    removed: int
    left_out: int


def read_patch(patch: Any) -> Diff:
    """A ``structuredPatch``; what isn't one is left out."""
    builder = _Builder()
    for raw in patch if isinstance(patch, list) else []:
        try:
            old, new = int(raw["oldStart"]), int(raw["newStart"])
            lines = [str(line) for line in raw["lines"] if not str(line).startswith("\\")]  # "\ No newline at …"
            heading = f"@@ {old},{int(raw['oldLines'])} {new},{int(raw['newLines'])} @@"
        except (KeyError, TypeError, ValueError):
            continue
        builder.add(lines, heading, old, new)
    return builder.build()


def compare_texts(edits: Iterable[tuple[str, str]]) -> Diff:
    """A hunk for each pair of texts, old and new, whose place in the file isn't known."""
    builder = _Builder()
    for old, new in edits:
        builder.add(_compare_lines(old.splitlines(), new.splitlines(), builder.work), "", None, None)
    return builder.build()


def compare_whole(edits: Iterable[tuple[str, str]]) -> Diff:
    """The same with every line and every character: for what somebody is asked to allow."""
    builder = _Builder(is_whole=True)
    for old, new in edits:
        before, after = _split_whole(old, new)
        builder.add(_compare_lines(before, after, builder.work), "", None, None)
    return builder.build()


class _TooMuch(Exception):
    """The work that was allowed is done."""


class _Work:
    """The steps that are left. Most is asked for before it is done, so nothing takes longer than allowed."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooMuch


class _Matcher(SequenceMatcher[str]):
    """Compares two sequences as long as ``work`` lasts."""

    def __init__(self, work: _Work, old: Sequence[str], new: Sequence[str]) -> None:
        self._work = work
        work.take(START + len(old) + len(new))
        counts = Counter(new)
        self._steps = [0, *accumulate(1 + counts[item] for item in old)]
        super().__init__(None, old, new, autojunk=False)

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        end = len(self._steps) - 1 if ahi is None else ahi
        self._work.take(self._steps[end] - self._steps[alo])
        return super().find_longest_match(alo, ahi, blo, bhi)


class _Builder:
    """Collects a diff's hunks within what a page and the hub's time have room for."""

    def __init__(self, *, is_whole: bool = False) -> None:
        self.work = _Work(WORK)
        self._is_whole = is_whole
        self._rows_left = ROWS
        self._chars_left = PAGE_BYTES
        self._hunks: list[Hunk] = []
        self._added = self._removed = self._left_out = 0

    def add(self, lines: list[str], heading: str, old: int | None, new: int | None) -> None:
        self._added += sum(line.startswith("+") for line in lines)
        self._removed += sum(line.startswith("-") for line in lines)
        taken = self._take(lines)
        self._left_out += len(lines) - taken
        if taken:
            self._hunks.append(Hunk(heading=heading, rows=self._build_rows(lines[:taken], old, new)))

    def build(self) -> Diff:
        return Diff(hunks=self._hunks, added=self._added, removed=self._removed, left_out=self._left_out)

    def _build_rows(self, lines: list[str], old: int | None, new: int | None) -> list[Row]:
        return _build_rows(lines, old, new, self.work, None if self._is_whole else ROW_CHARS)

    def _take(self, lines: list[str]) -> int:
        if self._is_whole:
            return len(lines)
        taken = 0
        while taken < len(lines) and self._rows_left > 0 and self._chars_left > 0:
            self._chars_left -= min(len(lines[taken]), ROW_CHARS)
            self._rows_left -= 1
            taken += 1
        return taken


def _compare_lines(before: list[str], after: list[str], work: _Work) -> list[str]:
    start = _count_common(before, after)
    end = _count_common(reversed(before[start:]), reversed(after[start:]))
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    lines = [f" {line}" for line in before[:start]]
    try:
        steps = _Matcher(work, old, new).get_opcodes()
    except _TooMuch:
        steps = [("replace", 0, len(old), 0, len(new))]
    for tag, i, j, k, m in steps:
        if tag == "equal":
            lines += [f" {line}" for line in old[i:j]]
        else:
            lines += [f"-{line}" for line in old[i:j]] + [f"+{line}" for line in new[k:m]]
    return lines + [f" {line}" for line in before[len(before) - end :]]


def _count_common(one: Iterable[str], other: Iterable[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _split_whole(old: str, new: str) -> tuple[list[str], list[str]]:
    """Lines end with a newline and nothing else; a last one is only told of where the other text lacks it."""
    before, after = old.split("\n") if old else [], new.split("\n") if new else []
    if (not before or not before[-1]) and (not after or not after[-1]):
        before, after = before[:-1], after[:-1]
    return before, after


def _build_rows(lines: list[str], old: int | None, new: int | None, work: _Work, most: int | None) -> list[Row]:
    rows: list[Row] = []
    removed: list[str] = []
    for sign, group in groupby(lines, key=lambda line: line[:1]):
        texts = [line[1:] for line in group]
        if sign == "-":
            removed = texts
            continue
        if sign == "+":
            before, after = _mark_pairs(removed, texts, work)
            old = _append(rows, "-", before, old, most)
            new = _append(rows, "+", after, new, most)
        else:
            old = _append(rows, "-", [[Part(text)] for text in removed], old, most)
            _append(rows, " ", [[Part(text)] for text in texts], new, most)
            old = None if old is None else old + len(texts)
            new = None if new is None else new + len(texts)
        removed = []
    _append(rows, "-", [[Part(text)] for text in removed], old, most)
    return rows


def _append(rows: list[Row], sign: Sign, lines: list[list[Part]], number: int | None, most: int | None) -> int | None:
    for parts in lines:
        kept = parts if most is None else _shorten(parts, most)
        shown = [Part(reveal(part.text), part.marked) for part in kept]
        rows.append(Row(sign=sign, number=number, parts=shown))
        number = None if number is None else number + 1
    return number


def _shorten(parts: list[Part], most: int) -> list[Part]:
    length = sum(len(part.text) for part in parts)
    if length <= most:
        return parts
    start = "".join(part.text for part in parts)[:most]
    return [Part(f"{start} … {length - most:,} more characters")]


def _mark_pairs(removed: list[str], added: list[str], work: _Work) -> tuple[list[list[Part]], list[list[Part]]]:
    """Each removed line is held against the added line most like it, without crossing over."""
    before = [[Part(text)] for text in removed]
    after = [[Part(text)] for text in added]
    others = [_split_words(text) for text in added] if removed else []
    start = 0
    try:
        for index, old in enumerate(removed):
            words = _split_words(old)
            best, place = MARK_RATIO, -1
            for at in range(start, len(others)):
                ratio = _rate(words, others[at], best, work)
                if ratio > best or (ratio == best and place < 0):
                    best, place = ratio, at
            if place >= 0:
                before[index], after[place] = _mark_words(words, others[place], work)
                start = place + 1
    except _TooMuch:  # half of the marks would tell less than none
        return [[Part(text)] for text in removed], [[Part(text)] for text in added]
    return before, after


def _rate(words: list[str], others: list[str], least: float, work: _Work) -> float:
    """How alike two lines are, from 0 to 1; 0 too if it is less than ``least``."""
    total = len(words) + len(others)
    work.take(1)
    if total and 2 * min(len(words), len(others)) / total < least:
        return 0.0
    return _Matcher(work, words, others).ratio()


def mark_words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Both lines cut where they differ; whole if that takes too long to find out."""
    try:
        return _mark_words(_split_words(old), _split_words(new), _Work(WORK))
    except _TooMuch:
        return [Part(old)], [Part(new)]


def _mark_words(words: list[str], others: list[str], work: _Work) -> tuple[list[Part], list[Part]]:
    left: list[Part] = []
    right: list[Part] = []
    for tag, i, j, k, m in _Matcher(work, words, others).get_opcodes():
        marked = tag != "equal"
        if i < j:
            left.append(Part("".join(words[i:j]), marked))
        if k < m:
            right.append(Part("".join(others[k:m]), marked))
    return left or [Part("")], right or [Part("")]


def _split_words(line: str) -> list[str]:
    return _WORDS.findall(line) if len(line) <= MARK_CHARS else [line]
