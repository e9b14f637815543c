"""Decisions as lines of plain text: whole, since people answer what they see. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from cli import show
from cli.timeline_text import summarise_input

Decision = dict[str, Any]

HEADER = ["DECISION", "AGE", "KIND", "SESSION", "MACHINE", "WHAT"]

_WANTS = {
    "permission": "Claude wants to use {}",
    "question": "Claude has a question",
    "plan": "Claude has a plan",
    "elicitation": "The MCP server {} asks for something",
}

_SAVED = {
    "session": "for this session",
    "localSettings": "saved in .claude/settings.local.json of the project",
    "projectSettings": "saved in .claude/settings.json of the project",
    "userSettings": "saved in ~/.claude/settings.json",
}

_FLAGS = {
    "allow": "--allow",
    "edit": "--input JSON",
    "remember": "--always N",
    "mode": "--mode MODE",
    "deny": "--deny",
    "message": "--deny --message TEXT",
    "stop": "--stop",
}


def build_row(decision: Decision, ids: Collection[str], now: datetime) -> list[str]:
    """One line of the table; ``ids`` are those of all its decisions."""
    session = decision["session_title"] or decision["session_id"][: show.SHORT_ID]
    return [
        show.plain_line(show.shorten_id(decision["decision_id"], ids)),
        show.age(decision["opened_at"], now),
        decision["kind"],
        show.cut(show.plain_line(session), 30),
        show.cut(show.plain_line(decision["machine"]["name"]), 20),
        summarise(decision),
    ]


def summarise(decision: Decision) -> str:
    """What is asked, in one line."""
    given = decision["input"]
    match decision["kind"]:
        case "question":
            return show.plain_line(" / ".join(question["question"] for question in decision["questions"] or []))
        case "plan":
            return show.plain_line((decision["plan"] or "").strip().partition("\n")[0])
        case "elicitation":
            return show.plain_line(f"{decision['tool_name']}: {given.get('message') or ''}")
        case _:
            return f"{show.plain_line(decision['tool_name'])}  {summarise_input(given)}".strip()


def describe(decision: Decision, now: datetime) -> list[str]:
    """All of it: what is asked, by whom, and what can be answered."""
    what = _WANTS[decision["kind"]].format(show.plain_line(decision["tool_name"]))
    agent = decision["agent"]
    asked = f"{show.age(decision['opened_at'], now)} ago"
    by = f" by the subagent {show.plain_line(agent['type'] or agent['id'])}" if agent else ""
    lines = [
        what,
        f"  session  {show.plain_line(decision['session_title'] or '-')}  ({show.plain_line(decision['session_id'])})",
        f"  where    {show.plain_line(decision['cwd'] or '-')} on {show.plain_line(decision['machine']['name'])}",
        f"  asked    {asked}{by}",
        "",
        *_describe_content(decision),
        "",
        *_describe_state(decision),
    ]
    return [line.rstrip() for line in lines]


def say_suggestion(suggestion: Any) -> str:
    """What Claude Code would remember, and where."""
    item = suggestion if isinstance(suggestion, dict) else {}
    where = _SAVED.get(str(item.get("destination")), "")
    match item.get("type"):
        case "addRules" if isinstance(item.get("rules"), list):
            what = f"{item.get('behavior', 'allow')} {', '.join(_say_rule(rule) for rule in item['rules'])}"
        case "addDirectories" if isinstance(item.get("directories"), list):
            what = f"work in {', '.join(str(folder) for folder in item['directories'])}"
        case "setMode":
            what = f"change to the mode {item.get('mode')}"
        case _:
            what, where = json.dumps(suggestion, ensure_ascii=False), ""
    return show.plain_line(f"{what}, {where}" if where else what)


def say_field(field: dict[str, Any]) -> str:
    """What a form wants in one field."""
    kind = field["kind"] + (f" ({field['format']})" if field["format"] else "")
    parts = [kind, "needed" if field["required"] else "optional"]
    if field["choices"]:
        parts.append("one of " + ", ".join(_say_choice(choice) for choice in field["choices"]))
    parts += [f"at least {field['least']:g}"] if field["least"] is not None else []
    parts += [f"at most {field['most']:g}"] if field["most"] is not None else []
    parts += [f"otherwise {json.dumps(field['default'], ensure_ascii=False)}"] if field["default"] is not None else []
    label = f"{field['label']}: " if field["label"] != field["name"] else ""
    about = f"; {field['description']}" if field["description"] else ""
    return show.plain_line(f"{label}{', '.join(parts)}{about}")


def _describe_content(decision: Decision) -> list[str]:
    match decision["kind"]:
        case "question":
            return [line for number, item in enumerate(decision["questions"], 1) for line in _ask(number, item)]
        case "plan":
            return show.plain(decision["plan"] or "Claude wrote no plan. It asks to leave plan mode.").split("\n")
        case "elicitation":
            return _describe_form(decision)
        case _:
            return _describe_fields(decision["input"])


def _ask(number: int, question: dict[str, Any]) -> list[str]:
    how = "several answers" if question.get("multiSelect") else "one answer"
    lines = [f"{number}. {show.plain_line(question['question'])}  ({how})"]
    options = question.get("options")
    for option in options if isinstance(options, list) else []:
        known = option if isinstance(option, dict) else {"label": option}
        lines.append(f"   - {show.plain_line(str(known.get('label')))}")
        for name in ("description", "preview"):
            if known.get(name):
                lines += [f"       {line}" for line in show.plain(str(known[name])).split("\n")]
    return lines


def _describe_form(decision: Decision) -> list[str]:
    lines = show.plain(str(decision["input"].get("message") or "")).split("\n")
    if decision["input"].get("mode") == "url":
        return [*lines, f"  {show.plain_line(str(decision['input'].get('url')))}"]
    return [*lines, *(f"  {show.plain_line(field['name'])}  {say_field(field)}" for field in decision["fields"] or [])]


def _describe_fields(given: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        first, *rest = show.plain(text).split("\n")
        head = f"  {show.plain_line(name)}: "
        lines += [head + first, *(" " * len(head) + line for line in rest)]
    return lines


def _describe_state(decision: Decision) -> list[str]:
    lines = [] if decision["is_whole"] else ["Only a part of it is known here, so it can be denied, but not allowed."]
    if decision["state"] != "open":
        return [*lines, say_state(decision)]
    if decision["problem"] == "not_taken":
        lines.append("An answer was given, and nothing on that machine took it.")
    if not decision["offers"]:
        return [*lines, "Nothing on that machine takes an answer now: answer it in its terminal."]
    flags = [_FLAGS[offer] for offer in decision["offers"] if offer in _FLAGS]
    if "answer" in decision["offers"]:
        flags.insert(0, "--field NAME=VALUE" if decision["kind"] == "elicitation" else "--answer 1=TEXT")
    if "remember" in decision["offers"]:
        lines += [f"  --always {n}: {say_suggestion(item)}" for n, item in enumerate(decision["suggestions"], 1)]
    if "mode" in decision["offers"]:
        lines.append(f"  MODE: {', '.join(decision['modes'])}")
    return [*lines, f"Answers: {', '.join(flags)}"]


def say_state(decision: Decision) -> str:
    """How it stands, once it isn't open any more."""
    decided = decision["decided"]
    if decision["state"] == "withdrawn":
        return "Nobody waits for an answer any more."
    if decision["state"] == "expired":
        return "Claude Code didn't wait for an answer: it runs in print mode (-p)."
    if decided is None or decision["state"] == "answered_locally":
        return "It was answered in its terminal." if decided else f"It is {decision['state']}."
    verdict = decided["verdict"] or {}
    said = {"allow": "Allowed", "deny": "Denied"}.get(str(verdict.get("behavior")), "Answered")
    by = f" by {show.plain_line(decided['by'])}" if decided["by"] else ""
    waits = "; Claude Code has not got it yet" if decision["state"] == "sending" else ""
    return f"{said}{by} ({decided['where']}){waits}."


def _say_rule(rule: Any) -> str:
    known = rule if isinstance(rule, dict) else {}
    content = known.get("ruleContent")
    return f"{known.get('toolName')}({content})" if content else str(known.get("toolName"))


def _say_choice(choice: dict[str, str]) -> str:
    return choice["value"] if choice["label"] == choice["value"] else f"{choice['value']} ({choice['label']})"
