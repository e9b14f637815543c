"""Working, needs you or idle: the sequences of hooks that the real client was seen to fire (2.1.329)."""

from __future__ import annotations

import pytest

from tests.hub.claude import Claude
from tests.hub.core.books import Books

A, B = "agent-a", "agent-b"
X, Y = {"file_path": "x"}, {"file_path": "y"}


def test_of_two_dialogs_at_once_the_second_stays_open(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Read", X), claude.pre_tool("t2", "Read", Y))
    books.take(claude.asks("Read", X), claude.asks("Read", Y))
    books.take(claude.post_tool("t1", "Read", X))
    assert books.session(claude).state == "needs_you"
    assert [ask.tool_use_id for ask in books.session(claude).open_asks] == ["t2"]
    books.take(claude.post_tool("t2", "Read", Y))
    assert books.session(claude).state == "working"


def test_a_call_that_begins_beside_a_dialog_does_not_close_it(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Read", X), claude.asks("Read", X))
    books.take(claude.pre_tool("t2", "Read", Y), claude.post_tool("t2", "Read", Y))
    assert books.session(claude).state == "needs_you"


def test_two_dialogs_about_equal_calls_are_two(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Read", X), claude.pre_tool("t2", "Read", X))
    books.take(claude.asks("Read", X), claude.asks("Read", X))
    assert [ask.tool_use_id for ask in books.session(claude).open_asks] == ["t1", "t2"]
    books.take(claude.post_tool("t2", "Read", X))
    assert books.session(claude).state == "needs_you"


def test_of_two_the_first_refused_with_words_and_the_second_allowed(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Read", X), claude.pre_tool("t2", "Read", Y))
    books.take(claude.asks("Read", X), claude.asks("Read", Y), claude.post_tool("t2", "Read", Y))
    assert books.session(claude).state == "needs_you"
    books.take(claude.end_batch())
    assert books.session(claude).state == "working"
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["interrupted", "done"]


def test_a_dialog_about_an_unknown_call_closes_by_its_tool(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.asks("Read", X), claude.post_tool("t9", "Bash"))
    assert books.session(claude).state == "needs_you"
    books.take(claude.post_tool("t1", "Read", X))
    assert books.session(claude).state == "working"


def test_what_is_asked_after_the_status_file_spoke_stays_open(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Read", X), claude.asks("Read", X))
    since = claude.at + 1
    books.take(claude.pre_tool("t2", "Read", Y), claude.asks("Read", Y), claude.channel("ChannelBusy", since=since))
    assert [ask.tool_use_id for ask in books.session(claude).open_asks] == ["t2"]


def test_a_prompt_after_the_status_file_spoke_is_a_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"))
    since = claude.at + 1
    books.take(claude.prompt("more"), claude.channel("ChannelIdle", since=since))
    assert books.session(claude).state == "working"


def test_a_background_agent_works_while_the_session_takes_messages(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Agent"), claude.post_tool("t1", "Agent"), claude.end_batch())
    books.take(claude.stop(agents=[A]))
    assert (books.session(claude).state, books.session(claude).turn) == ("working", "idle")
    books.take(claude.pre_tool("t2", agent_id=A), claude.post_tool("t2", agent_id=A), claude.end_batch(agent_id=A))
    assert (books.session(claude).state, books.session(claude).turn) == ("working", "idle")
    books.take(claude.agent_stop(A))
    assert books.session(claude).state == "idle"
    books.take(claude.prompt("<task-notification>"), claude.stop())
    assert books.session(claude).state == "idle"


def test_a_background_agent_that_was_stopped_is_over_with_the_next_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(agents=[A]), claude.prompt("it was stopped by the user"), claude.stop())
    assert books.session(claude).state == "idle"


def test_dialogs_of_two_background_agents_survive_turns_between_them(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(agents=[A, B]))
    books.take(claude.pre_tool("t1", agent_id=A), claude.pre_tool("t2", agent_id=B))
    books.take(claude.asks(agent_id=A), claude.asks(agent_id=B))
    assert books.session(claude).state == "needs_you"
    books.take(claude.post_tool("t1", agent_id=A), claude.end_batch(agent_id=A), claude.agent_stop(A))
    assert books.session(claude).state == "needs_you"
    books.take(claude.prompt("<task-notification>"), claude.stop(agents=[B]))
    assert books.session(claude).state == "needs_you"
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["done", "waiting"]
    books.take(claude.post_tool("t2", agent_id=B), claude.end_batch(agent_id=B), claude.agent_stop(B))
    assert books.session(claude).state == "idle"


def test_esc_in_an_agents_dialog_ends_the_agent(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(agents=[A]), claude.pre_tool("t1", agent_id=A), claude.asks(agent_id=A))
    books.take(claude.end_batch(agent_id=A), claude.agent_stop(A))
    assert books.session(claude).state == "idle"


@pytest.mark.parametrize("name", ["Stop", "StopFailure", "SessionEnd", "UserPromptSubmit"])
def test_what_a_subagent_ends_or_begins_is_not_the_sessions(books: Books, claude: Claude, name: str) -> None:
    books.take(claude.prompt("go"))
    began = books.session(claude).turn_started_at
    books.take(claude.hook(name, agent_id=A, prompt="inner"))
    assert (books.session(claude).state, books.session(claude).turn_started_at) == ("working", began)
    assert books.kinds(claude) == ["prompt"]


def test_an_agent_in_the_turn_ends_before_it(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Agent"), claude.pre_tool("t2", agent_id=A))
    books.take(claude.asks(agent_id=A))
    assert books.session(claude).state == "needs_you"
    books.take(claude.post_tool("t2", agent_id=A), claude.end_batch(agent_id=A), claude.agent_stop(A))
    assert books.session(claude).state == "working"
    books.take(claude.post_tool("t1", "Agent"), claude.end_batch(), claude.stop())
    assert books.session(claude).state == "idle"


def test_a_background_shell_is_no_work_of_claudes(books: Books, claude: Claude) -> None:
    shell = {"id": "b1", "type": "shell", "status": "running", "command": "sleep 4"}
    books.take(claude.prompt("go"), claude.hook("Stop", background_tasks=[shell, 7, {"type": "subagent"}]))
    assert books.session(claude).state == "idle"


def test_compacting_at_the_terminal_is_work(books: Books, claude: Claude) -> None:
    books.take(claude.hook("PreCompact", trigger="manual"))
    assert books.session(claude).state == "working"
    books.take(claude.agent_stop("summary"), claude.start("compact"))
    assert books.session(claude).state == "working"
    books.take(claude.hook("PostCompact", trigger="manual"))
    assert books.session(claude).state == "idle"


def test_compacting_in_a_turn_does_not_end_it(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.hook("PreCompact", trigger="auto"), claude.start("compact"))
    books.take(claude.hook("PostCompact", trigger="auto"))
    assert books.session(claude).state == "working"


def test_an_error_of_the_service_is_told_in_the_clients_words(books: Books, claude: Claude) -> None:
    failure = claude.hook("StopFailure", error="unknown", last_assistant_message="API Error: 400 out of order")
    books.take(claude.prompt("go"), failure)
    assert books.session(claude).state == "idle"
    assert books.entries(claude, "notice")[-1].data["text"] == "API Error: 400 out of order"


def test_a_laptop_that_slept_goes_on_where_it_was(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"))
    books.link_down(claude, "lost")
    assert books.session(claude).state == "offline"
    books.link_up(claude)
    assert books.session(claude).state == "working"
    books.take(claude.post_tool("t1"))
    assert books.entries(claude, "tool")[0].data["state"] == "done"
    books.take(claude.stop())
    assert books.session(claude).state == "idle"


@pytest.mark.parametrize("reason", ["stopped", "parent_gone"])
def test_a_claude_that_is_gone_does_nothing_any_more(books: Books, claude: Claude, reason: str) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.asks())
    books.link_down(claude, reason)
    session = books.session(claude)
    assert (session.state, session.turn, session.open_asks) == ("offline", "idle", [])
    assert books.entries(claude, "tool")[0].data["state"] == "interrupted"


def test_what_a_stop_hook_hands_over_keeps_claude_going(books: Books, claude: Claude) -> None:
    message_id = books.send(claude, when="next_turn")
    books.take(claude.prompt("go"), claude.stop())
    books.take(claude.channel("ChannelInjected", message_id=message_id, via="next_turn", hook="Stop"))
    assert books.session(claude).state == "working"
    books.take(claude.stop())
    assert books.session(claude).state == "idle"


def test_what_a_dead_process_left_fills_the_chat_of_a_session_that_goes_on_and_moves_nothing(books: Books) -> None:
    before, after = Claude(pid=11), Claude(pid=22)
    after.session_id = before.session_id
    books.take(before.start())
    books.link_up(before)
    books.link_down(before, "parent_gone")
    left = [before.prompt("lost"), before.pre_tool("t1"), before.post_tool("t2"), before.asks(), before.end()]
    books.take(after.start("resume"))
    books.link_up(after)
    books.take_left_over(*left)
    session = books.session(after)
    assert (session.state, session.pid, session.turn_started_at, session.open_tools) == ("idle", 22, None, {})
    assert [e.data["state"] for e in books.entries(after, "tool")] == ["interrupted", "done"]
    assert [e.data["text"] for e in books.entries(after, "prompt")] == ["lost"]


def test_a_result_that_comes_long_after_its_call_was_given_up_stands_for_itself(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("lost"), claude.stop())
    for number in range(100):
        books.take(claude.pre_tool(f"t{number}"), claude.post_tool(f"t{number}"))
    books.take(claude.post_tool("lost"))
    states = [entry.data["state"] for entry in books.entries(claude, "tool")]
    assert (states[0], states[-1], len(states)) == ("interrupted", "done", 102)


def test_a_process_without_a_channel_whose_death_an_uploader_saw_is_offline(books: Books) -> None:
    claude = Claude()
    books.take(claude.start(), claude.prompt("go"), claude.pre_tool("t1"))
    books.take(claude.channel("ChannelGone"))
    session = books.session(claude)
    assert (session.state, session.turn, books.notices(claude)[-1]) == ("offline", "idle", "offline")
    books.take(claude.start("resume"))
    assert session.state == "idle"
