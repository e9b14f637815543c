"""Which session a process carries, and whether it is busy: as a state machine against a simple model."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channel.session import SETTLE_SECONDS, Session

A, B = "session-a", "session-b"

AT = 1_795_000_000_000_000
"""When the hooks of these tests fire: some microsecond of 2026."""


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


def test_an_injection_that_starts_no_turn_blocks_only_for_a_while() -> None:
    session = Session(A, "/here")
    assert not session.is_starting(9.0)
    session.inject(10.0)
    assert session.is_starting(11.0)
    assert not session.is_starting(10.0 + SETTLE_SECONDS)


def test_what_a_stop_hook_has_said_keeps_the_turn_going() -> None:
    session = Session(A, "/here")
    session.see({"hook_event_name": "UserPromptSubmit", "session_id": A}, AT)
    session.see({"hook_event_name": "Stop", "session_id": A, "transcript_path": "/t.jsonl"}, AT + 1)
    assert (session.busy, session.transcript) == (False, "/t.jsonl")
    session.see({"hook_event_name": "ChannelInjected", "session_id": A, "hook": "Stop"}, AT + 2)
    assert session.busy
    session.see({"hook_event_name": "Stop", "session_id": A}, AT + 3)
    assert not session.busy


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


class Hooks(RuleBasedStateMachine):
    """Hooks in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(A, "/here")
        self.carried = A
        self.in_turn = False

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

    @invariant()
    def it_knows_what_it_carries(self) -> None:
        assert self.session.session_id == self.carried
        assert self.session.busy == self.in_turn


TestHooks = Hooks.TestCase
