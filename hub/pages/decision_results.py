"""What became of a decision, on one line: what was answered, by whom, where, when."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hub.core import verdicts
from hub.core.model import Decision, Machine, Place, Verdict
from hub.pages.decision_inputs import say_target
from hub.pages.suggestions import build_rules
from hub.pages.text import name_mode, reveal, say_count
from hub.pages.times import Moment, build_moment

Tone = Literal["plain", "good", "bad"]

SAID_CHARS = 200
"""Of a message or an answer that is shown on the line."""

_PLACES: dict[Place, str] = {
    "hub": "hub",
    "phone": "phone",
    "api": "API",
    "cli": "command line",
    "rule": "rule",
    "terminal": "terminal",
}

_OUTCOMES = {"allowed": ": allowed", "denied": ": denied", "cancelled": ": cancelled"}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """``words`` and, as code, ``target``; ``chip``: an answer; ``aside``: what was said with it. ``by_id``: whose name
    the first of ``who`` is, if it is a person's of the hub.
    """

    icon: str
    tone: Tone
    words: str
    target: str = ""
    chip: str = ""
    aside: str = ""
    who: list[str] = []
    by_id: str = ""
    at: Moment | None = None


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    icon: str
    tone: Tone
    words: str
    target: str = ""
    chip: str = ""
    aside: str = ""


def build_result(decision: Decision, machine: Machine, now: int) -> Result:
    """The line of a decision that isn't open any more."""
    at = decision.decided_at or decision.closed_at or decision.opened_at
    said = _say_end(decision) if decision.verdict is None else _say_verdict(decision, decision.verdict)
    if decision.state in ("answered_locally", "expired", "withdrawn"):
        said, at = _say_end(decision), decision.closed_at or at
    who, moment = _say_who(decision, machine), build_moment(at, now, "clock")
    return Result(**msgspec.structs.asdict(said), who=who, by_id=decision.by_id if decision.by else "", at=moment)


def say_going(decision: Decision) -> tuple[str, str]:
    """What is on its way to the machine: words, and the target as code."""
    verdict = decision.verdict or Verdict(behavior="deny")
    if decision.kind == "permission":
        target = say_target(decision.tool_name, verdict.input or decision.input)
        return ("Allowing" if verdict.behavior == "allow" else "Denying"), target
    words = {
        "question": ("Answering", "Declining to answer"),
        "plan": ("Approving the plan", "Sending the plan back"),
        "elicitation": ("Submitting the form", "Declining the form"),
    }[decision.kind]
    return words[verdict.behavior == "deny"], ""


def _say_who(decision: Decision, machine: Machine) -> list[str]:
    if decision.state == "answered_locally":
        return [part for part in (machine.user, machine.name) if part]
    if decision.state == "expired":
        return ["Claude Code didn\u2019t wait for an answer"]
    if decision.state == "withdrawn":
        return ["Claude Code went on or ended"]
    place = _PLACES[decision.where] if decision.where else ""
    return [part for part in (decision.by, place) if part]


def _say_end(decision: Decision) -> _Said:
    target = _find_target(decision)
    if decision.state == "answered_locally":
        words = f"Answered in the terminal{_OUTCOMES.get(decision.outcome or '', '')}"
        return _Said(icon="terminal", tone="plain", words=words)
    if decision.state == "expired":
        return _Said(icon="clock", tone="plain", words="Expired:", target=target)
    return _Said(icon="circle-slash", tone="plain", words="Withdrawn:", target=target)


def _find_target(decision: Decision) -> str:
    match decision.kind:
        case "plan":
            return "plan"
        case "question":
            return say_count(len(verdicts.list_questions(decision)), "question")
        case "elicitation":
            return reveal(f"form of {decision.tool_name}")
        case _:
            return say_target(decision.tool_name, decision.input)


def _say_verdict(decision: Decision, verdict: Verdict) -> _Said:
    if decision.kind == "plan":
        return _say_plan(verdict)
    say = {"permission": _say_permission, "question": _say_question, "elicitation": _say_form}
    return say[decision.kind](decision, verdict)


def _say_permission(decision: Decision, verdict: Verdict) -> _Said:
    target = say_target(decision.tool_name, verdict.input or decision.input)
    if verdict.behavior == "deny":
        icon, words = ("circle-x", "Denied and stopped") if verdict.stop else ("x", "Denied")
        return _Said(icon=icon, tone="bad", words=words, target=target, aside=_quote(verdict.message))
    if decision.problem == "edit_refused":
        return _Said(icon="circle-x", tone="bad", words="Edited, then refused by Claude Code", target=target)
    if verdict.remember is not None and verdict.remember < len(decision.suggestions):
        rule = build_rules(decision.suggestions)[verdict.remember]
        aside = "this session" if not rule.file else f"saved in {rule.file}"
        return _Said(icon="check-check", tone="good", words="Always allowed", target=", ".join(rule.lines), aside=aside)
    if verdict.input is not None:
        return _Said(icon="square-pen", tone="good", words="Edited, then allowed", target=target)
    return _Said(icon="check", tone="good", words="Allowed", target=target)


def _say_question(decision: Decision, verdict: Verdict) -> _Said:
    questions = verdicts.list_questions(decision)
    name = reveal(questions[0]["question"]) if len(questions) == 1 else say_count(len(questions), "question")
    if verdict.behavior == "deny":
        return _Said(icon="x", tone="bad", words=f"Not answered: {name}", aside=_quote(verdict.message))
    answers = verdict.answers or {}
    chip = " · ".join(_say_answer(answers.get(question["question"])) for question in questions)
    return _Said(icon="circle-check", tone="good", words=name, chip=_shorten(chip))


def _say_plan(verdict: Verdict) -> _Said:
    if verdict.behavior == "deny":
        words = "Plan denied, Claude stopped" if verdict.stop else "Kept planning"
        return _Said(icon="map", tone="plain", words=words, aside=_quote(verdict.message))
    words = "Plan approved" if verdict.input is None else "Plan edited and approved"
    mode = {"default": "asked one by one"}.get(verdict.mode or "") or name_mode(verdict.mode)
    return _Said(icon="circle-check", tone="good", words=f"{words}, {mode}" if mode else words)


def _say_form(decision: Decision, verdict: Verdict) -> _Said:
    name = reveal(decision.tool_name)
    if verdict.behavior == "deny":
        words = f"Cancelled for {name}" if verdict.stop else f"Declined for {name}"
        return _Said(icon="x", tone="bad", words=words)
    words = f"Opened for {name}" if decision.input.get("mode") == "url" else f"Submitted to {name}"
    return _Said(icon="circle-check", tone="good", words=words)


def _say_answer(answer: Any) -> str:
    listed = answer if isinstance(answer, list) else [answer]
    return reveal(verdicts.say_choices([str(one) for one in listed]))


def _quote(message: str | None) -> str:
    return f"“{_shorten(reveal(message.strip()))}”" if message and message.strip() else ""


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SAID_CHARS else f"{text[:SAID_CHARS]}…"
