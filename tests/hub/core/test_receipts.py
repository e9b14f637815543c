"""The state machine of a message, for all its states and all evidence."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from hub.core.model import MessageState
from hub.core.receipts import cancel, climb, is_open, lose

LADDER = ("queued", "delivered", "seen", "answered")
states = st.sampled_from(get_args(MessageState))
evidence = st.sampled_from(LADDER)


@given(evidence, evidence)
def test_evidence_proves_the_highest_step_it_speaks_for(state: MessageState, proven: MessageState) -> None:
    assert LADDER.index(climb(state, proven)) == max(LADDER.index(state), LADDER.index(proven))


@given(states, st.lists(evidence))
def test_evidence_never_lowers(state: MessageState, steps: list[MessageState]) -> None:
    for step in steps:
        after = climb(state, step)
        if state in LADDER:
            assert LADDER.index(after) >= LADDER.index(state)
        else:
            assert after == state or LADDER.index(after) >= LADDER.index(step)
        state = after


@given(st.lists(evidence, min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_evidence_does_not_matter_on_the_ladder(steps: list[MessageState], random: object) -> None:
    shuffled = list(steps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = MessageState.__args__[0], "queued"
    for step, moved in zip(steps, shuffled, strict=True):
        one, other = climb(one, step), climb(other, moved)
    assert one == other == max(steps, key=LADDER.index)


@given(states)
def test_only_what_is_queued_or_in_doubt_can_be_cancelled(state: MessageState) -> None:
    assert cancel(state) == ("cancelled" if state in ("queued", "uncertain") else state)


@given(states)
def test_only_what_is_delivered_can_be_lost(state: MessageState) -> None:
    assert lose(state) == ("uncertain" if state == "delivered" else state)


@given(states)
def test_what_is_closed_stays_closed_unless_it_was_given_to_claude_after_all(state: MessageState) -> None:
    if not is_open(state):
        assert cancel(state) == lose(state) == climb(state, "queued") == state
        assert climb(state, "delivered") == ("answered" if state == "answered" else "delivered")


def test_what_is_in_doubt_is_settled_by_claude_alone() -> None:
    assert [climb("uncertain", step) for step in LADDER] == ["uncertain", "uncertain", "seen", "answered"]


def test_what_is_open() -> None:
    assert {state for state in get_args(MessageState) if is_open(state)} == {
        "queued",
        "delivered",
        "seen",
        "uncertain",
    }
