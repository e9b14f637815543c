"""An MCP server with one tool, ``ask``, which asks the person for something and returns what came of it as text.

Speaks MCP over stdio with nothing but the standard library. ``ask`` takes ``mode``: ``form`` or ``url``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "title": "Colour", "enum": ["red", "green"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 5},
        "sure": {"type": "boolean"},
    },
    "required": ["colour", "count"],
}
FORM = {"mode": "form", "message": "Please fill in", "requestedSchema": SCHEMA}
PAGE = {"mode": "url", "message": "Open this page", "url": "http://127.0.0.1:9/consent", "elicitationId": "one"}
ASK = {"name": "ask", "description": "Asks", "inputSchema": {"type": "object", "properties": {"mode": {}}}}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(request: dict[str, Any], result: dict[str, Any]) -> None:
    send({"id": request["id"], "result": result})


def serve() -> None:
    """Until stdin ends."""
    calls: dict[str, dict[str, Any]] = {}
    for line in sys.stdin:
        message = json.loads(line)
        number = message.get("id")
        match message.get("method"):
            case None if number in calls:
                said = json.dumps(message.get("result", message.get("error")), sort_keys=True)
                answer(calls.pop(number), {"content": [{"type": "text", "text": f"It came to {said}"}]})
            case "initialize":
                server = {"name": "forms", "version": "1"}
                answer(message, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server})
            case "tools/list":
                answer(message, {"tools": [ASK]})
            case "tools/call":
                asked = f"ask-{len(calls)}-{number}"
                calls[asked] = message
                wants_page = message["params"].get("arguments", {}).get("mode") == "url"
                send({"id": asked, "method": "elicitation/create", "params": PAGE if wants_page else FORM})
            case "ping":
                answer(message, {})
            case _ if number is not None:
                send({"id": number, "error": {"code": -32601, "message": "Not a method of this server."}})


if __name__ == "__main__":
    serve()
