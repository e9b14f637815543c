"""Receipts, the line below the composer, lineage: words that must be true."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.core.model import Ask, Entry, Machine, Session, Ways
from hub.pages.entries import NoticeShown, ProgressShown, build_entry, fold_said
from hub.pages.markdown import Prose
from hub.pages.receipts import build_receipt
from hub.pages.sessions import build_facts, build_line, build_lineage

MakeSession = Callable[..., Session]
MakeEntry = Callable[..., Entry]
SENT = "2026-11-21T06:38:00.000Z"


@pytest.mark.parametrize(
    ("state", "dashes", "words"),
    [
        ("queued", ["on", "off", "off", "off"], "Queued. Claude reads it when it is connected and idle."),
        ("delivered", ["on", "on", "off", "off"], "On atlas, not yet seen by Claude."),
        ("seen", ["on", "on", "on", "off"], "Seen by Claude"),
        ("answered", ["on", "on", "on", "on"], "Answered"),
        ("cancelled", ["on", "off", "off", "off"], "Cancelled"),
        ("expired", ["on", "off", "off", "off"], "Expired. It was never given to Claude."),
        ("uncertain", ["on", "on", "broken", "off"], "Uncertain. Claude Code on atlas never confirmed it."),
    ],
)
def test_a_receipt_says_how_far_the_message_got(
    state: str, dashes: list[str], words: str, machine: Machine, now: int
) -> None:
    receipt = build_receipt({"state": state, "receipts": {state: SENT}}, machine, now)
    assert (receipt.dashes, receipt.words) == (dashes, words)
    assert receipt.bad is (state in ("expired", "uncertain"))
    shows_time = receipt.at is not None and receipt.at.text == "06:38"
    assert shows_time is (state in ("seen", "answered", "cancelled"))
    assert [step.label for step in receipt.steps] == [state.capitalize()]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Claude reads this now."),
        ({"turn_started_at": 1}, "Claude reads this when the current turn ends."),
        (
            {"waiting_for": [Ask(tool_name="Bash")]},
            "Claude waits for an answer on atlas and reads this when the turn has ended.",
        ),
        ({"ways": Ways(wake=True, why="no_flag")}, "Claude is woken for this now."),
        ({"ways": Ways(wake=True), "turn_started_at": 1}, "Claude reads this when the current turn ends."),
        ({"ways": Ways(next_turn=True)}, "Claude reads this with the next prompt at its terminal."),
        ({"ways": Ways(next_turn=True), "turn_started_at": 1}, "Claude reads this when the current turn ends."),
        ({"ways": Ways(why="no_flag")}, "Nothing leads to Claude here. Start it with"),
        (
            {"linked": False, "offline_since": 1},
            "This session on atlas is offline. The message waits here and is sent when it returns.",
        ),
        ({"ended": True}, "This session has ended. A message waits here until it is resumed."),
        (
            {"ended": True, "next_session_id": "s2", "next_relation": "fork"},
            "This session has ended. A message waits here until it is resumed.",
        ),
    ],
)
def test_the_page_says_when_claude_reads_a_message(
    fields: dict[str, object], line: str, make_session: MakeSession, machine: Machine, now: int
) -> None:
    shown = build_line(make_session(**fields), machine, now)
    assert (shown.text, shown.next_session_id) == (line, "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Claude reads this with the next prompt at the terminal on atlas."),
        (
            {"turn_started_at": 1},
            "Claude reads this at the end of this turn, or with a prompt at the terminal on atlas before that.",
        ),
    ],
)
def test_next_turn_says_when_that_is(
    fields: dict[str, object], words: str, make_session: MakeSession, machine: Machine, now: int
) -> None:
    shown = build_line(make_session(ways=Ways(channel=True, next_turn=True), **fields), machine, now)
    assert [way.text for way in shown.ways if way.when == "next_turn"] == [words]


def test_after_a_clear_the_line_points_to_the_next_session(
    make_session: MakeSession, machine: Machine, now: int
) -> None:
    line = build_line(make_session(ended=True, next_session_id="s2", next_relation="clear"), machine, now)
    assert (line.text, line.next_session_id) == ("Cleared. Your message goes to", "s2")


def test_delivery_is_said_as_it_is(make_session: MakeSession, machine: Machine, now: int) -> None:
    assert build_facts(make_session(), machine, now).channel
    facts = build_facts(make_session(ways=Ways(wake=True, why="dropped")), machine, now)
    assert (facts.channel, facts.delivery) == (False, "wake")
    assert facts.why.startswith("Claude Code drops what the channel pushes")


def test_lineage_goes_from_before_to_after(make_session: MakeSession) -> None:
    session = make_session(previous_session_id="s0", relation="clear", next_session_id="s2", next_relation="fork")
    related = {
        "s0": make_session(session_id="s0", title="Spike"),
        "s2": make_session(session_id="s2", title="Next"),
    }
    steps = [(step.words, step.title, step.session_id) for step in build_lineage(session, related)]
    assert steps == [("Cleared from", "Spike", "s0"), ("This session", "", ""), ("Forked to", "Next", "s2")]
    assert build_lineage(session, {}) == []


def test_long_prompts_are_folded() -> None:
    said = fold_said("\n".join(f"line {n}" for n in range(84)))
    assert said.fold == "Show all 84 lines"
    assert said.start == "line 0\nline 1\nline 2"
    assert "line 83" in said.html
    assert fold_said("x" * 5000).fold == "Show all 5,000 characters"
    assert fold_said("short\n").fold == ""


def test_notices_and_progress_read_as_words(
    make_entry: MakeEntry, make_session: MakeSession, machine: Machine, now: int
) -> None:
    def build(entry: Entry) -> object:
        view = build_entry(entry, make_session(cwd=""), machine, Prose(), now)
        assert view is not None
        return view.shown

    notice = build(make_entry("notice", code="cleared", level="info", text=None, session_id="s2"))
    assert isinstance(notice, NoticeShown)
    assert (notice.words, notice.session_id, notice.error) == ("Cleared", "s2", False)
    asked = build(make_entry("notice", code="interrupt", level="info", text="Maya", session_id=None))
    assert isinstance(asked, NoticeShown)
    assert (asked.words, asked.text) == ("Interrupt requested", "Maya")
    strange = build(make_entry("notice", code="moved", level="error", text="To the moon", session_id=None))
    assert isinstance(strange, NoticeShown)
    assert (strange.words, strange.text, strange.error) == ("To the moon", "", True)
    progress = build(make_entry("progress", percent=62.4, phase=None, status="312 of 500"))
    assert isinstance(progress, ProgressShown)
    assert (progress.percent, progress.phase, progress.status) == (62, "Progress", "312 of 500")
    for percent, shown in ((None, None), (-3, 0), (900, 100), ("x", None)):
        odd = build(make_entry("progress", percent=percent, phase="p", status=""))
        assert isinstance(odd, ProgressShown)
        assert odd.percent == shown


def test_kinds_of_later_are_left_out(
    make_entry: MakeEntry, make_session: MakeSession, machine: Machine, now: int
) -> None:
    assert build_entry(make_entry("subagent"), make_session(), machine, Prose(), now) is None
