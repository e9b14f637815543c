"""What each tool's row shows. A tool with something better to show than its fields has a function here."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice

from hub.pages.diff import Diff, Hunk, compare_texts, read_patch
from hub.pages.outputs import Output, build_output
from hub.pages.text import reveal, say_count, say_size, shorten_path
from hub.pages.tool_parts import (
    Call,
    CommandBody,
    ContentBody,
    DiffBody,
    Field,
    FieldsBody,
    Shown,
    name_tool,
    pick_icon,
    read_text,
)

DIFF_ROWS = 80
"""A longer diff is folded after this many lines."""

FIELDS = 100
"""Of a tool's input, at most so many are shown."""


def present(call: Call) -> Shown:
    """What is special about this call's row; other tools are shown as name and value."""
    return _PRESENTERS.get(call.name, _present_other)(call)


def _output(text: str) -> Output | None:
    return build_output(text) if text.strip() else None


def _present_bash(call: Call) -> Shown:
    description, command = call.text("description"), call.text("command")
    if isinstance(call.response, dict):
        printed = "\n".join(str(call.answer(key)) for key in ("stdout", "stderr") if call.answer(key))
    else:
        printed = read_text(call.response)
    result = "in the background" if call.answer("backgroundTaskId") else ""
    return Shown(
        icon="terminal",
        target=description or command.partition("\n")[0],
        mono=not description,
        result=result,
        body=CommandBody(command=build_output(command, printed=False), output=_output(printed), error=call.error),
    )


def _present_edit(call: Call) -> Shown:
    path = call.text("file_path")
    diff = read_patch(call.answer("structuredPatch"))
    if not diff.hunks:
        given = call.input.get("edits") if call.name == "MultiEdit" else [call.input]
        edits = [edit for edit in given if isinstance(edit, dict)] if isinstance(given, list) else []
        diff = compare_texts((str(edit.get("old_string", "")), str(edit.get("new_string", ""))) for edit in edits)
    return _show_changes(call, "pencil", path, diff)


def _present_write(call: Call) -> Shown:
    path, content = call.text("file_path"), call.text("content")
    diff = read_patch(call.answer("structuredPatch"))
    if diff.hunks:
        return _show_changes(call, "file-plus", path, diff)
    lines = content.count("\n") + (not content.endswith("\n")) if content else 0
    return Shown(
        icon="file-plus",
        target=shorten_path(path, call.cwd),
        result=say_count(lines, "line"),
        body=ContentBody(content=_output(content), error=call.error),
    )


def _show_changes(call: Call, icon: str, path: str, diff: Diff) -> Shown:
    shown, folded = _split_rows(diff.hunks, DIFF_ROWS)
    return Shown(
        icon=icon,
        target=shorten_path(path, call.cwd),
        added=diff.added,
        removed=diff.removed,
        body=DiffBody(
            label=path,
            shown=shown,
            folded=folded,
            folded_rows=sum(len(hunk.rows) for hunk in folded),
            left_out=diff.left_out,
            error=call.error,
        ),
    )


def _split_rows(hunks: list[Hunk], rows: int) -> tuple[list[Hunk], list[Hunk]]:
    """The hunks up to ``rows`` rows, and the rest; a hunk may be cut in two."""
    first: list[Hunk] = []
    rest: list[Hunk] = []
    for hunk in hunks:
        at = min(len(hunk.rows), rows)
        rows -= at
        if at:
            first.append(Hunk(heading=hunk.heading, rows=hunk.rows[:at]))
        if at < len(hunk.rows):
            rest.append(Hunk(heading="" if at else hunk.heading, rows=hunk.rows[at:]))
    return first, rest


def _present_read(call: Call) -> Shown:
    file = call.answer("file")
    content, lines = (file.get("content"), file.get("numLines")) if isinstance(file, dict) else (None, None)
    if not isinstance(content, str):
        content = read_text(call.response)
    if not isinstance(lines, int):
        lines = content.count("\n") + 1 if content else 0
    return Shown(
        icon="file-text",
        target=shorten_path(call.text("file_path"), call.cwd),
        result=say_count(lines, "line") if lines else "",
        body=ContentBody(content=_output(content), error=call.error),
    )


def _present_find(call: Call) -> Shown:
    names, content = call.answer("filenames"), call.answer("content")
    files = [shorten_path(str(name), call.cwd) for name in names] if isinstance(names, list) else []
    text = content if isinstance(content, str) and content else "\n".join(files) or read_text(call.response)
    result = ""
    if isinstance(content, str) and content:
        result = say_count(content.count("\n") + 1, "match", "matches")
    elif isinstance(names, list):
        result = say_count(len(files), "file")
    return Shown(
        icon="regex" if call.name == "Grep" else "folder",
        target=call.text("pattern"),
        result=result,
        body=ContentBody(content=_output(text), error=call.error),
    )


def _present_web(call: Call) -> Shown:
    size, result = call.answer("bytes"), call.answer("result")
    text = result if isinstance(result, str) else read_text(call.response)
    return Shown(
        icon="globe",
        target=call.text("url").removeprefix("https://").removeprefix("http://") or call.text("query"),
        mono=call.name == "WebFetch",
        result=say_size(size) if isinstance(size, int) else "",
        body=_build_fields(call, text),
    )


def _present_agent(call: Call) -> Shown:
    return Shown(
        icon="bot",
        verb=call.text("subagent_type") or call.name,
        target=call.text("description"),
        mono=False,
        body=_build_fields(call, read_text(call.response)),
    )


def _present_other(call: Call) -> Shown:
    texts = [value for value in call.input.values() if isinstance(value, str) and value.strip()]
    return Shown(
        icon=pick_icon(call.name),
        verb=name_tool(call.name),
        target=texts[0].strip().partition("\n")[0][:200] if texts else "",
        body=_build_fields(call, read_text(call.response)),
    )


def _build_fields(call: Call, result: str) -> FieldsBody:
    fields = []
    for name, value in islice(call.input.items(), FIELDS):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        fields.append(Field(reveal(str(name)), build_output(text, printed=False)))
    left_out = len(call.input) - len(fields)
    return FieldsBody(fields=fields, left_out=left_out, result=_output(result), error=call.error)


_PRESENTERS: dict[str, Callable[[Call], Shown]] = {
    "Bash": _present_bash,
    "Edit": _present_edit,
    "MultiEdit": _present_edit,
    "Write": _present_write,
    "Read": _present_read,
    "Grep": _present_find,
    "Glob": _present_find,
    "WebFetch": _present_web,
    "WebSearch": _present_web,
    "Task": _present_agent,
    "Agent": _present_agent,
}
