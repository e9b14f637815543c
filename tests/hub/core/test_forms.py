"""The schemas that MCP allows for elicitations (2025-11-25), and what may be answered to them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import forms
from hub.core.forms import Choice, Field, Invalid

TITLED = [{"const": "#f00", "title": "Red"}, {"const": "#0f0"}]


def read(*required: str, **properties: Any) -> tuple[Field, ...]:
    return forms.read_fields({"type": "object", "properties": properties, "required": list(required)})


def is_fit(item: Any, value: Any) -> bool:
    try:
        forms.check(read(x=item), {"x": value})
    except Invalid:
        return False
    return True


def test_fields_have_their_order_their_names_and_what_is_needed() -> None:
    item = {"type": "string", "title": "Your name", "description": "As in the passport", "default": "Maya"}
    fields = read("age", name=item, age={"type": "integer"}, odd=7)
    assert [(field.name, field.label, field.kind, field.required) for field in fields] == [
        ("name", "Your name", "text", False),
        ("age", "age", "integer", True),
    ]
    assert (fields[0].description, fields[0].default) == ("As in the passport", "Maya")


@pytest.mark.parametrize(
    ("item", "kind", "choices"),
    [
        ({"type": "string"}, "text", []),
        ({"type": "number"}, "number", []),
        ({"type": "boolean"}, "boolean", []),
        ({"type": ["string", "null"]}, "text", []),
        ({}, "text", []),
        ({"type": "string", "enum": ["a", "b"]}, "choice", [("a", "a"), ("b", "b")]),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]}, "choice", [("a", "A"), ("b", "B")]),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["A"]}, "choice", [("a", "a"), ("b", "b")]),
        ({"type": "string", "oneOf": TITLED}, "choice", [("#f00", "Red"), ("#0f0", "#0f0")]),
        ({"type": "array", "items": {"type": "string", "enum": ["a"]}}, "choices", [("a", "a")]),
        ({"type": "array", "items": {"anyOf": TITLED}}, "choices", [("#f00", "Red"), ("#0f0", "#0f0")]),
    ],
)
def test_each_primitive_of_the_protocol(item: Any, kind: str, choices: list[tuple[str, str]]) -> None:
    [field] = read(x=item)
    assert (field.kind, list(field.choices)) == (kind, [Choice(*choice) for choice in choices])


MULTI = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 2}


@pytest.mark.parametrize(
    ("item", "good", "bad"),
    [
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "äöü"], ["a", "abcd", 7, None, ["ab"], True]),
        ({"type": "integer", "minimum": 0, "maximum": 9}, [0, 9], [-1, 10, 1.5, "1", True, None]),
        ({"type": "number", "minimum": 0.5}, [0.5, 7, 10**400], [0.4, "1", False, None]),
        ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
        ({"type": "string", "enum": ["a"]}, ["a"], ["b", "", ["a"], {}, None]),
        (MULTI, [["a"], ["c", "a"]], [[], ["a", "b", "c"], ["a", "a"], ["d"], "a", [["a"]], [{}], None]),
        ({"type": "string", "format": "email"}, ["a@b.example"], ["a", "a@b", "a b@c.d", "@b.c"]),
        ({"type": "string", "format": "uri"}, ["https://example.com", "mailto:a@b.c"], ["example", "", "http://["]),
        ({"type": "string", "format": "date"}, ["2026-02-28"], ["2026-02-30", "2026-2-1", "\uff12026-02-28", ""]),
        (
            {"type": "string", "format": "date-time"},
            ["2026-11-21T10:00:00Z", "2026-11-21T10:00", "2026-11-21t10:00:00.25+01:00"],
            ["2026-11-21", "2026-11-21T25:00:00Z", "2026-13-21T10:00:00Z", "10:00"],
        ),
        ({"type": "string", "format": "colour"}, ["anything"], [7]),
        ({"type": "string"}, ["x" * 10_000], ["x" * 10_001]),
    ],
)
def test_an_answer_fits_its_field_or_not(item: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not is_fit(item, value)] == []
    assert [value for value in bad if is_fit(item, value)] == []


def test_what_is_needed_must_be_there_and_nothing_else_may() -> None:
    fields = read("x", x={"type": "string", "title": "The X"}, y={"type": "string"})
    forms.check(fields, {"x": ""})
    with pytest.raises(Invalid, match="The X is needed"):
        forms.check(fields, {"y": "here"})
    with pytest.raises(Invalid, match="no field z"):
        forms.check(fields, {"x": "", "z": 1})


def test_a_bound_that_is_none_bounds_nothing() -> None:
    for bound in (True, "3", None, [], 10**400, -(10**400)):
        assert is_fit({"type": "integer", "minimum": bound, "maximum": bound}, 5)


def test_of_a_form_without_end_the_first_fields_are_read() -> None:
    fields = read(**{f"f{number}": {"type": "string"} for number in range(1000)})
    assert len(fields) == forms.FIELDS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["type", "title", "description", "enum", "enumNames", "oneOf", "anyOf", "items", "format", "const", "minLength"]
KEYS += ["maxLength", "minItems", "minimum", "maximum", "default", "properties"]
VALUES = JSON | st.sampled_from(
    ["string", "number", "integer", "boolean", "array", "uri", "date", "date-time", "email"]
)
ITEMS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@given(ITEMS | st.dictionaries(st.sampled_from(["properties", "required"]), ITEMS), JSON)
def test_a_hostile_schema_is_read_as_far_as_it_goes(schema: Any, value: Any) -> None:
    fields = forms.read_fields(schema)
    msgspec.json.encode(fields)
    for answers in ({}, {field.name: value for field in fields}):
        with suppress(Invalid):
            forms.check(fields, answers)


@given(st.dictionaries(st.sampled_from(KEYS), ITEMS, max_size=5), JSON)
def test_a_hostile_field_takes_an_answer_or_says_why_not(item: Any, value: Any) -> None:
    is_fit(item, value)
