"""Which session, and may a message go in: as a state machine against a simple model."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from channel.session import LISTEN_SECONDS, SETTLE_SECONDS, Decline, Inject, Repeat, Session, Wait

A, B = "session-a", "session-b"

AT = 1_795_000_000_000_000
"""When the hooks of these tests fire: some microsecond of 2026."""


def listening() -> Session:
    session = Session(A, "/here")
    session.list_tools(0.0)
    return session


def test_it_carries_what_the_environment_says_until_a_hook_knows_better() -> None:
    session = Session(A, "/here")
    assert (session.session_id, session.is_certain) == (A, False)
    session.see({"hook_event_name": "SessionStart", "session_id": B, "cwd": "/there"}, AT)
    assert (session.session_id, session.is_certain, session.cwd) == (B, True, "/there")


def test_the_last_words_of_a_cleared_session_change_nothing() -> None:
    session = Session(A, "/here")
    session.see({"hook_event_name": "SessionStart", "session_id": B, "source": "clear"}, AT)
    session.see({"hook_event_name": "UserPromptSubmit", "session_id": B}, AT)
    session.see({"hook_event_name": "SessionEnd", "session_id": A}, AT)
    assert (session.session_id, session.busy) == (B, True)


def test_compaction_inside_a_turn_does_not_end_it() -> None:
    session = Session(A, "/here")
    session.see({"hook_event_name": "UserPromptSubmit", "session_id": A}, AT)
    session.see({"hook_event_name": "SessionStart", "session_id": A, "source": "compact"}, AT)
    assert session.busy


def test_a_tool_call_shows_a_turn_whose_prompt_was_missed() -> None:
    session = Session(A, "/here")
    session.see({"hook_event_name": "PreToolUse", "session_id": A, "agent_id": "background"}, AT)
    assert not session.busy
    session.see({"hook_event_name": "PreToolUse", "session_id": A}, AT)
    assert session.busy


def test_a_client_that_has_not_listed_the_tools_is_waited_for() -> None:
    session = Session(A, "/here")
    assert isinstance(session.decide(A, 5.0, known=False), Wait)
    session.list_tools(5.0)
    assert session.decide(A, 5.25, known=False) == Wait(LISTEN_SECONDS - 0.25)
    assert session.decide(A, 5.0 + LISTEN_SECONDS, known=False) == Inject()


def test_an_injection_that_starts_no_turn_blocks_only_for_a_while() -> None:
    session = listening()
    session.inject(10.0)
    assert session.decide(A, 11.0, known=False) == Decline("busy")
    assert session.decide(A, 10.0 + SETTLE_SECONDS, known=False) == Inject()


def test_bodies_without_sense_change_nothing() -> None:
    session = Session(A, "/here")
    for body in (
        {},
        {"session_id": 5},
        {"session_id": ""},
        {"session_id": "x" * 1000, "hook_event_name": "SessionStart"},
    ):
        assert session.see(body, AT) is False
    assert session.session_id == A


class Pushes(RuleBasedStateMachine):
    """Hooks and pushes in any order: never mid-turn, never elsewhere, never the same id twice."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.session = Session(A, "/here")
        self.carried = A
        self.in_turn = False
        self.listed_at: float | None = None
        self.injected: list[str] = []

    @rule(seconds=st.floats(0.01, 30.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(session_id=st.sampled_from([A, B]), source=st.sampled_from(["startup", "clear", "resume"]))
    def session_starts(self, session_id: str, source: str) -> None:
        self.carried, self.in_turn = session_id, False
        self.session.see({"hook_event_name": "SessionStart", "session_id": session_id, "source": source}, AT)

    @rule()
    def a_turn_begins(self) -> None:
        self.in_turn = True
        self.session.see({"hook_event_name": "UserPromptSubmit", "session_id": self.carried}, AT)

    @rule(name=st.sampled_from(["Stop", "StopFailure", "SessionEnd"]), session_id=st.sampled_from([A, B]))
    def something_ends(self, name: str, session_id: str) -> None:
        if session_id == self.carried:
            self.in_turn = False
        self.session.see({"hook_event_name": name, "session_id": session_id}, AT)

    @rule(name=st.sampled_from(["PostToolUse", "MessageDisplay", "Notification", "SubagentStop"]))
    def something_else_happens(self, name: str) -> None:
        self.session.see({"hook_event_name": name, "session_id": self.carried}, AT)

    @precondition(lambda self: self.listed_at is None)
    @rule()
    def the_client_lists_the_tools(self) -> None:
        self.listed_at = self.now
        self.session.list_tools(self.now)

    @rule(message_id=st.sampled_from(["m1", "m2", "m3"]), session_id=st.sampled_from([A, B]))
    def a_push_comes(self, message_id: str, session_id: str) -> None:
        step = self.session.decide(session_id, self.now, known=message_id in self.injected)
        if message_id in self.injected:
            assert step == Repeat()
        elif session_id != self.carried:
            assert step == Decline("elsewhere")
        elif self.in_turn:
            assert step == Decline("busy")
        elif isinstance(step, Inject):
            assert self.listed_at is not None
            assert self.now - self.listed_at >= LISTEN_SECONDS
            self.injected.append(message_id)
            self.session.inject(self.now)
            assert self.session.decide(session_id, self.now, known=False) == Decline("busy")

    @invariant()
    def it_knows_what_it_carries(self) -> None:
        assert self.session.session_id == self.carried
        assert self.session.busy == self.in_turn
        assert len(self.injected) == len(set(self.injected))


TestPushes = Pushes.TestCase
