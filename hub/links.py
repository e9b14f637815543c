"""The links that are open now: who carries which process, and what is on its way to it.

What a link's end means depends on how it ended: a channel that said goodbye is gone; one that was
cut off may be back in a moment, so its session is called offline only after a grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.actions.events import build_hub_event, do_record
from hub.core.body import Body
from hub.core.model import Decision, Message, Session
from hub.db import queries
from hub.db.engine import Changes, Database
from hub.verdicts import Sending
from wire.frames import Declined, Hello, HubFrame, Interrupt, Push, Settled, Stop, Verdict, Withdraw

GRACE = 5.0
"""Seconds a link may be away before its session is shown as offline."""

STOP_GRACE = 3.0
"""The same when Claude Code ended its channel: on `/exit` the `SessionEnd` hook runs only after that."""

RESTART_GRACE = 15.0
"""The same after the hub itself was away: channels come back with backoff."""

LINK_SECONDS = 0.01
"""And for each channel that is to come back, since they all come at once."""

RETRY = 1.0
"""Seconds until what failed for a passing reason is tried again: a push to a busy channel, a link's end that the
store didn't take.
"""

WITHDRAW_LEVEL = 2
"""From this wire level on a channel can let go of a pushed message, and knows ``when``."""

ORDER_LEVEL = 3
"""From this wire level on a channel takes verdicts, and can interrupt and stop Claude Code."""

log = structlog.get_logger()

Key = tuple[str, int]


def choose_due(
    session: Session, waiting: Mapping[str, Message], in_flight: Collection[str], *, level: int
) -> list[Message]:
    """Which queued messages go to the channel now.

    Those that start a turn go one at a time, when Claude is idle and has taken the one before; where the next
    prompt is the only way, the channel keeps them for it. ``now`` goes at once, and ``next_turn`` is kept by the
    channel, too. A channel of level 1 knows neither.
    """
    queued = [waiting[i] for i in session.queue if i in waiting and waiting[i].state == "queued"]
    turns = [message for message in queued if message.when == "auto" or level < WITHDRAW_LEVEL]
    turns = [message for message in turns if message.when != "next_turn"]
    others = [message for message in queued if message.when != "auto"] if level >= WITHDRAW_LEVEL else []
    is_held = any(message.state == "delivered" and message.when == "auto" for message in waiting.values())
    can_begin = session.turn == "idle" or session.delivery == "next_turn"
    due = [message for message in others if message.message_id not in in_flight]
    if turns and can_begin and not is_held and not any(message.message_id in in_flight for message in turns):
        due.append(turns[0])
    return due


@dataclass(eq=False)
class Link:
    """One channel's connection. ``in_flight``: messages pushed and neither injected, declined nor taken back yet;
    ``told``: decisions whose verdict it was sent; ``interrupted_at``: of the last interrupt that was sent.
    """

    machine_id: str
    token_id: str
    hello: Hello
    send: Callable[[HubFrame], Awaitable[None]]
    close: Callable[[str, str], Awaitable[None]]
    in_flight: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    interrupted_at: int | None = None

    @property
    def key(self) -> Key:
        """Its process."""
        return self.machine_id, self.hello.process.pid


class Links:
    """One a hub. Brings queued messages to their sessions as soon as these can take them."""

    def __init__(
        self,
        db: Database,
        *,
        grace: float = GRACE,
        stop_grace: float = STOP_GRACE,
        restart_grace: float = RESTART_GRACE,
    ) -> None:
        self._db = db
        self._grace = grace
        self._stop_grace = stop_grace
        self._restart_grace = restart_grace
        self._links: dict[Key, Link] = {}
        self._away: dict[Key, object] = {}
        self._waiting: dict[str, dict[str, Message]] = {}
        self._sending = Sending(db)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        left_over: list[tuple[str, int, str]],
        waiting: list[Message],
        sending: list[tuple[Decision, Session]],
    ) -> None:
        """Wait for the channels that were connected when the hub stopped, with what waits for their sessions."""
        for message in waiting:
            self._note_message(message)
        self._sending.start(sending)
        grace = self._restart_grace + len(left_over) * LINK_SECONDS
        for machine_id, pid, session_id in left_over:
            self._wait_for((machine_id, pid), session_id, "lost", grace)

    async def add(self, link: Link) -> None:
        """A channel said hello; a second one for the same process replaces the first."""
        before = self._links.get(link.key)
        self._links[link.key] = link
        self._away.pop(link.key, None)
        if before is not None:
            await before.close("replaced", "Another channel of this process connected.")
        hello = link.hello
        body = Body(
            session_id=hello.session_id or "",
            hook_event_name="LinkUp",
            cwd=hello.cwd,
            branch=hello.branch,
            push=hello.push,
            why=hello.why,
            started_at=hello.process.started_at,
        )
        await self._record(link.key, body)
        if hello.level >= ORDER_LEVEL:
            for frame in await self._sending.list_frames(link.key):
                if frame.decision_id not in link.told:
                    await self._say(link, frame)

    def takes_verdicts(self, machine_id: str, pid: int) -> bool:
        """Whether a verdict reaches this process now."""
        link = self._links.get((machine_id, pid))
        return link is not None and link.hello.level >= ORDER_LEVEL

    async def remove(self, link: Link, reason: str | None) -> None:
        """The link ended; ``reason`` is what the channel said, None if it was cut off."""
        if self._links.get(link.key) is not link:
            return
        del self._links[link.key]
        session_id = link.hello.session_id or ""
        if reason == "parent_gone":
            self._later(self._link_down(link.key, session_id, reason))
        elif reason == "stopped":
            self._wait_for(link.key, session_id, reason, self._stop_grace)
        else:
            self._wait_for(link.key, session_id, "lost", self._grace)

    async def close_token(self, token_id: str) -> None:
        """This machine's key was revoked: its channels stop trying."""
        for link in [link for link in self._links.values() if link.token_id == token_id]:
            await link.close("revoked", "This machine's key was revoked on the hub's host.")

    async def stop(self) -> None:
        """Close every link; their sessions stay as they are, for the next start to find them."""
        links = list(self._links.values())
        self._links.clear()
        for task in self._tasks:
            task.cancel()
        closing = [link.close("hub_stopping", "The hub is stopping.") for link in links]
        await asyncio.gather(*closing, *self._tasks, return_exceptions=True)

    def notice(self, changes: Changes) -> None:
        """After each commit: somebody may be ready for a message now, or a message taken back that is on its way; a
        decision may be given, or over.
        """
        for message in changes.messages.values():
            self._note_message(message)
            if message.state == "cancelled":
                self._withdraw(message, changes.sessions.get(message.session_id))
        for session in changes.sessions.values():
            if session.session_id in self._waiting and session.delivery != "none":
                self._later(self._deliver(session))
            if session.interrupted_at is not None:
                self._interrupt(session)
        for key, frame in self._sending.note(changes):
            if self.takes_verdicts(*key):
                self._later(self._say(self._links[key], frame))

    def takes_orders(self, session: Session) -> bool:
        """Whether a channel is connected that can interrupt and stop what this session runs in."""
        return self._find_ordered(session) is not None

    def end(self, session: Session) -> None:
        """Somebody wants its Claude Code to end."""
        link = self._find_ordered(session)
        if link is not None:
            self._later(link.send(Stop(session_id=session.claude_id)))

    def _interrupt(self, session: Session) -> None:
        """Once a link: one that is new may not have heard of it."""
        link = self._find_ordered(session)
        if link is not None and link.interrupted_at != session.interrupted_at:
            link.interrupted_at = session.interrupted_at
            self._later(link.send(Interrupt(session_id=session.claude_id, at=session.interrupted_at or 0)))

    def _find_ordered(self, session: Session) -> Link | None:
        link = self._links.get((session.machine_id, session.pid)) if session.linked else None
        return link if link is not None and link.hello.level >= ORDER_LEVEL else None

    def declined(self, link: Link, frame: Declined) -> None:
        """The channel didn't inject it; the session's next change brings another try.

        What made it busy may be over by now, and was told before this: then no change follows.
        """
        link.in_flight.discard(frame.message_id)
        if frame.reason == "busy":
            self._later(self._try_again(frame.message_id))

    async def _try_again(self, message_id: str) -> None:
        await asyncio.sleep(RETRY)
        session_id = next((key for key, messages in self._waiting.items() if message_id in messages), None)
        if session_id is None:
            return
        async with self._db.read() as conn:
            session = await queries.find_session(conn, session_id)
        if session is not None and session.delivery != "none":
            await self._deliver(session)

    async def _deliver(self, session: Session) -> None:
        """Push what can go now, in the queue's order."""
        link = self._links.get((session.machine_id, session.pid))
        waiting = self._waiting.get(session.session_id, {})
        if link is None or not waiting:
            return
        link.in_flight &= {message.message_id for message in waiting.values() if message.state == "queued"}
        due = choose_due(session, waiting, link.in_flight, level=link.hello.level)
        link.in_flight.update(message.message_id for message in due)
        for message in due:
            await link.send(
                Push(
                    message_id=message.message_id,
                    session_id=session.claude_id,
                    text=message.text,
                    author=message.author,
                    when=message.when,
                )
            )
            log.info("pushed", message_id=message.message_id, session_id=session.session_id, size=len(message.text))

    async def _say(self, link: Link, frame: Verdict | Settled) -> None:
        if isinstance(frame, Verdict):
            link.told.add(frame.decision_id)
        else:
            link.told.discard(frame.decision_id)
        await link.send(frame)
        log.info("told of a decision", decision_id=frame.decision_id, frame=type(frame).__name__)

    def _withdraw(self, message: Message, session: Session | None) -> None:
        """It was taken back: the channel may still hold it, or be about to try another way with it."""
        link = self._links.get((session.machine_id, session.pid)) if session is not None else None
        if link is not None:
            link.in_flight.discard(message.message_id)
            if link.hello.level >= WITHDRAW_LEVEL:
                self._later(link.send(Withdraw(message_id=message.message_id)))

    def _note_message(self, message: Message) -> None:
        """Keep those that are queued, or injected and not seen yet, which hold back the next."""
        of_session = self._waiting.setdefault(message.session_id, {})
        if message.state in ("queued", "delivered"):
            of_session[message.message_id] = message
        else:
            of_session.pop(message.message_id, None)
        if not of_session:
            del self._waiting[message.session_id]

    def _wait_for(self, key: Key, session_id: str, reason: str, grace: float) -> None:
        """Give a channel time to come back; each absence counts from its own beginning."""
        self._away[key] = absence = object()
        self._later(self._give_up(absence, key, session_id, reason, grace))

    async def _give_up(self, absence: object, key: Key, session_id: str, reason: str, grace: float) -> None:
        await asyncio.sleep(grace)
        if self._away.get(key) is absence:
            del self._away[key]
            await self._link_down(key, session_id, reason)

    async def _link_down(self, key: Key, session_id: str, reason: str) -> None:
        """Said until it is stored, since nobody else tells that a session is gone; a channel that is back says more."""
        while key not in self._links:
            try:
                await self._record(key, Body(session_id=session_id, hook_event_name="LinkDown", reason=reason))
            except SQLAlchemyError as error:
                log.warning("a link's end was not stored", error=type(error).__name__)
                await asyncio.sleep(RETRY)
            else:
                return

    async def _record(self, key: Key, body: Body) -> None:
        await do_record(self._db, build_hub_event(key[0], key[1], body))

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _guarded(work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  one link's trouble is nobody else's
            log.warning("link work failed", error=type(error).__name__)
