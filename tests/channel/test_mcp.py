"""MCP without a process: lines in, effects out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel import mcp
from wire.messages import TEXT_BYTES


def ask(method: str, params: dict[str, Any] | None = None) -> list[mcp.Effect]:
    return mcp.receive(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}).encode())


def sent(effects: list[mcp.Effect]) -> dict[str, Any]:
    assert isinstance(effects[0], mcp.Send)
    assert effects[0].data.endswith(b"\n")
    assert effects[0].data.count(b"\n") == 1
    answer: dict[str, Any] = json.loads(effects[0].data)
    assert answer["jsonrpc"] == "2.0"
    return answer


def call(tool: str, **arguments: Any) -> list[mcp.Effect]:
    return ask("tools/call", {"name": tool, "arguments": arguments})


def refusal(effects: list[mcp.Effect]) -> str:
    result = sent(effects)["result"]
    assert result["isError"] is True
    text: str = result["content"][0]["text"]
    return text


@pytest.mark.parametrize(
    ("wanted", "spoken"), [("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2030-01-01", "2025-11-25")]
)
def test_initialize_settles_the_version_and_says_it_is_a_channel(wanted: str, spoken: str) -> None:
    effects = ask("initialize", {"protocolVersion": wanted, "clientInfo": {"name": "x", "version": "2.1.329"}})
    result = sent(effects)["result"]
    assert result["protocolVersion"] == spoken
    assert result["capabilities"] == {
        "tools": {},
        "experimental": {"claude/channel": {}, "claude/channel/permission": {}},
    }
    assert result["serverInfo"]["name"] == "heliograph"


@pytest.mark.parametrize("method", ["server/discover", "resources/list", "logging/setLevel", ""])
def test_unknown_requests_are_refused(method: str) -> None:
    answer = sent(ask(method))
    assert (answer["id"], answer["error"]["code"]) == (7, -32601)


def test_ping_is_answered() -> None:
    assert sent(ask("ping"))["result"] == {}


def test_an_answered_ping_of_ours_is_told_by_its_number() -> None:
    ping = json.loads(mcp.build_ping(7))
    assert ping["method"] == "ping"
    for outcome in ({"result": {}}, {"error": {"code": -32601, "message": "no"}}):
        answer = {"jsonrpc": "2.0", "id": ping["id"], **outcome}
        assert mcp.receive(json.dumps(answer).encode()) == [mcp.Pong(7)]
    for stray in ("heliograph-ping-", "heliograph-ping-x", "7", 7, None):
        assert mcp.receive(json.dumps({"jsonrpc": "2.0", "id": stray, "result": {}}).encode()) == []


def test_both_tools_are_always_loaded() -> None:
    effects = ask("tools/list")
    tools = sent(effects)["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["reply", "progress"]
    assert all(tool["_meta"] == {"anthropic/alwaysLoad": True} for tool in tools)
    assert effects[1] == mcp.Listed()


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
        b'{"jsonrpc":"2.0","method":"nobody/knows","params":[]}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
    ],
)
def test_notifications_and_answers_get_no_answer(line: bytes) -> None:
    assert mcp.receive(line) == []


def test_a_reply_is_handed_on() -> None:
    assert call("reply", text="hi", message_id="m1") == [mcp.Call(7, mcp.Reply("hi", "m1"))]
    assert call("reply", text="hi", message_id=None, more=1) == [mcp.Call(7, mcp.Reply("hi", None))]


def test_half_a_surrogate_pair_costs_a_character_not_the_call() -> None:
    line = rb'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"reply","arguments":{"text":"a\ud800"}}}'
    assert mcp.receive(line) == [mcp.Call(7, mcp.Reply("a?", None))]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"text": ""},
        {"text": " \n"},
        {"text": 5},
        {"text": None},
        {"text": "x", "message_id": 5},
        {"text": "x", "message_id": "m" * 129},
        {"text": "é" * (TEXT_BYTES // 2 + 1)},
    ],
)
def test_a_bad_reply_is_refused_in_words(arguments: dict[str, Any]) -> None:
    assert len(refusal(call("reply", **arguments))) > 20


def test_the_longest_reply_is_taken() -> None:
    assert isinstance(call("reply", text="é" * (TEXT_BYTES // 2))[0], mcp.Call)


def test_progress_is_handed_on_and_cut_to_a_line() -> None:
    assert call("progress", percent=40) == [mcp.Call(7, mcp.Progress(40.0, None, None))]
    effects = call("progress", phase="p" * 500, status="s" * 5000)
    assert effects == [mcp.Call(7, mcp.Progress(None, "p" * 100, "s" * 1000))]


@pytest.mark.parametrize(
    "arguments", [{}, {"percent": 101}, {"percent": -1}, {"percent": "40"}, {"percent": True}, {"phase": 1}]
)
def test_bad_progress_is_refused_in_words(arguments: dict[str, Any]) -> None:
    assert refusal(call("progress", **arguments))


def test_an_unknown_tool_is_a_protocol_error() -> None:
    assert sent(call("format_disk"))["error"]["code"] == -32602
    assert sent(ask("tools/call", {"name": "reply", "arguments": [1]}))["error"]["code"] == -32602


@pytest.mark.parametrize(("line", "code"), [(b"{", -32700), (b"[]", -32600), (b'{"id":1.5,"method":"x"}', -32600)])
def test_what_is_no_message_gets_a_coded_error(line: bytes, code: int) -> None:
    answer = sent(mcp.receive(line))
    assert (answer["id"], answer["error"]["code"]) == (None, code)


@given(st.binary())
def test_no_bytes_make_it_raise(line: bytes) -> None:
    mcp.receive(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": json_values,
            "id": json_values | st.integers(),
            "method": json_values | st.sampled_from(["initialize", "tools/call", "tools/list", "ping"]),
            "params": json_values
            | st.fixed_dictionaries({"name": st.sampled_from(["reply", "progress"]), "arguments": json_values}),
        },
    )
)
def test_no_message_makes_it_raise(message: dict[str, Any]) -> None:
    for effect in mcp.receive(json.dumps(message).encode()):
        assert not isinstance(effect, mcp.Send) or json.loads(effect.data)


def test_a_notification_is_one_line_of_strings() -> None:
    line = mcp.build_notification("two\nlines", {"message_id": "m1"})
    assert json.loads(line)["params"] == {"content": "two\nlines", "meta": {"message_id": "m1"}}
    assert line.count(b"\n") == 1
