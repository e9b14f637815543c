"""Asks a person at the terminal what to answer; no answer is none."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cli import show
from cli.decision_text import say_field, say_suggestion
from cli.errors import Failed, Usage
from cli.verdict import Given, build_verdict, read_answers, read_fields, read_input

Decision = dict[str, Any]
Verdict = dict[str, Any]
Choice = tuple[str, str, Any]
"""(what is shown, the offer, which of several)"""


def ask_verdict(decision: Decision) -> Verdict | None:
    """What the person chooses among what is offered; None is nothing."""
    choices = list_choices(decision)
    print()
    for number, (text, _, _) in enumerate(choices, 1):
        print(f"  {number}) {text}")
    try:
        while True:
            word = input("Your answer, by its number; nothing to leave it open: ").strip()
            if not word:
                return None
            if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(choices):
                _, offer, which = choices[int(word) - 1]
                return _build(decision, offer, which)
            print(f"A number from 1 to {len(choices)}.")
    except EOFError:
        print()
        return None


def list_choices(decision: Decision) -> list[Choice]:
    """What there is to choose from, in words."""
    offers = decision["offers"]
    is_plan, is_form = decision["kind"] == "plan", decision["kind"] == "elicitation"
    allow = "approve, in the mode from before" if is_plan else "done there" if is_form else "allow once"
    found: list[Choice] = [(allow, "allow", None)] if "allow" in offers else []
    found += [("answer", "answer", None)] if "answer" in offers else []
    if "mode" in offers:
        found += [(f"approve, and go on in {show.plain_line(mode)}", "mode", mode) for mode in decision["modes"]]
    if "remember" in offers:
        found += [(f"always: {say_suggestion(s)}", "remember", n) for n, s in enumerate(decision["suggestions"], 1)]
    found += [("edit, then " + ("approve" if is_plan else "allow"), "edit", None)] if "edit" in offers else []
    no = "keep planning" if is_plan else "decline" if is_form else "deny"
    found += [(no, "deny", None)] if "deny" in offers else []
    found += [(f"{no}, and tell Claude why", "message", None)] if "message" in offers else []
    found += [("cancel" if is_form else f"{no}, and stop Claude", "stop", None)] if "stop" in offers else []
    return found


def _build(decision: Decision, offer: str, which: Any) -> Verdict | None:
    match offer:
        case "answer":
            return {"behavior": "allow", "answers": _ask_answers(decision)}
        case "edit":
            return {"behavior": "allow", "input": _edit(decision)}
        case "message":
            return build_verdict(decision, Given(deny=True, message=input("To Claude: ")))
        case "remember":
            return build_verdict(decision, Given(always=which))
        case "mode":
            return build_verdict(decision, Given(mode=which))
        case _:
            given = Given(allow=offer == "allow", deny=offer == "deny", stop=offer == "stop")
            return build_verdict(decision, given)


def _ask_answers(decision: Decision) -> dict[str, Any]:
    if decision["kind"] == "question":
        return dict(part for n, item in enumerate(decision["questions"], 1) for part in _ask_question(n, item).items())
    found: dict[str, Any] = {}
    for field in decision["fields"] or []:
        found |= _ask_field(field)
    return found


def _ask_question(number: int, question: dict[str, Any]) -> dict[str, Any]:
    """An option by its number, or own words."""
    options = question.get("options")
    labels = [str(item.get("label")) for item in options if isinstance(item, dict)] if isinstance(options, list) else []
    print(f"\n{number}. {show.plain_line(question['question'])}")
    for place, label in enumerate(labels, 1):
        print(f"   {place}) {show.plain_line(label)}")
    several = bool(question.get("multiSelect"))
    hint = "numbers with commas, or your own words: " if several else "a number, or your own words: "
    while not (text := input(hint).strip()):
        pass
    parts = [part.strip() for part in text.split(",")] if several else [text]
    if all(part.isascii() and part.isdigit() and 1 <= int(part[:9]) <= len(labels) for part in parts):
        parts = [labels[int(part) - 1] for part in parts]
    else:
        parts = [text]
    return read_answers([question], [f"1={part}" for part in parts])


def _ask_field(field: dict[str, Any]) -> dict[str, Any]:
    """Nothing typed is the default, or nothing."""
    print(f"\n{show.plain_line(field['name'])}  {say_field(field)}")
    several = field["kind"] == "choices"
    while True:
        text = input("several with commas: " if several else "value: ").strip()
        if not text:
            if field["default"] is not None:
                return {field["name"]: field["default"]}
            if not field["required"]:
                return {}
            continue
        parts = [part.strip() for part in text.split(",")] if several else [text]
        try:
            return read_fields([field], [f"{field['name']}={part}" for part in parts])
        except Usage as error:
            print(error)


def _edit(decision: Decision) -> dict[str, Any]:
    """The input, or the plan's text, as the person's editor leaves it."""
    if decision["kind"] == "plan":
        return {"plan": _run_editor(decision["plan"] or "", ".md")}
    return read_input(_run_editor(json.dumps(decision["input"], indent=2), ".json"))


def _run_editor(text: str, ending: str) -> str:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"decision{ending}"
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
        try:
            ended = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        except (OSError, ValueError) as error:
            raise Failed(f"the editor {editor!r} can't be started; VISUAL or EDITOR names another") from error
        if ended != 0:
            raise Failed("the editor failed, so nothing was decided")
        return file.read_text(encoding="utf-8")
