"""Which way each message takes to Claude, and when the next way is tried. Pure.

The ways, best first. *channel*: pushed while Claude is idle, it is a turn of its own. *wake*: the parked hook
is let go with it, where the client has no channel, or drops what is pushed. *steer*: in the middle of a turn,
for who said "now". *next_turn*: left in a file for the next hook that can carry it.

A message is said at most once. A second way is tried only when the first one is proven to have led nowhere:
a file taken back before a hook had it, a parked hook that went without taking the text, or a push that the client
has read (it answered the pings behind it) and, standing idle, has done nothing about. Whatever is in doubt stays
as it is: a client that is frozen answers no ping, one with a dialog open isn't idle.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from channel.steps import (
    Decline,
    Effect,
    Notify,
    Offer,
    Ping,
    Reason,
    Recall,
    Release,
    Report,
    Retract,
    Seen,
    Slot,
    View,
    Ways,
)
from wire.frames import Push, Via, WhyNot

LISTEN_SECONDS = 1.0
"""After answering ``tools/list``: the client starts listening up to 30 ms later, and loses what came before."""

HOLD_SECONDS = 30.0
"""How long a message waits for a client that isn't listening yet."""

PARK_SECONDS = 2.0
"""How long a message for an idle Claude waits for a hook to park: they come a moment after the turn's end."""

PING_SECONDS = 0.4
PINGS = 6
"""So many answers in a row, each asked for so long after the one before, with Claude idle and the message unseen:
2 s that the client was alive for. A push that it takes shows after 0.1 s."""

MESSAGES = 64
"""That are kept; the hub sends one at a time, but may be told nothing for long of those in a file."""


class Stage(Enum):
    """How far a message has come."""

    HELD = "held"  # not said yet, or proven to be unsaid
    PUSHED = "pushed"
    RELEASING = "releasing"
    OFFERED = "offered"
    SAID = "said"  # nothing more to do but to look for it in the transcript


class Message(msgspec.Struct):
    """One under way. ``noted``: on disk, as injected. ``again``: the hub has been told of a first way. ``withdrawn``:
    nobody wants it said any more. ``queued``: the client keeps it for later. ``quiet``: pings answered in a row while
    it was unseen.
    """

    push: Push
    since: float
    stage: Stage = Stage.HELD
    slot: Slot = "next"
    noted: bool = False
    again: bool = False
    withdrawn: bool = False
    queued: bool = False
    ping: int | None = None
    ping_at: float = 0.0
    quiet: int = 0


class Ladder:
    """One a channel. Each method says what is to be done now; ``step`` whenever anything may have changed."""

    def __init__(self) -> None:
        self.flag = False
        self.is_print = False
        self.dropped = False
        self._messages: dict[str, Message] = {}
        self._listed_at: float | None = None
        self._parked_at: float | None = None
        self._pings = 0
        self._ways: Ways | None = None

    def launch(self, *, flag: bool, is_print: bool) -> None:
        """How Claude Code was started: with the channel on? for one answer only?"""
        self.flag, self.is_print = flag, is_print

    def list_tools(self, now: float) -> None:
        """``tools/list`` was answered."""
        self._listed_at = now

    def list_unseen(self) -> list[str]:
        """The messages that Claude may have got, and nobody has seen there yet."""
        sought = (Stage.PUSHED, Stage.RELEASING, Stage.SAID)
        return [message_id for message_id, message in self._messages.items() if message.stage in sought]

    def list_offered(self) -> list[tuple[str, Slot]]:
        """The messages that lie in files."""
        return [(key, message.slot) for key, message in self._messages.items() if message.stage is Stage.OFFERED]

    # -- what comes in ---------------------------------------------------------------------

    def receive(self, push: Push, now: float, *, known: bool) -> list[Effect]:
        """A message from the hub; ``known`` if it was injected before, as the disk has it."""
        if push.message_id in self._messages:
            return []  # what became of it has been told, or will be
        if known:
            return [Recall(push)]
        if not self._make_room():
            return [Decline(push, "busy")]
        self._messages[push.message_id] = Message(push, now)
        return []

    def withdraw(self, message_id: str) -> list[Effect]:
        """Its sender took it back, gave it up or sent it again: from here on it goes no further way."""
        message = self._messages.get(message_id)
        if message is None:
            return []
        message.withdrawn = True
        if message.stage is Stage.HELD:
            del self._messages[message_id]
        return [Retract(message.push, message.slot)] if message.stage is Stage.OFFERED else []

    def is_noted(self, message_id: str) -> bool:
        """Whether the disk knows of it through us."""
        message = self._messages.get(message_id)
        return message is not None and message.noted

    def take_note(self, message_id: str) -> None:
        """From here on the disk knows of it."""
        message = self._messages.get(message_id)
        if message is not None:
            message.noted = True

    def take_pong(self, number: int, view: View, now: float) -> list[Effect]:
        """The client has answered a ping, and so has read all that was written before it."""
        for message in list(self._messages.values()):
            if message.ping == number:
                message.ping = None
                message.ping_at = now + PING_SECONDS
                message.quiet = message.quiet + 1 if self._is_quiet(message, view) else 0
                if message.quiet >= PINGS:
                    self.dropped = message.again = True
                    self._hold(message, now)
        return self.step(view, now)

    def take_release(self, message_id: str, now: float, *, is_taken: bool) -> list[Effect]:
        """The parked hook has the whole text; or it went without."""
        message = self._messages.get(message_id)
        if message is None or message.stage is not Stage.RELEASING:
            return []
        if is_taken:
            message.stage = Stage.SAID
            return [Report(message.push, "wake")]
        self._hold(message, now)
        return []

    def take_back(self, message_id: str, now: float, *, is_back: bool) -> None:
        """The file is ours again; or a hook had it already."""
        message = self._messages.get(message_id)
        if message is not None and not is_back:
            message.stage = Stage.SAID
        elif message is not None:
            message.noted = False
            self._hold(message, now)

    def take_claim(self, message_id: str) -> None:
        """A hook has handed it over, and left the record of it."""
        message = self._messages.get(message_id)
        if message is not None:
            message.stage = Stage.SAID

    def take_sight(self, message_id: str, *, is_transcript: bool) -> list[Effect]:
        """Claude has it: a prompt or the transcript shows its tag."""
        message = self._messages.pop(message_id, None)
        if message is None:
            return []
        if message.stage is Stage.PUSHED:
            self.dropped = False
        return [Seen(message.push)] if is_transcript else []

    def take_queued(self, message_id: str) -> None:
        """The transcript shows that the client keeps it for later: it was not dropped."""
        message = self._messages.get(message_id)
        if message is not None:
            message.queued = True

    def refuse(self, message_id: str) -> list[Effect]:
        """The disk doesn't take it, so it can't be injected."""
        message = self._messages.get(message_id)
        return self._give_up(message, "busy") if message is not None else []

    def repeat(self, message_id: str) -> list[Effect]:
        """The disk says that it was injected before, after all."""
        message = self._messages.pop(message_id, None)
        return [Recall(message.push)] if message is not None else []

    # -- what to do ------------------------------------------------------------------------

    def step(self, view: View, now: float) -> list[Effect]:
        """What is to be done, as things stand."""
        effects: list[Effect] = []
        if view.parked or (self._parked_at is not None and (view.busy or view.starting)):
            self._parked_at = now  # one that was let go is followed by another at the turn's end
        for message in list(self._messages.values()):
            match message.stage:
                case Stage.HELD:
                    effects += self._choose(message, view, now)
                case Stage.PUSHED:
                    effects += self._ask(message, view, now)
                case Stage.OFFERED if self._is_misplaced(message, view):
                    effects.append(Retract(message.push, message.slot))
                case _:
                    pass
            if effects:
                break  # each changes what is right for the next one
        return effects or self._tell_ways(view, now)

    def wait(self, now: float) -> float | None:
        """Seconds until ``step`` may have something to do though nothing happened; None: never."""
        moments = [message.ping_at for message in self._messages.values() if self._is_asking(message)]
        if any(message.stage is Stage.HELD for message in self._messages.values()):
            moments += [message.since + PARK_SECONDS for message in self._messages.values()]
            moments += [] if self._listed_at is None else [self._listed_at + LISTEN_SECONDS]
        coming = [moment - now for moment in moments if moment > now]
        return min(coming) if coming else None

    def _choose(self, message: Message, view: View, now: float) -> list[Effect]:
        push = message.push
        if push.session_id != view.session_id:
            return self._give_up(message, "elsewhere")
        if self.is_print or push.when == "next_turn":
            return self._offer(message, view)
        is_busy = view.busy or (view.starting and not message.again)
        is_waiting = is_busy and push.when == "auto"
        if is_waiting and message.again:
            return []
        if is_waiting and (self._takes_pushes() or self._is_wakeable(now)):
            return self._give_up(message, "busy")
        if self._takes_pushes():
            return self._push(message, view, now, via="steer" if is_busy else "channel")
        return self._offer(message, view) if is_busy else self._wake(message, view, now)

    def _wake(self, message: Message, view: View, now: float) -> list[Effect]:
        if view.parked:
            message.stage = Stage.RELEASING
            return [Release(message.push)]
        return self._offer(message, view) if now - message.since >= PARK_SECONDS or not view.hooks else []

    def _push(self, message: Message, view: View, now: float, via: Via) -> list[Effect]:
        if not self._is_listening(now):
            return self._give_up(message, "busy") if now - message.since > HOLD_SECONDS else []
        if not view.writable:
            return self._give_up(message, "busy")
        message.stage, message.ping_at = Stage.PUSHED, now
        return [Notify(message.push, via)]

    def _offer(self, message: Message, view: View) -> list[Effect]:
        if not view.hooks:
            return self._give_up(message, "no_way")
        slot: Slot = "now" if message.push.when == "now" else "next"
        if any(slot == taken for _, taken in self.list_offered()):
            return []
        message.stage, message.slot = Stage.OFFERED, slot
        return [Offer(message.push, slot)]

    def _hold(self, message: Message, now: float) -> None:
        """It is unsaid, and so takes the next way, if anybody still wants that."""
        message.stage, message.since = Stage.HELD, now
        if message.withdrawn:
            del self._messages[message.push.message_id]

    def _give_up(self, message: Message, reason: Reason) -> list[Effect]:
        if message.again:
            message.stage = Stage.SAID  # as the hub has it; that nobody saw it, it will tell itself
            return []
        del self._messages[message.push.message_id]
        return [Decline(message.push, reason, message.noted)]

    def _ask(self, message: Message, view: View, now: float) -> list[Effect]:
        """The next ping, while it could prove something."""
        if not self._is_quiet(message, view):
            message.quiet = 0
            return []
        if message.ping is not None or now < message.ping_at:
            return []
        self._pings += 1
        message.ping = self._pings
        return [Ping(self._pings)]

    def _is_misplaced(self, message: Message, view: View) -> bool:
        """Whether a message in a file has somewhere better to be."""
        if message.push.session_id != view.session_id:
            return True
        if self.is_print or message.push.when == "next_turn" or view.busy or view.starting:
            return False
        return view.parked or self._takes_pushes()

    @staticmethod
    def _is_quiet(message: Message, view: View) -> bool:
        is_idle = view.at_rest and not view.busy and message.push.session_id == view.session_id
        return message.stage is Stage.PUSHED and is_idle and not message.queued

    @staticmethod
    def _is_asking(message: Message) -> bool:
        return message.stage is Stage.PUSHED and message.ping is None and not message.queued

    def _takes_pushes(self) -> bool:
        return self.flag and not self.dropped

    def _is_wakeable(self, now: float) -> bool:
        """Whether a hook is parked, or will be at the turn's end."""
        return not self.is_print and self._parked_at is not None and now - self._parked_at < PARK_SECONDS

    def _is_listening(self, now: float) -> bool:
        return self._listed_at is not None and now - self._listed_at >= LISTEN_SECONDS

    def _tell_ways(self, view: View, now: float) -> list[Effect]:
        if view.session_id is None or not self._is_listening(now):
            return []
        why: WhyNot | None = None
        if self.is_print or not self.flag or self.dropped:
            why = "print" if self.is_print else "dropped" if self.flag else "no_flag"
        ways = Ways(why is None, self._is_wakeable(now), view.hooks, why)
        if ways == self._ways:
            return []
        self._ways = ways
        return [ways]

    def _make_room(self) -> bool:
        if len(self._messages) < MESSAGES:
            return True
        done = next((key for key, message in self._messages.items() if message.stage is Stage.SAID), None)
        return done is not None and self._messages.pop(done) is not None
