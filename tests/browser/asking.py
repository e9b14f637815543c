"""What a session asks of people, told to the hub as its hook and channel would."""

from __future__ import annotations

import os
from typing import Any

from tests.support.peer import PeerSession, now
from wire.ids import build_id

QUESTIONS = [
    {
        "question": "Which provider?",
        "header": "Provider",
        "multiSelect": False,
        "options": [
            {"label": "Loqate", "description": "Best postal data."},
            {"label": "Google Places", "description": "Widest coverage."},
        ],
    },
    {
        "question": "Which countries?",
        "header": "Countries",
        "multiSelect": True,
        "options": [{"label": "Japan"}, {"label": "Germany"}, {"label": "France"}],
    },
]

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "minLength": 2},
        "count": {"type": "integer", "title": "How many", "minimum": 1, "maximum": 9},
        "size": {"type": "string", "title": "Size", "enum": ["s", "m"], "enumNames": ["Small", "Medium"]},
        "sure": {"type": "boolean", "title": "Sure"},
    },
    "required": ["name", "size"],
}


def ask(session: PeerSession, tool_name: str, tool_input: dict[str, Any], *, by: str = "hook", **more: Any) -> str:
    """A dialog opens, and its hook waits (``by``: what takes a verdict); the decision's id."""
    body = {"tool_name": tool_name, "tool_input": tool_input, **more}
    return _open(session, "PermissionRequest", body, by)


def ask_form(session: PeerSession, server: str, *, by: str = "hook", **more: Any) -> str:
    """An MCP server asks for something; the decision's id."""
    return _open(session, "Elicitation", {"mcp_server_name": server, "mode": "form", **more}, by)


def run_command(session: PeerSession, command: str, **more: Any) -> str:
    """Bash wants to run a command, with a suggestion to remember it."""
    rule = {
        "type": "addRules",
        "rules": [{"toolName": "Bash", "ruleContent": f"{command.split(maxsplit=1)[0]} *"}],
        "behavior": "allow",
        "destination": "localSettings",
    }
    given = {"command": command, "description": "Do the thing"}
    return ask(session, "Bash", given, **{"permission_suggestions": [rule], **more})


def _open(session: PeerSession, name: str, body: dict[str, Any], by: str) -> str:
    at = now()
    decision_id = build_id(at, os.urandom(8))
    common = {
        "session_id": session.session_id,
        "hook_event_name": name,
        "cwd": session.cwd,
        "permission_mode": "default",
        "transcript_path": "/nowhere.jsonl",
    }
    event = {"event_id": decision_id, "at": at, "source": "hook", "pid": session.pid, "body": {**common, **body}}
    session.peer.post([event])
    if by != "none":
        session.tell("ChannelWaits", by="channel", decision_id=decision_id, answered_by=by)
    return decision_id
