"""A decision as a card: what is asked, all that it is about, what can be answered from here, or what became of it."""

from __future__ import annotations

from typing import Any

import msgspec
from markupsafe import Markup

from hub.core import verdicts
from hub.core.model import Decision, DecisionState, Machine, Session
from hub.pages.decision_forms import (
    AddressShown,
    FieldShown,
    QuestionShown,
    build_address,
    build_fields,
    build_questions,
)
from hub.pages.decision_inputs import EditShown, Given, InputShown, build_edit, build_input
from hub.pages.decision_results import Result, build_result, say_going
from hub.pages.diff import Diff, compare_texts
from hub.pages.markdown import MARKDOWN_CHARS, Prose
from hub.pages.suggestions import Rule, build_rules
from hub.pages.text import name_mode, reveal, say_count, say_ordinal, shorten_home
from hub.pages.times import Moment, build_moment
from hub.pages.tool_parts import name_tool, pick_icon

_DOES = {
    "Bash": "run a command",
    "Edit": "edit a file",
    "MultiEdit": "edit a file",
    "NotebookEdit": "edit a notebook",
    "Write": "write a file",
    "Read": "read a file",
    "WebFetch": "fetch a page",
    "WebSearch": "search the web",
}

_ICONS = {"question": "message-circle-question-mark", "plan": "map", "elicitation": "plug"}

_MODES = {"default": "Asked one by one", "acceptEdits": "Accepted"}


class Choice(msgspec.Struct, frozen=True):
    """One way of going on after a plan; an empty value is as it was before."""

    value: str
    label: str


class Version(msgspec.Struct, frozen=True):
    """What a plan comes in place of: ``second version``, and to look at it ``compare with the first``."""

    words: str
    compare: str


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """The card. ``steps``: questions are asked one at a time. ``where``: what else is true about who is asked, and
    ``obstacle`` why it can't be answered from here. ``offline``: since when its machine can't be reached.
    """

    decision_id: str
    session_id: str
    kind: str
    state: DecisionState
    digest: str
    offers: tuple[verdicts.Offer, ...]
    icon: str
    title: str
    asks: str
    tool: str
    machine_name: str
    folder: str
    agent: str
    description: str
    waiting: Moment
    shown: InputShown
    plan: Markup | None
    version: Version | None
    rules: list[Rule]
    edit: EditShown | None
    questions: list[QuestionShown]
    message: str
    fields: list[FieldShown]
    address: AddressShown | None
    modes: list[Choice]
    where: str
    obstacle: str
    problem: str
    offline: Moment | None
    going: tuple[str, str]
    result: Result | None
    is_replaced: bool

    @property
    def controls(self) -> str:
        """What the controls depend on: while it is the same, what a person typed into them stays."""
        return f"{self.digest} {' '.join(self.offers)}"


def read_decision(data: dict[str, Any], session_id: str) -> Decision:
    """The decision in a timeline entry's data."""
    return msgspec.convert({**data, "session_id": session_id}, Decision)


def build_decision(decision: Decision, session: Session, machine: Machine, prose: Prose, now: int) -> DecisionView:
    """The card of one decision."""
    kind, given = decision.kind, decision.input
    offers = verdicts.list_offers(decision)
    is_open, is_sending = decision.state == "open", decision.state == "sending"
    offline = session.offline_since if is_open or is_sending else None
    return DecisionView(
        decision_id=decision.decision_id,
        session_id=decision.session_id,
        kind=kind,
        state=decision.state,
        digest=decision.digest,
        offers=offers,
        icon=pick_decision_icon(decision),
        title=say_title(decision),
        asks=say_asks(decision),
        tool=_name_kind(decision),
        machine_name=machine.name,
        folder=reveal(shorten_home(session.cwd, machine.user)),
        agent=reveal(decision.agent_type or "of no name") if decision.agent_id else "",
        description=_say_description(decision),
        waiting=build_moment(decision.opened_at, now, "waiting"),
        shown=_build_shown(decision),
        plan=_render_plan(decision, prose) if kind == "plan" else None,
        version=_build_version(decision) if decision.previous_plan else None,
        rules=build_rules(decision.suggestions) if "remember" in offers else [],
        edit=_build_edit(decision) if "edit" in offers else None,
        questions=build_questions(verdicts.list_questions(decision)) if kind == "question" else [],
        message=reveal(str(given.get("message", ""))) if kind == "elicitation" else "",
        fields=build_fields(given.get("schema")) if kind == "elicitation" else [],
        address=build_address(str(given.get("url", ""))) if given.get("mode") == "url" else None,
        modes=_list_modes() if "mode" in offers else [],
        where=_say_where(decision, machine) if is_open and not offline else "",
        obstacle=_say_obstacle(decision, session, machine) if is_open else "",
        problem=_say_problem(decision, machine) if is_open else "",
        offline=build_moment(offline, now, "clock") if offline else None,
        going=say_going(decision) if is_sending else ("", ""),
        result=None if is_open or is_sending else build_result(decision, machine, now),
        is_replaced=decision.state == "withdrawn" and not decision.is_whole and bool(decision.request_id),
    )


def compare_plans(before: Decision, after: Decision) -> Diff:
    """What has changed since the plan before."""
    old, new = (reveal(str(decision.input.get("plan", ""))) for decision in (before, after))
    return compare_texts([(old, new)])


def pick_decision_icon(decision: Decision) -> str:
    """By its kind; a permission by its tool where that says more."""
    if decision.kind != "permission":
        return _ICONS[decision.kind]
    icon = pick_icon(decision.tool_name)
    return icon if icon in ("pencil", "file-plus", "plug") else "shield-question-mark"


def say_title(decision: Decision) -> str:
    """The card's headline."""
    match decision.kind:
        case "question":
            return f"Claude asks {_count_questions(decision)}"
        case "plan":
            return "Claude has a plan" if _has_plan(decision) else "Claude asks to leave plan mode"
        case "elicitation":
            return f"{reveal(decision.tool_name) or 'An MCP server'} asks for something"
        case _:
            return f"Claude wants to {say_asks(decision)}"


def say_asks(decision: Decision) -> str:
    """What is needed of a person, in few words: ``run a command``, ``2 questions``."""
    match decision.kind:
        case "question":
            return _count_questions(decision)
        case "plan":
            return "a plan to approve" if _has_plan(decision) else "to leave plan mode"
        case "elicitation":
            return f"{reveal(decision.tool_name)} asks for something"
        case _:
            return _DOES.get(decision.tool_name) or f"use {reveal(name_tool(decision.tool_name))}"


def _count_questions(decision: Decision) -> str:
    count = len(verdicts.list_questions(decision))
    return "a question" if count == 1 else say_count(count, "question")


def _name_kind(decision: Decision) -> str:
    if decision.kind != "permission":
        return ""
    return "MCP" if decision.tool_name.startswith("mcp__") else reveal(decision.tool_name)


def _say_description(decision: Decision) -> str:
    text = decision.input.get("description")
    is_said = decision.kind == "permission" and (decision.tool_name == "Bash" or not decision.is_whole)
    return reveal(text.strip()) if is_said and isinstance(text, str) else ""


def _build_shown(decision: Decision) -> InputShown:
    given = decision.input
    match decision.kind:
        case "permission" if not decision.is_whole and isinstance(given.get("preview"), str):
            return InputShown(fields=[Given("preview", reveal(given["preview"]))])
        case "permission":
            return build_input(decision.tool_name, given)
        case "question":
            rest = {name: value for name, value in given.items() if name != "questions"}
        case "plan":
            rest = {name: value for name, value in given.items() if name not in ("plan", "planFilePath")}
        case _:
            return InputShown()
    return build_input("", rest)


def _has_plan(decision: Decision) -> bool:
    """Claude Code asks without one if Claude hasn't written its plan's file."""
    plan = decision.input.get("plan")
    return isinstance(plan, str) and bool(plan.strip())


def _render_plan(decision: Decision, prose: Prose) -> Markup:
    """All of it: what is too long for markdown, or would lose a word in it, is shown as it was written."""
    if not _has_plan(decision):
        return Markup('<p class="faint">It wrote no plan.</p>')
    plan = reveal(decision.input["plan"])
    if len(plan) <= MARKDOWN_CHARS and prose.shows_all(plan):
        return prose.render(plan)
    return Markup('<div class="typed">{}</div>').format(plan)


def _build_version(decision: Decision) -> Version:
    return Version(f"{say_ordinal(decision.version)} version", f"compare with the {say_ordinal(decision.version - 1)}")


def _build_edit(decision: Decision) -> EditShown:
    if decision.kind == "plan":
        return EditShown(field="plan", label="Plan", text=str(decision.input.get("plan", "")), rest="{}")
    return build_edit(decision.tool_name, decision.input)


def _list_modes() -> list[Choice]:
    modes = [Choice(mode, _MODES.get(mode) or name_mode(mode)) for mode in verdicts.MODES]
    return [*modes, Choice("", "As before the plan")]


def _say_where(decision: Decision, machine: Machine) -> str:
    if decision.answered_by == "none":
        return ""
    is_held = decision.answered_by == "hook" and (decision.agent_id is not None or decision.kind == "elicitation")
    if is_held:
        return f"The terminal on {machine.name} asks too, once this has waited here for a while."
    return f"Also asked in the terminal on {machine.name}. The first answer counts."


def _say_obstacle(decision: Decision, session: Session, machine: Machine) -> str:
    if not verdicts.list_offers(decision):
        why = "No Heliograph channel runs there." if not session.linked else "Nothing there takes an answer for it now."
        return f"Answer it in the terminal on {machine.name}. {why}"
    if not decision.is_whole:
        return "Only a part of what Claude wants is known here, so it can be denied, but not allowed."
    return ""


def _say_problem(decision: Decision, machine: Machine) -> str:
    if decision.problem == "not_taken":
        return f"Your answer didn\u2019t arrive: nothing on {machine.name} took it any more."
    return reveal(decision.problem or "")
