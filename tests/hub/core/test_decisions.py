"""Decisions: who asks, who answers where, and what Claude Code does then, in every order that was seen or can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.core import decisions
from hub.core.model import Decision, Outcome, SessionState, Verdict
from tests.hub.claude import ALWAYS, Claude, build_question
from tests.hub.core.books import Books
from wire.frames import Event

A, B = "agent-a", "agent-b"
X, Y = {"command": "touch x"}, {"command": "touch y"}
ALLOW, DENY, STOP = Verdict(behavior="allow"), Verdict(behavior="deny"), Verdict(behavior="deny", stop=True)
WORDS = Verdict(behavior="deny", message="no")
EDIT, ALWAYS_ALLOW = Verdict(behavior="allow", input=Y), Verdict(behavior="allow", remember=0)


class Table:
    """A session that asks something, in the middle of a turn."""

    def __init__(self, books: Books, claude: Claude) -> None:
        self.books, self.claude = books, claude
        books.take(claude.prompt("go"))

    def ask(self, event: Event, answered_by: str = "hook") -> Decision:
        self.books.take(event)
        decision = self.books.world.decisions[event.event_id]
        if answered_by != "none":
            self.waits(decision, answered_by)
        return decision

    def ask_call(
        self, tool_use_id: str = "t1", tool_input: Any = None, answered_by: str = "hook", **fields: Any
    ) -> Decision:
        """A command that waits for permission."""
        tool_input = X if tool_input is None else tool_input
        self.books.take(self.claude.pre_tool(tool_use_id, tool_input=tool_input, **fields))
        asks = self.claude.asks(tool_input=tool_input, permission_suggestions=[ALWAYS], **fields)
        return self.ask(asks, answered_by)

    def waits(self, decision: Decision, answered_by: str, **fields: Any) -> None:
        named = {"decision_id": decision.decision_id, "answered_by": answered_by, **fields}
        self.books.take(self.claude.channel("ChannelWaits", **named))

    def give(self, decision: Decision, verdict: Verdict = ALLOW, **fields: Any) -> None:
        said = {"author_id": "u1", "author": "Maya", "where": "hub", **fields}
        self.books.hub(self.claude, "DecisionGiven", decision_id=decision.decision_id, verdict=verdict, **said)

    def taken(self, decision: Decision, *, taken: bool = True) -> None:
        self.books.take(self.claude.channel("ChannelDecided", decision_id=decision.decision_id, taken=taken))

    def ran(self, tool_use_id: str = "t1", tool_input: Any = None, **fields: Any) -> None:
        self.books.take(
            self.claude.post_tool(tool_use_id, tool_input=X if tool_input is None else tool_input, **fields)
        )

    def busy(self) -> None:
        self.books.take(self.claude.channel("ChannelBusy", since=self.claude.at))

    def idle(self) -> None:
        self.books.take(self.claude.channel("ChannelIdle", since=self.claude.at))

    @property
    def state(self) -> SessionState:
        return self.books.session(self.claude).state


@pytest.fixture
def table(books: Books, claude: Claude) -> Table:
    return Table(books, claude)


def sum_up(decision: Decision) -> tuple[str, Outcome | None, str, str | None]:
    return (decision.state, decision.outcome, decision.by, decision.where)


# -- every answer, every race ---------------------------------------------------------------

Act = Callable[[Table, Decision], None]

ACTS: dict[str, Act] = {
    "taken": lambda table, decision: table.taken(decision),
    "not taken": lambda table, decision: table.taken(decision, taken=False),
    "runs": lambda table, decision: table.ran(),
    "runs edited": lambda table, decision: table.ran(tool_input=Y),
    "fails": lambda table, decision: table.books.take(table.claude.tool_failed("t1")),
    "batch": lambda table, decision: table.books.take(table.claude.end_batch()),
    "busy": lambda table, decision: table.busy(),
    "idle": lambda table, decision: table.idle(),
    "stop": lambda table, decision: table.books.take(table.claude.stop()),
    "prompt": lambda table, decision: table.books.take(table.claude.prompt("now this")),
    "ended": lambda table, decision: table.books.take(table.claude.end()),
    "cleared": lambda table, decision: table.books.take(table.claude.clear()),
    "killed": lambda table, decision: table.books.link_down(table.claude, "parent_gone"),
    "lost": lambda table, decision: table.books.link_down(table.claude, "lost"),
    "back": lambda table, decision: table.books.link_up(table.claude),
    "hook gone": lambda table, decision: table.waits(decision, "none"),
    "allow": lambda table, decision: table.give(decision, ALLOW),
    "allow edited": lambda table, decision: table.give(decision, EDIT),
    "allow always": lambda table, decision: table.give(decision, ALWAYS_ALLOW),
    "deny": lambda table, decision: table.give(decision, DENY),
    "deny with words": lambda table, decision: table.give(decision, WORDS),
    "deny and stop": lambda table, decision: table.give(decision, STOP),
}

OPEN = ("open", None, "", None)
ON_ITS_WAY = ("sending", None, "Maya", "hub")
OURS, REFUSED = ("decided", "allowed", "Maya", "hub"), ("decided", "denied", "Maya", "hub")
UNDER_WAY = ("decided", None, "Maya", "hub")
YES, NO = ("answered_locally", "allowed", "", "terminal"), ("answered_locally", "denied", "", "terminal")
SOMEHOW = ("answered_locally", None, "", "terminal")
WITHDRAWN = ("withdrawn", None, "", None)


@pytest.mark.parametrize(
    ("story", "expected", "state"),
    [
        ("", OPEN, "needs_you"),
        ("hook gone", OPEN, "needs_you"),
        # decided here
        ("allow", ON_ITS_WAY, "working"),
        ("allow, taken", UNDER_WAY, "working"),
        ("allow, taken, busy, runs", OURS, "working"),
        ("allow, taken, fails", OURS, "working"),
        ("allow edited, taken, runs edited", OURS, "working"),
        ("allow always, taken, runs, batch, stop", OURS, "idle"),
        ("allow, taken, idle", UNDER_WAY, "idle"),
        ("deny, taken, batch", REFUSED, "working"),
        ("deny with words, taken, batch, stop", REFUSED, "idle"),
        ("deny and stop, taken, idle", REFUSED, "idle"),
        ("allow edited, taken, batch", REFUSED, "working"),
        # told in another order
        ("allow, runs, taken", OURS, "working"),
        ("allow, runs, batch, taken, taken", OURS, "working"),
        ("deny, batch, taken", REFUSED, "working"),
        ("deny and stop, idle, taken", REFUSED, "idle"),
        ("allow edited, runs edited, taken", OURS, "working"),
        # at the terminal
        ("busy", SOMEHOW, "working"),
        ("busy, runs", YES, "working"),
        ("runs", YES, "working"),
        ("batch", NO, "working"),
        ("busy, batch", NO, "working"),
        ("idle", NO, "idle"),
        ("stop", NO, "idle"),
        ("prompt", NO, "working"),
        # at both places
        ("busy, allow", SOMEHOW, "working"),
        ("runs, deny", YES, "working"),
        ("deny, runs", YES, "working"),
        ("deny, taken, runs", YES, "working"),
        ("deny, runs, taken", YES, "working"),
        ("deny, busy, runs", YES, "working"),
        ("allow edited, taken, runs", YES, "working"),
        ("allow, batch", NO, "working"),
        ("allow, taken, batch", NO, "working"),
        ("allow, idle", NO, "idle"),
        ("allow, deny, taken, runs", OURS, "working"),
        # nobody took it
        ("allow, not taken", OPEN, "needs_you"),
        ("allow, not taken, deny, taken, batch", REFUSED, "working"),
        ("allow, not taken, runs", YES, "working"),
        ("allow, busy, not taken", SOMEHOW, "working"),
        ("allow always, runs, not taken", YES, "working"),
        ("deny with words, batch, not taken", NO, "working"),
        ("allow, taken, not taken, runs", OURS, "working"),
        ("allow, taken, runs, not taken", OURS, "working"),
        # the machine was away
        ("lost", OPEN, "offline"),
        ("lost, allow", ON_ITS_WAY, "offline"),
        ("lost, allow, back, taken, runs", OURS, "working"),
        ("lost, allow always, back, busy, runs, not taken", YES, "working"),
        ("lost, deny, back, runs, not taken", YES, "working"),
        ("lost, allow, back, idle, not taken", NO, "idle"),
        ("lost, deny, back, idle, not taken", NO, "idle"),
        # gone
        ("ended", WITHDRAWN, "ended"),
        ("cleared", WITHDRAWN, "idle"),
        ("killed", WITHDRAWN, "offline"),
        ("allow, killed", WITHDRAWN, "offline"),
        ("allow, taken, killed", UNDER_WAY, "offline"),
        ("killed, allow", WITHDRAWN, "offline"),
        ("lost, killed", WITHDRAWN, "offline"),
    ],
)
def test_what_follows_tells_whose_answer_it_was(table: Table, story: str, expected: Any, state: SessionState) -> None:
    decision = table.ask_call()
    for name in story.split(", ") if story else []:
        ACTS[name](table, decision)
    assert sum_up(decision) == expected
    assert table.state == state
    assert (decision.verdict is None) == (decision.by == "")
    assert (decision.closed_at is None) == (decision.state in ("open", "sending"))


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ("allow, not taken", "not_taken"),
        ("deny, taken, runs", "too_late"),
        ("lost, allow always, back, runs, not taken", "too_late"),
        ("allow, killed", "too_late"),
        ("allow edited, taken, batch", "edit_refused"),
        ("allow, not taken, allow", None),
        ("busy, runs", None),
    ],
)
def test_a_verdict_that_did_not_arrive_says_why(table: Table, story: str, problem: str | None) -> None:
    decision = table.ask_call()
    for name in story.split(", "):
        ACTS[name](table, decision)
    assert decision.problem == problem


def test_the_chat_says_what_the_decision_says(table: Table) -> None:
    decision = table.ask_call()
    table.give(decision)
    table.taken(decision)
    table.ran()
    [entry] = table.books.entries(table.claude, "decision")
    assert (entry.data["state"], entry.data["outcome"], entry.data["by"]) == ("decided", "allowed", "Maya")
    assert entry.position == decision.position


# -- questions and plans --------------------------------------------------------------------


def test_questions_are_answered_by_whoever_gave_those_answers(table: Table) -> None:
    asked = {"questions": [build_question()]}
    for given, mine in (("L", True), ("S", False)):
        table.books.take(table.claude.pre_tool(given, "AskUserQuestion", asked))
        decision = table.ask(table.claude.asks_question())
        assert (decision.kind, decision.tool_use_id) == ("question", given)
        table.give(decision, Verdict(behavior="allow", answers={"Which size?": "L"}))
        table.taken(decision)
        ran_with = {**asked, "answers": {"Which size?": given}, "annotations": {}}
        table.books.take(table.claude.post_tool(given, "AskUserQuestion", ran_with))
        assert sum_up(decision) == (OURS if mine else YES)


def test_a_plan_pairs_with_its_call_whose_input_is_another(table: Table) -> None:
    table.books.take(table.claude.pre_tool("t1", "ExitPlanMode", {}))
    decision = table.ask(table.claude.plans())
    assert (decision.kind, decision.tool_use_id) == ("plan", "t1")
    table.give(decision, Verdict(behavior="allow", input={"plan": "# Other"}, mode="default"))
    table.taken(decision)
    table.books.take(table.claude.post_tool("t1", "ExitPlanMode", {}))
    assert sum_up(decision) == OURS


# -- several at once ------------------------------------------------------------------------


def test_of_equal_calls_at_once_the_one_that_ran_was_the_one_allowed(table: Table) -> None:
    """Their hooks run beside each other, so which is told first says nothing."""
    first, second = table.ask_call("t1"), table.ask_call("t2")
    table.give(first, ALLOW)
    table.give(second, DENY)
    table.taken(first)
    table.taken(second)
    table.ran("t2")
    assert (first.tool_use_id, second.tool_use_id) == ("t2", "t1")
    table.books.take(table.claude.end_batch())
    assert (sum_up(first), sum_up(second)) == (OURS, REFUSED)


def test_of_equal_calls_the_other_still_waits(table: Table) -> None:
    first, second = table.ask_call("t1"), table.ask_call("t2")
    table.give(second, ALLOW)
    table.taken(second)
    table.ran("t1")
    assert (sum_up(first), sum_up(second), table.state) == (OPEN, OURS, "needs_you")
    table.ran("t2")
    assert (sum_up(first), table.state) == (YES, "working")


def test_a_rule_that_one_dialog_saved_lets_the_next_run(table: Table) -> None:
    first, second = table.ask_call("t1", X), table.ask_call("t2", Y)
    table.give(first, ALWAYS_ALLOW)
    table.taken(first)
    table.ran("t1", X)
    table.ran("t2", Y)
    assert (first.state, second.state, second.outcome) == ("decided", "answered_locally", "allowed")


def test_one_answered_leaves_the_other_open(table: Table) -> None:
    first, second = table.ask_call("t1", X), table.ask_call("t2", Y)
    table.give(second, DENY)
    table.taken(second)
    assert (sum_up(first), table.state) == (OPEN, "needs_you")
    table.ran("t1", X)
    table.books.take(table.claude.end_batch())
    assert (sum_up(first), sum_up(second)) == (YES, REFUSED)


def test_dialogs_beyond_all_reason_do_not_stay_open_unseen(table: Table) -> None:
    opened = [table.ask_call(f"t{number}", {"command": str(number)}) for number in range(decisions.ASKS + 5)]
    assert [decision.state for decision in opened[:6]] == ["withdrawn"] * 5 + ["open"]
    assert len(table.books.session(table.claude).waiting_for) == decisions.ASKS


# -- subagents ------------------------------------------------------------------------------


@pytest.fixture
def agents(table: Table) -> Table:
    """Two subagents that went on in the background, between turns."""
    table.books.take(table.claude.stop(agents=[A, B]))
    return table


def test_a_background_agent_is_asked_for_across_turns(agents: Table) -> None:
    decision = agents.ask_call(agent_id=A, agent_type="Explore")
    assert (decision.agent_id, decision.agent_type) == (A, "Explore")
    claude = agents.claude
    agents.books.take(claude.prompt("meanwhile"), claude.end_batch(), claude.end_batch(agent_id=B))
    agents.books.take(claude.stop(agents=[A]))
    assert (sum_up(decision), agents.state) == (OPEN, "needs_you")
    agents.give(decision)
    agents.taken(decision)
    agents.ran(agent_id=A)
    assert (sum_up(decision), agents.state) == (OURS, "working")


def test_what_holds_its_dialog_back_is_not_answered_by_one_on_the_screen(agents: Table) -> None:
    held = agents.ask_call("t1", agent_id=A)
    agents.books.take(agents.claude.prompt("go on"))
    shown = agents.ask_call("t2", Y)
    agents.busy()
    assert (sum_up(held), sum_up(shown), agents.state) == (OPEN, SOMEHOW, "needs_you")
    agents.idle()
    assert (sum_up(held), sum_up(shown), agents.state) == (OPEN, NO, "needs_you")


def test_what_was_let_go_to_the_terminal_is_answered_there(agents: Table) -> None:
    decision = agents.ask_call(agent_id=A)
    agents.waits(decision, "none")
    agents.idle()  # nothing else goes on
    assert (sum_up(decision), agents.state) == (SOMEHOW, "working")
    agents.ran(agent_id=A)
    assert sum_up(decision) == YES


def test_a_subagent_in_the_turn_shows_its_dialog_at_once(table: Table) -> None:
    table.books.take(table.claude.pre_tool("agent", "Agent", {"prompt": "look"}))
    decision = table.ask_call(agent_id=A)
    table.busy()
    assert (sum_up(decision), table.state) == (SOMEHOW, "working")


def test_a_late_word_of_rest_does_not_close_what_was_asked_since(agents: Table) -> None:
    since = agents.claude.at
    decision = agents.ask_call(agent_id=A)
    agents.waits(decision, "none")
    agents.books.take(agents.claude.channel("ChannelIdle", since=since))
    assert (sum_up(decision), agents.state) == (OPEN, "needs_you")


@pytest.mark.parametrize("gone", [Claude.agent_stop, lambda claude, agent_id: claude.end_batch(agent_id=agent_id)])
def test_an_agent_that_ends_leaves_nothing_open(agents: Table, gone: Callable[[Claude, str], Event]) -> None:
    mine, other = agents.ask_call("t1", agent_id=A), agents.ask_call("t2", agent_id=B)
    agents.books.take(gone(agents.claude, A))
    assert (sum_up(mine), sum_up(other)) == (NO, OPEN)


# -- forms ----------------------------------------------------------------------------------


@pytest.fixture
def form(table: Table) -> Decision:
    table.books.take(table.claude.pre_tool("t1", "mcp__tt__poke", {}))
    return table.ask(table.claude.elicits())


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(Verdict(behavior="allow", answers={"name": "M"}), "allowed"), (DENY, "denied"), (STOP, "cancelled")],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_form_answered_here(table: Table, form: Decision, verdict: Verdict, outcome: str, is_late: bool) -> None:
    assert (form.kind, form.tool_name, form.tool_use_id) == ("elicitation", "tt", "t1")
    assert table.state == "needs_you"
    table.give(form, verdict)
    if not is_late:
        table.taken(form)
        assert sum_up(form) == ("decided", outcome, "Maya", "hub")
    table.ran("t1", {}, tool_name="mcp__tt__poke")
    table.taken(form)
    assert sum_up(form) == ("decided", outcome, "Maya", "hub")


@pytest.mark.parametrize(
    ("action", "outcome"),
    [("accept", "allowed"), ("decline", "denied"), ("cancel", "cancelled"), (["accept"], "cancelled")],
)
def test_a_form_answered_at_the_terminal(table: Table, form: Decision, action: Any, outcome: str) -> None:
    table.waits(form, "none")
    table.busy()
    table.books.take(table.claude.elicited(action))
    assert sum_up(form) == ("answered_locally", outcome, "", "terminal")
    assert table.state == "working"


def test_a_form_is_held_back_so_nothing_on_the_screen_answers_it(table: Table, form: Decision) -> None:
    table.busy()
    assert (sum_up(form), table.state) == (OPEN, "needs_you")
    table.idle()
    assert (sum_up(form), table.state) == (WITHDRAWN, "idle")


@pytest.mark.parametrize("over", ["runs", "batch", "stop", "idle"])
def test_a_form_that_its_server_gave_up_is_withdrawn(table: Table, form: Decision, over: str) -> None:
    ACTS[over](table, form)
    assert sum_up(form) == WITHDRAWN
    assert table.books.session(table.claude).waiting_for == []


def test_several_forms_of_one_call_are_answered_one_by_one(table: Table, form: Decision) -> None:
    answers = Verdict(behavior="allow", answers={"name": "M"})
    table.give(form, answers)
    second = table.ask(table.claude.elicits())
    table.books.take(table.claude.elicited("decline"))
    assert (sum_up(form), sum_up(second)) == (ON_ITS_WAY, ("answered_locally", "denied", "", "terminal"))
    table.taken(form)
    third = table.ask(table.claude.elicits(url="https://example.com/", message="Sign in"))
    assert third.input == {"message": "Sign in", "mode": "url", "url": "https://example.com/"}
    assert (form.state, third.state, table.state) == ("decided", "open", "needs_you")


def test_a_form_of_another_server_is_another(table: Table, form: Decision) -> None:
    other = table.ask(table.claude.elicits(server="uu"))
    assert other.tool_use_id == ""
    table.books.take(table.claude.elicited(server="uu"))
    assert (form.state, other.state) == ("open", "answered_locally")


def test_a_background_agents_form_outlives_the_turns(agents: Table) -> None:
    agents.books.take(agents.claude.pre_tool("t1", "mcp__tt__poke", {}, agent_id=A))
    decision = agents.ask(agents.claude.elicits())
    assert decision.agent_id == A
    agents.books.take(agents.claude.prompt("meanwhile"), agents.claude.stop(agents=[A]))
    assert (sum_up(decision), agents.state) == (OPEN, "needs_you")


# -- the relay ------------------------------------------------------------------------------


def test_what_only_the_relay_told_of_is_known_in_part(table: Table) -> None:
    table.books.take(table.claude.pre_tool("t1", tool_input=X))
    decision = table.ask(table.claude.relayed(), "none")
    assert (decision.is_whole, decision.answered_by, decision.request_id) == (False, "relay", "abcde")
    assert decision.input == {"description": "Touch", "preview": '{ "command": "touch x" }'}
    table.give(decision, DENY)
    table.taken(decision)
    table.books.take(table.claude.end_batch())
    assert sum_up(decision) == REFUSED


def test_the_hook_that_tells_of_the_same_makes_one_of_both(table: Table) -> None:
    told = table.ask(table.claude.relayed(), "none")
    decision = table.ask_call()
    assert (told.state, decision.state, decision.request_id) == ("withdrawn", "open", "abcde")
    assert [ask.decision_id for ask in table.books.session(table.claude).waiting_for] == [decision.decision_id]


@pytest.mark.parametrize(
    "preview", ['{ "command": "touch y" }', '{ "command": "tou\n⋯ 9 code points elided ⋯\n" }', "", "\ufffd"]
)
def test_a_hook_that_may_tell_of_another_makes_two(table: Table, preview: str) -> None:
    told, decision = table.ask(table.claude.relayed(preview=preview), "none"), table.ask_call()
    assert (told.state, decision.state, decision.request_id) == ("open", "open", None)
    table.waits(decision, "hook", request_id="abcde")  # the channel knows
    assert (told.state, decision.state, decision.request_id) == ("withdrawn", "open", "abcde")


def test_another_call_of_the_same_tool_does_not_close_what_only_the_relay_told_of(table: Table) -> None:
    decision = table.ask(table.claude.relayed(), "none")
    table.ran("t9", Y)
    assert sum_up(decision) == OPEN
    table.ran("t1", X)
    assert sum_up(decision) == YES


# -- who may speak of it --------------------------------------------------------------------


def test_only_its_own_session_speaks_of_a_decision(table: Table) -> None:
    decision = table.ask_call()
    other = Table(table.books, Claude(pid=7))
    other.waits(decision, "none")
    other.give(decision)
    assert (sum_up(decision), decision.answered_by) == (OPEN, "hook")
    table.give(decision)
    other.taken(decision)
    assert sum_up(decision) == ON_ITS_WAY


@pytest.mark.parametrize("ask", [Claude.asks, Claude.elicits, Claude.relayed])
def test_what_a_dead_process_had_asked_opens_nothing(table: Table, ask: Callable[[Claude], Event]) -> None:
    table.books.link_down(table.claude, "parent_gone")
    table.books.take_left_over(ask(table.claude))
    table.books.take(ask(table.claude))
    assert table.books.world.decisions == {}
    assert table.state == "offline"


@pytest.mark.parametrize("ask", [Claude.asks, Claude.elicits, Claude.relayed])
def test_a_session_that_has_ended_asks_for_nothing(table: Table, ask: Callable[[Claude], Event]) -> None:
    late = ask(table.claude)
    table.books.take(table.claude.end(), late)
    assert table.books.world.decisions == {}
    assert table.state == "ended"


@pytest.mark.parametrize("end", ["parent_gone", "SessionEnd"])
def test_of_a_session_opened_twice_each_process_takes_its_dialogs_along(table: Table, end: str) -> None:
    other = Claude(table.claude.session_id, pid=7, at=table.claude.at)
    table.books.take(other.start("resume"))
    table.books.link_up(other)
    theirs = table.ask(other.asks(tool_input=Y), "none")
    mine = table.ask_call()
    if end == "parent_gone":
        table.books.link_down(table.claude, end)
    else:
        table.books.take(table.claude.end())
    assert (sum_up(mine), sum_up(theirs)) == (WITHDRAWN, OPEN)


# -- where nobody is asked ------------------------------------------------------------------

REFUSED_ALONE = ("expired", "denied", "", None)


def start_printing(books: Books) -> Table:
    claude = Claude()
    books.take(claude.start())
    books.link_up(claude, why="print")
    return Table(books, claude)


@pytest.mark.parametrize(
    "story", ["batch", "idle", "stop", "batch, stop", "batch, ended", "allow, batch", "busy, batch"]
)
def test_in_print_mode_claude_code_waits_for_nobody(books: Books, story: str) -> None:
    table = start_printing(books)
    decision = table.ask_call(answered_by="none")
    assert (decision.state, decision.needs_you, table.state) == ("expired", False, "working")
    for name in story.split(", "):
        ACTS[name](table, decision)
    assert sum_up(decision) == REFUSED_ALONE
    assert books.entries(table.claude, "decision")[0].data["state"] == "expired"


def test_in_print_mode_another_program_may_have_answered(books: Books) -> None:
    table = start_printing(books)
    decision = table.ask_call(answered_by="none")
    table.ran()
    assert sum_up(decision) == YES


def test_in_print_mode_a_form_waits_for_nobody_either(books: Books) -> None:
    table = start_printing(books)
    decision = table.ask(table.claude.elicits(), "none")
    table.books.take(table.claude.elicited("cancel"))
    assert sum_up(decision) == ("expired", "cancelled", "", None)


# -- plans ----------------------------------------------------------------------------------


def ask_plan(table: Table, plan: str, **fields: Any) -> Decision:
    return table.ask(table.claude.plans(plan, **fields))


def test_a_plan_that_was_sent_back_is_the_first_version_of_the_next(table: Table) -> None:
    first = ask_plan(table, "# One")
    ACTS["deny with words"](table, first)
    ACTS["batch"](table, first)
    agents = ask_plan(table, "# Of an agent", agent_id=A)
    second = ask_plan(table, "# Two")
    ACTS["idle"](table, second)
    third = ask_plan(table, "# Three")
    versions = [(plan.version, plan.previous_plan) for plan in (first, agents, second, third)]
    assert versions == [(1, None), (1, None), (2, first.decision_id), (3, second.decision_id)]


def test_after_an_approved_plan_another_one_begins(table: Table) -> None:
    first = ask_plan(table, "# One")
    table.books.take(table.claude.post_tool("t1", "ExitPlanMode", {}))
    assert first.outcome == "allowed"
    later = ask_plan(table, "# Something else")
    assert (later.version, later.previous_plan) == (1, None)


# -- what is odd ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"tool_input": ["not", "an", "object"]},
        {"tool_input": {"n": float("1e300")}, "permission_mode": 7},
        {"tool_name": "x" * 5000},
        {"agent_id": "x" * 5000},
        {"heliograph_cut": True},
    ],
)
def test_what_cannot_be_shown_whole_cannot_be_allowed(table: Table, odd: dict[str, Any]) -> None:
    body = {"tool_name": "Bash", "tool_input": X, "permission_suggestions": [ALWAYS], **odd}
    decision = table.ask(table.claude.hook("PermissionRequest", **body))
    assert not decision.is_whole
    assert table.state == "needs_you"
    table.books.take(table.claude.end_batch())
    assert sum_up(decision) == NO


@pytest.mark.parametrize(
    ("offered", "kept"),
    [(None, []), ({"type": "addRules"}, []), ([7, ALWAYS, "x", None], [ALWAYS]), ("", []), ([[ALWAYS]], [])],
)
def test_of_what_was_offered_that_is_kept_which_can_be_said(table: Table, offered: Any, kept: list[Any]) -> None:
    assert table.ask(table.claude.asks(permission_suggestions=offered)).suggestions == kept


@pytest.mark.parametrize("name", ["mcp_server_name", "message", "mode", "url", "requested_schema"])
@pytest.mark.parametrize("value", [7, None, {"a": 1}, ["x"], "x" * 5000])
def test_a_form_of_any_shape_is_a_decision(table: Table, name: str, value: Any) -> None:
    decision = table.ask(table.claude.elicits(**{name: value}))
    assert (decision.kind, decision.state) == ("elicitation", "open")
    assert len(decision.tool_name) <= decisions.NAME_CHARS
    server = value if name == "mcp_server_name" else "tt"
    table.books.take(table.claude.elicited(server=server))
    assert decision.state == "answered_locally"


def test_a_word_about_a_decision_that_nobody_knows_is_none(table: Table) -> None:
    for decision_id in ("", "unknown"):
        table.books.take(table.claude.channel("ChannelWaits", decision_id=decision_id, answered_by="hook"))
        table.books.take(table.claude.channel("ChannelDecided", decision_id=decision_id, taken=True))
    table.books.take(table.claude.channel("ChannelWaits"), table.claude.channel("ChannelDecided"))
    assert table.books.world.decisions == {}
