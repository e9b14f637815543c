"""Tells open pages and followers what changed, once per commit, and never waits for one of them.

Each watcher has a bounded queue. A frame is built once per commit for everybody who sees the same
thing. Who doesn't read is cut with a reason and comes back from the last ``change_id`` it has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from hub.api_json import entry_json, session_json
from hub.core.model import Entry, Machine, Session
from hub.db.engine import Changes
from hub.db.rows import text_of
from hub.pages.render import Pages

QUEUE = 256
"""Frames a watcher may lag behind; at ten a second that is half a minute."""

View = Literal["overview", "session"]
Format = Literal["html", "json"]


@dataclass(eq=False)
class Watcher:
    """One open socket: what it looks at, and what it hasn't read yet. A None says: cut."""

    view: View
    format: Format
    session_id: str | None
    token_id: str
    queue: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(QUEUE + 1))
    reason: str = "the hub is stopping"

    def offer(self, frame: str) -> bool:
        """Queue a frame; False when the watcher is too far behind."""
        if self.queue.qsize() >= QUEUE:
            return False
        self.queue.put_nowait(frame)
        return True

    def cut(self, reason: str) -> None:
        """Drop what is unread and end the socket."""
        self.reason = reason
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Live:
    """The watchers, and the little they all need to know: machines by id and sessions by state."""

    def __init__(self, pages: Pages, machines: list[Machine], sessions: list[Session]) -> None:
        self._pages = pages
        self._machines = {machine.machine_id: machine for machine in machines}
        self._states = {session.session_id: session.state for session in sessions}
        self._watchers: set[Watcher] = set()

    def add_machine(self, machine: Machine) -> None:
        """A machine joined: overviews load again, since it changes what they say before the first session."""
        self._machines[machine.machine_id] = machine
        for watcher in list(self._watchers):
            if (watcher.view, watcher.format) == ("overview", "html"):
                self._offer(watcher, text_of({"reload": True}))

    def count_states(self) -> Counter[str]:
        """How many sessions there are in each state."""
        return Counter(self._states.values())

    def add(self, watcher: Watcher) -> None:
        """Watch from the next commit on."""
        self._watchers.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """Stop watching."""
        self._watchers.discard(watcher)

    def cut_token(self, token_id: str) -> None:
        """Whoever watched with this token may no longer."""
        for watcher in [w for w in self._watchers if w.token_id == token_id]:
            watcher.cut("signed out")

    def cut_all(self) -> None:
        """The hub is stopping."""
        for watcher in list(self._watchers):
            watcher.cut("the hub is stopping")

    def publish(self, changes: Changes) -> None:
        """Build each frame once and queue it for all who see it."""
        for session in changes.sessions.values():
            self._states[session.session_id] = session.state
        frames: dict[tuple[View, Format, str | None], str | None] = {}
        for watcher in list(self._watchers):
            key = (watcher.view, watcher.format, watcher.session_id)
            if key not in frames:
                mine = list(changes.entries.values())
                if watcher.view == "session":
                    mine = [entry for entry in mine if entry.session_id == watcher.session_id]
                else:
                    mine = []  # an overview shows sessions, whose previews change with their entries
                sessions = list(changes.sessions.values())
                frames[key] = self.build_frame(watcher, changes.change_id, sessions, mine)
            frame = frames[key]
            if frame is not None:
                self._offer(watcher, frame)

    def _offer(self, watcher: Watcher, frame: str) -> None:
        if not watcher.offer(frame):
            self._watchers.discard(watcher)
            watcher.cut("too slow: it stopped reading")

    def build_frame(
        self, watcher: Watcher, change_id: int, sessions: list[Session], entries: list[Entry], *, live: bool = False
    ) -> str | None:
        """The frame for these changes as this watcher sees them; None when it sees none of them."""
        if watcher.format == "json":
            if watcher.view == "session":
                sessions = [session for session in sessions if session.session_id == watcher.session_id]
            if not sessions and not entries and not live:
                return None
            return text_of(
                {
                    "change_id": change_id,
                    "sessions": [session_json(s, self._machines.get(s.machine_id)) for s in sessions],
                    "entries": [entry_json(entry) for entry in sorted(entries, key=_in_order)],
                    **({"live": True} if live else {}),
                }
            )
        html = "".join(self._session_html(session, watcher) for session in sessions)
        html += "".join(self._entry_html(entry, sessions) for entry in sorted(entries, key=_in_order))
        return text_of({"change_id": change_id, "html": html, **({"live": True} if live else {})})

    def _session_html(self, session: Session, watcher: Watcher) -> str:
        machine = self._machines[session.machine_id]
        here = watcher.view == "session" and watcher.session_id == session.session_id
        view: View = "session" if here else "overview"
        return self._pages.session_streams(session, machine, self.count_states(), view)

    def _entry_html(self, entry: Entry, sessions: list[Session]) -> str:
        session = next(s for s in sessions if s.session_id == entry.session_id)
        return self._pages.entry_stream(entry, session, self._machines[session.machine_id])


def _in_order(entry: Entry) -> tuple[int, str]:
    return entry.position, entry.entry_id
