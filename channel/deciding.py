"""The hands of ``asks``: gives waiting hooks their answers, tells Claude Code's relay, reports to the hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from channel import mcp, preview
from channel.answering import Announce, Asking, Decided, Effect, Hand, LetGo, Relay, Request, View, Waits
from channel.asks import Asks
from channel.facts import StatusFile
from channel.log import guarded
from channel.outbox import Seen as Heard
from channel.ring import Ring
from channel.session import Session
from channel.stdio import Stdio
from wire.frames import Verdict

WATCH_SECONDS = 0.1
"""Between looks while something may be answered: what happens in the terminal shows within a second."""

DESCRIPTION_CHARS = 2_000
PREVIEW_CHARS = 16_000
"""Of what the relay tells; its previews have some 3,500."""


class Deciding:
    """One a channel. ``put`` keeps an event for the hub and gives its id, or raises OSError; ``report`` keeps one come
    what may; ``watch`` looks at what Claude Code does without telling.
    """

    def __init__(
        self,
        ring: Ring,
        *,
        session: Session,
        stdio: Stdio,
        status: StatusFile,
        is_linked: Callable[[], bool],
        put: Callable[[dict[str, Any]], str],
        report: Callable[[dict[str, Any]], None],
        watch: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._ring = ring
        self._session = session
        self._stdio = stdio
        self._status = status
        self._is_linked = is_linked
        self._put = put
        self._report = report
        self._watch = watch
        self._log = log
        self._asks = Asks(_now())
        self._is_open = asyncio.Event()
        ring.serve(self._wait, self._leave)

    # -- what comes in ---------------------------------------------------------------------

    def hear(self, heard: Sequence[Heard]) -> None:
        """What hooks have written."""
        for event in heard:
            self._asks.see(event.event_id, event.body, _now())
        if heard:
            self.look()

    def relay(self, asked: mcp.Asked) -> None:
        """Claude Code's relay tells of a dialog."""
        if self._session.session_id is None:
            return
        self._asks.relay(
            Request(
                request_id=asked.request_id,
                session_id=self._session.session_id,
                tool_name=asked.tool_name,
                description=asked.description[:DESCRIPTION_CHARS],
                input_preview=asked.input_preview[:PREVIEW_CHARS],
                shown=preview.normalise(asked.input_preview),
                at=_now(),
            )
        )
        self.look()

    def receive(self, verdict: Verdict) -> None:
        """Somebody has decided."""
        self._asks.receive(verdict, _now())
        self.look()

    def settle(self, decision_id: str) -> None:
        """The hub says that it is over."""
        self._asks.settle(decision_id)
        self.look()

    def end_turn(self, session_id: str) -> None:
        """The client's own word that a turn is over, which no hook has told."""
        self._asks.end_turn(session_id)
        self.look()

    async def run(self) -> None:
        """Look often while something may be answered; until cancelled."""
        while True:
            await self._is_open.wait()
            await asyncio.sleep(WATCH_SECONDS)
            self._watch()
            self.look()

    def _wait(self, asking: Asking) -> None:
        with guarded(self._log, "a hook that waits was not heard"):
            self._asks.wait(asking, _now())
        self.look()

    def _leave(self, decision_id: str) -> None:
        with guarded(self._log, "a hook's end was not heard"):
            self._asks.leave(decision_id)
        self.look()

    # -- what goes out ---------------------------------------------------------------------

    def look(self) -> None:
        """Do what is to be done by now."""
        with guarded(self._log, "decisions were not looked after"):
            for effect in self._asks.step(self._view(), _now()):
                self._do(effect)
        if self._asks.is_open:
            self._is_open.set()
        else:
            self._is_open.clear()

    def _view(self) -> View:
        status = self._status.look()
        is_ours = status is not None and status.session_id == self._session.session_id
        return View(
            waiting=is_ours and status is not None and status.status == "waiting",
            linked=self._is_linked(),
            writable=self._stdio.can_write(),
        )

    def _do(self, effect: Effect) -> None:
        match effect:
            case Hand():
                self._hand(effect)
            case LetGo():
                self._ring.let_go(effect.decision_id)
            case Relay():
                self._stdio.write(mcp.build_permission(effect.request_id, effect.behavior))
            case Waits():
                self._tell("ChannelWaits", effect)
            case Decided():
                self._log.info("verdict on %s %s", effect.decision_id, "taken" if effect.taken else "not taken")
                self._tell("ChannelDecided", effect)
            case Announce():
                self._announce(effect.request)

    def _hand(self, effect: Hand) -> None:
        def finish(is_taken: bool) -> None:
            with guarded(self._log, "what became of an answer was not heard"):
                self._asks.take_answer(effect.decision_id, _now(), is_taken=is_taken)
            asyncio.get_running_loop().call_soon(self.look)

        self._ring.answer(effect.decision_id, effect.answer, finish)

    def _tell(self, name: str, effect: Waits | Decided) -> None:
        self._report({"hook_event_name": name, **msgspec.structs.asdict(effect)})

    def _announce(self, request: Request) -> None:
        """Again at the next look, if the disk takes nothing."""
        body = {
            "hook_event_name": "ChannelAsked",
            "session_id": request.session_id,
            "request_id": request.request_id,
            "tool_name": request.tool_name,
            "description": request.description,
            "input_preview": request.input_preview,
        }
        try:
            self._asks.announce(request.request_id, self._put(body))
        except OSError as error:
            self._log.warning("a dialog that only the relay knows was not kept: %s", error)


def _now() -> float:
    return asyncio.get_running_loop().time()
