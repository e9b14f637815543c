"""Which dialogs wait, and what takes an answer to each: every source, every answer, every race."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from channel.answering import (
    Announce,
    Asking,
    Decided,
    Effect,
    Hand,
    Kind,
    LetGo,
    Relay,
    Request,
    View,
    Waits,
    read_line,
)
from channel.asks import (
    ALONE_SECONDS,
    HOLD_SECONDS,
    KEPT,
    OPEN_SECONDS,
    REMEMBERED,
    REMOTE_HOLD_SECONDS,
    RETURN_SECONDS,
    SETTLE_SECONDS,
    Asks,
)
from channel.preview import normalise
from wire.frames import Verdict

S = "session-a"
ALLOW = {"behavior": "allow"}
STOP = {"behavior": "deny", "interrupt": True}
TOUCH = {"command": "touch x"}
WAITING = View(waiting=True)
OURS = '<channel source="heliograph" message_id="m1" from="Maya">\nhi\n</channel>'


class World:
    """Asks with a clock, and what they wanted done."""

    def __init__(self) -> None:
        self.asks = Asks(0.0)
        self.view = View()
        self.now = RETURN_SECONDS + 1

    def step(self, seconds: float = 0.0) -> list[Effect]:
        self.now += seconds
        return self.asks.step(self.view, self.now)

    def see(self, name: str, event_id: str = "e", session_id: str = S, **fields: Any) -> None:
        self.asks.see(event_id, {"hook_event_name": name, "session_id": session_id, **fields}, self.now)

    def request(self, decision_id: str, tool_input: dict[str, Any] = TOUCH, **fields: Any) -> None:
        self.see("PermissionRequest", decision_id, tool_name="Bash", tool_input=tool_input, **fields)

    def wait(self, decision_id: str, kind: Kind = "main") -> None:
        self.asks.wait(Asking(decision_id, S, kind), self.now)

    def relay(self, request_id: str, tool_input: dict[str, Any] = TOUCH, tool_name: str = "Bash") -> Request:
        shown = json.dumps(tool_input, indent=1)
        request = Request(request_id, S, tool_name, "d", shown, normalise(shown), self.now)
        self.asks.relay(request)
        return request

    def decide(self, decision_id: str, said: dict[str, Any] = ALLOW, session_id: str = S) -> None:
        self.asks.receive(build(decision_id, said, session_id), self.now)


def build(decision_id: str, said: dict[str, Any] = ALLOW, session_id: str = S) -> Verdict:
    plain = set(said) == {"behavior"}
    return Verdict(
        decision_id=decision_id,
        session_id=session_id,
        answer=msgspec.Raw(msgspec.json.encode({"hookSpecificOutput": {"decision": said}})),
        behavior=said["behavior"] if plain else None,
    )


def hand(decision_id: str, said: dict[str, Any] = ALLOW) -> Hand:
    return Hand(decision_id, bytes(build(decision_id, said).answer))


def taken(decision_id: str) -> Decided:
    return Decided(decision_id, S, taken=True)


def not_taken(decision_id: str) -> Decided:
    return Decided(decision_id, S, taken=False)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def waiting(world: World) -> World:
    """A dialog of the main conversation, with its hook."""
    world.request("d")
    world.wait("d")
    assert world.step() == [Waits("d", S, "hook")]
    return world


# -- the hook -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_seen_first", [True, False])
def test_a_hook_that_waits_is_reported_once(world: World, is_seen_first: bool) -> None:
    steps = [lambda: world.request("d"), lambda: world.wait("d")]
    for do in steps if is_seen_first else reversed(steps):
        do()
        world.step()
    assert world.step(10) == []
    world.asks.leave("d")
    assert world.step() == [Waits("d", S, "none")]


def test_a_hook_of_an_event_that_nobody_saw_is_as_good(world: World) -> None:
    world.wait("d")
    assert world.step() == [Waits("d", S, "hook")]
    world.decide("d")
    assert world.step() == [hand("d")]


def test_a_dialog_whose_hook_never_waits_is_nobodys(world: World) -> None:
    world.request("d")
    assert world.step(10) == []
    world.decide("d")
    assert world.step() == [not_taken("d")]


def test_a_verdict_is_handed_over_once_and_its_end_reported(waiting: World) -> None:
    waiting.decide("d")
    assert waiting.step() == [hand("d")]
    waiting.decide("d")  # sent again while it is on its way
    assert waiting.step(60) == []
    waiting.asks.take_answer("d", waiting.now, is_taken=True)
    assert waiting.step() == [taken("d")]
    waiting.asks.leave("d")
    assert waiting.step() == []
    assert not waiting.asks.is_open


def test_a_verdict_that_was_taken_is_answered_so_again(waiting: World) -> None:
    waiting.decide("d")
    waiting.step()
    waiting.asks.take_answer("d", waiting.now, is_taken=True)
    waiting.step()
    waiting.decide("d", STOP)  # whatever it says now
    assert waiting.step() == [taken("d")]


def test_only_so_many_are_remembered(world: World) -> None:
    for number in range(REMEMBERED + 1):
        world.wait(f"d{number}")
        world.decide(f"d{number}")
        world.step()
        world.asks.take_answer(f"d{number}", world.now, is_taken=True)
    world.step()
    world.decide("d0")
    world.decide(f"d{REMEMBERED}")
    assert sorted(world.step(), key=str) == sorted([not_taken("d0"), taken(f"d{REMEMBERED}")], key=str)


def test_a_hook_that_goes_without_taking_it_is_told(waiting: World) -> None:
    waiting.decide("d")
    waiting.step()
    waiting.asks.take_answer("d", waiting.now, is_taken=False)
    waiting.asks.leave("d")
    assert waiting.step() == [not_taken("d")]
    waiting.decide("d")
    assert waiting.step() == [not_taken("d")]


def test_a_verdict_for_nobody_is_told(world: World) -> None:
    world.decide("d")
    assert world.step() == [not_taken("d")]


def test_a_verdict_of_another_session_is_not_given(waiting: World) -> None:
    waiting.decide("d", session_id="session-b")
    assert waiting.step(OPEN_SECONDS) == [Decided("d", "session-b", taken=False)]


def test_a_young_channel_waits_for_hooks_to_come_back() -> None:
    for comes in (True, False):
        world = World()
        world.now = 0.1
        world.decide("d")
        assert world.step() == []
        if comes:
            world.wait("d")
            assert world.step() == [hand("d"), Waits("d", S, "hook")]
        else:
            assert world.step(RETURN_SECONDS) == [not_taken("d")]


# -- answers that end the turn --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["main", "agent", "form"])
def test_what_ends_the_turn_is_only_said_while_the_dialog_is_open(world: World, kind: Kind) -> None:
    world.wait("d", kind)
    world.step()
    world.decide("d", STOP)
    if kind != "main":
        assert world.step() == [hand("d", STOP)]
        return
    assert world.step() == []
    assert world.step(OPEN_SECONDS) == [not_taken("d"), Waits("d", S, "hook")]  # which takes any other answer
    world.decide("d", STOP)
    world.step()
    world.view = WAITING
    assert world.step(OPEN_SECONDS / 2) == [hand("d", STOP)]


@pytest.mark.parametrize(
    "answer", [b"[]", b'{"hookSpecificOutput":{"decision":{"interrupt":1}}}', b'{"hookSpecificOutput":7}']
)
def test_an_answer_that_cant_be_read_counts_as_one_that_does(waiting: World, answer: bytes) -> None:
    waiting.asks.receive(Verdict(decision_id="d", session_id=S, answer=msgspec.Raw(answer)), waiting.now)
    assert waiting.step() == []
    waiting.view = WAITING
    assert waiting.step() == [Hand("d", answer)]


# -- over --------------------------------------------------------------------------------


def test_what_is_settled_is_let_go(waiting: World) -> None:
    waiting.asks.settle("d")
    assert waiting.step() == [LetGo("d")]
    waiting.asks.leave("d")
    waiting.asks.settle("d")
    waiting.asks.settle("unknown")
    assert waiting.step(60) == []
    assert not waiting.asks.is_open


def test_what_is_settled_while_it_is_handed_over_has_its_answer(waiting: World) -> None:
    waiting.decide("d")
    waiting.step()
    waiting.asks.settle("d")
    waiting.see("Stop")
    assert waiting.step() == []
    waiting.asks.take_answer("d", waiting.now, is_taken=True)
    assert waiting.step() == [taken("d")]


def test_a_hook_that_comes_back_to_what_is_over_is_let_go(world: World) -> None:
    world.asks.settle("d")
    world.wait("d")
    assert world.step() == [LetGo("d")]
    assert not world.asks.is_open


def test_a_turn_that_ends_without_a_hook_lets_go_too(waiting: World) -> None:
    waiting.asks.end_turn("session-b")
    assert waiting.step() == []
    waiting.asks.end_turn(S)
    assert waiting.step() == [LetGo("d")]


ENDS = {"UserPromptSubmit": "mf", "Stop": "mf", "StopFailure": "mf", "SessionEnd": "mfab", "PostToolBatch": "m"}
AGENTS_ENDS = {"SubagentStop": "a", "PostToolBatch": "a", "Stop": "", "UserPromptSubmit": ""}
OTHERS = ("PostToolUse", "PreToolUse", "Notification", "MessageDisplay")


@pytest.mark.parametrize(
    ("name", "agent_id", "over"),
    [(name, None, over) for name, over in ENDS.items()]
    + [(name, "a1", over) for name, over in AGENTS_ENDS.items()]
    + [(name, None, "") for name in OTHERS],
)
def test_the_turns_end_lets_go_of_what_belongs_to_it(world: World, name: str, agent_id: str | None, over: str) -> None:
    world.request("m")
    world.wait("m")
    world.see("Elicitation", "f", mcp_server_name="s")
    world.wait("f", "form")
    for decision_id, agent in (("a", "a1"), ("b", "b1")):
        world.request(decision_id, agent_id=agent)
        world.wait(decision_id, "agent")
    world.step()
    world.see(name, session_id="session-b", agent_id="c1")
    assert world.step() == []
    world.see(name, agent_id=agent_id)
    assert {effect.decision_id for effect in world.step() if isinstance(effect, LetGo)} == set(over)


@pytest.mark.parametrize("kind", ["main", "agent", "form"])
@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("is_linked", [True, False])
def test_a_dialog_is_held_back_for_so_long(world: World, kind: Kind, is_remote: bool, is_linked: bool) -> None:
    world.view = View(linked=is_linked)
    world.see("UserPromptSubmit", prompt=OURS if is_remote else "work")
    world.see("UserPromptSubmit", prompt="<task-notification>\nagent a0 is done")
    world.wait("d", kind)
    world.step()
    hold = REMOTE_HOLD_SECONDS if is_remote and is_linked else HOLD_SECONDS
    assert world.step(hold - 1) == []
    gone: list[Effect] = [LetGo("d"), Waits("d", S, "none")]
    assert world.step(1) == ([] if kind == "main" else gone)
    assert world.step(10**6) == []


def test_a_turn_that_somebody_begins_at_the_terminal_is_theirs(world: World) -> None:
    world.see("UserPromptSubmit", prompt=OURS)
    world.see("UserPromptSubmit", prompt="work")
    world.wait("d", "agent")
    world.step()
    assert LetGo("d") in world.step(HOLD_SECONDS)


def test_more_than_anybody_asks_is_let_go(world: World) -> None:
    for number in range(KEPT):
        world.request(f"s{number}")
    for number in range(KEPT + 2):
        world.wait(f"w{number}")
    effects = world.step()
    assert [effect for effect in effects if isinstance(effect, LetGo)] == [LetGo(f"w{KEPT}"), LetGo(f"w{KEPT + 1}")]
    world.request("one more")
    world.asks.settle("w0")
    world.wait("one more")
    assert Waits("one more", S, "hook") in world.step()


# -- the relay ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_first", [True, False])
def test_once_the_hook_is_gone_the_relay_takes_the_answer(world: World, is_first: bool) -> None:
    if is_first:
        world.relay("r")
    world.request("d")
    world.wait("d")
    if not is_first:
        world.relay("r")
    assert world.step() == [Waits("d", S, "hook")]
    world.asks.leave("d")
    assert world.step() == [Waits("d", S, "relay", "r")]
    world.decide("d", {"behavior": "deny", "message": "no"})
    assert world.step() == [not_taken("d"), Waits("d", S, "relay", "r")]
    world.decide("d")
    assert world.step() == [Relay("r", "allow"), taken("d")]
    world.decide("d")
    assert world.step(60) == [taken("d")]
    assert not world.asks.is_open


def test_without_a_hook_the_relay_takes_it_after_a_moment(world: World) -> None:
    world.relay("r")
    world.request("d")
    assert world.step() == []
    assert world.step(SETTLE_SECONDS) == [Waits("d", S, "relay", "r")]


def test_a_held_dialogs_relay_comes_when_its_hook_is_let_go(world: World) -> None:
    world.request("d", agent_id="a1")
    world.wait("d", "agent")
    world.step()
    assert world.step(HOLD_SECONDS) == [LetGo("d"), Waits("d", S, "none")]
    world.relay("r")
    assert world.step(0.1) == [Waits("d", S, "relay", "r")]
    world.decide("d")
    assert world.step() == [Relay("r", "allow"), taken("d")]


def test_a_hook_that_breaks_off_leaves_a_plain_answer_to_the_relay(world: World) -> None:
    world.relay("r")
    world.request("d")
    world.wait("d")
    world.decide("d")
    world.step()
    world.asks.take_answer("d", world.now, is_taken=False)
    assert world.step() == [Relay("r", "allow"), taken("d")]


def test_a_client_that_doesnt_read_is_told_nothing(world: World) -> None:
    world.relay("r")
    world.request("d")
    world.step(SETTLE_SECONDS)
    world.view = View(writable=False)
    world.decide("d")
    assert world.step() == [not_taken("d"), Waits("d", S, "relay", "r")]


def gone(world: World, decision_id: str) -> Waits:
    """What takes an answer to it without its hook."""
    world.wait(decision_id)
    world.step()
    world.asks.leave(decision_id)
    (way,) = (effect for effect in world.step() if isinstance(effect, Waits) and effect.decision_id == decision_id)
    return way


def test_of_two_calls_at_once_each_has_its_own(world: World) -> None:
    inputs = {"r1": TOUCH, "r2": {"command": "touch y"}}
    for request_id, tool_input in inputs.items():
        world.relay(request_id, tool_input)
    world.request("d2", inputs["r2"])
    world.request("d1", inputs["r1"])
    assert gone(world, "d1") == Waits("d1", S, "relay", "r1")
    assert gone(world, "d2") == Waits("d2", S, "relay", "r2")


@pytest.mark.parametrize("requests", [["r1"], ["r1", "r2"]])
@pytest.mark.parametrize("dialogs", [["d1"], ["d1", "d2"]])
def test_the_same_call_twice_is_nothing_sure(world: World, requests: list[str], dialogs: list[str]) -> None:
    for request_id in requests:
        world.relay(request_id)
    for decision_id in dialogs:
        world.request(decision_id)
    is_sure = len(requests) == len(dialogs) == 1
    for decision_id in dialogs:
        assert gone(world, decision_id).answered_by == ("relay" if is_sure else "none")
    assert not [effect for effect in world.step(60) if isinstance(effect, Announce)]


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_input": {"command": "touch y"}},
        {"tool_name": "Edit"},
        {"session_id": "session-b"},
        {"heliograph_cut": True},
        {"tool_input": None},
    ],
)
def test_what_is_not_surely_the_same_is_not_paired(world: World, fields: dict[str, Any]) -> None:
    world.relay("r")
    world.see("PermissionRequest", "d", **{"tool_name": "Bash", "tool_input": TOUCH, **fields})
    assert world.step(SETTLE_SECONDS) == []
    world.decide("d", session_id=fields.get("session_id", S))
    assert world.step() == [Decided("d", fields.get("session_id", S), taken=False)]


def test_what_an_earlier_dialog_left_is_not_the_next_ones(world: World) -> None:
    world.relay("r")
    world.step(60)
    world.request("d")
    assert gone(world, "d").answered_by == "none"


@pytest.mark.parametrize("over", ["PostToolBatch", "Stop", "settled", "SessionEnd"])
@pytest.mark.parametrize("twins", [1, 2])
def test_what_is_over_takes_its_relay_along(world: World, over: str, twins: int) -> None:
    for number in range(twins):
        world.relay(f"r{number}")
        world.request(f"d{number}")
    world.step()
    if over == "settled":
        for number in range(twins):
            world.asks.settle(f"d{number}")
    else:
        world.see(over)
    assert world.step(60) == []
    world.see("Stop")
    assert not world.asks.is_open


# -- what only the relay tells ----------------------------------------------------------------


@pytest.fixture
def alone(world: World) -> World:
    """A dialog that no hook told of, announced as decision ``c``."""
    request = world.relay("r")
    assert world.step(ALONE_SECONDS / 2) == []
    assert world.step(ALONE_SECONDS / 2) == [Announce(request)]
    assert world.step() == [Announce(request)]  # the disk was full
    world.asks.announce("r", "c")
    assert world.step(60) == []
    return world


def test_what_only_the_relay_tells_is_told_and_can_be_answered(alone: World) -> None:
    alone.decide("c", {"behavior": "deny"})
    assert alone.step() == [Relay("r", "deny"), taken("c")]
    assert not alone.asks.is_open


def test_what_only_the_relay_tells_ends_with_the_turn(alone: World) -> None:
    alone.see("Stop")
    alone.decide("c", {"behavior": "deny"})
    assert alone.step() == [not_taken("c")]


def test_what_only_the_relay_told_can_be_settled(alone: World) -> None:
    alone.asks.settle("c")
    assert not alone.asks.is_open


def test_what_may_be_a_known_dialogs_is_not_told_as_another(world: World) -> None:
    world.request("d", {"command": "something else"})
    world.relay("r")
    world.relay("s", tool_name="Edit")
    (effect,) = world.step(ALONE_SECONDS)
    assert isinstance(effect, Announce)
    assert effect.request.request_id == "s"


def test_the_relay_is_bounded(world: World) -> None:
    for number in range(KEPT + 1):
        world.relay(f"r{number}")
    assert len(world.step(ALONE_SECONDS)) == KEPT


# -- garbage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("session_id", [None, 7, ["x"]])
def test_an_event_of_no_session_is_nobodys(world: World, session_id: Any) -> None:
    world.see("PermissionRequest", session_id=session_id, tool_name=1, tool_input=2, agent_id=[3])
    assert not world.asks.is_open


def test_an_odd_event_is_a_dialog_that_nothing_is_sure_of(world: World) -> None:
    world.see("PermissionRequest", "d", tool_name=1, tool_input=[2], agent_id=[3])
    world.relay("r")
    assert world.step(SETTLE_SECONDS) == []


EVENT_ID = "01a1fcf2-71ce-7774-82fd-d2e986746859"


@pytest.mark.parametrize("kind", ["main", "agent", "form"])
def test_the_hooks_line_is_understood(kind: Kind) -> None:
    assert read_line(f"ask {EVENT_ID} {S} {kind}\n".encode()) == Asking(EVENT_ID, S, kind)


@pytest.mark.parametrize(
    "line",
    [
        f"{EVENT_ID}\n",
        "park\n",
        "",
        f"ask {EVENT_ID}\n",
        f"ask {EVENT_ID} {S} main",
        f"ask {EVENT_ID} {S} main\nmore",
        f"ask {EVENT_ID} {'s' * 129} main\n",
        f"ask {EVENT_ID} a/b main\n",
        f"ask {EVENT_ID} {S} mine\n",
        f"ask {EVENT_ID[1:]} {S} main\n",
    ],
)
def test_other_lines_are_not(line: str) -> None:
    assert read_line(line.encode()) is None
