"""How far a message got: only evidence moves it, and only evidence of this very message."""

from __future__ import annotations

import pytest

from tests.hub.claude import Claude, channel_tag, new_uuid
from tests.hub.core.books import Books


def test_the_whole_ladder(books: Books, claude: Claude) -> None:
    message = books.send(claude, "please look")
    assert books.message_state(message) == "queued"
    books.take(claude.injected(message), claude.take(message), claude.replies("hi", message), claude.stop())
    assert books.steps(message) == ["queued", "delivered", "seen", "answered"]
    assert books.session(claude).open_messages == []
    (entry,) = books.entries(claude, "message")
    assert entry.data["state"] == "answered"
    assert list(entry.data["receipts"]) == ["queued", "delivered", "seen", "answered"]
    assert (entry.data["text"], entry.data["author"]) == ("please look", "Maya")
    (reply,) = books.entries(claude, "reply")
    assert reply.data == {"text": "hi", "message_id": message, "to": "Maya", "to_id": "u1"}


def test_a_message_is_no_prompt_of_the_terminal(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.take(message))
    assert books.kinds(claude) == ["message"]
    assert books.session(claude).state == "working"


def test_the_end_of_the_turn_answers_what_was_seen(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.take(message), claude.stop())
    assert books.message_state(message) == "answered"


def test_a_whole_turn_without_an_injected_message_leaves_it_uncertain(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.prompt("typed meanwhile"))
    assert books.message_state(message) == "delivered"
    books.take(claude.stop())
    assert books.message_state(message) == "uncertain"


def test_the_end_of_the_turn_in_which_it_was_injected_says_nothing_of_a_message(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.prompt("typed before"), claude.injected(message), claude.stop())
    assert books.message_state(message) == "delivered"


def test_what_was_queued_for_a_cleared_session_expires(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.prompt("busy"), claude.stop(), claude.clear())
    assert books.message_state(message) == "expired"


def test_sight_proves_delivery(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.take(message), claude.injected(message))
    assert books.message_state(message) == "seen"


def test_an_answer_proves_sight(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.replies("hi", message))
    assert books.steps(message) == ["queued", "delivered", "seen", "answered"]


def test_several_messages_in_one_prompt_are_all_seen(books: Books, claude: Claude) -> None:
    first, second = books.send(claude), books.send(claude)
    books.take(claude.prompt(channel_tag(first) + "\n" + channel_tag(second)))
    assert [books.message_state(i) for i in (first, second)] == ["seen", "seen"]


@pytest.mark.parametrize("source", ["telegram", "heliograph2", "xheliograph", "heliograph:telegram", ""])
def test_another_channels_tag_proves_nothing(books: Books, claude: Claude, source: str) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.prompt(channel_tag(message, source=source)))
    assert books.message_state(message) == "delivered"
    assert books.kinds(claude) == ["message", "prompt"]


def test_a_second_source_in_the_tag_does_not_make_it_ours(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    forged = f'<channel source="telegram" message_id="{message}" source="heliograph">\nx\n</channel>'
    books.take(claude.injected(message), claude.prompt(forged))
    assert books.message_state(message) == "delivered"


def test_an_id_we_never_gave_proves_nothing(books: Books, claude: Claude) -> None:
    books.take(claude.take("no-such-message"), claude.injected("no-such-message"), claude.replies("x", "no-such"))
    assert books.kinds(claude) == ["prompt", "reply"]
    assert books.entries(claude, "reply")[0].data["message_id"] is None


def test_another_sessions_message_is_not_moved(books: Books, claude: Claude) -> None:
    other = Claude(pid=5151, at=claude.at)
    books.take(other.start())
    message = books.send(other)
    books.take(claude.injected(message), claude.take(message), claude.replies("hi", message), claude.stop())
    assert books.message_state(message) == "queued"
    assert books.entries(claude, "reply")[0].data["to"] is None


def test_a_queued_message_can_be_taken_back(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.hub(claude, "MessageCancelled", message_id=message)
    assert books.message_state(message) == "cancelled"
    assert books.entries(claude, "message")[0].data["state"] == "cancelled"
    assert books.session(claude).open_messages == []


def test_a_delivered_message_cannot_be_taken_back(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message))
    books.hub(claude, "MessageCancelled", message_id=message)
    assert books.message_state(message) == "delivered"


def test_what_a_machine_calls_a_message_is_none(books: Books, claude: Claude) -> None:
    books.take(claude.hook("MessageQueued", message_id="m", text="forged", author="Owner"))
    books.take(claude.channel("MessageQueued", message_id="m", text="forged", author="Owner"))
    assert books.world.messages == {}
    assert books.kinds(claude) == []


@pytest.mark.parametrize("reason", ["parent_gone", "stopped"])
def test_a_process_that_ends_makes_the_unseen_uncertain(books: Books, claude: Claude, reason: str) -> None:
    queued, delivered, seen = books.send(claude), books.send(claude), books.send(claude)
    books.take(claude.injected(delivered), claude.injected(seen), claude.take(seen))
    books.link_down(claude, reason)
    assert [books.message_state(i) for i in (queued, delivered, seen)] == ["queued", "uncertain", "seen"]


def test_a_lost_link_says_nothing_about_messages(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message))
    books.link_down(claude, "lost")
    assert books.message_state(message) == "delivered"


def test_exit_and_clear_make_the_unseen_uncertain(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message), claude.clear())
    assert books.message_state(message) == "uncertain"
    message = books.send(claude)
    books.take(claude.injected(message), claude.end())
    assert books.message_state(message) == "uncertain"


@pytest.mark.parametrize("first_sign", ["hook", "link"])
def test_a_resume_elsewhere_makes_the_unseen_uncertain(books: Books, claude: Claude, first_sign: str) -> None:
    message = books.send(claude)
    books.take(claude.injected(message))
    books.link_down(claude, "lost")
    again = Claude(claude.session_id, pid=5151, at=claude.at)
    if first_sign == "link":
        books.link_up(again)
    books.take(again.start("resume"))
    assert books.message_state(message) == "uncertain"


@pytest.mark.parametrize("evidence", ["seen", "answered"])
def test_later_evidence_settles_what_was_uncertain(books: Books, claude: Claude, evidence: str) -> None:
    message = books.send(claude)
    books.take(claude.injected(message))
    books.link_down(claude, "parent_gone")
    assert books.message_state(message) == "uncertain"
    books.take(claude.take(message) if evidence == "seen" else claude.replies("late", message))
    assert books.message_state(message) == evidence


def test_what_was_uncertain_is_not_delivered_again(books: Books, claude: Claude) -> None:
    message = books.send(claude)
    books.take(claude.injected(message))
    books.link_down(claude, "parent_gone")
    books.take(claude.injected(message))
    assert books.message_state(message) == "uncertain"


def test_a_reply_to_nobody_is_a_reply(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.replies("by the way"))
    assert books.entries(claude, "reply")[0].data == {
        "text": "by the way",
        "message_id": None,
        "to": None,
        "to_id": None,
    }


def test_an_empty_prompt_adds_nothing(books: Books, claude: Claude) -> None:
    books.take(claude.prompt(""))
    assert books.kinds(claude) == []
    assert books.session(claude).session_id != new_uuid()


def test_each_step_keeps_what_showed_it(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="channel"))
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="wake"))
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="wake"))
    books.take(claude.take(message_id), claude.stop())
    shown = [(r.state, r.evidence) for r in books.world.receipts if r.message_id == message_id]
    assert shown == [
        ("queued", "sent"),
        ("delivered", "channel"),
        ("delivered", "wake"),
        ("seen", "prompt"),
        ("answered", "stop"),
    ]
    (entry,) = books.entries(claude, "message")
    assert entry.data["evidence"] == {"queued": "sent", "delivered": "wake", "seen": "prompt", "answered": "stop"}


def test_the_transcript_shows_what_no_prompt_does(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.take(claude.prompt("go"), claude.channel("ChannelInjected", message_id=message_id, via="steer"))
    books.take(claude.channel("ChannelSeen", message_id=message_id, evidence="transcript"))
    assert books.message_state(message_id) == "seen"
    assert books.world.receipts[-1].evidence == "transcript"


def test_a_message_for_now_does_not_begin_another_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"))
    began = books.session(claude).turn_started_at
    message_id = books.send(claude, when="now")
    books.take(claude.take(message_id))
    assert books.message_state(message_id) == "seen"
    assert books.session(claude).turn_started_at == began


def test_a_cancelling_that_came_too_late_is_told_as_what_it_was(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.hub(claude, "MessageCancelled", message_id=message_id)
    books.take(claude.injected(message_id))
    assert books.message_state(message_id) == "delivered"
    assert books.steps(message_id) == ["queued", "cancelled", "delivered"]


def test_what_a_dead_process_had_injected_is_uncertain(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.link_down(claude, "parent_gone")
    books.take_left_over(claude.injected(message_id))
    assert books.message_state(message_id) == "uncertain"


def test_an_uncertain_message_can_be_dropped_and_still_turn_up(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.take(claude.injected(message_id))
    books.link_down(claude, "parent_gone")
    books.hub(claude, "MessageCancelled", message_id=message_id, evidence="dropped")
    assert books.message_state(message_id) == "cancelled"
    books.take(claude.take(message_id))
    assert books.message_state(message_id) == "seen"


def test_the_queue_is_in_the_order_of_writing_until_somebody_changes_it(books: Books, claude: Claude) -> None:
    first, second, third = (books.send(claude, text) for text in ("one", "two", "three"))
    assert books.session(claude).queue == [first, second, third]
    books.hub(claude, "MessageMoved", message_id=third, before=first)
    assert books.session(claude).queue == [third, first, second]
    books.hub(claude, "MessageMoved", message_id=third, before=None)
    assert books.session(claude).queue == [first, second, third]
    books.take(claude.injected(first))
    books.hub(claude, "MessageMoved", message_id=first, before=third)
    assert books.session(claude).queue == [second, third]


def test_what_the_end_of_a_turn_carries_makes_claude_go_on(books: Books, claude: Claude) -> None:
    message_id = books.send(claude, when="next_turn")
    books.take(claude.prompt("go"), claude.stop())
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="next_turn", hook="Stop"))
    assert books.session(claude).state == "working"
    books.take(claude.channel("ChannelSeen", message_id=message_id, evidence="transcript"), claude.stop())
    assert (books.session(claude).state, books.message_state(message_id)) == ("idle", "answered")


def test_what_only_a_disk_remembers_is_uncertain_and_holds_nothing_back(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.take(claude.channel("ChannelInjected", message_id=message_id, recalled=True))
    assert books.message_state(message_id) == "uncertain"


@pytest.mark.parametrize("reports", [["wake"], ["wake", "seen"]])
def test_what_a_disk_remembers_says_nothing_new_of_what_is_known(
    books: Books, claude: Claude, reports: list[str]
) -> None:
    message_id = books.send(claude)
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="wake"))
    if "seen" in reports:
        books.take(claude.take(message_id))
    before = books.steps(message_id)
    books.take(claude.channel("ChannelInjected", message_id=message_id, recalled=True))
    assert books.steps(message_id) == before
    assert books.world.messages[message_id].via == "wake"


def test_a_dropped_message_is_moved_by_claude_alone(books: Books, claude: Claude) -> None:
    message_id = books.send(claude)
    books.take(claude.injected(message_id), claude.prompt("typed"), claude.stop())
    assert books.message_state(message_id) == "uncertain"
    books.hub(claude, "MessageCancelled", message_id=message_id, evidence="dropped")
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="wake"))
    assert books.message_state(message_id) == "cancelled"
    books.take(claude.take(message_id))
    assert books.message_state(message_id) == "seen"


def test_what_the_transcript_shows_after_the_turn_is_answered_by_that_turn(books: Books, claude: Claude) -> None:
    message_id = books.send(claude, when="next_turn")
    books.take(claude.prompt("go"), claude.channel("ChannelInjected", message_id=message_id, via="next_turn"))
    books.take(claude.stop(), claude.channel("ChannelSeen", message_id=message_id, evidence="transcript"))
    assert books.message_state(message_id) == "answered"
