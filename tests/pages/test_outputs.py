"""How much of an output goes onto the page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.pages.outputs import PAGE_BYTES, build_output


def lines(count: int) -> str:
    return "\n".join(f"line {n}" for n in range(count))


def test_a_short_output_is_whole() -> None:
    output = build_output(lines(40))
    assert (output.head, output.tail, output.lines, output.hidden_lines) == (lines(40), "", 40, 0)


def test_of_a_longer_one_both_ends_show() -> None:
    output = build_output(lines(500))
    assert output.head.splitlines() == [f"line {n}" for n in range(10)]
    assert output.tail.splitlines() == [f"line {n}" for n in range(490, 500)]
    assert (output.lines, output.hidden_lines, output.left_out) == (500, 480, 0)
    assert output.middle_before.startswith("line 10\n")
    assert output.middle_before.endswith("line 489")


def test_of_a_huge_one_no_more_than_the_limit_is_in_the_page() -> None:
    text = lines(200_000)
    output = build_output(text)
    parts = [output.head, output.middle_before, output.middle_after, output.tail]
    kept = sum(len(part.encode()) for part in parts)
    assert kept <= PAGE_BYTES
    assert output.lines == 200_000
    assert abs(output.left_out + kept - len(text)) < 10
    assert output.tail.endswith("line 199999")


@given(st.text(alphabet="ab\n\u00e9\u20ac", max_size=300).map(lambda text: text * 700))
def test_the_limit_holds_for_any_shape_of_text(text: str) -> None:
    output = build_output(text)
    parts = [output.head, output.middle_before, output.middle_after, output.tail]
    assert sum(len(part.encode()) for part in parts) <= PAGE_BYTES


def test_half_a_surrogate_pair_breaks_nothing() -> None:
    assert build_output("a\ud800b").lines == 1
