"""How much of a long text goes onto the page: its ends at once, its middle on demand, never too much."""

from __future__ import annotations

import msgspec

from hub.pages.text import reveal, reveal_output, say_size

PAGE_BYTES = 64 * 1024
"""No single output puts more than this into a page."""

WHOLE_LINES = 40
"""Up to here an output is shown whole."""

END_LINES = 10
"""Lines shown of either end of a longer one."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A text cut for showing. ``middle`` is folded; ``left_out`` bytes of it are not in the page at all."""

    head: str
    middle_before: str = ""
    middle_after: str = ""
    tail: str = ""
    lines: int
    hidden_lines: int = 0
    left_out: int = 0


def build_output(text: str, *, whole_lines: int = WHOLE_LINES, printed: bool = True) -> Output:
    """``text`` as an Output; everything invisible in it is spelled out.

    ``printed``: a program wrote it to a terminal, so colours and overwriting are no secrets.
    """
    show = reveal_output if printed else reveal
    text = text.strip("\n")
    total = text.count("\n") + 1 if text else 0
    before, after, left_out = _cut(text)
    first, last = show(before).split("\n"), show(after).split("\n")
    if left_out:
        return Output(
            head="\n".join(first[:END_LINES]),
            middle_before="\n".join(first[END_LINES:]),
            middle_after="\n".join(last[:-END_LINES]),
            tail="\n".join(last[-END_LINES:]),
            lines=total,
            hidden_lines=max(total - 2 * END_LINES, 0),
            left_out=left_out,
        )
    if len(first) <= whole_lines:
        return Output(head="\n".join(first), lines=total)
    return Output(
        head="\n".join(first[:END_LINES]),
        middle_before="\n".join(first[END_LINES:-END_LINES]),
        tail="\n".join(first[-END_LINES:]),
        lines=total,
        hidden_lines=len(first) - 2 * END_LINES,
    )


def cut_text(text: str) -> tuple[str, str]:
    """A text that is shown as a whole: its beginning, and what to say of the rest (mostly nothing)."""
    data = text.encode(errors="replace")  # half a surrogate pair is no text
    if len(data) <= PAGE_BYTES:
        return data.decode(), ""
    return data[:PAGE_BYTES].decode(errors="ignore"), f"{say_size(len(data) - PAGE_BYTES)} left out here"


def _cut(text: str) -> tuple[str, str, int]:
    """Both ends of a text over PAGE_BYTES, and the bytes between them; otherwise it and nothing."""
    data = text.encode(errors="replace")
    if len(data) <= PAGE_BYTES:
        return text, "", 0
    half = PAGE_BYTES // 2
    before, after = data[:half].decode(errors="ignore"), data[-half:].decode(errors="ignore")
    if "\n" in before:
        before = before[: before.rindex("\n")]
    if "\n" in after:
        after = after[after.index("\n") + 1 :]
    return before, after, len(data) - len(before.encode()) - len(after.encode())
