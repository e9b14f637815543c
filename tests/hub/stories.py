"""Random but well-typed sequences of events: what two processes, their channels and the hub may say in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from hub.core.body import Body
from hub.core.model import Verdict
from tests.hub.claude import Claude, channel_tag
from wire.frames import Event

SESSIONS = ("a", "b", "c")
TOOLS = ("Bash", "Write", "mcp__heliograph__reply")
AGENT = "a1"
MESSAGES = ("m0", "m1", "m2", "m3")
VERDICTS = (
    Verdict(behavior="allow"),
    Verdict(behavior="deny"),
    Verdict(behavior="allow", input={"command": "2"}, remember=0),
    Verdict(behavior="deny", stop=True),
)
WAYS = ("hook", "relay", "none", "hook")


@dataclass(frozen=True)
class HubEvent:
    """An event that the hub makes itself, for the process ``pid``."""

    pid: int
    body: Body


Step = Event | HubEvent


def _hub(name: str, **fields: Any) -> Callable[[Claude, int], Step]:
    def build(claude: Claude, number: int) -> Step:
        filled = {key: value(number) if callable(value) else value for key, value in fields.items()}
        body = Body(**{"session_id": claude.session_id, "hook_event_name": name, **filled})
        return HubEvent(claude.pid, body)

    return build


def _switch(source: str) -> Callable[[Claude, int], Step]:
    def build(claude: Claude, number: int) -> Step:
        claude.session_id = SESSIONS[number % len(SESSIONS)]
        return claude.start(source)

    return build


def _message(number: int) -> str:
    return MESSAGES[number]


OPERATIONS: dict[str, Callable[[Claude, int], Step]] = {
    "start": _switch("startup"),
    "clear": _switch("clear"),
    "resume": _switch("resume"),
    "fork": _switch("fork"),
    "compact": lambda claude, number: claude.start("compact"),
    "prompt": lambda claude, number: claude.prompt(f"do {number}"),
    "take": lambda claude, number: claude.take(_message(number)),
    "forged": lambda claude, number: claude.prompt(channel_tag(_message(number), source="other"), source="clear"),
    "says": lambda claude, number: claude.says(f"text {number} ", message_id=f"x{number}", final=number % 2 == 0),
    "pre": lambda claude, number: claude.pre_tool(f"t{number}", TOOLS[number % 3], {"command": f"{number}"}),
    "asks": lambda claude, number: claude.asks(TOOLS[number % 3], {"command": f"{number}"}),
    "elicits": lambda claude, number: claude.elicits(server="s" if number else "heliograph"),
    "elicited": lambda claude, number: claude.elicited("accept", server="s" if number else "heliograph"),
    "relayed": lambda claude, number: claude.relayed(TOOLS[number % 2], f'{{ "command": "{number}" }}'),
    "equal pre": lambda claude, number: claude.pre_tool(f"e{number}", tool_input={"command": "0"}),
    "equal asks": lambda claude, number: claude.asks(tool_input={"command": "0"}),
    "equal ran": lambda claude, number: claude.post_tool(f"e{number}", tool_input={"command": "0"}),
    "agent ran": lambda claude, number: claude.post_tool(f"t{number}", TOOLS[number % 3], agent_id=AGENT),
    "agent pre": lambda claude, number: claude.pre_tool(f"t{number}", TOOLS[number % 3], agent_id=AGENT),
    "agent asks": lambda claude, number: claude.asks(TOOLS[number % 3], agent_id=AGENT),
    "agent stop": lambda claude, number: claude.agent_stop(AGENT),
    "batch": lambda claude, number: claude.end_batch(**{"agent_id": AGENT} if number else {}),
    "stop with agent": lambda claude, number: claude.stop(agents=[AGENT]),
    "compacting": lambda claude, number: claude.hook("PreCompact", trigger="manual" if number else "auto"),
    "compacted": lambda claude, number: claude.hook("PostCompact", trigger="manual" if number else "auto"),
    "idle": lambda claude, number: claude.channel("ChannelIdle", since=claude.at - number),
    "busy": lambda claude, number: claude.channel("ChannelBusy", since=claude.at - number),
    "lineage": lambda claude, number: claude.channel("ChannelLineage", previous=SESSIONS[number % 3], relation="fork"),
    "post": lambda claude, number: claude.post_tool(f"t{number}", TOOLS[number % 3]),
    "failed": lambda claude, number: claude.tool_failed(f"t{number}", TOOLS[number % 3], interrupted=number == 0),
    "stop": lambda claude, number: claude.stop(f"text {number} "),
    "api error": lambda claude, number: claude.hook("StopFailure", error={"message": "overloaded"}),
    "end": lambda claude, number: claude.end("clear" if number == 0 else "other"),
    "new hook": lambda claude, number: claude.hook("NotKnownYet", detail={"a": [number]}),
    "no tool": lambda claude, number: claude.hook("PreToolUse", tool_name="Bash", tool_input=None),
    "injected": lambda claude, number: claude.injected(_message(number)),
    "replies": lambda claude, number: claude.replies("hi", _message(number) if number else None),
    "progress": lambda claude, number: claude.channel("ChannelProgress", percent=number * 10),
    "facts": lambda claude, number: claude.channel("ChannelFacts", branch=f"b{number}"),
    "same time": lambda claude, number: _at_same_time(claude, claude.prompt("at once")),
    "link up": _hub("LinkUp", push=lambda n: n > 0, started_at=lambda n: 7 if n == 3 else 5),
    "no session": _hub("LinkUp", push=True, session_id=""),
    "lost": _hub("LinkDown", reason="lost"),
    "stopped": _hub("LinkDown", reason="stopped"),
    "parent gone": _hub("LinkDown", reason="parent_gone"),
}


def _at_same_time(claude: Claude, event: Event) -> Event:
    claude.at -= 10_000
    return event


ABOUT_DECISIONS = ("waits", "given", "given", "taken", "not taken")

stories = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from([*OPERATIONS, "queue", "cancel", *ABOUT_DECISIONS]), st.integers(0, 3)
    ),
    max_size=60,
)
"""(which process, what happens, a number that picks ids)."""

ASKING = ("pre", "asks", "equal pre", "equal asks", "agent pre", "agent asks", "elicits", "relayed")
CONCLUDING = ("post", "failed", "equal ran", "agent ran", "elicited", "batch", "agent stop", "idle", "busy", "stop")
LEAVING = ("prompt", "stop with agent", "lost", "link up", "parent gone", "resume")

disputes = st.lists(
    st.tuples(
        st.just(0),
        st.sampled_from([*ASKING, *ABOUT_DECISIONS, *ABOUT_DECISIONS, *CONCLUDING, *LEAVING]),
        st.integers(0, 3),
    ),
    max_size=40,
).map(lambda story: [(0, "start", 0), (0, "link up", 0), (0, "prompt", 0), *story])
"""Stories of one process that asks much."""


def tell(story: list[tuple[int, str, int]]) -> list[Step]:
    """The events of a story. Messages are queued once each, to sessions that exist, and only by the hub."""
    claudes = (Claude("a", pid=11, started_at=5), Claude("b", pid=22, started_at=5))
    told: list[Step] = []
    existing: set[str] = set()
    queued: dict[str, str] = {}
    asked: list[tuple[Claude, str, str]] = []
    for index, operation, number in story:
        claude = claudes[index]
        message_id = _message(number)
        if operation in ("queue", "cancel"):
            step = _tell_message(operation, message_id, claude, existing, queued)
            if step is None:
                continue
        elif operation in ABOUT_DECISIONS:
            if not asked:
                continue
            step = _tell_decision(operation, number, *asked[-1 - number // 3 % len(asked)])
        else:
            step = OPERATIONS[operation](claude, number)
            if isinstance(step, Event):
                existing.add(claude.session_id)
                if operation in ("asks", "agent asks", "elicits", "relayed"):
                    asked.append((claude, claude.session_id, step.event_id))
        told.append(step)
    return told


def _tell_decision(operation: str, number: int, claude: Claude, session_id: str, decision_id: str) -> Step:
    """What its channel or the hub says of it, late or twice too, to the session that asked."""
    told: dict[str, Any] = {"session_id": session_id, "decision_id": decision_id}
    if operation == "given":
        given = {"verdict": VERDICTS[number], "author_id": "u", "author": "Maya", "where": "hub"}
        return HubEvent(claude.pid, Body(hook_event_name="DecisionGiven", **told, **given))
    if operation == "waits":
        return claude.channel("ChannelWaits", **told, answered_by=WAYS[number], request_id="abcde" if number else None)
    return claude.channel("ChannelDecided", **told, taken=operation == "taken")


def _tell_message(
    operation: str, message_id: str, claude: Claude, existing: set[str], queued: dict[str, str]
) -> HubEvent | None:
    fields: dict[str, Any] = {"message_id": message_id}
    if operation == "queue":
        if message_id in queued or claude.session_id not in existing:
            return None
        queued[message_id] = claude.session_id
        fields |= {"text": f"message {message_id}", "author_id": "u", "author": "Maya", "client_id": message_id}
    elif message_id not in queued:
        return None
    body = Body(
        session_id=queued[message_id],
        hook_event_name="MessageQueued" if operation == "queue" else "MessageCancelled",
        **fields,
    )
    return HubEvent(claude.pid, body)
