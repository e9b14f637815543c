"""Rules answer permissions by themselves: those that an administrator made, and no others. Pure.

A rule that allows reads what is asked as narrowly as it can, one that denies as widely; where any denies, none allows.
Claude Code asks only for what its own rules leave open, and a rule changes nothing in what it was asked about, so
none can allow what Claude Code's own rules deny.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.core import commands, verdicts
from hub.core.model import Decision, Session, Verdict

Behavior = Literal["allow", "deny"]

TOOLS = 50
TOOL_CHARS = 1_000
PATH_CHARS = 4_096
SUMMARY_CHARS = 100

COMMAND_CHARS = 10_000
"""A longer command is for people: reading it for every rule takes too long, and it brings a file or a program along."""

_TOOL = re.compile(r"mcp__[A-Za-z0-9_-]+__\*|[A-Za-z][A-Za-z0-9_-]*")
_SERVER = re.compile(r"(mcp__.+?)(?:__\*)?", re.DOTALL)
_WITH_CONTENT = re.compile(r"([A-Za-z]+)\((.*)\)", re.DOTALL)
_DOMAIN = re.compile(r"(?:\*\.)?(?:[a-z0-9-]+\.)*[a-z0-9-]+")
_URL = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE)
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

_NEVER_ASKED = ("AskUserQuestion", "ExitPlanMode")

_HARMLESS = {
    "Bash": frozenset({"command", "description", "timeout", "run_in_background", "dangerouslyDisableSandbox"}),
    "WebFetch": frozenset({"url", "prompt"}),
}
"""What an input may have for a rule to allow it by what stands in parentheses."""


class Invalid(Exception):
    """That can't be a rule; the text is for people."""


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From a time of the day, "18:00", to another, in the zone "Europe/Berlin"; past midnight if it ends earlier."""

    begin: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    zone: str


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """``tools``: patterns in Claude Code's own form. ``machine``: an id; ``project``: a folder, and what is below; None
    is every one. ``message``: told to Claude with a denial. ``author_id`` and ``author`` made it.
    """

    rule_id: str
    behavior: Behavior
    tools: list[str]
    machine: str | None = None
    project: str | None = None
    hours: Hours | None = None
    message: str | None = None
    author_id: str
    author: str
    created_at: int


def check(rule: Rule) -> None:
    """Raises Invalid unless all of the rule can mean something."""
    if not 0 < len(rule.tools) <= TOOLS:
        raise Invalid(f"A rule names 1 to {TOOLS} tools.")
    for pattern in rule.tools:
        _check_pattern(pattern)
    if rule.project is not None:
        _check_project(rule.project)
    if rule.hours is not None:
        _check_hours(rule.hours)
    if rule.message is not None and rule.behavior == "allow":
        raise Invalid("A message goes with a denial.")
    if rule.message is not None and not 0 < len(rule.message.strip()) <= len(rule.message) <= verdicts.MESSAGE_CHARS:
        raise Invalid(f"The message must have 1 to {verdicts.MESSAGE_CHARS:,} characters.")


def find_rule(rules: Sequence[Rule], decision: Decision, session: Session | None, now: int) -> Rule | None:
    """The rule that answers this; of several the oldest that denies, or else the oldest that allows."""
    if not _is_for_rules(decision) or session is None or session.foreign:
        return None
    there = sorted(
        (rule for rule in rules if _may_answer(rule, decision) and _is_there(rule, decision, session, now)),
        key=lambda rule: (rule.behavior == "allow", rule.created_at, rule.rule_id),
    )
    return next((rule for rule in there if _matches(rule, decision)), None)


def build_verdict(rule: Rule, decision: Decision) -> Verdict:
    """What the rule answers. The relay takes no message."""
    takes_message = "message" in verdicts.list_offers(decision)
    return Verdict(behavior=rule.behavior, message=rule.message if takes_message else None)


def summarise(rule: Rule) -> str:
    """The rule in a few words: ``deny WebFetch, Bash(curl:*)``."""
    words = f"{rule.behavior} {', '.join(rule.tools)}"
    return words if len(words) <= SUMMARY_CHARS else words[: SUMMARY_CHARS - 1] + "…"


# -- what a rule is for ---------------------------------------------------------------------


def _is_for_rules(decision: Decision) -> bool:
    is_short = len(str(decision.input.get("command", ""))) <= COMMAND_CHARS
    is_asked = decision.kind == "permission" and decision.tool_name not in _NEVER_ASKED
    return is_asked and decision.is_whole and is_short


def _may_answer(rule: Rule, decision: Decision) -> bool:
    """Where Claude Code offers nothing to remember, an ``ask`` rule of the user's own settings may be why it asks: who
    wants to be asked each time is.
    """
    return rule.behavior == "deny" or bool(decision.suggestions)


def _is_there(rule: Rule, decision: Decision, session: Session, now: int) -> bool:
    return (
        rule.machine in (None, decision.machine_id)
        and (rule.project is None or _is_below(session.cwd, rule.project))
        and (rule.hours is None or _is_within(rule, rule.hours, now))
    )


def _is_below(folder: str, project: str) -> bool:
    root = posixpath.normpath(project)
    here = posixpath.normpath(folder)
    return here.startswith("/") and (here == root or here.startswith(root.rstrip("/") + "/"))


def _is_within(rule: Rule, hours: Hours, now: int) -> bool:
    """Where the zone can't be told any more, a rule denies at all hours and allows at none."""
    try:
        local = datetime.fromtimestamp(now / 1_000_000, UTC).astimezone(ZoneInfo(hours.zone)).time()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return rule.behavior == "deny"
    begin, end = time.fromisoformat(hours.begin), time.fromisoformat(hours.end)
    return begin <= local < end if begin < end else local >= begin or local < end


# -- what it matches ------------------------------------------------------------------------


def _matches(rule: Rule, decision: Decision) -> bool:
    return any(_fits(rule.behavior, pattern, decision) for pattern in rule.tools)


def _fits(behavior: Behavior, pattern: str, decision: Decision) -> bool:
    name, content = _split(pattern)
    if name != decision.tool_name and not _is_of_server(behavior, name, decision.tool_name):
        return False
    if behavior == "allow" and not _is_harmless(decision.tool_name, decision.input):
        return False
    match name, content:
        case _, None:
            return True
        case "Bash", _:
            return _fits_command(behavior, content, decision.input.get("command"))
        case _:
            return _fits_url(behavior, content.removeprefix("domain:"), decision.input.get("url"))


def _fits_command(behavior: Behavior, content: str, command: Any) -> bool:
    if not isinstance(command, str):
        return behavior == "deny"
    prefix = _find_prefix(content)
    if behavior == "deny":
        return commands.could_mean(command, prefix or content, is_prefix=prefix is not None)
    return command == content if prefix is None else commands.begins_with(command, prefix)


def _fits_url(behavior: Behavior, domain: str, url: Any) -> bool:
    """An address of an uncommon form has no host that anybody could be sure of: it is denied for a name in it."""
    name = domain.removeprefix("*.")
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return behavior == "deny" and name in _unfold(str(url))
    host = (urlsplit(url).hostname or "").rstrip(".")
    is_below = host.endswith(f".{name}")
    if behavior == "deny":
        return host == name or is_below
    return is_below if domain.startswith("*.") else host == name


def _unfold(url: str) -> str:
    """With the characters that a client takes for others replaced by these."""
    return unicodedata.normalize("NFKC", unquote(url)).replace("\u3002", ".").casefold()


def _is_of_server(behavior: Behavior, pattern: str, tool_name: str) -> bool:
    """A tool's name with a ``__`` more may be another server's, whose own name has one: that isn't allowed."""
    server = _SERVER.fullmatch(pattern)
    if server is None or not tool_name.startswith(f"{server[1]}__"):
        return False
    return behavior == "deny" or "__" not in tool_name.removeprefix(f"{server[1]}__")


def _is_harmless(tool_name: str, given: dict[str, Any]) -> bool:
    """Whether nothing beside what the pattern matches changes what the tool does."""
    known = _HARMLESS.get(tool_name)
    return known is None or (known.issuperset(given) and not given.get("dangerouslyDisableSandbox"))


def _find_prefix(content: str) -> str | None:
    for ending in (":*", " *"):
        if content.endswith(ending):
            return content.removesuffix(ending)
    return None


def _split(pattern: str) -> tuple[str, str | None]:
    found = _WITH_CONTENT.fullmatch(pattern)
    return (found[1], found[2]) if found else (pattern, None)


# -- whether it can be one ------------------------------------------------------------------


def _check_pattern(pattern: str) -> None:
    name, content = _split(pattern)
    if len(pattern) > TOOL_CHARS or commands.has_unseen(pattern):
        raise Invalid(f"A tool has at most {TOOL_CHARS:,} characters, all of them visible and on one line.")
    if name in _NEVER_ASKED:
        raise Invalid(f"{name} is a question to a person: no rule answers it.")
    if content is None:
        if not _TOOL.fullmatch(name):
            raise Invalid(f"{pattern} is no tool; tools look like WebFetch, Bash(git log:*) or mcp__server__*.")
    elif name == "Bash":
        _check_command(pattern, content)
    elif name == "WebFetch":
        if not content.startswith("domain:") or not _DOMAIN.fullmatch(content.removeprefix("domain:")):
            raise Invalid(f"{pattern}: in parentheses WebFetch takes domain:example.com, in small letters.")
    else:
        raise Invalid(f"{pattern}: only Bash and WebFetch take something in parentheses here.")


def _check_command(pattern: str, content: str) -> None:
    prefix = _find_prefix(content)
    command = content if prefix is None else prefix
    if not command.strip() or command != command.strip():
        raise Invalid(f"{pattern}: a command is missing, or begins or ends with a space. Bash alone means every one.")
    if "*" in command:
        raise Invalid(f"{pattern}: * stands at the end only, as in Bash(git log:*).")
    if prefix is not None and not commands.is_plain(prefix):
        raise Invalid(f"{pattern}: the beginning of a command is plain words, with none of ; & | < > ` $ ( ) {{ }}")


def _check_project(project: str) -> None:
    if not project.startswith("/") or len(project) > PATH_CHARS or ".." in project.split("/"):
        raise Invalid("project is a folder's whole path, such as /home/maya/project.")


def _check_hours(hours: Hours) -> None:
    if not _TIME.fullmatch(hours.begin) or not _TIME.fullmatch(hours.end) or hours.begin == hours.end:
        raise Invalid('hours go from one time of the day to another one: "18:00" to "08:00".')
    try:
        ZoneInfo(hours.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"There is no time zone {hours.zone}; they are called like Europe/Berlin.") from error
