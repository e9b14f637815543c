"""One Claude session is one card: states, processes, lineage."""

from __future__ import annotations

import pytest

from tests.hub.claude import Claude, new_uuid
from tests.hub.core.books import MACHINE, Books


def test_it_needs_you_while_it_asks_and_works_again_after(books: Books, claude: Claude) -> None:
    assert books.session(claude).state == "idle"
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Write"))
    assert books.session(claude).state == "working"
    books.take(claude.asks("Write"))
    assert books.session(claude).state == "needs_you"
    assert [ask.tool_use_id for ask in books.session(claude).open_asks] == ["t1"]
    books.take(claude.post_tool("t1", "Write"))
    assert books.session(claude).state == "working"
    books.take(claude.stop())
    assert books.session(claude).state == "idle"


def test_a_refusal_with_words_ends_the_waiting_with_its_batch(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Write"), claude.asks("Write"), claude.end_batch())
    assert books.session(claude).state == "working"
    assert books.session(claude).open_asks == []
    assert books.entries(claude, "tool")[0].data["state"] == "interrupted"


def test_a_failed_call_no_longer_waits(books: Books, claude: Claude) -> None:
    books.take(
        claude.prompt("go"), claude.pre_tool("t1", "Read"), claude.asks("Read"), claude.tool_failed("t1", "Read")
    )
    assert books.session(claude).state == "working"


@pytest.mark.parametrize("ending", ["stop", "prompt", "end"])
def test_waiting_ends_with_the_turn(books: Books, claude: Claude, ending: str) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks())
    books.take({"stop": claude.stop, "end": claude.end, "prompt": lambda: claude.prompt("next")}[ending]())
    assert books.session(claude).open_asks == []


def test_exit_ends_the_session(books: Books, claude: Claude) -> None:
    books.take(claude.end())
    assert books.session(claude).state == "ended"
    assert books.session(claude).delivery == "none"
    assert books.notices(claude) == ["ended"]


def test_clear_gives_a_new_session_on_the_same_process(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.prompt("go"), claude.stop(), claude.clear())
    second = claude.session_id
    assert first != second
    before, after = books.session(first), books.session(second)
    assert (before.state, before.next_session_id) == ("ended", second)
    assert (after.state, after.delivery) == ("idle", "channel")
    assert (after.previous_session_id, after.relation) == (first, "clear")
    assert (after.model, after.pid) == (before.model, before.pid)
    assert books.notices(first) == books.notices(second) == ["cleared"]
    assert books.entries(first, "notice")[0].data["session_id"] == second
    assert books.entries(second, "notice")[0].data["session_id"] == first


def test_a_fork_in_the_same_process_names_its_origin(books: Books, claude: Claude) -> None:
    first = claude.session_id
    claude.session_id = new_uuid()
    books.take(claude.start("fork"))
    assert (books.session(claude).previous_session_id, books.session(claude).relation) == (first, "fork")
    assert books.notices(claude) == ["forked"]


def test_only_a_start_makes_lineage(books: Books, claude: Claude) -> None:
    claude.session_id = new_uuid()
    books.take(claude.prompt("go", source="clear"))
    assert books.session(claude).relation is None
    assert books.kinds(claude) == ["prompt"]


def test_late_events_of_a_cleared_session_do_not_move_the_process_back(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.prompt("go"), claude.clear())
    books.take(claude.hook("MessageDisplay", session_id=first, message_id="m", delta="late", final=True))
    books.take(claude.hook("SessionEnd", session_id=first, reason="clear"))
    books.take(claude.hook("Stop", session_id=first, last_assistant_message="late"))
    assert books.world.processes[MACHINE, claude.pid].session_id == claude.session_id
    assert books.session(first).state == "ended"
    assert books.session(claude).state == "idle"


def test_resume_in_a_new_process_is_the_same_card(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(), claude.end())
    books.link_down(claude, "stopped")
    again = Claude(claude.session_id, pid=5151, at=claude.at)
    books.take(again.start("resume"))
    books.link_up(again)
    session = books.session(claude)
    assert (session.state, session.pid, session.relation) == ("idle", 5151, None)
    assert books.notices(claude) == ["ended", "resumed"]
    assert len(books.world.sessions) == 1


def test_the_old_process_end_does_not_take_a_resumed_session_offline(books: Books, claude: Claude) -> None:
    again = Claude(claude.session_id, pid=5151, at=claude.at)
    books.take(again.start("resume"))
    books.link_up(again)
    books.link_down(claude, "lost")
    assert books.session(claude).state == "idle"
    assert books.session(claude).linked


def test_the_old_process_next_session_does_not_end_a_resumed_one(books: Books, claude: Claude) -> None:
    first = claude.session_id
    again = Claude(first, pid=5151, at=claude.at)
    books.take(again.start("resume"))
    books.link_up(again)
    claude.at = again.at
    claude.session_id = new_uuid()
    books.take(claude.start("clear"))
    assert books.session(first).state == "idle"
    assert books.session(first).next_session_id is None


def test_resuming_another_session_in_the_process_leaves_the_first(books: Books, claude: Claude) -> None:
    first = claude.session_id
    claude.session_id = new_uuid()
    books.take(claude.start("resume"))
    assert books.session(first).state == "ended"
    assert books.session(claude).state == "idle"
    claude.session_id = first
    books.take(claude.start("resume"))
    assert books.session(first).state == "idle"
    assert books.session(first).next_session_id is None


def test_a_channel_alone_makes_no_card(books: Books) -> None:
    claude = Claude()
    other = Books()
    other.link_up(claude)
    assert other.world.sessions == {}
    other.take(claude.start())
    assert other.session(claude).state == "idle"
    assert other.session(claude).delivery == "channel"


def test_a_start_up_id_of_the_channels_own_makes_no_card(books: Books) -> None:
    claude = Claude()
    books.link_up(claude, session_id=new_uuid())
    books.take(claude.start("resume"))
    assert list(books.world.sessions) == [claude.session_id]
    assert books.session(claude).linked


def test_without_a_channel_a_session_is_known_by_its_hooks(books: Books) -> None:
    claude = Claude()
    books.take(claude.start(), claude.prompt("go"))
    assert books.session(claude).state == "working"
    assert books.session(claude).delivery == "none"


def test_hooks_after_a_lost_link_show_that_the_session_lives(books: Books, claude: Claude) -> None:
    books.link_down(claude, "lost")
    books.take(claude.prompt("go"))
    assert (books.session(claude).state, books.session(claude).delivery) == ("working", "none")


def test_hooks_from_before_the_end_do_not_revive_a_session(books: Books, claude: Claude) -> None:
    late = claude.says("last words")
    books.link_down(claude, "parent_gone")
    books.take(late)
    assert books.session(claude).state == "offline"


def test_a_channel_that_claude_does_not_listen_to_delivers_nothing(books: Books) -> None:
    claude = Claude()
    books.take(claude.start())
    books.link_up(claude, push=False)
    assert (books.session(claude).state, books.session(claude).delivery) == ("idle", "none")


def test_a_lost_link_is_offline_until_it_is_back(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks())
    books.link_down(claude, "lost")
    session = books.session(claude)
    assert session.state == "offline"
    assert books.notices(claude) == ["offline"]
    books.link_up(claude)
    assert books.session(claude).state == "needs_you"
    books.take(claude.post_tool("t1"))
    assert books.session(claude).state == "working"
    assert books.notices(claude) == ["offline", "online"]


def test_a_link_that_was_not_missed_brings_no_notice(books: Books, claude: Claude) -> None:
    books.link_up(claude)
    assert books.notices(claude) == []


def test_the_end_of_a_link_after_the_end_of_the_session_is_no_news(books: Books, claude: Claude) -> None:
    books.take(claude.end())
    books.link_down(claude, "stopped")
    assert books.session(claude).state == "ended"
    assert books.notices(claude) == ["ended"]


def test_a_pid_used_again_is_another_process(books: Books, claude: Claude) -> None:
    first = claude.session_id
    message = books.send(claude)
    books.take(claude.injected(message))
    later = Claude(pid=claude.pid, started_at=claude.at + 5_000_000, at=claude.at)
    books.link_up(later)
    assert books.message_state(message) == "uncertain"
    assert books.session(first).state == "offline"
    books.take(later.start())
    assert books.session(later).relation is None
    assert books.session(first).next_session_id is None


def test_no_machine_can_say_that_a_link_is_up(books: Books) -> None:
    claude = Claude()
    books.take(claude.start(), claude.hook("LinkUp", push=True), claude.channel("LinkUp", push=True))
    assert books.session(claude).delivery == "none"


def test_no_machine_can_say_that_a_link_is_down(books: Books, claude: Claude) -> None:
    books.take(claude.hook("LinkDown", reason="stopped"), claude.channel("LinkDown", reason="stopped"))
    assert (books.session(claude).state, books.session(claude).delivery) == ("idle", "channel")


def test_facts_of_the_channel_are_kept(books: Books, claude: Claude) -> None:
    books.take(claude.channel("ChannelFacts", branch="main", cwd="/home/maya/other"))
    assert (books.session(claude).branch, books.session(claude).cwd) == ("main", "/home/maya/other")


def test_the_mode_of_the_latest_hook_counts(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.hook("PreToolUse", permission_mode="plan"))
    assert books.session(claude).permission_mode == "plan"


def test_a_resume_in_the_process_succeeds_nothing(books: Books, claude: Claude) -> None:
    first = claude.session_id
    books.take(claude.start(), claude.prompt("go"), claude.stop(), claude.end("resume"))
    claude.session_id = new_uuid()
    books.take(claude.start("resume"))
    assert (books.session(first).state, books.session(first).next_session_id) == ("ended", None)
    assert (books.session(claude).previous_session_id, books.session(claude).relation) == (None, None)


def test_esc_at_the_terminal_settles_the_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks())
    assert books.session(claude).state == "needs_you"
    books.take(claude.channel("ChannelIdle"))
    assert (books.session(claude).state, books.session(claude).open_asks) == ("idle", [])
    assert books.entries(claude, "tool")[0].data["state"] == "interrupted"


def test_an_answer_at_the_terminal_is_noticed_before_the_tool_ends(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks(), claude.channel("ChannelBusy"))
    assert (books.session(claude).state, books.session(claude).open_asks) == ("working", [])


def test_going_on_without_having_asked_changes_nothing(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(), claude.channel("ChannelBusy"))
    assert books.session(claude).state == "idle"


def test_what_a_dead_process_left_behind_revives_nothing(books: Books, claude: Claude) -> None:
    books.take_left_over(claude.start(), claude.prompt("go"))
    assert books.session(claude).state == "offline"
    books.take_left_over(claude.end())
    assert books.session(claude).state == "ended"


def test_left_over_events_do_not_take_a_session_from_the_process_it_goes_on_in(books: Books, claude: Claude) -> None:
    books.take(claude.start(), claude.prompt("go"))
    again = Claude(claude.session_id, pid=claude.pid + 1, at=claude.at)
    books.take(again.start("resume"))
    books.link_up(again)
    books.take_left_over(claude.prompt("last words"), claude.end())
    assert (books.session(claude).pid, books.session(claude).ended) == (again.pid, False)


def test_hooks_of_a_slow_clock_bring_a_session_back_all_the_same(books: Books, claude: Claude) -> None:
    books.take(claude.start())
    books.link_up(claude)
    books.link_down(claude, "lost")
    claude.at -= 3_600_000_000
    books.take(claude.prompt("still here"))
    assert books.session(claude).state == "working"


def test_events_that_were_dropped_are_told(books: Books, claude: Claude) -> None:
    books.take(claude.start(), claude.channel("ChannelGap", dropped=12))
    notice = books.entries(claude, "notice")[0].data
    assert (notice["code"], notice["level"]) == ("gap", "error")
    assert notice["text"].startswith("12 events")
