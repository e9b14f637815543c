"""A tool call as the chat shows it: one line (icon, verb, target, result, time), and a body to open."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hub.pages.outputs import build_output
from hub.pages.text import reveal
from hub.pages.times import say_duration
from hub.pages.tool_kinds import present
from hub.pages.tool_parts import Body, Call, ToolState

FAILURE_LINES = 12
"""An error up to this long is shown whole."""


class ToolView(msgspec.Struct, frozen=True, kw_only=True):
    """The line. ``mono`` says whether the target is code; ``added`` and ``removed`` are lines, if any."""

    icon: str
    verb: str
    target: str
    mono: bool
    result: str
    added: int
    removed: int
    took: str
    state: ToolState
    body: Body

    @property
    def body_kind(self) -> str:
        """The name of the template that shows the body."""
        return str(self.body.__struct_config__.tag)

    @property
    def opened(self) -> bool:
        """Rows are closed, but for what is happening and what went wrong."""
        return self.state == "failed" or (self.state in ("running", "waiting") and self.body_kind == "bash")


def build_tool(data: dict[str, Any], cwd: str) -> ToolView:
    """The view of a ``tool`` entry's data."""
    given = data.get("input")
    state: ToolState = data.get("state", "done")
    error = data.get("error")
    call = Call(
        name=str(data.get("tool_name") or "Tool"),
        input=given if isinstance(given, dict) else {},
        response=data.get("response"),
        state=state,
        error=build_output(str(error), whole_lines=FAILURE_LINES) if error else None,
        cwd=cwd,
    )
    shown = present(call)
    millis = data.get("duration_ms")
    result = shown.result
    if state == "failed":
        code = re.match(r"(?i)exit code (\d+)", str(error or ""))
        result = f"exit {code[1]}" if code else ""
    elif state == "interrupted":
        result = "interrupted"
    return ToolView(
        icon=shown.icon,
        verb=reveal(shown.verb or call.name),
        target=reveal(shown.target),
        mono=shown.mono,
        result=result,
        added=shown.added,
        removed=shown.removed,
        took=say_duration(millis) if isinstance(millis, int) and state in ("done", "failed") else "",
        state=state,
        body=shown.body,
    )
