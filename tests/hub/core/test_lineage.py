"""How sessions follow each other, and who carries them: the sequences of hooks of the real client (2.1.329)."""

from __future__ import annotations

import pytest

from hub.core.model import Session
from tests.hub.claude import Claude, new_uuid
from tests.hub.core.books import MACHINE, Books


def lineage(session: Session) -> tuple[str | None, str | None]:
    return session.previous_session_id, session.relation


def fork(claude: Claude) -> Claude:
    """Another process, started with --resume ID --fork-session."""
    return Claude(pid=claude.pid + 1, at=claude.at)


def test_branch_ends_the_session_and_goes_on_in_its_copy(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.turn("go", "done"), claude.end("resume"))
    claude.session_id = new_uuid()
    books.take(claude.start("fork"), claude.turn("more", "done"))
    assert lineage(books.session(claude)) == (first, "fork")
    assert (books.session(first).state, books.session(first).next_session_id) == ("ended", claude.session_id)
    assert books.session(claude).delivery == "channel"


def test_going_back_to_what_was_branched_is_its_card_again(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.end("resume"))
    claude.session_id = branch = new_uuid()
    books.take(claude.start("fork"), claude.end("resume"))
    claude.session_id = first
    books.take(claude.start("resume"), claude.turn("back", "done"))
    assert (books.session(first).state, books.session(first).delivery) == ("idle", "channel")
    assert (books.session(first).next_session_id, lineage(books.session(first))) == (None, (None, None))
    assert (books.session(branch).state, lineage(books.session(branch))) == ("ended", (first, "fork"))
    assert len(books.world.sessions) == 2


def test_a_fork_in_another_process_leaves_its_origin_alone(books: Books, claude: Claude) -> None:
    forked = fork(claude)
    books.take(forked.start("fork"))
    assert lineage(books.session(forked)) == (None, None)
    books.take(forked.channel("ChannelLineage", previous=claude.session_id, relation="fork"))
    assert lineage(books.session(forked)) == (claude.session_id, "fork")
    assert books.notices(forked) == ["forked"]
    assert books.entries(forked, "notice")[0].data["session_id"] == claude.session_id
    assert (books.session(claude).state, books.session(claude).next_session_id) == ("idle", None)


def test_clearing_a_fork_follows_the_fork(books: Books, claude: Claude) -> None:
    forked = fork(claude)
    books.take(forked.start("fork"), forked.channel("ChannelLineage", previous=claude.session_id, relation="fork"))
    first = forked.session_id
    books.take(forked.clear())
    assert lineage(books.session(forked)) == (first, "clear")
    assert lineage(books.session(first)) == (claude.session_id, "fork")


def test_what_hooks_have_told_counts_more_than_the_channels_word(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.clear(), claude.channel("ChannelLineage", previous=new_uuid(), relation="fork"))
    assert lineage(books.session(claude)) == (first, "clear")


@pytest.mark.parametrize("previous", [None, "", "x" * 200])
def test_an_impossible_origin_is_none(books: Books, claude: Claude, previous: str | None) -> None:
    books.take(claude.channel("ChannelLineage", previous=previous, relation="fork"))
    books.take(claude.channel("ChannelLineage", previous=claude.session_id, relation="fork"))
    assert lineage(books.session(claude)) == (None, None)


def test_a_session_opened_twice_is_one_card_at_the_process_that_took_it_up_last(books: Books, claude: Claude) -> None:
    second = Claude(claude.session_id, pid=claude.pid + 1, at=claude.at)
    books.take(second.start("resume"))
    books.link_up(second)
    books.take(second.turn("here", "done"))
    claude.at = second.at
    books.take(claude.turn("there", "done"))
    assert list(books.world.sessions) == [claude.session_id]
    assert (books.session(claude).pid, books.session(claude).state) == (second.pid, "idle")
    books.link_up(claude)  # the hub was restarted: who comes back first takes nothing from the other
    assert books.session(claude).pid == second.pid


def test_a_session_opened_twice_lives_on_where_it_is_still_open(books: Books, claude: Claude) -> None:
    second = Claude(claude.session_id, pid=claude.pid + 1, at=claude.at)
    books.take(second.start("resume"))
    books.link_up(second)
    books.take(second.end())
    assert books.session(claude).state == "ended"
    claude.at = second.at
    books.take(claude.prompt("still here"))
    session = books.session(claude)
    assert (session.pid, session.state, session.delivery) == (claude.pid, "working", "channel")
    books.link_down(second, "stopped")
    assert books.session(claude).state == "working"


def test_a_pid_that_is_used_again_takes_nothing_along(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks())
    other = Claude(pid=claude.pid, started_at=claude.started_at + 1, at=claude.at)
    books.link_up(other)
    books.take(other.start("fork"))
    assert lineage(books.session(other)) == (None, None)
    before = books.session(claude)
    assert (before.state, before.turn, before.waiting_for) == ("offline", "idle", [])
    assert books.world.processes[MACHINE, claude.pid].session_id == other.session_id
