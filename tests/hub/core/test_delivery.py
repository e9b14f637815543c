"""What leads to Claude in a process, and which messages go there now."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.model import Ask, Message, Session, Ways
from hub.links import choose_due
from tests.hub.claude import Claude
from tests.hub.core.books import Books


def make_session(**fields: Any) -> Session:
    known = {"session_id": "s", "machine_id": "m", "pid": 1, "linked": True, "ways": Ways(channel=True)}
    return Session(**{**known, **fields})


def make_messages(*kinds: str, state: str = "queued") -> dict[str, Message]:
    return {
        f"{number}-{kind}": Message(
            message_id=f"{number}-{kind}",
            session_id="s",
            author_id="u",
            author="Maya",
            text="hi",
            client_id=None,
            when=kind,  # type: ignore[arg-type]
            state=state,  # type: ignore[arg-type]
            created_at=1,
        )
        for number, kind in enumerate(kinds)
    }


def due(session: Session, waiting: dict[str, Message], in_flight: tuple[str, ...] = (), level: int = 2) -> list[str]:
    session.queue = [name for name, message in waiting.items() if message.state == "queued"]
    return [message.message_id for message in choose_due(session, waiting, in_flight, level=level)]


def test_an_idle_claude_gets_one_turn_at_a_time() -> None:
    waiting = make_messages("auto", "auto")
    assert due(make_session(), waiting) == ["0-auto"]
    assert due(make_session(), waiting, ("0-auto",)) == []


def test_the_queue_says_which_is_first() -> None:
    session, waiting = make_session(), make_messages("auto", "auto")
    session.queue = ["1-auto", "0-auto"]
    assert [message.message_id for message in choose_due(session, waiting, (), level=2)] == ["1-auto"]


def test_a_message_that_claude_has_not_taken_holds_back_the_next() -> None:
    waiting = make_messages("auto", "auto")
    waiting["0-auto"].state = "delivered"
    assert due(make_session(), waiting) == []


@pytest.mark.parametrize("turn", [{"turn_started_at": 1}, {"waiting_for": [Ask(tool_name="Bash")]}])
def test_a_busy_claude_gets_what_is_for_now_alone(turn: dict[str, Any]) -> None:
    assert due(make_session(**turn), make_messages("auto", "now")) == ["1-now"]


def test_what_is_for_the_next_turn_is_kept_by_the_channel() -> None:
    assert due(make_session(turn_started_at=1), make_messages("next_turn", "next_turn")) == [
        "0-next_turn",
        "1-next_turn",
    ]


def test_where_the_next_prompt_is_the_only_way_the_channel_keeps_it_for_that() -> None:
    assert due(make_session(turn_started_at=1, ways=Ways(next_turn=True)), make_messages("auto")) == ["0-auto"]


def test_a_channel_of_level_1_gets_turns_only_and_never_what_it_would_take_too_early() -> None:
    waiting = make_messages("next_turn", "now", "auto")
    assert due(make_session(), waiting, level=1) == ["1-now"]
    assert due(make_session(turn_started_at=1), waiting, level=1) == []


@pytest.mark.parametrize(
    ("fields", "delivery", "reason"),
    [
        ({}, "channel", None),
        ({"ways": Ways(wake=True, next_turn=True, why="no_flag")}, "wake", "no_flag"),
        ({"ways": Ways(wake=True, why="dropped")}, "wake", "dropped"),
        ({"ways": Ways(next_turn=True, why="print")}, "next_turn", "print"),
        ({"ways": Ways(why="no_flag")}, "none", "no_flag"),
        ({"linked": False}, "none", "no_channel"),
        ({"linked": False, "offline_since": 1}, "none", "offline"),
        ({"ended": True}, "none", "ended"),
    ],
)
def test_a_session_says_what_leads_to_it_and_why_nothing_better(
    fields: dict[str, Any], delivery: str, reason: str | None
) -> None:
    session = make_session(**fields)
    assert (session.delivery, session.delivery_reason) == (delivery, reason)


def test_ways_are_the_process_s_and_outlast_a_lost_link() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start())
    books.link_up(claude, push=False)
    assert books.session(claude).delivery_reason == "no_flag"
    books.take(claude.channel("ChannelWays", channel=False, wake=True, next_turn=True, why="no_flag"))
    assert books.session(claude).delivery == "wake"
    books.link_down(claude, "lost")
    assert books.session(claude).delivery == "none"
    books.link_up(claude, push=False)
    assert books.session(claude).delivery == "wake"
    books.take(claude.clear())
    assert books.session(claude).delivery == "wake"


def test_print_mode_is_known_before_anything_happens() -> None:
    books, claude = Books(), Claude()
    books.link_up(claude, why="print")
    books.take(claude.start())
    assert books.session(claude).delivery_reason == "print"


def test_another_process_of_the_same_pid_begins_anew() -> None:
    books, claude = Books(), Claude()
    books.take(claude.start())
    books.link_up(claude)
    books.take(claude.channel("ChannelWays", channel=False, wake=True, next_turn=True, why="dropped"))
    claude.started_at += 1
    books.link_up(claude)
    assert books.session(claude).delivery == "channel"
