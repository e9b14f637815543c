"""Tells open pages and followers what changed, and never waits for one of them.

Each watcher has a bounded queue. A frame is built once for everybody who sees the same thing, and
under load one frame tells of several commits: what nobody has looked at in between is never
rendered. Who doesn't read is cut with a reason and comes back from the last ``change_id`` it has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import thread_time
from typing import Any, Literal

import structlog

from hub.api_json import decision_json, entry_json, session_json
from hub.core.model import Decision, Entry, Machine, Session
from hub.db.engine import Changes
from hub.db.rows import text_of
from hub.needs import Needs
from hub.pages.render import Pages

QUEUE = 256
"""Frames a watcher may lag behind; at ten a second that is half a minute."""

REST = 4.0
REST_SECONDS = 0.5
"""Rest after a round of telling, as a multiple of its work, and at most so long: pages take a fifth of the processor
from those who bring events, and under load one round tells of many commits."""

ROUND_ENTRIES = 500
"""Changes in one session that a page is told one by one; with more in a round it loads again, which is cheaper."""

ROUND_DECISIONS = 100
"""The same for decisions and the inbox."""

SLICE = 0.005
"""Seconds of rendering after which others get a turn."""

log = structlog.get_logger()

View = Literal["overview", "session", "inbox"]
Format = Literal["html", "json"]


@dataclass(frozen=True)
class Frame:
    """What a frame tells of; ``has_needs``: the rail's list too. ``live``: it ends what was missed."""

    change_id: int
    sessions: list[Session]
    entries: list[Entry]
    decisions: list[Decision]
    has_needs: bool = False
    live: bool = False


@dataclass(eq=False)
class Watcher:
    """One open socket: what it looks at, and what it hasn't read yet. A None says: cut.

    ``since``: the last change that it is told of otherwise.
    """

    view: View
    format: Format
    session_id: str | None
    token_id: str
    since: int = 0
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
    """The watchers, and the little they all need to know: machines by id, sessions by state, what needs somebody."""

    def __init__(
        self, pages: Pages, machines: list[Machine], sessions: list[Session], decisions: Sequence[Decision] = ()
    ) -> None:
        self._pages = pages
        self._machines = {machine.machine_id: machine for machine in machines}
        self._states = {session.session_id: session.state for session in sessions}
        self.needs = Needs(decisions, sessions)
        self._has_new_needs = False
        self._watchers: set[Watcher] = set()
        self._pending: Changes | None = None
        self._flushing: asyncio.Task[None] | None = None

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
        if self._flushing is not None:
            self._flushing.cancel()
        for watcher in list(self._watchers):
            watcher.cut("the hub is stopping")

    def publish(self, changes: Changes) -> None:
        """Tell the watchers soon; what is committed until then goes with it."""
        for session in changes.sessions.values():
            self._states[session.session_id] = session.state
        has_needs, decisions = self.needs.note(changes)
        self._has_new_needs |= has_needs
        if not self._watchers:
            return
        if self._pending is None:
            self._pending = Changes(changes.change_id)
        watched = {watcher.session_id for watcher in self._watchers}
        entries = {key: entry for key, entry in changes.entries.items() if entry.session_id in watched}
        self._pending.add(Changes(changes.change_id, changes.sessions, entries, decisions=decisions))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        """Send what is pending until nothing is; between two rounds rest for a multiple of what the last one took."""
        while (changes := self._pending) is not None:
            self._pending = None
            spent = await self._tell(changes)
            await asyncio.sleep(min(spent * REST, REST_SECONDS))

    async def _tell(self, changes: Changes) -> float:
        """Build each frame once, with pauses, and queue it for all who see it; returns the seconds of work."""
        frames: dict[tuple[View, Format, str | None], str | None] = {}
        known: dict[tuple[str, View], str] = {}
        spent = 0.0
        has_needs, self._has_new_needs = self._has_new_needs, False
        for watcher in list(self._watchers):
            if changes.change_id <= watcher.since:
                continue
            key = (watcher.view, watcher.format, watcher.session_id)
            if key not in frames:
                frame = Frame(
                    changes.change_id,
                    list(changes.sessions.values()),
                    _pick_entries(watcher, changes),
                    _pick_decisions(watcher, changes),
                    has_needs,
                )
                frames[key], work = await self._build(watcher, frame, known)
                spent += work
            text = frames[key]
            if text is not None and watcher in self._watchers:
                self._offer(watcher, text)
        return spent

    async def _build(
        self, watcher: Watcher, frame: Frame, known: dict[tuple[str, View], str]
    ) -> tuple[str | None, float]:
        """The frame's text and the seconds of work it took. What can't be built, its watchers load again."""
        pieces: list[str] = []
        spent, began = 0.0, thread_time()
        try:
            for piece in self._build_pieces(watcher, frame, known):
                pieces.append(piece)
                if thread_time() - began > SLICE:
                    spent += thread_time() - began
                    await asyncio.sleep(0)
                    began = thread_time()
            text = self._join(watcher, frame, pieces)
        except Exception as error:
            log.error("frame failed", change_id=frame.change_id, error=type(error).__name__, exc_info=error)
            text = text_of({"reload": True, "change_id": frame.change_id})
        return text, spent + thread_time() - began

    def _offer(self, watcher: Watcher, frame: str) -> None:
        if not watcher.offer(frame):
            self._watchers.discard(watcher)
            watcher.cut("too slow: it stopped reading")

    def build_first(
        self,
        watcher: Watcher,
        change_id: int,
        sessions: list[Session],
        entries: list[Entry],
        decisions: list[Decision],
    ) -> str:
        """What a watcher has missed; from here on it is live."""
        frame = Frame(change_id, sessions, entries, decisions, has_needs=True, live=True)
        return self._join(watcher, frame, list(self._build_pieces(watcher, frame, {}))) or ""

    def _build_pieces(self, watcher: Watcher, frame: Frame, known: dict[tuple[str, View], str]) -> Iterator[str]:
        """The HTML of a frame, bit by bit; ``known`` has what other frames of the same round are made of."""
        if watcher.format == "json" or (_is_too_much(watcher, frame) and not frame.live):
            return
        for session in frame.sessions:
            is_other = watcher.view == "session" and watcher.session_id != session.session_id
            view: View = "inbox" if is_other else watcher.view
            if (session.session_id, view) not in known:
                machine = self._machines[session.machine_id]
                html = self._pages.session_streams(session, machine, self.count_states(), view)
                known[session.session_id, view] = html
            yield known[session.session_id, view]
        sessions = {session.session_id: session for session in frame.sessions}
        for entry in sorted(frame.entries, key=_in_order):
            session = sessions[entry.session_id]
            yield self._pages.entry_stream(entry, session, self._machines[session.machine_id])
        yield from self._build_decisions(watcher, frame, {entry.entry_id for entry in frame.entries})
        if frame.has_needs:
            if ("", "overview") not in known:
                known["", "overview"] = self._pages.needs_stream(self.needs, self._machines)
            yield known["", "overview"]

    def _build_decisions(self, watcher: Watcher, frame: Frame, shown: set[str]) -> Iterator[str]:
        """Cards that no entry brings, and the inbox's rows."""
        if watcher.view == "overview":
            return
        sessions = {**self.needs.sessions, **{session.session_id: session for session in frame.sessions}}
        for decision in frame.decisions:
            session, machine = sessions.get(decision.session_id), self._machines[decision.machine_id]
            if session is not None and timeline_id(decision) not in shown:
                yield self._pages.card_stream(decision, session, machine)
            if watcher.view == "inbox":
                yield self._pages.inbox_streams(decision, session, machine)

    def _join(self, watcher: Watcher, frame: Frame, pieces: list[str]) -> str | None:
        """The frame as text; None when this watcher sees nothing of it."""
        live = {"live": True} if frame.live else {}
        if _is_too_much(watcher, frame) and not frame.live:
            return text_of({"reload": True, "change_id": frame.change_id})
        if watcher.format == "html":
            return text_of({"change_id": frame.change_id, "html": "".join(pieces), **live})
        sessions = frame.sessions
        if watcher.view == "session":
            sessions = [session for session in sessions if session.session_id == watcher.session_id]
        if not sessions and not frame.entries and not live:
            return None
        return text_of(
            {
                "change_id": frame.change_id,
                "sessions": [session_json(s, self._machines.get(s.machine_id)) for s in sessions],
                "entries": [entry_json(entry) for entry in sorted(frame.entries, key=_in_order)],
                "decisions": self._list_decisions(frame),
                **live,
            }
        )

    def _list_decisions(self, frame: Frame) -> list[dict[str, Any]]:
        sessions = {session.session_id: session for session in frame.sessions}
        return [
            decision_json(decision, sessions.get(decision.session_id), self._machines.get(decision.machine_id))
            for decision in sorted(frame.decisions, key=lambda decision: (decision.opened_at, decision.decision_id))
        ]


def _is_too_much(watcher: Watcher, frame: Frame) -> bool:
    """Whether a page had better load again."""
    return len(frame.entries) > ROUND_ENTRIES or (watcher.view == "inbox" and len(frame.decisions) > ROUND_DECISIONS)


def _pick_entries(watcher: Watcher, changes: Changes) -> list[Entry]:
    """An overview shows sessions, whose previews change with their entries; a chat shows its own."""
    if watcher.view == "overview":
        return []
    return [entry for entry in changes.entries.values() if entry.session_id == watcher.session_id]


def _pick_decisions(watcher: Watcher, changes: Changes) -> list[Decision]:
    """The inbox is on every page; a session's follower has its own."""
    decisions = changes.decisions.values()
    return [d for d in decisions if watcher.session_id in (None, d.session_id)]


def timeline_id(decision: Decision) -> str:
    """Of the decision's entry."""
    return f"{decision.decision_id}-decision"


def _in_order(entry: Entry) -> tuple[int, str]:
    return entry.position, entry.entry_id
