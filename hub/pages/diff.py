"""Diffs as rows to show: line numbers, what was added and removed, and the words that changed.

Takes Claude Code's own ``structuredPatch`` where there is one, and compares two texts otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, Literal

import msgspec

from hub.pages.text import reveal

Sign = Literal[" ", "-", "+"]

MARK_CHARS = 1000
"""Longer lines get no word marks: comparing them costs more than it tells."""

MARK_RATIO = 0.5
"""Lines less alike than this are just another line; marks would be noise."""

PAIRS = 400
"""In larger replacements lines are not held against each other: every pair is a comparison."""

ROW_CHARS = 2000
"""Longer lines are cut: they are minified or data, and nobody reads them in a diff."""

COMPARE_LINES = 2000
"""Above this, two texts are shown as all removed, all added: comparing is quadratic."""

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


def count_changes(hunks: Iterable[Hunk]) -> tuple[int, int]:
    """Lines added and removed."""
    signs = [row.sign for hunk in hunks for row in hunk.rows]
    return signs.count("+"), signs.count("-")


def read_patch(patch: Any) -> list[Hunk]:
    """Hunks out of a ``structuredPatch``; what isn't one is left out."""
    hunks = []
    for raw in patch if isinstance(patch, list) else []:
        try:
            old, new = int(raw["oldStart"]), int(raw["newStart"])
            lines = [str(line) for line in raw["lines"]]
            heading = f"@@ {old},{int(raw['oldLines'])} {new},{int(raw['newLines'])} @@"
        except (KeyError, TypeError, ValueError):
            continue
        hunks.append(Hunk(heading=heading, rows=_build_rows(lines, old, new)))
    return hunks


def compare_texts(old: str, new: str) -> list[Hunk]:
    """One hunk out of two texts whose place in the file isn't known."""
    before, after = old.splitlines(), new.splitlines()
    lines: list[str] = []
    if len(before) + len(after) > COMPARE_LINES:
        lines = [f"-{line}" for line in before] + [f"+{line}" for line in after]
    else:
        for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if tag == "equal":
                lines += [f" {line}" for line in before[i:j]]
            else:
                lines += [f"-{line}" for line in before[i:j]] + [f"+{line}" for line in after[k:m]]
    return [Hunk(heading="", rows=_build_rows(lines, None, None))] if lines else []


def _build_rows(lines: Sequence[str], old: int | None, new: int | None) -> list[Row]:
    rows: list[Row] = []
    removed: list[str] = []
    for sign, group in groupby(lines, key=lambda line: line[:1]):
        texts = [line[1:] for line in group]
        if sign == "-":
            removed = texts
            continue
        if sign == "+":
            before, after = _mark_pairs(removed, texts)
            old = _append(rows, "-", before, old)
            new = _append(rows, "+", after, new)
        elif sign != "\\":  # "\ No newline at end of file"
            old = _append(rows, "-", [[Part(text)] for text in removed], old)
            _append(rows, " ", [[Part(text)] for text in texts], new)
            old = None if old is None else old + len(texts)
            new = None if new is None else new + len(texts)
        removed = []
    _append(rows, "-", [[Part(text)] for text in removed], old)
    return rows


def _append(rows: list[Row], sign: Sign, lines: list[list[Part]], number: int | None) -> int | None:
    for parts in lines:
        shown = [Part(reveal(part.text), part.marked) for part in _shorten(parts)]
        rows.append(Row(sign=sign, number=number, parts=shown))
        number = None if number is None else number + 1
    return number


def _shorten(parts: list[Part]) -> list[Part]:
    length = sum(len(part.text) for part in parts)
    if length <= ROW_CHARS:
        return parts
    start = "".join(part.text for part in parts)[:ROW_CHARS]
    return [Part(f"{start} … {length - ROW_CHARS:,} more characters")]


def _mark_pairs(removed: list[str], added: list[str]) -> tuple[list[list[Part]], list[list[Part]]]:
    """Each removed line is held against the added line most like it, without crossing over."""
    before = [[Part(text)] for text in removed]
    after = [[Part(text)] for text in added]
    if len(removed) * len(added) > PAIRS:
        return before, after
    start = 0
    for index, old in enumerate(removed):
        ratios = [_compare(_split_words(old), _split_words(new)).ratio() for new in added[start:]]
        best = max(range(len(ratios)), key=ratios.__getitem__, default=-1)
        if best >= 0 and ratios[best] >= MARK_RATIO:
            before[index], after[start + best] = mark_words(old, added[start + best])
            start += best + 1
    return before, after


def mark_words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Both lines cut where they differ."""
    left: list[Part] = []
    right: list[Part] = []
    words, others = _split_words(old), _split_words(new)
    for tag, i, j, k, m in _compare(words, others).get_opcodes():
        marked = tag != "equal"
        if i < j:
            left.append(Part("".join(words[i:j]), marked))
        if k < m:
            right.append(Part("".join(others[k:m]), marked))
    return left or [Part("")], right or [Part("")]


def _split_words(line: str) -> list[str]:
    return _WORDS.findall(line) if len(line) <= MARK_CHARS else [line]


def _compare(words: list[str], others: list[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, words, others, autojunk=False)
