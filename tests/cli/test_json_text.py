"""Edits in JSON text leave every other byte alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import json_text
from cli.json_text import NotUnderstood

SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=5)
STYLES = st.sampled_from(
    [
        {"indent": 2},
        {"indent": 4},
        {"indent": "\t"},
        {"indent": None},
        {"indent": None, "separators": (",", ":")},
    ]
)


@given(value=OBJECTS, style=STYLES, key=st.text(max_size=6), new=VALUES, crlf=st.booleans())
def test_setting_a_member_changes_just_that(value: Any, style: Any, key: str, new: Any, crlf: bool) -> None:
    text = json.dumps(value, **style)
    text = text.replace("\n", "\r\n") if crlf else text
    edited = json_text.set_value(text, (key,), new)
    assert list(json.loads(edited).items()) == list({**value, key: new}.items())
    if "\r" in text:
        assert "\n" not in edited.replace("\r\n", "")


@given(value=OBJECTS, style=STYLES, key=st.text(max_size=6), new=VALUES)
def test_removing_what_was_added_gives_the_same_bytes(value: Any, style: Any, key: str, new: Any) -> None:
    text = json.dumps({name: inner for name, inner in value.items() if name != key}, **style)
    assert json_text.remove(json_text.set_value(text, (key,), new), (key,)) == text


@given(value=OBJECTS.filter(bool), style=STYLES, data=st.data())
def test_removing_a_member_leaves_the_others(value: Any, style: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    left = json_text.parse(json_text.remove(json.dumps(value, **style), (key,)))
    assert left == {name: inner for name, inner in value.items() if name != key}


@given(items=st.lists(VALUES, min_size=1, max_size=5), style=STYLES, new=VALUES, data=st.data())
def test_items_are_added_at_the_end_and_removed_anywhere(items: Any, style: Any, new: Any, data: st.DataObject) -> None:
    text = json_text.append_item(json.dumps({"list": items}, **style), ("list",), new)
    assert json_text.parse(text) == {"list": [*items, new]}
    index = data.draw(st.integers(0, len(items)))
    rest = [*items, new]
    del rest[index]
    assert json_text.parse(json_text.remove(text, ("list", index))) == {"list": rest}


def test_odd_formatting_around_the_edit_stays() -> None:
    text = '{ "a" : [1,2 , 3],\n\n      "b":{"x":1.50e3},   \n"c": "\\u00e9"\n}\n'
    edited = json_text.append_item(text, ("a",), 4)
    assert edited == text.replace("2 , 3]", "2 , 3, 4]")
    assert json_text.set_value(text, ("b", "x"), 2) == text.replace("1.50e3", "2")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{\n  "a": 1,\n}', 3, 1),
        ('{"a": NaN}', 1, 7),
        ("", 1, 1),
        ("{} {}", 1, 4),
        ('{"a": // no\n 1}', 1, 7),
    ],
)
def test_what_does_not_parse_is_placed(text: str, line: int, column: int) -> None:
    with pytest.raises(NotUnderstood) as caught:
        json_text.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="twice"):
        json_text.set_value('{"a": 1, "a": 2}', ("b",), 1)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    with pytest.raises(NotUnderstood):
        json_text.parse("[" * 200_000)
