"""What options and typed answers say, as the API takes it."""

from __future__ import annotations

from typing import Any

import pytest

from cli import decide_ask
from cli.errors import Failed, Usage
from cli.verdict import Given, build_verdict
from tests.cli.fake_hub import build_decision

QUESTIONS = [
    {"question": "Which?", "header": "W", "multiSelect": False, "options": [{"label": "A"}, {"label": "B, C"}]},
    {"question": "Which?=x", "header": "X", "multiSelect": True, "options": [{"label": "D"}, {"label": "E"}]},
]


def build_field(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    shape = {"label": name, "description": "", "required": False, "choices": [], "format": ""}
    return {"name": name, "kind": kind, **shape, "least": None, "most": None, "default": None, **fields}


CHOICES = [{"value": "r", "label": "Red"}, {"value": "g", "label": "g"}]
FIELDS = [
    build_field("name", "text", required=True),
    build_field("age", "integer"),
    build_field("size", "number"),
    build_field("ok", "boolean", default=True),
    build_field("colour", "choice", choices=CHOICES),
    build_field("colours", "choices", choices=CHOICES),
]

PERMISSION = build_decision("d", suggestions=[{"type": "setMode"}, {"type": "addRules"}])
QUESTION = build_decision("d", kind="question", questions=QUESTIONS, offers=["answer", "deny", "message", "stop"])
FORM = build_decision("d", kind="elicitation", fields=FIELDS, input={"mode": "form"}, offers=["answer", "deny", "stop"])
PLAN = build_decision(
    "d",
    kind="plan",
    plan="# Plan",
    input={"plan": "# Plan"},
    modes=["default", "acceptEdits"],
    offers=["allow", "edit", "mode", "deny", "message", "stop"],
)
URL = build_decision("d", kind="elicitation", fields=[], input={"mode": "url"}, offers=["allow", "deny", "stop"])


@pytest.mark.parametrize(
    ("decision", "given", "verdict"),
    [
        (PERMISSION, Given(), None),
        (PERMISSION, Given(allow=True), {"behavior": "allow"}),
        (PERMISSION, Given(always=2), {"behavior": "allow", "remember": 1}),
        (PERMISSION, Given(input='{"command": "ls"}'), {"behavior": "allow", "input": {"command": "ls"}}),
        (
            PERMISSION,
            Given(allow=True, always=1, input="{}"),
            {"behavior": "allow", "remember": 0, "input": {}},
        ),
        (PERMISSION, Given(deny=True), {"behavior": "deny"}),
        (PERMISSION, Given(deny=True, message="no"), {"behavior": "deny", "message": "no"}),
        (PERMISSION, Given(stop=True), {"behavior": "deny", "stop": True}),
        (PLAN, Given(mode="acceptEdits"), {"behavior": "allow", "mode": "acceptEdits"}),
        (
            QUESTION,
            Given(answers=["1=B, C", "Which?=x=D", "2=a=b"]),
            {"behavior": "allow", "answers": {"Which?": "B, C", "Which?=x": ["D", "a=b"]}},
        ),
        (QUESTION, Given(answers=["Which?=y"]), {"behavior": "allow", "answers": {"Which?": "y"}}),
        (
            FORM,
            Given(fields=["name=a=b", "age=7", "size=1.5", "ok=No", "colour=Red", "colours=g", "colours=Red"]),
            {
                "behavior": "allow",
                "answers": {"name": "a=b", "age": 7, "size": 1.5, "ok": False, "colour": "r", "colours": ["g", "r"]},
            },
        ),
        (FORM, Given(allow=True), {"behavior": "allow", "answers": {}}),
        (FORM, Given(stop=True), {"behavior": "deny", "stop": True}),
        (URL, Given(allow=True), {"behavior": "allow"}),
    ],
)
def test_options_make_a_verdict(decision: Any, given: Given, verdict: Any) -> None:
    assert build_verdict(decision, given) == verdict


@pytest.mark.parametrize(
    ("decision", "given"),
    [
        (PERMISSION, Given(allow=True, deny=True)),
        (PERMISSION, Given(always=1, stop=True)),
        (PERMISSION, Given(message="no")),
        (PERMISSION, Given(allow=True, message="yes")),
        (PERMISSION, Given(always=0)),
        (PERMISSION, Given(always=3)),
        (PERMISSION, Given(always=-1)),
        (PERMISSION, Given(input="[]")),
        (PERMISSION, Given(input="{")),
        (PERMISSION, Given(input="[" * 100_000)),
        (PERMISSION, Given(answers=["1=A"])),
        (PERMISSION, Given(fields=["name=A"])),
        (QUESTION, Given(answers=["A"])),
        (QUESTION, Given(answers=["0=A"])),
        (QUESTION, Given(answers=["3=A"])),
        (QUESTION, Given(answers=["²=A"])),
        (QUESTION, Given(answers=["1=A", "1=B"])),
        (FORM, Given(fields=["nobody=1"])),
        (FORM, Given(fields=["name"])),
        (FORM, Given(fields=["name=a", "name=b"])),
        (FORM, Given(fields=["age=1.5"])),
        (FORM, Given(fields=["size=nan"])),
        (FORM, Given(fields=["size=x"])),
        (FORM, Given(fields=["ok=maybe"])),
        (FORM, Given(fields=["colour=blue"])),
    ],
)
def test_options_that_can_not_be_meant_are_refused(decision: Any, given: Given) -> None:
    with pytest.raises(Usage):
        build_verdict(decision, given)


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    typed = iter(lines)

    def read(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)


@pytest.mark.parametrize(
    ("decision", "typed", "verdict"),
    [
        (PERMISSION, ["1"], {"behavior": "allow"}),
        (PERMISSION, ["x", "9", "3"], {"behavior": "deny"}),
        (PERMISSION, ["4", "because"], {"behavior": "deny", "message": "because"}),
        (PERMISSION, ["5"], {"behavior": "deny", "stop": True}),
        (PERMISSION, [""], None),
        (PERMISSION, [], None),
        (PERMISSION, ["4"], None),
        (PLAN, ["1"], {"behavior": "allow"}),
        (PLAN, ["3"], {"behavior": "allow", "mode": "acceptEdits"}),
        (QUESTION, ["1", "2", "1, 2"], {"behavior": "allow", "answers": {"Which?": "B, C", "Which?=x": ["D", "E"]}}),
        (
            QUESTION,
            ["1", "", "7", "me, too"],
            {"behavior": "allow", "answers": {"Which?": "7", "Which?=x": ["me, too"]}},
        ),
        (
            FORM,
            ["1", "", "Ada", "x", "36", "", "", "Red", "g, r"],
            {
                "behavior": "allow",
                "answers": {"name": "Ada", "age": 36, "ok": True, "colour": "r", "colours": ["g", "r"]},
            },
        ),
        (FORM, ["3"], {"behavior": "deny", "stop": True}),
        (URL, ["1"], {"behavior": "allow"}),
    ],
)
def test_what_is_typed_makes_a_verdict(
    decision: Any, typed: list[str], verdict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, *typed)
    assert decide_ask.ask_verdict(decision) == verdict


def test_something_to_remember_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    decision = {**PERMISSION, "offers": ["allow", "edit", "remember", "deny"]}
    type_in(monkeypatch, "3")
    assert decide_ask.ask_verdict(decision) == {"behavior": "allow", "remember": 1}


def test_an_input_is_edited_in_the_persons_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/push/pull/")
    type_in(monkeypatch, "2")
    verdict = {"behavior": "allow", "input": {"command": "git pull", "description": "Push"}}
    assert decide_ask.ask_verdict(PERMISSION) == verdict


def test_a_plan_is_edited_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/Plan/Other/")
    type_in(monkeypatch, "4")
    assert decide_ask.ask_verdict(PLAN) == {"behavior": "allow", "input": {"plan": "# Other"}}


@pytest.mark.parametrize("editor", ["false", "no-such-editor", "'"])
def test_an_editor_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch, editor: str) -> None:
    monkeypatch.setenv("VISUAL", editor)
    type_in(monkeypatch, "2")
    with pytest.raises(Failed):
        decide_ask.ask_verdict(PERMISSION)
