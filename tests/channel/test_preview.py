"""Does the relay's preview show this input? Only a sure yes counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.preview import normalise, normalise_input, shows

LONG = {"command": "".join(f"echo {number}\n" for number in range(2000)), "description": "count"}


def render(tool_input: dict[str, Any], most: int = 3500) -> str:
    """As the client does (2.1.329)."""
    text = " ".join(json.dumps(tool_input, ensure_ascii=False, indent=1).split())
    if len(text) <= most:
        return text
    left_out = len(text) - most
    head = most // 2
    return f"{text[:head]}\n⋯ {left_out} code points elided ⋯\n{text[head + left_out :]}"


def fits(shown: str, tool_input: dict[str, Any]) -> bool:
    return shows(normalise(shown), normalise_input(tool_input))


@pytest.mark.parametrize(
    ("shown", "tool_input"),
    [
        ('{ "command": "touch x", "description": "d" }', {"command": "touch x", "description": "d"}),
        ('{ "command": "a\\nb  c" }', {"command": "a\nb  c"}),
        ('{ "todos": [ { "n": 1 }, { "n": null } ], "on": true }', {"todos": [{"n": 1}, {"n": None}], "on": True}),
        ('{ "command": "echo  abc" }', {"command": "echo \u202eabc\u200b"}),
        ("{}", {}),
        ('{ "command": "curl -H \\"Bearer [REDACTED]\\" x" }', {"command": 'curl -H "Bearer sk-ant-0123" x'}),
        ('{ "command": "T=[REDACTED] run; U=[REDACTED]" }', {"command": "T=ghp_abc run; U=ghp_def"}),
        ('{ "command": "echo [REDACTED]" }', {"command": "echo sk-ant-0123"}),
        (render(LONG), LONG),
    ],
)
def test_a_preview_shows_its_input(shown: str, tool_input: dict[str, Any]) -> None:
    assert fits(shown, tool_input)


@pytest.mark.parametrize(
    ("shown", "tool_input"),
    [
        ('{ "command": "touch x" }', {"command": "touch y"}),
        ('{ "command": "touch x" }', {"command": "touch xx"}),
        ('{ "command": "touch x" }', {"command": "touch x", "description": "d"}),
        ('{ "b": 1, "a": 2 }', {"a": 2, "b": 1}),
        ('{ "command": "[REDACTED]" }', {"command": "rm -rf /; echo x"}),
        ('{ "command": "curl [REDACTED] y" }', {"command": "curl $(id) y"}),
        ('{ "command": "curl [REDACTED]" }', {"command": "curl "}),
        (render(LONG), {**LONG, "description": "other"}),
        (render(LONG), {**LONG, "command": "#" + LONG["command"]}),
        (render(LONG), {**LONG, "command": LONG["command"][:9000] + "x" * 20000 + LONG["command"][9000:]}),
        ("ab ⋯ 1 code points elided ⋯ ba", {}),
        ("a ⋯ 1 code points elided ⋯ b ⋯ 1 code points elided ⋯ c", {"a": 1}),
        ("", {}),
    ],
)
def test_what_is_not_surely_shown_is_not(shown: str, tool_input: dict[str, Any]) -> None:
    assert not fits(shown, tool_input)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
inputs = st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=3) | st.booleans(), max_size=4)


@given(inputs, st.integers(20, 200))
def test_every_input_is_shown_by_its_own_preview(tool_input: dict[str, Any], most: int) -> None:
    assert fits(render(tool_input, most), tool_input)


@given(inputs, inputs)
def test_of_two_that_differ_in_what_is_seen_only_one_is_shown(one: dict[str, Any], other: dict[str, Any]) -> None:
    if normalise_input(one) != normalise_input(other) and "REDACTED" not in str(one):
        assert not fits(render(one), other)


@given(st.text(), inputs)
def test_no_preview_makes_it_raise(shown: str, tool_input: dict[str, Any]) -> None:
    fits(shown, tool_input)
