"""Interrupted: from when somebody wants a turn to stop until it is over, in whichever way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hub.claude import Claude
from tests.hub.core.books import Books

AGENT = "agent-a"


def interrupt(books: Books, claude: Claude, author: str = "Maya") -> None:
    books.hub(claude, "InterruptAsked", author_id="u1", author=author)


def begin(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"))


ENDS: dict[str, Callable[[Books, Claude], None]] = {
    "Stop": lambda books, claude: books.take(claude.stop()),
    "an error of the service": lambda books, claude: books.take(claude.hook("StopFailure", error="unknown")),
    "SessionEnd": lambda books, claude: books.take(claude.end()),
    "/clear": lambda books, claude: books.take(claude.clear()),
    "resumed": lambda books, claude: books.take(claude.start("resume")),
    "idle by the status file": lambda books, claude: books.take(claude.channel("ChannelIdle", since=claude.at + 1)),
    "compacted": lambda books, claude: books.take(claude.hook("PostCompact", trigger="manual")),
    "stopped": lambda books, claude: books.link_down(claude, "stopped"),
    "killed": lambda books, claude: books.link_down(claude, "parent_gone"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_whatever_ends_the_turn_ends_the_interrupt(
    books: Books, claude: Claude, end: Callable[[Books, Claude], None]
) -> None:
    session = books.session(claude)
    begin(books, claude)
    interrupt(books, claude)
    assert session.interrupted_at is not None
    end(books, claude)
    assert session.interrupted_at is None


def test_what_the_turn_does_until_then_does_not(books: Books, claude: Claude) -> None:
    begin(books, claude)
    interrupt(books, claude)
    at = books.session(claude).interrupted_at
    books.take(claude.post_tool("t1"), claude.end_batch(), claude.says("still here"))
    books.take(claude.pre_tool("t2", agent_id=AGENT), claude.agent_stop(AGENT), claude.start("compact"))
    books.link_down(claude, "lost")
    books.link_up(claude)
    assert at is not None
    assert books.session(claude).interrupted_at == at
    assert books.session(claude).state == "working"


def test_a_notice_tells_who_asked_first(books: Books, claude: Claude) -> None:
    begin(books, claude)
    interrupt(books, claude)
    first = books.session(claude).interrupted_at
    interrupt(books, claude, "Noor")
    notices = [(entry.data["code"], entry.data["text"]) for entry in books.entries(claude, "notice")]
    assert notices == [("interrupt", "Maya")]
    again = books.session(claude).interrupted_at
    assert first is not None
    assert again is not None
    assert again > first


def test_nothing_happens_to_a_session_that_is_idle(books: Books, claude: Claude) -> None:
    interrupt(books, claude)
    assert books.session(claude).interrupted_at is None
    assert books.entries(claude) == []


def test_a_dialog_is_something_to_interrupt(books: Books, claude: Claude) -> None:
    books.take(claude.asks(agent_id=AGENT))
    interrupt(books, claude)
    assert books.session(claude).interrupted_at is not None


def test_subagents_in_the_background_are_interrupted_until_what_their_end_begins_is_over(
    books: Books, claude: Claude
) -> None:
    books.take(claude.prompt("go"), claude.stop(agents=[AGENT]))
    interrupt(books, claude)
    books.take(claude.pre_tool("t1", agent_id=AGENT), claude.prompt("<task-notification>"))
    assert books.session(claude).interrupted_at is not None
    books.take(claude.channel("ChannelIdle", since=claude.at + 1))
    session = books.session(claude)
    assert (session.interrupted_at, session.agents, session.state) == (None, [], "idle")


def test_a_turn_that_followed_at_once_goes_on(books: Books, claude: Claude) -> None:
    begin(books, claude)
    interrupt(books, claude)
    before = claude.at
    books.take(claude.prompt("next"), claude.channel("ChannelIdle", since=before))
    session = books.session(claude)
    assert (session.interrupted_at, session.state) == (None, "working")


def test_a_stop_is_noted_with_who_wanted_it(books: Books, claude: Claude) -> None:
    books.hub(claude, "StopAsked", author_id="u1", author="Maya")
    (notice,) = books.entries(claude, "notice")
    assert (notice.data["code"], notice.data["text"], notice.data["level"]) == ("stop", "Maya", "info")
    assert books.session(claude).state == "idle"
    books.take(claude.end("other"))
    assert books.notices(claude) == ["stop", "ended"]
