"""A pretend Claude Code: the events that its hooks and its channel send, shaped as 2.1.329 sends them.

It knows the shapes and keeps a clock; what the hub makes of them is for the tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import msgspec

from wire.frames import Event, Hello, Process
from wire.ids import build_id

NOW = 1_795_243_093_630_000
"""The first event's time: a Saturday in November 2026."""

TICK = 10_000
"""Ten milliseconds between events, about what Claude Code takes."""

ALWAYS = {
    "type": "addRules",
    "rules": [{"toolName": "Bash", "ruleContent": "ls *"}],
    "behavior": "allow",
    "destination": "localSettings",
}
"""What it offers to remember of a command."""

_numbers = count(1)


def new_uuid() -> str:
    """A UUID that no other test has."""
    return str(uuid.UUID(int=next(_numbers) << 64 | 0x4000_8000_0000_0000_0000))


def channel_tag(message_id: str, text: str = "hello", source: str = "heliograph") -> str:
    """A prompt as ``UserPromptSubmit`` shows it when a channel's message started the turn."""
    return f'<channel source="{source}" message_id="{message_id}" from="Maya">\n{text}\n</channel>'


FORM = {
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Name"}, "age": {"type": "integer", "minimum": 18}},
    "required": ["name"],
}


def build_question(text: str = "Which size?", *, multi: bool = False, labels: Iterable[str] = ("S", "L")) -> Any:
    """One of an AskUserQuestion's."""
    options = [{"label": label, "description": f"size {label}"} for label in labels]
    return {"question": text, "header": "Size", "options": options, "multiSelect": multi}


class Claude:
    """One process. ``session_id`` is the session it carries now; ``at`` the time of the latest event."""

    def __init__(
        self, session_id: str | None = None, *, pid: int = 4242, started_at: int = NOW - 1_000_000, at: int = NOW
    ) -> None:
        self.session_id = session_id or new_uuid()
        self.pid = pid
        self.started_at = started_at
        self.cwd = "/home/maya/project"
        self.at = at

    def hello(self, *, push: bool = True, session_id: str | None = "", level: int = 1, **other: Any) -> Hello:
        """What its channel says first."""
        return Hello(
            level=level,
            features=[],
            version="0.1.0",
            process=Process(pid=self.pid, started_at=self.started_at),
            session_id=self.session_id if session_id == "" else session_id,
            cwd=self.cwd,
            push=push,
            **other,
        )

    def hook(self, name: str, *, event_id: str | None = None, session_id: str | None = None, **fields: Any) -> Event:
        """One hook firing."""
        session_id = session_id or self.session_id
        body = {
            "session_id": session_id,
            "transcript_path": f"/home/maya/.claude/projects/-home-maya-project/{session_id}.jsonl",
            "cwd": self.cwd,
            "hook_event_name": name,
            **fields,
        }
        return self._event("hook", body, event_id)

    def channel(self, name: str, *, event_id: str | None = None, **fields: Any) -> Event:
        """Something the channel itself reports."""
        return self._event("channel", {"session_id": self.session_id, "hook_event_name": name, **fields}, event_id)

    def start(self, source: str = "startup", **fields: Any) -> Event:
        """SessionStart. Only a fresh start names the model."""
        model = {"model": "claude-opus-5-5"} if source == "startup" else {}
        return self.hook("SessionStart", source=source, **model, **fields)

    def prompt(self, text: str, **fields: Any) -> Event:
        """UserPromptSubmit."""
        return self.hook("UserPromptSubmit", prompt_id=new_uuid(), permission_mode="default", prompt=text, **fields)

    def take(self, message_id: str, text: str = "hello") -> Event:
        """UserPromptSubmit for a message that came through the channel."""
        return self.prompt(channel_tag(message_id, text))

    def says(self, text: str, *, message_id: str | None = None, final: bool = True, index: int = 0) -> Event:
        """MessageDisplay."""
        message_id = message_id or new_uuid()
        return self.hook(
            "MessageDisplay", turn_id=new_uuid(), message_id=message_id, index=index, final=final, delta=text
        )

    def pre_tool(self, tool_use_id: str, tool_name: str = "Bash", tool_input: Any = None, **fields: Any) -> Event:
        """PreToolUse."""
        return self._tool("PreToolUse", tool_name, tool_input, tool_use_id=tool_use_id, **fields)

    def asks(self, tool_name: str = "Bash", tool_input: Any = None, **fields: Any) -> Event:
        """PermissionRequest: it names no call."""
        return self._tool("PermissionRequest", tool_name, tool_input, **{"permission_suggestions": [ALWAYS], **fields})

    def asks_question(self, questions: list[dict[str, Any]] | None = None, **fields: Any) -> Event:
        """PermissionRequest of an AskUserQuestion, for which nothing can be remembered."""
        asked = {"questions": [build_question()] if questions is None else questions}
        return self._tool("PermissionRequest", "AskUserQuestion", asked, **fields)

    def plans(self, plan: str = "# Plan", **fields: Any) -> Event:
        """PermissionRequest of an ExitPlanMode."""
        asked = {"plan": plan, "planFilePath": "/home/maya/.claude/plans/a.md"}
        return self._tool("PermissionRequest", "ExitPlanMode", asked, **fields)

    def elicits(self, schema: Any = None, *, server: str = "tt", **fields: Any) -> Event:
        """Elicitation: a form, or with ``url`` an address."""
        if "url" in fields:
            asked = {"mode": "url", "elicitation_id": new_uuid()}
        else:
            asked = {"mode": "form", "requested_schema": FORM if schema is None else schema}
        return self.hook("Elicitation", **{"mcp_server_name": server, "message": "Who are you?", **asked, **fields})

    def elicited(self, action: str = "accept", *, server: str = "tt", **fields: Any) -> Event:
        """ElicitationResult: answered at the terminal."""
        return self.hook("ElicitationResult", mcp_server_name=server, mode="form", action=action, **fields)

    def relayed(self, tool_name: str = "Bash", preview: str = '{ "command": "touch x" }', **fields: Any) -> Event:
        """ChannelAsked: only the relay told of a dialog."""
        fields = {"request_id": "abcde", "description": "Touch", **fields}
        return self.channel("ChannelAsked", tool_name=tool_name, input_preview=preview, **fields)

    def post_tool(self, tool_use_id: str, tool_name: str = "Bash", tool_input: Any = None, **fields: Any) -> Event:
        """PostToolUse."""
        fields = {"tool_response": {"stdout": "hi", "stderr": "", "interrupted": False}, "duration_ms": 39, **fields}
        return self._tool("PostToolUse", tool_name, tool_input, tool_use_id=tool_use_id, **fields)

    def tool_failed(self, tool_use_id: str, tool_name: str = "Bash", *, interrupted: bool = False) -> Event:
        """PostToolUseFailure."""
        fields = {"error": "Exit code 1", "is_interrupt": interrupted, "duration_ms": 20}
        return self._tool("PostToolUseFailure", tool_name, None, tool_use_id=tool_use_id, **fields)

    def end_batch(self, **fields: Any) -> Event:
        """PostToolBatch: every call of one answer is over."""
        return self.hook("PostToolBatch", tool_calls=[], **fields)

    def stop(self, last: str | None = "Done and done", *, agents: Iterable[str] = (), **fields: Any) -> Event:
        """Stop; ``agents`` go on in the background."""
        tasks = [{"id": i, "type": "subagent", "status": "running", "description": "sub"} for i in agents]
        return self.hook("Stop", stop_hook_active=False, last_assistant_message=last, background_tasks=tasks, **fields)

    def agent_stop(self, agent_id: str) -> Event:
        """SubagentStop: the agent itself still counts as running."""
        tasks = [{"id": agent_id, "type": "subagent", "status": "running", "description": "sub"}]
        return self.hook("SubagentStop", agent_id=agent_id, agent_type="general-purpose", background_tasks=tasks)

    def end(self, reason: str = "prompt_input_exit") -> Event:
        """SessionEnd."""
        return self.hook("SessionEnd", reason=reason)

    def clear(self) -> list[Event]:
        """``/clear``: the session ends, another starts in the same process."""
        end = self.end("clear")
        self.session_id = new_uuid()
        return [end, self.start("clear")]

    def injected(self, message_id: str) -> Event:
        """The channel wrote a message to Claude."""
        return self.channel("ChannelInjected", message_id=message_id)

    def replies(self, text: str, message_id: str | None = None) -> Event:
        """The reply tool was called."""
        named = {"message_id": message_id} if message_id else {}
        return self.channel("ChannelReply", text=text, **named)

    def turn(self, prompt: str, answer: str, tool_use_id: str | None = None) -> Iterator[Event]:
        """A whole turn with one tool call, as the real client orders it: text comes after the call it precedes."""
        tool_use_id = tool_use_id or f"toolu_{new_uuid()}"
        yield self.prompt(prompt)
        yield self.pre_tool(tool_use_id)
        yield self.says("On **it**, listing now")
        yield self.post_tool(tool_use_id)
        yield self.end_batch()
        yield self.says(answer)
        yield self.stop(answer)

    def _tool(self, event: str, tool_name: str, tool_input: Any, **fields: Any) -> Event:
        tool_input = tool_input if tool_input is not None else {"command": "ls -la; echo hi", "description": "List"}
        return self.hook(
            event,
            permission_mode="default",
            effort={"level": "medium"},
            tool_name=tool_name,
            tool_input=tool_input,
            **fields,
        )

    def _event(self, source: Any, body: dict[str, Any], event_id: str | None) -> Event:
        self.at += TICK
        event_id = event_id or build_id(self.at, next(_numbers).to_bytes(8, "big"))
        raw = msgspec.Raw(msgspec.json.encode(body))
        return Event(event_id=event_id, at=self.at, source=source, pid=self.pid, body=raw)
