"""The forms of MCP servers: the flat JSON schemas that an elicitation may have, read and checked. Pure.

Claude Code passes on what a hook answers without looking at it, so what a server gets is checked here; but for its
``pattern``, since a regular expression of somebody else's can take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

FieldKind = Literal["text", "number", "integer", "boolean", "choice", "choices"]

FIELDS = 100
"""Of one form; what it has beyond them is not shown, so it can't be answered."""

TEXT_CHARS = 10_000

NUMBER_MAX = 1e300
"""A larger bound of a server's is none."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(rf"{_DATE.pattern}[Tt ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?([Zz]|[+-]\d{{2}}:\d{{2}})?", re.ASCII)


class Invalid(Exception):
    """The answer doesn't fit the form; the text is for people."""


class Choice(msgspec.Struct, frozen=True):
    """One of those offered: what is sent, and what is shown."""

    value: str
    label: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. ``least`` and ``most``: of a number itself, of a text its characters, of choices how many."""

    name: str
    kind: FieldKind
    label: str
    description: str = ""
    required: bool = False
    choices: tuple[Choice, ...] = ()
    format: str = ""
    least: float | None = None
    most: float | None = None
    default: Any = None


def read_fields(schema: Any) -> tuple[Field, ...]:
    """The fields in their order; one of a kind that we don't know is a text."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return ()
    names = required if isinstance(required, list) else []
    known = [(name, item) for name, item in properties.items() if isinstance(item, dict)]
    return tuple(_read_field(name, item, required=name in names) for name, item in known[:FIELDS])


def check(fields: Sequence[Field], answers: Mapping[str, Any]) -> None:
    """Raises Invalid unless the answers fit the fields."""
    by_name = {field.name: field for field in fields}
    for name in answers:
        if name not in by_name:
            raise Invalid(f"The form has no field {name}.")
    for field in fields:
        if field.name in answers:
            _check_value(field, answers[field.name])
        elif field.required:
            raise Invalid(f"{field.label} is needed.")


def _read_field(name: str, item: Mapping[str, Any], *, required: bool) -> Field:
    kind, choices = _read_kind(item)
    bounds = {
        "text": ("minLength", "maxLength"),
        "choices": ("minItems", "maxItems"),
    }.get(kind, ("minimum", "maximum"))
    return Field(
        name=name,
        kind=kind,
        label=_text(item, "title") or name,
        description=_text(item, "description"),
        required=required,
        choices=choices,
        format=_text(item, "format"),
        least=_number(item, bounds[0]),
        most=_number(item, bounds[1]),
        default=item.get("default"),
    )


def _read_kind(item: Mapping[str, Any]) -> tuple[FieldKind, tuple[Choice, ...]]:
    kind = item.get("type")
    items = item.get("items")
    if kind == "array" and isinstance(items, dict):
        return "choices", _read_choices(items)
    choices = _read_choices(item)
    if choices:
        return "choice", choices
    if kind in ("number", "integer", "boolean"):
        return kind, ()
    return "text", ()


def _read_choices(item: Mapping[str, Any]) -> tuple[Choice, ...]:
    """``enum`` with its ``enumNames``, or ``oneOf`` and ``anyOf`` with a ``title`` each."""
    for key in ("oneOf", "anyOf"):
        options = item.get(key)
        if isinstance(options, list):
            titled = [option for option in options if isinstance(option, dict) and isinstance(option.get("const"), str)]
            return tuple(Choice(option["const"], _text(option, "title") or option["const"]) for option in titled)
    values = item.get("enum")
    if not isinstance(values, list):
        return ()
    names = item.get("enumNames")
    labels = names if isinstance(names, list) and len(names) == len(values) else values
    return tuple(Choice(v, str(label)) for v, label in zip(values, labels, strict=True) if isinstance(v, str))


def _check_value(field: Field, value: Any) -> None:
    match field.kind:
        case "boolean":
            if not isinstance(value, bool):
                raise Invalid(f"{field.label} is yes or no.")
        case "number" | "integer":
            whole = field.kind == "integer"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise Invalid(f"{field.label} is a {'whole ' if whole else ''}number.")
            _check_bounds(field, value, "")
        case "choice":
            if value not in [choice.value for choice in field.choices]:
                raise Invalid(f"{field.label} is one of those offered.")
        case "choices":
            known = {choice.value for choice in field.choices}
            if not isinstance(value, list) or not all(isinstance(item, str) and item in known for item in value):
                raise Invalid(f"{field.label} is a list of those offered.")
            if len(set(value)) < len(value):
                raise Invalid(f"{field.label} has one of those offered twice.")
            _check_bounds(field, len(value), " choices")
        case _:
            _check_text(field, value)


def _check_text(field: Field, value: Any) -> None:
    if not isinstance(value, str) or len(value) > TEXT_CHARS:
        raise Invalid(f"{field.label} is a text of at most {TEXT_CHARS:,} characters.")
    _check_bounds(field, len(value), " characters")
    if not _fits(field.format, value):
        raise Invalid(f"{field.label} is no {_FORMATS.get(field.format, field.format)}.")


_FORMATS = {"email": "e-mail address", "uri": "address with a scheme", "date-time": "date and time"}


def _fits(form: str, value: str) -> bool:
    """Whether a text has this format; those that MCP doesn't have, every text has."""
    try:
        match form:
            case "email":
                return _EMAIL.fullmatch(value) is not None
            case "uri":
                return bool(urlsplit(value).scheme)
            case "date" | "date-time":
                shape = _DATE if form == "date" else _DATE_TIME
                return shape.fullmatch(value) is not None and bool(datetime.fromisoformat(value.upper()))
    except ValueError:
        return False
    return True


def _check_bounds(field: Field, size: float, unit: str) -> None:
    if field.least is not None and size < field.least:
        raise Invalid(f"{field.label} is at least {field.least:g}{unit}.")
    if field.most is not None and size > field.most:
        raise Invalid(f"{field.label} is at most {field.most:g}{unit}.")


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _number(item: Mapping[str, Any], name: str) -> float | None:
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < NUMBER_MAX else None
