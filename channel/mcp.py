"""MCP, as much of it as a channel needs: one line in, effects out. Pure.

Speaks the ``initialize`` handshake of 2025-11-25 and refuses ``server/discover``: a server that
accepts that newer probe is silently not registered as a channel by Claude Code 2.1.329. It knows the
tools and their arguments; it doesn't know sessions, the spool or the hub.
"""

from __future__ import annotations

from typing import Any

import msgspec

from channel import VERSION, loose
from wire.frames import ID_CHARS
from wire.messages import SERVER_NAME, TEXT_BYTES

PROTOCOLS = ("2025-11-25", "2025-06-18")
"""Newest first. What we say is the same in both; a client that wants another gets the newest."""

PHASE_CHARS = 100
STATUS_CHARS = 1000
"""Progress is a line on a card; longer ones are cut."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

_PING = "heliograph-ping-"

_ASKED = "notifications/claude/channel/permission_request"

INSTRUCTIONS = (
    "People and agents follow this session on a web page, Heliograph. What arrives in a channel tag with source "
    '"heliograph" is a message from one of them: do what it asks as you would for your user, and answer with '
    "the reply tool, passing the tag's message_id. They see your tool calls and the last message of each turn "
    "anyway; the progress tool is for long work."
)
"""Written without a literal tag: the client puts this text between messages."""

_ALWAYS = {"anthropic/alwaysLoad": True}  # else Claude doesn't see the tool in a session of channel messages only

TOOLS: list[dict[str, Any]] = [
    {
        "name": "reply",
        "title": "Reply on the Heliograph page",
        "description": (
            "Answer somebody who wrote to you through Heliograph. Their messages arrive as <channel "
            'source="heliograph" message_id="…" from="…">; they read your answer on a web page, not in the '
            "terminal, so answer with this tool and pass that message_id. Markdown is rendered. At most 64 KiB."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "The answer, in Markdown."},
                "message_id": {"type": "string", "description": "message_id of the <channel> tag you answer."},
            },
            "required": ["text"],
        },
        "_meta": _ALWAYS,
    },
    {
        "name": "progress",
        "title": "Show progress on the Heliograph page",
        "description": (
            "During long work, show on this session's Heliograph card how far you are. Give what you know: "
            "percent done, the phase in a word or two, the status in a sentence. Not needed for short work."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "percent": {"type": "number", "minimum": 0, "maximum": 100},
                "phase": {"type": "string", "description": "e.g. tests"},
                "status": {"type": "string", "description": "e.g. 120 of 300 pass"},
            },
        },
        "_meta": _ALWAYS,
    },
]


class Reply(msgspec.Struct, frozen=True):
    """The ``reply`` tool's arguments, checked."""

    text: str
    message_id: str | None


class Progress(msgspec.Struct, frozen=True):
    """The ``progress`` tool's arguments, checked."""

    percent: float | None
    phase: str | None
    status: str | None


class Send(msgspec.Struct, frozen=True):
    """Write these bytes, a whole line, to the client."""

    data: bytes


class Call(msgspec.Struct, frozen=True):
    """A tool was called; answer it with ``build_tool_answer``."""

    request_id: str | int
    tool: Reply | Progress


class Listed(msgspec.Struct, frozen=True):
    """``tools/list`` is answered: from here on the client begins to listen to notifications."""


class Pong(msgspec.Struct, frozen=True):
    """The client has answered our ping of that number, and read all that we wrote before it."""

    number: int


class Asked(msgspec.Struct, frozen=True):
    """Claude Code's relay tells of a permission dialog, shortened; answered with ``build_permission``."""

    request_id: str
    tool_name: str
    description: str
    input_preview: str


Effect = Send | Call | Listed | Pong | Asked


class BadArguments(Exception):
    """A tool call that Claude can mend; the text is for Claude."""


def receive(line: bytes) -> list[Effect]:
    """What to do about one line from the client, in order."""
    try:
        message = loose.read(line)
    except loose.NotJson:
        return [_error(None, PARSE_ERROR, "That is no JSON.")]
    if not isinstance(message, dict):
        return [_error(None, INVALID_REQUEST, "A message is one JSON object.")]
    if "method" not in message:
        return _receive_answer(message.get("id"))
    if message.get("id") is None:
        return _receive_notification(message["method"], message.get("params"))
    return _receive_request(message["id"], message["method"], message.get("params", {}))


def build_tool_answer(request_id: str | int, text: str, *, is_error: bool = False) -> bytes:
    """The line that answers a ``Call``."""
    return _result(request_id, {"content": [{"type": "text", "text": text}], "isError": is_error}).data


def build_notification(content: str, meta: dict[str, str]) -> bytes:
    """The line that pushes a message into Claude. All strings: one other value and the client drops it whole."""
    params = {"content": content, "meta": meta}
    return _line({"jsonrpc": "2.0", "method": "notifications/claude/channel", "params": params})


def build_permission(request_id: str, behavior: str) -> bytes:
    """The line that answers a permission dialog; ignored if that is closed."""
    params = {"request_id": request_id, "behavior": behavior}
    return _line({"jsonrpc": "2.0", "method": "notifications/claude/channel/permission", "params": params})


def build_ping(number: int) -> bytes:
    """A line that the client answers once it has read it; all we ever ask."""
    return _line({"jsonrpc": "2.0", "id": f"{_PING}{number}", "method": "ping"})


def build_too_long() -> bytes:
    """The answer to a line that is longer than we read."""
    return _error(None, INVALID_REQUEST, "The message is too long.").data


def _receive_notification(method: object, params: object) -> list[Effect]:
    """One of them matters."""
    if method != _ASKED or not isinstance(params, dict):
        return []
    try:
        asked = msgspec.convert(params, Asked)
    except msgspec.ValidationError:
        return []
    return [asked] if 0 < len(asked.request_id) <= ID_CHARS else []


def _receive_answer(request_id: object) -> list[Effect]:
    """An error answers as well as a result: it was read."""
    is_ours = isinstance(request_id, str) and request_id.startswith(_PING)
    number = str(request_id).removeprefix(_PING) if is_ours else ""
    return [Pong(int(number))] if number.isascii() and number.isdigit() and len(number) < ID_CHARS else []


def _receive_request(request_id: object, method: object, params: object) -> list[Effect]:
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        return [_error(None, INVALID_REQUEST, "An id is a string or an integer.")]
    if not isinstance(method, str):
        return [_error(request_id, INVALID_REQUEST, "A method is a string.")]
    if not isinstance(params, dict):
        return [_error(request_id, INVALID_PARAMS, "params is an object.")]
    return _answer(request_id, method, params)


def _answer(request_id: str | int, method: str, params: dict[str, Any]) -> list[Effect]:
    match method:
        case "initialize":
            return [_result(request_id, _build_welcome(params))]
        case "ping":
            return [_result(request_id, {})]
        case "tools/list":
            return [_result(request_id, {"tools": TOOLS}), Listed()]
        case "tools/call":
            return [_call(request_id, params)]
        case _:
            return [_error(request_id, METHOD_NOT_FOUND, "Not a method of this server.")]


def _build_welcome(params: dict[str, Any]) -> dict[str, Any]:
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in PROTOCOLS else PROTOCOLS[0],
        "capabilities": {"tools": {}, "experimental": {"claude/channel": {}, "claude/channel/permission": {}}},
        "serverInfo": {"name": SERVER_NAME, "title": "Heliograph", "version": VERSION},
        "instructions": INSTRUCTIONS,
    }


def _call(request_id: str | int, params: dict[str, Any]) -> Send | Call:
    name, arguments = params.get("name"), params.get("arguments") or {}
    if not isinstance(arguments, dict):
        return _error(request_id, INVALID_PARAMS, "arguments is an object.")
    try:
        match name:
            case "reply":
                return Call(request_id, _read_reply(arguments))
            case "progress":
                return Call(request_id, _read_progress(arguments))
            case _:
                return _error(request_id, INVALID_PARAMS, "There is no such tool.")
    except BadArguments as error:
        return Send(build_tool_answer(request_id, str(error), is_error=True))


def _read_reply(arguments: dict[str, Any]) -> Reply:
    text = _read_text(arguments, "text")
    if text is None or not text.strip():
        raise BadArguments("The reply has no text. Call it again with the answer in `text`.")
    size = len(text.encode())
    if size > TEXT_BYTES:
        raise BadArguments(
            f"The reply has {size} bytes; at most {TEXT_BYTES} can be sent. Shorten it, or send it in parts."
        )
    message_id = _read_text(arguments, "message_id") or None
    if message_id is not None and len(message_id) > ID_CHARS:
        raise BadArguments("`message_id` must be the one in the <channel> tag, or left out.")
    return Reply(text, message_id)


def _read_progress(arguments: dict[str, Any]) -> Progress:
    percent = arguments.get("percent")
    if percent is not None and (
        isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100
    ):
        raise BadArguments("`percent` is a number from 0 to 100.")
    phase, status = _read_text(arguments, "phase"), _read_text(arguments, "status")
    if percent is None and not phase and not status:
        raise BadArguments("Give at least one of `percent`, `phase`, `status`.")
    return Progress(
        None if percent is None else float(percent),
        phase[:PHASE_CHARS] if phase else None,
        status[:STATUS_CHARS] if status else None,
    )


def _read_text(arguments: dict[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise BadArguments(f"`{name}` must be a string.")
    return value


def _result(request_id: str | int, result: dict[str, Any]) -> Send:
    return Send(_line({"jsonrpc": "2.0", "id": request_id, "result": result}))


def _error(request_id: str | int | None, code: int, message: str) -> Send:
    return Send(_line({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}))


def _line(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\n"
