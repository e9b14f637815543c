"""The rules that Claude Code offers with a dialog, in words: what each allows, for how long, and where it is saved."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from hub.pages.text import name_mode, reveal

_SESSION = "This session only. Forgotten when it ends."

_SCOPES = {
    "session": (_SESSION, ""),
    "localSettings": ("Always in this project, for you.", ".claude/settings.local.json"),
    "projectSettings": ("Always in this project, for everybody who works on it.", ".claude/settings.json"),
    "userSettings": ("Always, in every project of yours.", "~/.claude/settings.json"),
}
"""By the destination of a rule: how long and for whom it holds, and the file it is saved in."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One suggestion. ``lines``: what it says, exactly; ``file`` is empty if nothing is saved."""

    index: int
    label: str
    lines: list[str]
    scope: str
    file: str


def build_rules(suggestions: list[Any]) -> list[Rule]:
    """All of them, in the order in which Claude Code offers them."""
    return [_build_rule(index, item) for index, item in enumerate(suggestions)]


def _build_rule(index: int, suggestion: Any) -> Rule:
    given = suggestion if isinstance(suggestion, dict) else {}
    label, lines = _say_what(given)
    if not lines:
        label, lines = "Something that this page can\u2019t put into words", [_say_json(suggestion)]
    destination = str(given.get("destination", ""))
    scope, file = _SCOPES.get(destination, (f"Kept where Claude Code calls it {destination or 'nothing'}.", ""))
    return Rule(index=index, label=label, lines=[reveal(line) for line in lines], scope=reveal(scope), file=file)


def _say_what(given: dict[str, Any]) -> tuple[str, list[str]]:
    match given:
        case {"type": "addRules", "behavior": "allow", "rules": list(rules)} if all(map(_is_rule, rules)):
            return "", [say_rule(rule) for rule in rules]
        case {"type": "setMode", "mode": str(mode)}:
            return "Switch the session\u2019s mode", [name_mode(mode) or "asked one by one"]
        case {"type": "addDirectories", "directories": list(folders)} if all(isinstance(one, str) for one in folders):
            return "Work in more folders", folders
    return "", []


def _is_rule(rule: Any) -> bool:
    return isinstance(rule, dict) and isinstance(rule.get("toolName"), str) and set(rule) <= {"toolName", "ruleContent"}


def say_rule(rule: dict[str, Any]) -> str:
    """As it stands in a settings file: ``Bash(git push *)``."""
    content = rule.get("ruleContent")
    return f"{rule['toolName']}({content})" if content is not None else str(rule["toolName"])


def _say_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
