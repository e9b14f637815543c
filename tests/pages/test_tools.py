"""What a tool call's row and body show."""

from __future__ import annotations

from typing import Any

import pytest

from hub.pages.outputs import PAGE_BYTES
from hub.pages.tool_parts import CommandBody, ContentBody, DiffBody, FieldsBody, name_tool, read_text
from hub.pages.tools import ToolView, build_tool

CWD = "/home/maya/app"


def call(name: str, given: Any, response: Any = None, **data: Any) -> ToolView:
    known = {
        "tool_name": name,
        "input": given,
        "response": response,
        "state": "done",
        "error": None,
        "duration_ms": 100,
    }
    return build_tool({**known, **data}, CWD)


def test_a_command_shows_its_description_and_opens_to_what_it_printed() -> None:
    tool = call("Bash", {"command": "ls -la; echo hi", "description": "List files"}, {"stdout": "hi", "stderr": "oh"})
    assert (tool.icon, tool.verb, tool.target, tool.mono, tool.took) == (
        "terminal",
        "Bash",
        "List files",
        False,
        "0.1s",
    )
    assert isinstance(tool.body, CommandBody)
    assert tool.body.command.head == "ls -la; echo hi"
    assert tool.body.output is not None
    assert tool.body.output.head == "hi\noh"
    assert not tool.opened


def test_a_command_without_description_shows_itself_with_what_hides_in_it() -> None:
    tool = call("Bash", {"command": "rm \u202ex\x1b[31m\necho"})
    assert tool.target == "rm ⟨U+202E⟩x⟨U+001B⟩[31m"
    assert tool.mono
    assert isinstance(tool.body, CommandBody)
    assert tool.body.command.head == "rm ⟨U+202E⟩x⟨U+001B⟩[31m\necho"


def test_a_failure_is_open_and_says_its_exit_code() -> None:
    tool = call("Bash", {"command": "false"}, state="failed", error="Exit code 101\nboom")
    assert (tool.result, tool.opened) == ("exit 101", True)
    assert isinstance(tool.body, CommandBody)
    assert tool.body.error is not None
    assert tool.body.error.head == "Exit code 101\nboom"


@pytest.mark.parametrize(
    ("state", "opened"), [("running", True), ("waiting", True), ("done", False), ("interrupted", False)]
)
def test_what_is_happening_is_open(state: str, opened: bool) -> None:
    tool = call("Bash", {"command": "x"}, state=state)
    assert tool.opened is opened
    assert tool.took == ("0.1s" if state == "done" else "")


def test_an_edit_is_a_diff_from_claudes_patch() -> None:
    patch = [{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" one", "-two", "+three"]}]
    tool = call("Edit", {"file_path": f"{CWD}/a.txt", "old_string": "two"}, {"structuredPatch": patch})
    assert (tool.target, tool.added, tool.removed) == ("a.txt", 1, 1)
    assert isinstance(tool.body, DiffBody)
    assert [row.number for row in tool.body.shown[0].rows] == [1, 2, 2]


def test_an_edit_without_a_patch_compares_what_it_was_given() -> None:
    tool = call("Edit", {"file_path": "/x", "old_string": "a\nb", "new_string": "a\nc\nd"}, state="running")
    assert (tool.added, tool.removed) == (2, 1)
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": ""}, "nonsense"]
    assert (call("MultiEdit", {"file_path": "/x", "edits": edits}).added, call("MultiEdit", {}).added) == (1, 0)


def test_a_long_diff_is_folded_and_a_huge_one_cut() -> None:
    text = "\n".join("x" * 90 for _ in range(5000))
    tool = call("Edit", {"file_path": "/x", "old_string": "", "new_string": text})
    assert isinstance(tool.body, DiffBody)
    assert sum(len(hunk.rows) for hunk in tool.body.shown) == 80
    shown = sum(
        len(part.text) for hunk in [*tool.body.shown, *tool.body.folded] for row in hunk.rows for part in row.parts
    )
    assert shown <= PAGE_BYTES + 10_000
    assert tool.body.folded_rows + tool.body.left_out == 4920
    assert tool.added == 5000


def test_a_new_file_shows_its_content() -> None:
    tool = call(
        "Write", {"file_path": f"{CWD}/a.sql", "content": "one\ntwo\n"}, {"type": "create", "structuredPatch": []}
    )
    assert (tool.target, tool.result) == ("a.sql", "2 lines")
    assert isinstance(tool.body, ContentBody)


def test_reading_and_finding_say_how_much() -> None:
    file = {"file": {"content": "a\nb", "numLines": 2}}
    assert call("Read", {"file_path": f"{CWD}/a"}, file).result == "2 lines"
    assert call("Grep", {"pattern": "x|y"}, {"content": "a:1:x\nb:2:y", "filenames": []}).result == "2 matches"
    assert call("Glob", {"pattern": "**/*"}, {"filenames": [f"{CWD}/a"], "numFiles": 1}).result == "1 file"
    fetched = call("WebFetch", {"url": "https://docs.rs/sqlx", "prompt": "p"}, {"bytes": 18_000, "result": "r"})
    assert (fetched.target, fetched.result) == ("docs.rs/sqlx", "18 kB")


def test_tools_of_servers_go_by_server_and_tool() -> None:
    tool = call("mcp__sentry__get_trace", {"deep": True, "trace": "8f21c"}, [{"type": "text", "text": "41 spans"}])
    assert (tool.icon, tool.verb, tool.target) == ("plug", "sentry · get_trace", "8f21c")
    assert isinstance(tool.body, FieldsBody)
    assert [(field.name, field.value.head) for field in tool.body.fields] == [("deep", "true"), ("trace", "8f21c")]
    assert tool.body.result is not None
    assert tool.body.result.head == "41 spans"
    assert name_tool("mcp__a__b__c") == "a · b__c"


@pytest.mark.parametrize(
    "name", ["Bash", "Edit", "MultiEdit", "Write", "Read", "Grep", "Glob", "WebFetch", "Task", "New", ""]
)
@pytest.mark.parametrize("given", [None, {}, [], "x", {"command": 3, "file_path": None, "edits": 1, "content": []}])
@pytest.mark.parametrize(
    "response", [None, 3, "text", [], [1], {"file": 1, "structuredPatch": [1], "content": 2, "filenames": 3}]
)
def test_no_shape_of_a_call_is_too_odd(name: str, given: Any, response: Any) -> None:
    assert call(name, given, response, duration_ms="x").verb


def test_answers_come_as_text_blocks_or_anything() -> None:
    assert read_text(None) == ""
    assert read_text({"content": [{"type": "text", "text": "a"}, {"type": "image"}]}) == "a\n[image]"
    assert read_text({"x": "é"}) == '{\n  "x": "é"\n}'
