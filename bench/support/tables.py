"""Figures in columns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def show_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: the first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    print(f"\n{title}")
    for row in [heads, *rows]:
        cells = [cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in _zip(row, widths)]
        print("  " + "   ".join(cells), flush=True)


def _zip(row: Sequence[str], widths: Sequence[int]) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(zip(row, widths, strict=True)))


def percentiles(times: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds; zeros where there is nothing."""
    if len(times) < 2:
        return (times[0] * 1000, times[0] * 1000) if times else (0.0, 0.0)
    return statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000


def say_bytes(count: float) -> str:
    """A size in the unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
