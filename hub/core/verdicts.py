"""What can be answered to a decision, and how it is said to Claude Code. Pure.

What is offered depends on the kind and on what takes the answer there; a verdict that asks for anything else is
refused in words. What is said is built from what was shown and from the verdict, and from nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from hub.core import forms
from hub.core.model import Decision, Verdict

Offer = Literal["allow", "edit", "remember", "mode", "answer", "deny", "message", "stop"]
"""``allow``: once, or of a form's address that it was opened. ``edit``: with another input. ``remember``: with one of
the suggestions. ``mode``: into which a plan is approved. ``answer``: questions, or a form's fields. ``deny``, with a
``message`` to Claude, or so that Claude stops (``stop``; of a form: cancel).
"""

MODES = ("default", "acceptEdits")
"""Into which a plan can be approved. Which others a client offers, its hook doesn't tell; without one it goes on in the
mode from before the plan."""

MESSAGE_CHARS = 8_000
"""To Claude, with a denial. Claude Code takes 10,000 from a hook."""


CONTENT_BYTES = 256 * 1024
"""An edited input, or the answers, as JSON: as much as the hook brings of what was asked."""

CONTENT_DEPTH = 100
"""How deep they nest. What is deeper can't be read at every place that it passes."""


class Unfit(Exception):
    """The verdict can't be given to this decision; the text is for people."""


def digest(decision: Decision) -> str:
    """Of all that a person is shown: hexadecimal SHA-256."""
    shown = {
        "decision_id": decision.decision_id,
        "kind": decision.kind,
        "tool_name": decision.tool_name,
        "input": decision.input,
        "is_whole": decision.is_whole,
        "suggestions": decision.suggestions,
    }
    return hashlib.sha256(msgspec.json.encode(shown, order="deterministic")).hexdigest()


def list_offers(decision: Decision) -> tuple[Offer, ...]:
    """What a person may answer from here now. Allow is only offered for what is shown whole."""
    if decision.state != "open" or decision.answered_by == "none":
        return ()
    if decision.answered_by == "relay":
        plain: tuple[Offer, ...] = ("allow", "deny") if decision.is_whole else ("deny",)
        return plain if decision.kind == "permission" else ()
    is_form = decision.kind == "elicitation"
    refusals: tuple[Offer, ...] = ("deny", "stop") if is_form else ("deny", "message", "stop")
    return (*_list_ways_to_allow(decision), *refusals)


def _list_ways_to_allow(decision: Decision) -> tuple[Offer, ...]:
    if not decision.is_whole:
        return ()
    match decision.kind:
        case "question":
            return ("answer",) if _is_readable(decision) else ()
        case "plan":
            return ("allow", "edit", "mode") if decision.input.get("plan") else ("allow", "mode")
        case "elicitation":
            return ("allow",) if decision.input.get("mode") == "url" else ("answer",)
        case _:
            return ("allow", "edit", "remember") if decision.suggestions else ("allow", "edit")


def check(decision: Decision, verdict: Verdict) -> None:
    """Raises Unfit unless the verdict is one of those offered, whole and in its bounds."""
    offers = list_offers(decision)
    for offer in _list_wanted(decision, verdict):
        if offer not in offers:
            raise Unfit(_say_why_not(decision, offer))
    if verdict.message is not None and (verdict.stop or len(verdict.message) > MESSAGE_CHARS):
        raise Unfit(
            "Claude Code drops the message of a denial that stops Claude: send one or the other."
            if verdict.stop
            else f"The message is over {MESSAGE_CHARS:,} characters."
        )
    if verdict.remember is not None and verdict.input is not None:
        raise Unfit("What Claude Code offers to remember is for the input as it was: send one or the other.")
    if verdict.remember is not None and not 0 <= verdict.remember < len(decision.suggestions):
        raise Unfit(f"There is no suggestion {verdict.remember}; Claude Code offered {len(decision.suggestions)}.")
    if verdict.mode is not None and verdict.mode not in MODES:
        raise Unfit(f"A plan can be approved into {' or '.join(MODES)}.")
    for content in (verdict.input, verdict.answers):
        _check_size(content)
    if verdict.behavior == "allow":
        _check_content(decision, verdict)


def _check_content(decision: Decision, verdict: Verdict) -> None:
    """Whether it answers what was asked."""
    if decision.kind == "question":
        _check_answers(decision, verdict.answers or {})
    if decision.kind == "plan":
        _check_plan(decision, verdict.input or {})
    if decision.kind == "elicitation" and decision.input.get("mode") != "url":
        try:
            forms.check(forms.read_fields(decision.input.get("schema")), verdict.answers or {})
        except forms.Invalid as error:
            raise Unfit(str(error)) from error


def _check_plan(decision: Decision, edited: Mapping[str, Any]) -> None:
    if not isinstance(edited.get("plan", ""), str):
        raise Unfit("A plan is a text.")
    if any((name, value) not in decision.input.items() for name, value in edited.items() if name != "plan"):
        raise Unfit("Only the plan's text can be edited.")


def _check_size(content: Mapping[str, Any] | None) -> None:
    level: list[Any] = [content]
    for _ in range(CONTENT_DEPTH):
        level = [item for value in level if isinstance(value, dict | list) for item in _list_items(value)]
    if level:
        raise Unfit(f"The answer nests over {CONTENT_DEPTH} levels deep.")
    if len(msgspec.json.encode(content)) > CONTENT_BYTES:
        raise Unfit(f"The answer is over {CONTENT_BYTES // 1024} KiB.")


def _list_items(value: dict[str, Any] | list[Any]) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value


def build_answer(decision: Decision, verdict: Verdict) -> dict[str, Any]:
    """What the hook that waits prints for this verdict, which was checked."""
    if decision.kind == "elicitation":
        return {"hookSpecificOutput": {"hookEventName": "Elicitation", **_build_form_answer(decision, verdict)}}
    said: dict[str, Any] = {"behavior": verdict.behavior}
    if verdict.behavior == "allow":
        said |= _build_allowance(decision, verdict)
    elif verdict.message:
        said["message"] = verdict.message
    if verdict.stop:
        said["interrupt"] = True
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": said}}


def find_behavior(decision: Decision, verdict: Verdict) -> Literal["allow", "deny"] | None:
    """What the relay is told; None where that is less than was decided."""
    is_plain = verdict == Verdict(behavior=verdict.behavior)
    return verdict.behavior if is_plain and decision.kind == "permission" else None


def explains(decision: Decision, verdict: Verdict, ran_with: Mapping[str, Any]) -> bool:
    """Whether a call that ran with this input is what the verdict asked for."""
    if verdict.behavior != "allow":
        return False
    if decision.kind == "question":
        return ran_with.get("answers") == _say_answers(verdict.answers or {})
    is_edited = decision.kind == "permission" and verdict.input is not None
    return not is_edited or verdict.input == decision.input or ran_with != decision.input


def say_choices(labels: list[str]) -> str:
    """Several choices as Claude Code itself writes them: one string, in which a label with a comma is quoted."""
    return ", ".join(f'"{label}"' if "," in label else label for label in labels)


def _list_wanted(decision: Decision, verdict: Verdict) -> list[Offer]:
    """The offers that a verdict makes use of."""
    if verdict.behavior == "deny":
        wanted: list[Offer] = ["deny"]
        wanted += ["message"] if verdict.message is not None else []
        wanted += ["stop"] if verdict.stop else []
    else:
        wanted = ["answer"] if verdict.answers is not None or decision.kind == "question" else ["allow"]
        if verdict.message is not None or verdict.stop:
            raise Unfit("message and stop go with a denial.")
    for name, offer in _BESIDE:
        if getattr(verdict, name) is not None:
            if verdict.behavior == "deny":
                raise Unfit(f"{name} goes with allow.")
            wanted.append(offer)
    if decision.kind == "elicitation" and verdict.behavior == "allow" and decision.input.get("mode") != "url":
        wanted[0] = "answer"
    return wanted


_BESIDE: tuple[tuple[str, Offer], ...] = (
    ("input", "edit"),
    ("remember", "remember"),
    ("answers", "answer"),
    ("mode", "mode"),
)


def _say_why_not(decision: Decision, offer: Offer) -> str:
    if decision.answered_by == "none":
        return "Nothing on that machine takes an answer for this now: answer it in its terminal."
    if not decision.is_whole:
        return "Only a part of what Claude wants is known here, so it can be denied, but not allowed."
    if decision.answered_by == "relay":
        return "Here Claude Code takes no more than a plain allow or deny for this."
    return f"{offer} is nothing that a {decision.kind} takes."


def _check_answers(decision: Decision, answers: Mapping[str, Any]) -> None:
    asked = {question["question"]: question for question in list_questions(decision)}
    if missing := [question for question in asked if question not in answers]:
        raise Unfit(f"There is no answer to: {missing[0]}")
    for question, answer in answers.items():
        if question not in asked:
            raise Unfit(f"Nobody asked: {question}")
        choices = answer if isinstance(answer, list) else [answer]
        if not all(isinstance(choice, str) and choice.strip() for choice in choices) or not choices:
            raise Unfit(f"An answer is a text, or a list of texts, and not empty: {question}")
        if len(choices) > 1 and not asked[question].get("multiSelect"):
            raise Unfit(f"Only one answer can be given to: {question}")


def list_questions(decision: Decision) -> list[dict[str, Any]]:
    """The questions of an ``AskUserQuestion``, those of them that have the shape of one."""
    questions = decision.input.get("questions")
    known = questions if isinstance(questions, list) else []
    return [item for item in known if isinstance(item, dict) and isinstance(item.get("question"), str)]


def _is_readable(decision: Decision) -> bool:
    """Whether all that is asked can be shown, and answered: by their texts, which two of them can't share."""
    questions, known = decision.input.get("questions"), list_questions(decision)
    return bool(questions) and known == questions and len({item["question"] for item in known}) == len(known)


def _say_answers(answers: Mapping[str, Any]) -> dict[str, str]:
    return {
        question: say_choices(answer) if isinstance(answer, list) else str(answer)
        for question, answer in answers.items()
    }


def _build_allowance(decision: Decision, verdict: Verdict) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if decision.kind == "question":  # without an input Claude Code leaves the dialog of a question or a plan open
        said["updatedInput"] = {**decision.input, "answers": _say_answers(verdict.answers or {})}
    elif decision.kind == "plan":
        said["updatedInput"] = decision.input if verdict.input is None else {**decision.input, **verdict.input}
    elif verdict.input is not None:
        said["updatedInput"] = verdict.input
    if verdict.remember is not None:
        said["updatedPermissions"] = [decision.suggestions[verdict.remember]]
    if verdict.mode is not None:
        said["updatedPermissions"] = [{"type": "setMode", "mode": verdict.mode, "destination": "session"}]
    return said


def _build_form_answer(decision: Decision, verdict: Verdict) -> dict[str, Any]:
    if verdict.behavior == "allow":
        is_url = decision.input.get("mode") == "url"  # whose answers the server gets at its address
        return {"action": "accept"} if is_url else {"action": "accept", "content": verdict.answers or {}}
    return {"action": "cancel" if verdict.stop else "decline"}
