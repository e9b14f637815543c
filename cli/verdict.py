"""What somebody answers, as the API takes it: out of options, or of what was typed. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from cli import show
from cli.errors import Usage

Decision = dict[str, Any]
Verdict = dict[str, Any]

_YES_NO = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}


@dataclass(frozen=True)
class Given:
    """The options of an answer; ``input`` is JSON's text."""

    allow: bool = False
    deny: bool = False
    stop: bool = False
    message: str | None = None
    always: int | None = None
    input: str | None = None
    mode: str | None = None
    answers: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)


def build_verdict(decision: Decision, given: Given) -> Verdict | None:
    """The verdict that the options ask for, None if they ask for none; raises Usage for what can't be meant."""
    allows = bool(given.allow or given.always is not None or given.answers or given.fields)
    allows = allows or given.input is not None or given.mode is not None
    denies = given.deny or given.stop
    if allows and denies:
        raise Usage("that says both yes and no")
    if given.message is not None and not denies:
        raise Usage("--message tells Claude why it is denied: add --deny")
    if denies:
        message = {"message": given.message} if given.message is not None else {}
        return {"behavior": "deny", **message, **({"stop": True} if given.stop else {})}
    return _build_allowance(decision, given) if allows else None


def read_answers(questions: list[dict[str, Any]], words: list[str]) -> dict[str, Any]:
    """``1=TEXT`` or ``QUESTION=TEXT``, several for a question that takes several, as the API takes them."""
    found: dict[str, list[str]] = {}
    for word in words:
        question, text = _split_answer(questions, word)
        if found.setdefault(question["question"], []) and not question.get("multiSelect"):
            raise Usage(f"only one answer can be given to: {show.plain_line(question['question'])}")
        found[question["question"]].append(text)
    several = {question["question"] for question in questions if question.get("multiSelect")}
    return {name: texts if name in several else texts[0] for name, texts in found.items()}


def read_fields(fields: list[dict[str, Any]], words: list[str]) -> dict[str, Any]:
    """``NAME=VALUE`` of a form's fields, each of the field's own type."""
    known = {item["name"]: item for item in fields}
    found: dict[str, Any] = {}
    for word in words:
        name = max((n for n in known if word.startswith(f"{n}=")), key=len, default=None)
        if name is None:
            raise Usage(f"the form has no such field: {show.plain_line(word)}; a field is given as NAME=VALUE")
        value = read_value(known[name], word[len(name) + 1 :])
        if known[name]["kind"] == "choices":
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Usage(f"only one value can be given to {show.plain_line(name)}")
        else:
            found[name] = value
    return found


def read_value(item: dict[str, Any], text: str) -> Any:
    """One value of a field's type; raises Usage."""
    match item["kind"]:
        case "boolean":
            if text.lower() not in _YES_NO:
                raise Usage(f"{show.plain_line(item['name'])} is yes or no")
            return _YES_NO[text.lower()]
        case "integer" | "number":
            return _read_number(item, text)
        case "choice" | "choices":
            values = {choice["label"]: choice["value"] for choice in item["choices"]}
            values |= {choice["value"]: choice["value"] for choice in item["choices"]}
            if text not in values:
                raise Usage(f"{show.plain_line(item['name'])} is one of {show.plain_line(', '.join(values))}")
            return values[text]
        case _:
            return text


def read_input(text: str) -> dict[str, Any]:
    """A JSON object; raises Usage."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Usage(f"the input is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise Usage("the input is no JSON object")
    return given


def _build_allowance(decision: Decision, given: Given) -> Verdict:
    verdict: Verdict = {"behavior": "allow"}
    if given.always is not None:
        offered = len(decision["suggestions"])
        if not 1 <= given.always <= offered:
            raise Usage(f"--always {given.always}: Claude Code offers {offered} to remember")
        verdict["remember"] = given.always - 1
    if given.input is not None:
        verdict["input"] = read_input(given.input)
    if given.mode is not None:
        verdict["mode"] = given.mode
    if given.answers:
        if decision["kind"] != "question":
            raise Usage("--answer is for questions")
        verdict["answers"] = read_answers(decision["questions"], given.answers)
    if given.fields and decision["kind"] != "elicitation":
        raise Usage("--field is for forms")
    if decision["kind"] == "elicitation" and decision["input"].get("mode") != "url":
        verdict["answers"] = read_fields(decision["fields"], given.fields)
    return verdict


def _split_answer(questions: list[dict[str, Any]], word: str) -> tuple[dict[str, Any], str]:
    named = [question for question in questions if word.startswith(f"{question['question']}=")]
    if named:
        question = max(named, key=lambda item: len(item["question"]))
        return question, word[len(question["question"]) + 1 :]
    number, sign, text = word.partition("=")
    if not sign or not number.isascii() or not number.isdigit() or not 1 <= int(number[:9]) <= len(questions):
        raise Usage(f"{show.plain_line(word)}: an answer is given as 1=TEXT or QUESTION=TEXT")
    return questions[int(number) - 1], text


def _read_number(item: dict[str, Any], text: str) -> int | float:
    try:
        value = int(text) if item["kind"] == "integer" or text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Usage(f"{show.plain_line(item['name'])} is a {'whole ' if item['kind'] == 'integer' else ''}number")
    return value
