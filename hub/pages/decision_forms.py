"""Questions and forms as a page asks them: what to choose from, and what a browser's own fields can hold."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hub.core import forms
from hub.pages.text import reveal

FEW = 6
"""Choices up to this many are shown as radios, more as a list to open."""

_ADDRESS = re.compile(
    r"(https?://)((?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+|\[[0-9A-Fa-f:.]+\])((?::\d{1,5})?(?:[/?#][!-\[\]-~]*)?)"
)
"""Addresses about whose host no browser and no reader can think differently; others are not made links."""

_TYPES = {"email": "email", "uri": "url", "date": "date", "date-time": "datetime-local"}


class OptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One to choose. ``value`` is what is answered, the rest is shown."""

    value: str
    label: str
    description: str
    preview: str
    number: int


class QuestionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One question; ``other`` is the number of the answer in one's own words."""

    key: str
    text: str
    several: bool
    options: list[OptionShown]
    other: int

    @property
    def has_previews(self) -> bool:
        """Whether the options have something to look at."""
        return any(option.preview for option in self.options)

    @property
    def is_brief(self) -> bool:
        """Whether the options fit side by side."""
        return self.several and len(self.options) % 2 == 1 and not any(o.description or o.preview for o in self.options)


class FieldShown(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a form; ``type`` is the input's. Empty attributes are left out."""

    name: str
    kind: forms.FieldKind
    label: str
    description: str
    required: bool
    type: str
    attributes: dict[str, str]
    default: Any
    choices: list[OptionShown]
    few: bool


class AddressShown(msgspec.Struct, frozen=True, kw_only=True):
    """An address, whole: before the host, the host, after it. ``href`` is empty unless it may be a link."""

    before: str
    host: str
    after: str
    href: str


def build_questions(questions: list[dict[str, Any]]) -> list[QuestionShown]:
    """Questions whose options are numbered through."""
    shown = []
    number = 0
    for question in questions:
        options = []
        for option in _list_options(question):
            number += 1
            options.append(_build_option(option, number))
        number += 1
        text = question["question"]
        shown.append(
            QuestionShown(
                key=text, text=reveal(text), several=bool(question.get("multiSelect")), options=options, other=number
            )
        )
    return shown


def build_fields(schema: Any) -> list[FieldShown]:
    """The fields of an MCP server's form."""
    return [_build_field(field) for field in forms.read_fields(schema)]


def build_address(url: str) -> AddressShown:
    """What somebody is asked to open."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return AddressShown(before=reveal(url), host="", after="", href="")
    return AddressShown(before=found[1], host=found[2], after=found[3], href=url)


def _list_options(question: dict[str, Any]) -> list[dict[str, Any]]:
    options = question.get("options")
    listed = options if isinstance(options, list) else []
    return [option for option in listed if isinstance(option, dict) and isinstance(option.get("label"), str)]


def _build_option(option: dict[str, Any], number: int) -> OptionShown:
    return OptionShown(
        value=option["label"],
        label=reveal(option["label"]),
        description=_text(option, "description"),
        preview=_text(option, "preview"),
        number=number,
    )


def _build_field(field: forms.Field) -> FieldShown:
    kind = {"number": "number", "integer": "number"}.get(field.kind) or _TYPES.get(field.format, "text")
    return FieldShown(
        name=field.name,
        kind=field.kind,
        label=reveal(field.label),
        description=reveal(field.description),
        required=field.required,
        type=kind,
        attributes=_list_attributes(field),
        default=field.default if isinstance(field.default, str | int | float | bool | list) else None,
        choices=[
            OptionShown(value=choice.value, label=reveal(choice.label), description="", preview="", number=0)
            for choice in field.choices
        ],
        few=len(field.choices) <= FEW,
    )


def _list_attributes(field: forms.Field) -> dict[str, str]:
    if field.kind == "text":
        bounds = {"minlength": field.least, "maxlength": field.most}
    elif field.kind in ("number", "integer"):
        bounds = {"min": field.least, "max": field.most}
    else:
        return {}
    attributes = {name: f"{bound:g}" for name, bound in bounds.items() if bound is not None}
    if field.kind in ("number", "integer"):
        attributes["step"] = "1" if field.kind == "integer" else "any"
    return attributes


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    return reveal(value) if isinstance(value, str) else ""
