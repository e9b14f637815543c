"""A stand-in for the model behind a real Claude Code: offline, deterministic, told what to say.

It speaks as much of the Messages API, streaming and not, as Claude Code needs for its whole
loop: hooks, channels, tools, permission dialogs and transcripts are all the real client's.

A test puts a *scene* on it (``scenes.py``): a named list of turns, each a list of blocks. A
prompt that contains the scene's name plays it: turn *n* answers the *n*-th request since that
prompt. Without a scene the model answers a channel's message with the channel's reply tool,
and says ``ok`` to everything else. A block can wait for a *gate*, which the test opens: that
is how a turn stays busy for as long as a test needs.

Blocks: ``{"say": text}``, ``{"use": tool, "input": {…}}``, ``{"wait": gate}`` and, as a turn's first,
``{"fail": status}``: that answer is an error of the service. A tool name that starts with ``*`` is matched by
its ending. ``{message_id}`` inside a tool's input stands for that attribute of the newest ``<channel>`` tag.

What a plan has used up is told in headers of each answer, as the service does (``PUT /stage/headers``).

It doesn't know Heliograph: a channel is recognised as Claude Code shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Block = dict[str, Any]
Turn = list[Block]

SCENE = re.compile(r"\bscene-[0-9a-f]{8}\b")
CHANNEL_TAG = re.compile(r"<channel ([^>]*)>")
ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
BODY_BYTES = 64 * 1024 * 1024
"""Claude Code sends the whole conversation, tools and system prompt with each request."""
HEARD = 50
"""Conversations kept for tests to look at."""
USAGE = {
    "input_tokens": 1200,
    "output_tokens": 1,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 5000,
}


@dataclass
class Stage:
    """What the tests told the model, and what Claude Code told it (``heard``: a list of texts per request)."""

    scenes: dict[str, list[Turn]] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    heard: deque[list[str]] = field(default_factory=lambda: deque(maxlen=HEARD))

    def gate(self, name: str) -> asyncio.Event:
        """The gate of that name, closed until a test opens it."""
        return self.gates.setdefault(name, asyncio.Event())


STAGE = web.AppKey("stage", Stage)


def spoken_texts(message: dict[str, Any]) -> list[str]:
    """What was said in a message: its text blocks, not the results of tools."""
    content = message.get("content", "")
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block.get("type") == "text"]


def told_results(message: dict[str, Any]) -> list[str]:
    """What came of the calls before it, as texts."""
    content = message.get("content", "")
    results = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_result"]
    inner = [block.get("content", "") for block in results]
    return [text for item in inner for text in ([item] if isinstance(item, str) else spoken_texts({"content": item}))]


def used_tools(message: dict[str, Any]) -> list[str]:
    """The names of the tools called in a message."""
    content = message.get("content", "")
    if isinstance(content, str):
        return []
    return [block["name"] for block in content if block.get("type") == "tool_use"]


def choose_turn(scenes: dict[str, list[Turn]], messages: list[dict[str, Any]], tools: list[str]) -> Turn:
    """What the model says next in this conversation."""
    if not tools:  # a side request of the client's own, such as the one for a title
        return [{"say": "ok"}]
    attributes: dict[str, str] = {}
    scene, played, owes_reply = None, 0, False
    for message in messages:
        if message.get("role") == "assistant":
            played += 1
            owes_reply = owes_reply and not any(name.endswith("__reply") for name in used_tools(message))
            continue
        for text in spoken_texts(message):
            for tag in CHANNEL_TAG.finditer(text):
                attributes, owes_reply = dict(ATTRIBUTE.findall(tag.group(1))), True
            for match in SCENE.finditer(text):
                if match.group() in scenes:
                    scene, played = match.group(), 0
    if scene is not None:
        turns = scenes[scene]
        turn = turns[played] if played < len(turns) else [{"say": "ok"}]
    elif owes_reply:
        answer = {"text": "hello from the scripted model", "message_id": "{message_id}"}
        turn = [{"use": "*__reply", "input": answer}]
    else:
        turn = [{"say": "ok"}]
    return [fill_in(block, attributes, tools) for block in turn]


def fill_in(block: Block, attributes: dict[str, str], tools: list[str]) -> Block:
    """A block with its tool's whole name and the tag's attributes in its input."""
    if "use" not in block:
        return block
    name = block["use"]
    if name.startswith("*"):
        # The client takes a tool's whole name even when it has not loaded the tool yet.
        name = next((tool for tool in tools if tool.endswith(name[1:])), f"mcp__heliograph{name[1:]}")
    given = json.dumps(block.get("input", {}))
    for key, value in attributes.items():
        given = given.replace(f"{{{key}}}", json.dumps(value)[1:-1])
    return {"use": name, "input": json.loads(given)}


def new_id(prefix: str) -> str:
    """An id that looks like one of the service's."""
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def frame(event: str, **data: Any) -> bytes:
    """One server-sent event of the Messages API."""
    return f"event: {event}\ndata: {json.dumps({'type': event, **data})}\n\n".encode()


def build_error(status: int) -> web.Response:
    """The service has trouble, or wants none."""
    kind = {529: "overloaded_error", 400: "invalid_request_error"}.get(status, "api_error")
    return web.json_response({"type": "error", "error": {"type": kind, "message": "out of order"}}, status=status)


async def answer_messages(request: web.Request) -> web.StreamResponse:
    """POST /v1/messages."""
    stage = request.app[STAGE]
    body = await request.json()
    messages = body.get("messages", [])
    tools = [tool.get("name", "") for tool in body.get("tools") or []]
    if tools:
        # The client's own messages are of role "system": what arrives mid-turn, what hooks add.
        told = [message for message in messages if message.get("role") != "assistant"]
        said = [text for message in told for text in (*spoken_texts(message), *told_results(message))]
        stage.heard.append(said)
    turn = choose_turn(stage.scenes, messages, tools)
    if turn[0].get("fail"):
        return build_error(turn[0]["fail"])
    head: dict[str, Any] = {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    }
    stop_reason = "tool_use" if any("use" in block for block in turn) else "end_turn"
    if body.get("stream"):
        return await stream_turn(request, head, turn, stop_reason)
    for block in turn:
        if "wait" in block:
            await stage.gate(block["wait"]).wait()
        elif "say" in block:
            head["content"].append({"type": "text", "text": block["say"]})
        else:
            call = {"type": "tool_use", "id": new_id("toolu"), "name": block["use"], "input": block["input"]}
            head["content"].append(call)
    return web.json_response({**head, "stop_reason": stop_reason}, headers=stage.headers)


async def stream_turn(request: web.Request, head: dict[str, Any], turn: Turn, stop_reason: str) -> web.StreamResponse:
    """The turn, block by block, as the service streams it; waits at gates on the way."""
    headers = {"Content-Type": "text/event-stream", **request.app[STAGE].headers}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(frame("message_start", message=head))
    index = 0
    for block in turn:
        if "wait" in block:
            await request.app[STAGE].gate(block["wait"]).wait()
            continue
        if "say" in block:
            start: Block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": word} for word in re.findall(r"\S+\s*|\s+", block["say"])]
        else:
            start = {"type": "tool_use", "id": new_id("toolu"), "name": block["use"], "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        await response.write(frame("content_block_start", index=index, content_block=start))
        for delta in deltas:
            await response.write(frame("content_block_delta", index=index, delta=delta))
        await response.write(frame("content_block_stop", index=index))
        index += 1
    end = {"stop_reason": stop_reason, "stop_sequence": None}
    await response.write(frame("message_delta", delta=end, usage={"output_tokens": 40}))
    await response.write(frame("message_stop"))
    await response.write_eof()
    return response


async def count_tokens(request: web.Request) -> web.Response:
    """POST /v1/messages/count_tokens."""
    return web.json_response({"input_tokens": 100})


async def put_scene(request: web.Request) -> web.Response:
    """PUT /stage/scenes/{name}: a list of turns."""
    request.app[STAGE].scenes[request.match_info["name"]] = await request.json()
    return web.json_response({})


async def put_headers(request: web.Request) -> web.Response:
    """PUT /stage/headers: what every answer carries from now on."""
    request.app[STAGE].headers = await request.json()
    return web.json_response({})


async def open_gate(request: web.Request) -> web.Response:
    """POST /stage/gates/{name}."""
    request.app[STAGE].gate(request.match_info["name"]).set()
    return web.json_response({})


async def get_heard(request: web.Request) -> web.Response:
    """GET /stage/heard: for each of the newest requests, what the user said in that conversation."""
    return web.json_response(list(request.app[STAGE].heard))


async def refuse(request: web.Request) -> web.Response:
    """Everything else the client tries: it copes without."""
    return web.json_response({"type": "error", "error": {"type": "not_found_error", "message": ""}}, status=404)


def build_app() -> web.Application:
    """The model, ready to be served."""
    app = web.Application(client_max_size=BODY_BYTES)
    app[STAGE] = Stage()
    app.router.add_post("/v1/messages", answer_messages)
    app.router.add_post("/v1/messages/count_tokens", count_tokens)
    app.router.add_put("/stage/scenes/{name}", put_scene)
    app.router.add_put("/stage/headers", put_headers)
    app.router.add_post("/stage/gates/{name}", open_gate)
    app.router.add_get("/stage/heard", get_heard)
    app.router.add_route("*", "/{path:.*}", refuse)
    return app


async def serve() -> None:
    """Serve on a free port of loopback, print it, and run until killed."""
    runner = web.AppRunner(build_app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _, port = runner.addresses[0][:2]
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    asyncio.run(serve())
