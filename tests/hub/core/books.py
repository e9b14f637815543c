"""A world in memory and what folding makes of it: the core without a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.core.body import Body, Stored, parse_body
from hub.core.fold import fold
from hub.core.model import Entry, Machine, MessageState, Session
from hub.core.world import World
from tests.hub.claude import Claude, new_uuid
from wire.frames import Event
from wire.ids import build_id

MACHINE = "machine-1"


def as_stored(event: Event, machine_id: str = MACHINE, *, orphan: bool = False) -> Stored:
    """The event as the hub reads it."""
    return Stored(
        event_id=event.event_id,
        session_id=parse_body(event.body, event.source).session_id,
        at=event.at,
        source=event.source,
        machine_id=machine_id,
        pid=event.pid,
        body=parse_body(event.body, event.source),
        orphan=orphan,
    )


class Books:
    """Folds one event at a time, in one world."""

    def __init__(self) -> None:
        self.world = World()
        self.world.machines[MACHINE] = Machine(machine_id=MACHINE, name="atlas", user="maya", os="Debian 12")
        self.at = 0

    def take(self, *events: Event | Iterable[Event]) -> None:
        """Events of machine-1."""
        for item in events:
            for event in [item] if isinstance(item, Event) else item:
                self.at = max(self.at, event.at)
                fold(self.world, as_stored(event))

    def take_left_over(self, *events: Event) -> None:
        """Events of a process that was gone when another channel sent them."""
        for event in events:
            fold(self.world, as_stored(event, orphan=True))

    def hub(self, claude: Claude, name: str, **fields: Any) -> str:
        """An event of the hub's own making; returns its id."""
        self.at = claude.at = max(self.at, claude.at) + 1000
        body = Body(**{"session_id": claude.session_id, "hook_event_name": name, **fields})
        event_id = build_id(self.at, new_uuid().encode()[-8:])
        event = Stored(
            event_id=event_id,
            session_id=body.session_id,
            at=self.at,
            source="hub",
            machine_id=MACHINE,
            pid=claude.pid,
            body=body,
        )
        fold(self.world, event)
        return event_id

    def link_up(self, claude: Claude, *, push: bool = True, **fields: Any) -> None:
        """Its channel connected."""
        self.hub(claude, "LinkUp", push=push, started_at=claude.started_at, **fields)

    def link_down(self, claude: Claude, reason: str) -> None:
        """Its channel is gone: ``stopped``, ``parent_gone`` or ``lost``."""
        self.hub(claude, "LinkDown", reason=reason)

    def send(self, claude: Claude, text: str = "hello", **fields: Any) -> str:
        """A message is queued; returns its id."""
        message_id = new_uuid()
        said = {"text": text, "author_id": "u1", "author": "Maya", **fields}
        self.hub(claude, "MessageQueued", message_id=message_id, **said)
        return message_id

    def session(self, claude_or_id: Claude | str) -> Session:
        """A session."""
        return self.world.sessions[claude_or_id if isinstance(claude_or_id, str) else claude_or_id.session_id]

    def entries(self, claude_or_id: Claude | str, kind: str | None = None) -> list[Entry]:
        """A session's entries in the order the chat shows them."""
        session_id = self.session(claude_or_id).session_id
        mine = [e for e in self.world.entries.values() if e.session_id == session_id and kind in (None, e.kind)]
        return sorted(mine, key=lambda e: (e.position, e.entry_id))

    def kinds(self, claude_or_id: Claude | str) -> list[str]:
        """What kinds of entries stand in the chat, in order."""
        return [entry.kind for entry in self.entries(claude_or_id)]

    def notices(self, claude_or_id: Claude | str) -> list[str]:
        """The codes of its notices, in order."""
        return [entry.data["code"] for entry in self.entries(claude_or_id, "notice")]

    def message_state(self, message_id: str) -> MessageState:
        """How far a message got."""
        return self.world.messages[message_id].state

    def steps(self, message_id: str) -> list[str]:
        """All its receipts, in the order they came."""
        return [receipt.state for receipt in self.world.receipts if receipt.message_id == message_id]
