"""Whatever arrives in whatever order: folding never fails and the books stay consistent."""

from __future__ import annotations

from typing import cast, get_args

import msgspec
from hypothesis import given, settings
from sqlalchemy import RowMapping

from hub.api_json import decision_json, entry_json, session_json
from hub.core.body import Stored
from hub.core.fold import fold
from hub.core.model import Decision, Message, SessionState
from hub.core.receipts import is_open
from hub.core.world import World
from hub.db.rows import decision_row, to_decision
from tests.hub.claude import NOW
from tests.hub.core.books import MACHINE, Books, as_stored
from tests.hub.stories import HubEvent, Step, disputes, stories, tell
from wire.ids import build_id


def as_events(steps: list[Step]) -> list[Stored]:
    """The steps as the hub stores them."""
    events, at = [], NOW
    for number, step in enumerate(steps):
        if isinstance(step, HubEvent):
            event_id = build_id(at, (2**61 + number).to_bytes(8, "big"))
            events.append(
                Stored(
                    event_id=event_id,
                    session_id=step.body.session_id,
                    at=at,
                    source="hub",
                    machine_id=MACHINE,
                    pid=step.pid,
                    body=step.body,
                )
            )
        else:
            events.append(as_stored(step))
            at = step.at
    return events


@settings(max_examples=300, deadline=None)
@given(stories | disputes)
def test_any_sequence_keeps_the_books_consistent(story: list[tuple[int, str, int]]) -> None:
    world = Books().world
    places: dict[tuple[str, int], tuple[int, str]] = {}
    states: dict[str, list[str]] = {}
    closed: dict[str, int] = {}
    for event in as_events(tell(story)):
        fold(world, event)
        check_entries(world, places)
        check_sessions(world)
        check_decisions(world, closed)
        for message in world.messages.values():
            steps = states.setdefault(message.message_id, [])
            if not steps or steps[-1] != message.state:
                steps.append(message.state)
    for message_id, steps in states.items():
        once = [state for state in steps if state != "cancelled"]  # too late the first time, dropped the second
        assert len(once) == len(set(once)), "a message never comes back to a state"
        receipts = [receipt.state for receipt in world.receipts if receipt.message_id == message_id]
        assert [state for state in receipts if state in steps] == steps
        once = [state for state in receipts if state != "cancelled"]
        assert len(once) == len(set(once))


def check_entries(world: World, places: dict[tuple[str, int], tuple[int, str]]) -> None:
    """No entry moves, and no two share a place."""
    for key, entry in world.entries.items():
        assert key == (entry.session_id, entry.position)
        assert places.setdefault(key, (entry.position, entry.entry_id)) == (entry.position, entry.entry_id)
        msgspec.json.encode(entry_json(entry))
    assert len({entry.entry_id for entry in world.entries.values()}) == len(world.entries)


def check_sessions(world: World) -> None:
    """What a session says of its tools, messages and process is so."""
    for session_id, session in world.sessions.items():
        assert session.session_id == session_id
        mine = [entry for entry in world.entries.values() if entry.session_id == session_id]
        running = [e.data["tool_use_id"] for e in mine if e.data.get("state") in ("running", "waiting")]
        assert sorted(session.open_tools) == sorted(running)
        messages = [m for m in world.messages.values() if m.session_id == session_id]
        assert sorted(session.open_messages) == sorted(m.message_id for m in messages if is_open(m.state))
        for message in messages:
            check_message(world, message)
        assert session.state in get_args(SessionState)
        if session.linked:
            assert world.processes[MACHINE, session.pid].linked
        msgspec.json.encode(session_json(session, world.machines[MACHINE]))


def check_decisions(world: World, closed: dict[str, int]) -> None:
    """What is open is waited for, what is over stays so, and nobody decided without a verdict."""
    for session in world.sessions.values():
        waiting = [ask.decision_id for ask in session.waiting_for]
        mine = [decision for decision in world.decisions.values() if decision.session_id == session.session_id]
        assert len(set(waiting)) == len(waiting)
        assert {d.decision_id for d in mine if d.closed_at is None} <= set(waiting)
        still_open = {decision.decision_id for decision in mine if decision.needs_you}
        assert {ask.decision_id for ask in session.open_asks} == still_open
        assert (session.turn == "needs_you") == bool(still_open)
        assert not (still_open and session.ended)
    for decision in world.decisions.values():
        check_decision(world, decision)
        if decision.decision_id in closed:
            assert decision.closed_at == closed[decision.decision_id], "what is over stays over, since then"
        elif decision.closed_at is not None:
            closed[decision.decision_id] = decision.closed_at


def check_decision(world: World, decision: Decision) -> None:
    """Its parts agree, and the chat says the same of it."""
    is_closed = decision.state not in ("open", "sending")
    assert is_closed == (decision.closed_at is not None)
    assert (decision.verdict is not None) == (decision.state in ("sending", "decided"))
    assert (decision.verdict is not None) == (decision.decided_at is not None) == (decision.by != "")
    assert (decision.where == "terminal") == (decision.state == "answered_locally")
    assert decision.outcome != "allowed" or decision.state in ("decided", "answered_locally")
    if decision.state == "decided" and decision.outcome == "allowed":
        assert decision.verdict is not None
        assert decision.verdict.behavior == "allow"
    if not is_closed:
        process = world.processes[MACHINE, decision.pid]
        assert (process.session_id, process.gone) == (decision.session_id, False)
    assert to_decision(cast(RowMapping, decision_row(decision))) == decision
    entry = world.entries[decision.session_id, decision.position]
    said = msgspec.convert({**entry.data, "session_id": decision.session_id}, Decision)
    assert msgspec.structs.replace(said, position=decision.position) == decision
    msgspec.json.encode(decision_json(decision, world.sessions[decision.session_id], None))


def check_message(world: World, message: Message) -> None:
    """The chat says of it what is known."""
    entry = world.entries[message.session_id, message.position]
    assert entry.data["state"] == message.state
    assert message.state in entry.data["receipts"]
