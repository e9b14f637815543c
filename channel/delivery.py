"""The hands of the ladder: writes notifications, lets the parked hook go, leaves files for hooks, reports.

Knows the wire to Claude Code, the disk and the clock; what is to be done when, ``ladder`` decides. A message's
id is noted on disk before the first byte of it can reach Claude, whichever way it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from channel import mcp
from channel.evidence import Evidence
from channel.facts import StatusFile
from channel.handover import Handover
from channel.injected import InjectedLog
from channel.ladder import Ladder
from channel.log import guarded
from channel.outbox import Seen as Heard
from channel.process import Parent
from channel.ring import Ring
from channel.session import Session
from channel.spool import Record
from channel.status import AT_REST
from channel.stdio import Stdio
from channel.steps import Decline, Effect, Notify, Offer, Ping, Recall, Release, Report, Retract, Seen, View, Ways
from channel.text import build_tag, neutralise, neutralise_name
from wire.frames import Declined, Push
from wire.messages import build_meta, find_message_ids


class Delivery:
    """One a channel. ``report`` keeps an event for the hub, come what may, ``keep`` one that is still on disk if that
    raises OSError; ``answer`` sends a frame if it can.
    """

    def __init__(
        self,
        home: Path,
        pid: int,
        *,
        session: Session,
        stdio: Stdio,
        status: StatusFile,
        on_ring: Callable[[], None],
        report: Callable[[dict[str, Any]], None],
        keep: Callable[[Record], None],
        answer: Callable[[Declined], None],
        log: logging.Logger,
    ) -> None:
        self.ring = Ring(home / "run", pid, on_ring, self.look)
        self._session = session
        self._stdio = stdio
        self._status = status
        self._report = report
        self._keep = keep
        self._answer = answer
        self._log = log
        self._ladder = Ladder()
        self._injected = InjectedLog(home / "injected.log")
        self._handover = Handover(home / "run", pid)
        self._evidence = Evidence()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    # -- what comes in ---------------------------------------------------------------------

    def open(self, parent: Parent) -> None:
        """How Claude Code was started is known. What a channel before us has left in files is the hub's again."""
        self._ladder.launch(flag=parent.takes_pushes, is_print=parent.prints)
        with guarded(self._log, "what another channel left could not be taken back"):
            self._sweep(also_own=True)
            self._collect_claimed()
        self.look()

    def list_tools(self) -> None:
        """The client is about to listen."""
        self._ladder.list_tools(_now())
        self.look()

    def receive(self, push: Push) -> None:
        """A message from the hub."""
        known = self._injected.has(push.message_id)
        if known:
            with guarded(self._log, "what waits for dead processes could not be taken back"):
                self._sweep(also_own=False)
            known = self._injected.has(push.message_id)
        self._do(self._ladder.receive(push, _now(), known=known))
        self.look()

    def withdraw(self, message_id: str) -> None:
        """Its sender took it back."""
        self._do(self._ladder.withdraw(message_id))
        self.look()

    def take_pong(self, number: int) -> None:
        """The client has answered a ping."""
        self._read_transcript()
        self._do(self._ladder.take_pong(number, self._view(), _now()))
        self.look()

    def hear(self, heard: Sequence[Heard]) -> None:
        """What hooks have written: prompts that show our messages, and what was handed over."""
        for event in heard:
            name, prompt = event.body.get("hook_event_name"), event.body.get("prompt")
            if name == "UserPromptSubmit" and isinstance(prompt, str):
                for message_id in find_message_ids(prompt):
                    self._do(self._ladder.take_sight(message_id, is_transcript=False))
            elif name == "ChannelInjected":
                self._log.info("message %s handed over", event.body.get("message_id"))
                self._ladder.take_claim(str(event.body.get("message_id")))

    def tick(self) -> None:
        """Now and then: what nobody rings for."""
        self._read_transcript()
        self._collect_claimed()
        self.look()

    def close(self) -> None:
        """No hook is to find what nobody would hear of."""
        self.ring.close()
        if self._timer is not None:
            self._timer.cancel()
        for message_id, slot in self._ladder.list_offered():
            if self._handover.take_back(slot):
                self._forget(message_id)

    # -- what goes out ---------------------------------------------------------------------

    def look(self) -> None:
        """Do what is to be done by now; whenever anything may have changed."""
        with guarded(self._log, "messages were not looked after"):
            if self._ladder.is_print:
                self.ring.dismiss()
            while effects := self._ladder.step(self._view(), _now()):
                self._do(effects)
            if self._timer is not None:
                self._timer.cancel()
            seconds = self._ladder.wait(_now())
            self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.look)

    def _view(self) -> View:
        status = self._status.look()
        return View(
            session_id=self._session.session_id,
            busy=self._session.busy,
            starting=self._session.is_starting(_now()),
            at_rest=status is not None and status.session_id == self._session.session_id and status.status in AT_REST,
            hooks=self._session.is_certain,
            parked=self.ring.is_parked,
            writable=self._stdio.can_write(),
        )

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Notify():
                    self._notify(effect)
                case Ping():
                    self._stdio.write(mcp.build_ping(effect.number))
                case Release():
                    self._release(effect.push)
                case Offer():
                    self._offer(effect)
                case Retract():
                    self._retract(effect)
                case _:
                    self._send(effect)

    def _send(self, effect: Report | Recall | Seen | Decline | Ways) -> None:
        match effect:
            case Report():
                self._tell("ChannelInjected", effect.push, via=effect.via)
            case Recall():
                self._tell("ChannelInjected", effect.push, recalled=True)
            case Seen():
                self._tell("ChannelSeen", effect.push, evidence="transcript")
            case Decline():
                self._log.info("message %s declined: %s", effect.push.message_id, effect.reason)
                if effect.is_noted:
                    self._forget(effect.push.message_id)
                self._answer(Declined(message_id=effect.push.message_id, reason=effect.reason))
            case Ways():
                fields = msgspec.structs.asdict(effect)
                self._log.info("ways to Claude: %s", fields)
                self._report({"hook_event_name": "ChannelWays", "session_id": self._session.session_id, **fields})

    def _notify(self, effect: Notify) -> None:
        push = effect.push
        meta = build_meta(push.message_id, neutralise_name(push.author))
        notification = mcp.build_notification(neutralise(push.text), meta)
        if self._note(push):
            self._mark(push)
            self._begin(push)
            self._stdio.write(notification)
            writing = asyncio.get_running_loop().create_task(self._report_written(effect))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)

    async def _report_written(self, effect: Notify) -> None:
        with contextlib.suppress(ConnectionError):  # Claude is gone; nobody knows whether it has read this
            await self._stdio.flush()  # as long as it takes: it is on its way, and must not be written again
            self._do([Report(effect.push, effect.via)])

    def _release(self, push: Push) -> None:
        if not self._note(push):
            return
        self._mark(push)

        def finish(is_taken: bool) -> None:
            if is_taken:
                self._begin(push)
            self._do(self._ladder.take_release(push.message_id, _now(), is_taken=is_taken))
            self.look()

        self.ring.release(build_tag(push.message_id, push.author, push.text).encode(), finish)

    def _offer(self, effect: Offer) -> None:
        push = effect.push
        via = "steer" if effect.slot == "now" else "next_turn"
        record = {"session_id": push.session_id, "hook_event_name": "ChannelInjected", "message_id": push.message_id}
        if not self._note(push):
            return
        self._mark(push)
        try:
            text = build_tag(push.message_id, push.author, push.text)
            self._handover.offer(effect.slot, {**record, "via": via}, text)
        except OSError as error:
            self._log.warning("message %s can't be left for a hook: %s", push.message_id, error)
            self._do(self._ladder.refuse(push.message_id))

    def _retract(self, effect: Retract) -> None:
        message_id = effect.push.message_id
        is_back = self._handover.take_back(effect.slot)
        if is_back:
            self._forget(message_id)
        self._ladder.take_back(message_id, _now(), is_back=is_back)

    def _note(self, push: Push) -> bool:
        """Note it as injected before it is; False if it must not be, which has been told then."""
        message_id = push.message_id
        if self._ladder.is_noted(message_id):
            return True
        try:
            is_new = self._injected.add(message_id)
        except OSError as error:
            self._log.warning("message %s can't be noted as injected: %s", message_id, error)
            self._do(self._ladder.refuse(message_id))
            return False
        if is_new:
            self._ladder.take_note(message_id)
        else:
            self._do(self._ladder.repeat(message_id))
        return is_new

    def _forget(self, message_id: str) -> None:
        with guarded(self._log, "a message that was taken back counts as injected"):
            self._injected.forget(message_id)

    def _begin(self, push: Push) -> None:
        if not self._session.busy:
            self._session.inject(_now())
        self._log.info("message %s goes to Claude", push.message_id)

    def _collect_claimed(self) -> None:
        with contextlib.suppress(OSError):  # the disk is full: the file stays for the next time
            for message_id in self._handover.collect_claimed(self._keep):
                self._ladder.take_claim(message_id)

    def _sweep(self, *, also_own: bool) -> None:
        for message_id in self._handover.sweep(also_own=also_own):
            self._injected.forget(message_id)

    def _mark(self, push: Push) -> None:
        """What the transcript shows from here on matters, unless an earlier message is still looked for."""
        others = {*self._ladder.list_unseen(), *(key for key, _ in self._ladder.list_offered())} - {push.message_id}
        if not others:
            self._evidence.mark(self._session.transcript)

    def _tell(self, name: str, push: Push, **fields: Any) -> None:
        body = {"hook_event_name": name, "session_id": push.session_id, "message_id": push.message_id, **fields}
        self._report(body)

    def _read_transcript(self) -> None:
        sought = self._ladder.list_unseen()
        if not sought:
            return
        for message_id, kind in self._evidence.look(self._session.transcript, sought).items():
            if kind == "seen":
                self._do(self._ladder.take_sight(message_id, is_transcript=True))
            else:
                self._ladder.take_queued(message_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
