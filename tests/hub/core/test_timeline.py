"""What the chat shows, and in which order."""

from __future__ import annotations

import pytest

from tests.hub.claude import Claude
from tests.hub.core.books import Books


@pytest.fixture
def claude() -> Claude:
    return Claude()


def test_a_turn_reads_as_it_was_meant(books: Books, claude: Claude) -> None:
    books.take(claude.start(), claude.turn("do it", "Done and done"))
    assert books.kinds(claude) == ["prompt", "assistant", "tool", "assistant"]
    prompt, first, tool, last = books.entries(claude)
    assert prompt.data == {"text": "do it", "by": "maya"}
    assert first.data == {"text": "On **it**, listing now", "streaming": False}
    assert tool.data["state"] == "done"
    assert last.data["text"] == "Done and done"


def test_text_shown_after_the_call_it_announces_stands_before_it(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.says("I'll look"))
    assert books.kinds(claude) == ["prompt", "assistant", "tool"]


def test_text_stands_before_all_calls_that_run_at_once(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.pre_tool("t2"), claude.says("both"))
    books.take(claude.says("and this"), claude.post_tool("t1"), claude.post_tool("t2"), claude.says("after"))
    texts = [entry.data.get("text") or entry.data.get("tool_use_id") for entry in books.entries(claude)]
    assert texts == ["go", "both", "and this", "t1", "t2", "after"]


def test_late_text_stands_between_what_was_before_and_the_running_call(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.post_tool("t1"))
    books.take(claude.pre_tool("t2"), claude.says("second"))
    texts = [entry.data.get("text") or entry.data.get("tool_use_id") for entry in books.entries(claude)]
    assert texts == ["go", "t1", "second", "t2"]


def test_streamed_text_grows_in_one_entry(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.says("One ", message_id="m", final=False))
    assert books.entries(claude)[-1].data == {"text": "One ", "streaming": True}
    books.take(claude.says("two ", message_id="m", final=False, index=1))
    books.take(claude.says("three", message_id="m", index=2))
    assert [entry.data for entry in books.entries(claude, "assistant")] == [
        {"text": "One two three", "streaming": False}
    ]


def test_stop_brings_the_last_words_of_a_client_that_shows_no_text(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop("All done"))
    assert [entry.data["text"] for entry in books.entries(claude, "assistant")] == ["All done"]
    books.take(claude.prompt("again"), claude.stop("Done again"))
    assert [entry.data["text"] for entry in books.entries(claude, "assistant")] == ["All done", "Done again"]


def test_stop_adds_nothing_to_text_that_was_shown(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.says("All done"), claude.stop("All done"))
    assert [entry.data["text"] for entry in books.entries(claude, "assistant")] == ["All done"]


def test_text_shown_just_after_stop_is_not_shown_twice(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop("hmm, well"))
    books.take(claude.says("hmm, ", message_id="m", final=False), claude.says("well", message_id="m", index=1))
    assert [entry.data["text"] for entry in books.entries(claude, "assistant")] == ["hmm, well"]
    books.take(claude.prompt("more"), claude.stop("next"), claude.says("next"))
    assert [entry.data["text"] for entry in books.entries(claude, "assistant")] == ["hmm, well", "next"]


def test_stop_without_words_adds_nothing(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.stop(None))
    assert books.kinds(claude) == ["prompt"]


def test_a_call_is_one_row_from_start_to_end(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Bash", {"command": "ls"}))
    (row,) = books.entries(claude, "tool")
    assert (row.data["tool_name"], row.data["input"], row.data["state"]) == ("Bash", {"command": "ls"}, "running")
    books.take(claude.post_tool("t1", "Bash", {"command": "ls"}, tool_response={"stdout": "a.txt"}))
    (row,) = books.entries(claude, "tool")
    assert (row.data["state"], row.data["response"], row.data["duration_ms"]) == ("done", {"stdout": "a.txt"}, 39)
    assert books.session(claude).open_tools == {}


def test_a_failed_call_says_why(books: Books, claude: Claude) -> None:
    books.take(claude.pre_tool("t1"), claude.tool_failed("t1"))
    (row,) = books.entries(claude, "tool")
    assert (row.data["state"], row.data["error"]) == ("failed", "Exit code 1")


def test_an_interrupted_call_is_not_called_failed(books: Books, claude: Claude) -> None:
    books.take(claude.pre_tool("t1"), claude.tool_failed("t1", interrupted=True))
    assert books.entries(claude, "tool")[0].data["state"] == "interrupted"


@pytest.mark.parametrize("ending", ["stop", "end", "stop_failure", "next_start"])
def test_what_still_runs_when_the_turn_is_over_was_interrupted(books: Books, claude: Claude, ending: str) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"))
    books.take(
        {
            "stop": claude.stop,
            "end": claude.end,
            "stop_failure": lambda: claude.hook("StopFailure", error="overloaded"),
            "next_start": lambda: claude.start("resume"),
        }[ending]()
    )
    assert books.entries(claude, "tool")[0].data["state"] == "interrupted"
    assert books.session(claude).open_tools == {}


def test_a_call_whose_start_was_missed_is_shown_when_it_ends(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.post_tool("t1"))
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["done"]


def test_a_start_that_comes_after_the_end_does_not_reopen_the_call(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.post_tool("t1"), claude.pre_tool("t1"))
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["done"]
    assert books.session(claude).open_tools == {}


def test_a_call_that_asks_is_waiting_and_only_that_call(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "Bash", {"command": "ls"}))
    books.take(claude.pre_tool("t2", "Bash", {"command": "rm x"}), claude.asks("Bash", {"command": "rm x"}))
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["running", "waiting"]
    books.take(claude.post_tool("t2", "Bash", {"command": "rm x"}))
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["running", "done"]


def test_a_call_that_was_answered_runs_and_its_equal_asks_for_itself(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1"), claude.pre_tool("t2"), claude.asks())
    books.take(claude.channel("ChannelBusy", since=claude.at))
    preview = books.session(claude).preview
    assert preview is not None
    assert preview.kind == "tool"
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["running", "running"]
    books.take(claude.asks())
    assert [entry.data["state"] for entry in books.entries(claude, "tool")] == ["running", "waiting"]


def test_our_own_tools_show_as_what_they_bring(books: Books, claude: Claude) -> None:
    reply = "mcp__heliograph__reply"
    books.take(claude.prompt("go"), claude.pre_tool("t1", reply, {"text": "hi"}), claude.replies("hi"))
    books.take(claude.post_tool("t1", reply, {"text": "hi"}))
    assert books.kinds(claude) == ["prompt", "reply"]
    assert books.session(claude).open_tools == {}


def test_another_servers_tools_are_rows(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.pre_tool("t1", "mcp__github__reply", {}))
    assert books.kinds(claude) == ["prompt", "tool"]


def test_progress_is_one_entry_a_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.channel("ChannelProgress", percent=10, phase="read"))
    books.take(claude.channel("ChannelProgress", percent=60, status="writing"))
    (entry,) = books.entries(claude, "progress")
    assert entry.data == {"percent": 60, "phase": None, "status": "writing"}
    books.take(claude.stop(), claude.prompt("next"), claude.channel("ChannelProgress", percent=5))
    assert [entry.data["percent"] for entry in books.entries(claude, "progress")] == [60, 5]


def test_an_api_error_is_a_notice_with_its_words(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.hook("StopFailure", error={"message": "overloaded", "type": "x"}))
    notice = books.entries(claude, "notice")[-1]
    assert (notice.data["code"], notice.data["level"], notice.data["text"]) == ("api_error", "error", "overloaded")
    assert books.session(claude).turn == "idle"


def test_compaction_is_told_and_does_not_end_the_turn(books: Books, claude: Claude) -> None:
    books.take(claude.start(), claude.prompt("go"), claude.pre_tool("t1"), claude.start("compact"))
    assert books.notices(claude) == ["compacted"]
    assert books.session(claude).turn == "working"
    assert books.entries(claude, "tool")[0].data["state"] == "running"


def test_the_first_words_to_a_session_are_its_title(books: Books, claude: Claude) -> None:
    books.take(claude.start())
    assert books.session(claude).title == ""
    books.take(claude.prompt("\n  Fix the build\nand the tests"))
    assert books.session(claude).title == "Fix the build"
    books.take(claude.stop(), claude.prompt("Something else"))
    assert books.session(claude).title == "Fix the build"


def test_a_message_titles_a_session_too_and_titles_are_short(books: Books, claude: Claude) -> None:
    books.take(claude.start())
    books.send(claude, "x" * 500)
    title = books.session(claude).title
    assert len(title) == 80
    assert title.endswith("…")


@pytest.mark.parametrize(
    ("tool_input", "line"),
    [
        ({"command": "make test", "description": "Run"}, "make test"),
        ({"file_path": "/a/b.py", "old_string": "x"}, "/a/b.py"),
        ({"pattern": "TODO"}, "TODO"),
        ({"command": 7, "url": "https://example.org"}, "https://example.org"),
        ({"unknown": "x"}, ""),
        ({}, ""),
    ],
)
def test_the_cards_line_shows_what_says_most_about_a_call(
    books: Books, claude: Claude, tool_input: dict[str, object], line: str
) -> None:
    books.take(claude.pre_tool("t1", "Tool", tool_input))
    preview = books.session(claude).preview
    assert preview is not None
    assert (preview.kind, preview.text, preview.tool_name) == ("tool", line, "Tool")


def test_unknown_events_change_no_entry(books: Books, claude: Claude) -> None:
    books.take(claude.start(), claude.hook("PostToolBatch", tool_calls=[]), claude.hook("SomethingNew", x=[1, {}]))
    assert books.kinds(claude) == []
    assert books.session(claude).cwd == "/home/maya/project"


def test_what_an_earlier_turn_left_running_doesnt_pull_text_up(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("first"), claude.pre_tool("t1"))
    message = books.send(claude)
    books.take(claude.take(message), claude.says("The answer"))
    assert books.kinds(claude) == ["prompt", "tool", "message", "assistant"]


def test_pieces_of_a_text_that_overtake_each_other_are_put_in_order(books: Books, claude: Claude) -> None:
    books.take(
        claude.prompt("go"),
        claude.says("Fine.", message_id="m", index=1),
        claude.says("Let me look.\n\n", message_id="m", index=0, final=False),
    )
    [entry] = books.entries(claude, "assistant")
    assert (entry.data["text"], entry.data["streaming"]) == ("Let me look.\n\nFine.", False)


def test_pieces_replace_what_an_earlier_stop_made_of_the_text(books: Books, claude: Claude) -> None:
    books.take(
        claude.prompt("go"),
        claude.stop("Fine."),
        claude.says("Let me look.\n\n", message_id="m", index=0, final=False),
        claude.says("Fine.", message_id="m", index=1),
    )
    [entry] = books.entries(claude, "assistant")
    assert (entry.data["text"], entry.data["streaming"]) == ("Let me look.\n\nFine.", False)


def test_a_text_whose_piece_is_lost_is_closed_by_the_next_turn(books: Books, claude: Claude) -> None:
    books.take(claude.prompt("go"), claude.says("and the rest", message_id="m", index=1), claude.stop())
    books.take(claude.prompt("next"))
    [entry] = books.entries(claude, "assistant")
    assert (entry.data["text"], entry.data["streaming"]) == ("and the rest", False)
