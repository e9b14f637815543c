"""Which dialogs of Claude Code wait for an answer, and what takes one to them. Pure.

A dialog is known by its hook's event, from the spool and from the hook itself, which waits until it is handed an
answer or let go. Claude Code's own relay tells of the same dialog without naming it: it is only used for a dialog that
its preview surely shows, and no other. While the hook waits it has the answer; once that is gone, the relay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from channel import preview
from channel.answering import (
    Announce,
    Ask,
    Asking,
    Decided,
    Effect,
    Hand,
    Kind,
    LetGo,
    Pending,
    Relay,
    Request,
    View,
    Waits,
    names_stop,
)
from channel.halt import is_notification
from wire.frames import Verdict
from wire.messages import find_message_ids

HOLD_SECONDS = 15.0
"""How long a dialog that Claude Code holds back stays so, for somebody at the terminal to see it soon."""

REMOTE_HOLD_SECONDS = 600.0
"""The same when the turn began with a message of ours: who waits for it is at the hub."""

LEAD_SECONDS = 2.0
"""By how much the relay may tell of a dialog before its hook does (some 0.3 s)."""

ALONE_SECONDS = 2.0
"""After which no hook will tell of what the relay has told."""

SETTLE_SECONDS = 0.5
"""For the hook to come, before its dialog is said to have none."""

RETURN_SECONDS = 3.0
"""After a channel's start, for hooks that waited at the one before it to come back."""

OPEN_SECONDS = 1.0
"""For Claude Code to say that a dialog is open: without that an answer that stops the turn isn't given."""

KEPT = 100
"""Dialogs, and the relay's requests, that are kept in mind: Claude Code opens a handful."""

REMEMBERED = 300
"""Answers that were taken, and dialogs that are over: the hub may say so before their hooks come back."""


class Asks:
    """One a channel. ``step`` says what is to be done, whenever anything may have changed."""

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._asks: dict[str, Ask] = {}
        self._requests: dict[str, Request] = {}
        self._pending: dict[str, Pending] = {}
        self._taken: dict[str, None] = {}
        self._settled: dict[str, None] = {}
        self._fits: dict[tuple[str, str], bool] = {}
        self._due: list[Effect] = []
        self._is_remote = False

    @property
    def is_open(self) -> bool:
        """Whether anything may still be answered."""
        return bool(self._asks or self._requests or self._pending)

    # -- what comes in ---------------------------------------------------------------------

    def see(self, event_id: str, body: Mapping[str, Any], now: float) -> None:
        """A hook's event."""
        name, session_id, agent_id = body.get("hook_event_name"), body.get("session_id"), body.get("agent_id")
        if not isinstance(session_id, str):
            return
        match name:
            case "PermissionRequest" | "Elicitation":
                self._open(event_id, session_id, body, now)
            case "SessionEnd":
                self._close_session(session_id)
            case "PostToolBatch" | "SubagentStop" if agent_id:
                self._close([ask for ask in self._asks.values() if ask.agent_id == agent_id])
            case "PostToolBatch":
                self._close([ask for ask in self._asks.values() if ask.is_of(session_id, "main")])
            case "UserPromptSubmit" | "Stop" | "StopFailure" if not agent_id:
                self.end_turn(session_id)
                if name == "UserPromptSubmit" and not is_notification(body):  # else it goes on with what was begun
                    self._is_remote = bool(find_message_ids(str(body.get("prompt"))))

    def end_turn(self, session_id: str) -> None:
        """Nothing of the main conversation waits any more, and no subagent's dialog that nobody knows."""
        self._close([ask for ask in self._asks.values() if ask.is_of(session_id, "main", "form")])
        kept = [request for ask in self._asks.values() for request in self._list_fitting(ask)]
        self._requests = {request.request_id: request for request in kept}

    def wait(self, asking: Asking, now: float) -> None:
        """A hook waits."""
        ask = self._asks.get(asking.decision_id)
        if asking.decision_id in self._settled or (ask is None and not self._make_room()):
            self._due.append(LetGo(asking.decision_id))
            return
        ask = ask or Ask(asking.decision_id, asking.session_id, asking.kind, now)
        ask.waits_since = ask.came_at = now
        self._asks[ask.decision_id] = ask

    def leave(self, decision_id: str) -> None:
        """It has gone by itself."""
        if (ask := self._asks.get(decision_id)) is not None:
            ask.waits_since = None

    def receive(self, verdict: Verdict, now: float) -> None:
        """Somebody has decided."""
        decision_id = verdict.decision_id
        ask = self._asks.get(decision_id)
        if decision_id in self._taken:
            self._due.append(Decided(decision_id, verdict.session_id, taken=True))
        elif decision_id not in self._pending and (ask is None or ask.giving is None):
            is_there = ask is not None and ask.waits_since is not None
            until = now + OPEN_SECONDS if is_there else self._began_at + RETURN_SECONDS
            self._pending[decision_id] = Pending(verdict, until)

    def settle(self, decision_id: str) -> None:
        """It is over."""
        _remember(self._settled, decision_id)
        self._pending.pop(decision_id, None)
        if (ask := self._asks.get(decision_id)) is not None:
            self._close([ask])
        for request in [one for one in self._requests.values() if one.decision_id == decision_id]:
            del self._requests[request.request_id]

    def take_answer(self, decision_id: str, now: float, *, is_taken: bool) -> None:
        """What became of a ``Hand``."""
        ask = self._asks.get(decision_id)
        if ask is None or ask.giving is None:
            return
        verdict, ask.giving, ask.waits_since = ask.giving, None, None
        if is_taken:
            self._finish(verdict)
        else:
            self._pending[decision_id] = Pending(verdict, now)

    def relay(self, request: Request) -> None:
        """Claude Code's relay tells of a dialog."""
        if len(self._requests) >= KEPT:
            del self._requests[next(iter(self._requests))]
        self._requests[request.request_id] = request

    def announce(self, request_id: str, decision_id: str) -> None:
        """The hub has been told of a dialog that only the relay knows."""
        if (request := self._requests.get(request_id)) is not None:
            request.decision_id = decision_id

    # -- what is to be done ----------------------------------------------------------------

    def step(self, view: View, now: float) -> list[Effect]:
        """By now."""
        for pending in list(self._pending.values()):
            self._answer(pending, view, now)
        for ask in self._asks.values():
            hold = REMOTE_HOLD_SECONDS if self._is_remote and view.linked else HOLD_SECONDS
            is_held = ask.kind != "main" and ask.waits_since is not None and ask.giving is None
            if is_held and now >= (ask.waits_since or 0) + hold:
                self._let_go(ask)
        for ask in self._asks.values():
            self._tell_way(ask, now)
        for request in self._requests.values():
            if now >= request.at + ALONE_SECONDS and self._is_alone(request):
                self._due.append(Announce(request))
        due, self._due = self._due, []
        return due

    def _answer(self, pending: Pending, view: View, now: float) -> None:
        """Hand it to who can take it; if nobody can in time, say so."""
        verdict = pending.verdict
        ask = self._asks.get(verdict.decision_id)
        request = self._find_request(verdict.decision_id)
        if ask is not None and ask.session_id != verdict.session_id:
            ask = request = None
        if ask is not None and ask.waits_since is not None:
            if view.waiting or ask.kind != "main" or not names_stop(verdict):
                del self._pending[verdict.decision_id]
                ask.giving = verdict
                self._due.append(Hand(verdict.decision_id, bytes(verdict.answer)))
                return
        elif request is not None and verdict.behavior is not None and view.writable:
            self._due.append(Relay(request.request_id, verdict.behavior))
            self._finish(verdict)
            return
        if now >= pending.until:
            del self._pending[verdict.decision_id]
            self._due.append(Decided(verdict.decision_id, verdict.session_id, taken=False))
            if ask is not None:
                ask.told = None  # the hub believes now that nothing takes one

    def _finish(self, verdict: Verdict) -> None:
        """Claude Code has the answer."""
        self.settle(verdict.decision_id)
        _remember(self._taken, verdict.decision_id)
        self._due.append(Decided(verdict.decision_id, verdict.session_id, taken=True))

    def _tell_way(self, ask: Ask, now: float) -> None:
        """Say what takes an answer, if that has changed."""
        if ask.came_at is None and now < ask.since + SETTLE_SECONDS:
            return
        request = None if ask.waits_since is not None else self._find_request(ask.decision_id)
        way = Waits(
            ask.decision_id,
            ask.session_id,
            "hook" if ask.waits_since is not None else "relay" if request is not None else "none",
            None if request is None else request.request_id,
        )
        if way != ask.told and not (ask.told is None and way.answered_by == "none"):
            ask.told = way
            self._due.append(way)

    # -- dialogs ---------------------------------------------------------------------------

    def _open(self, event_id: str, session_id: str, body: Mapping[str, Any], now: float) -> None:
        agent_id, tool_name, tool_input = (body.get(key) for key in ("agent_id", "tool_name", "tool_input"))
        if event_id not in self._asks and not self._make_room():
            return
        kind: Kind = "form" if body["hook_event_name"] == "Elicitation" else "agent" if agent_id else "main"
        ask = self._asks.setdefault(event_id, Ask(event_id, session_id, kind, now))
        ask.agent_id = agent_id if isinstance(agent_id, str) else None
        if isinstance(tool_name, str) and isinstance(tool_input, dict) and not body.get("heliograph_cut"):
            ask.tool_name, ask.shown = tool_name, preview.normalise_input(tool_input)

    def _make_room(self) -> bool:
        """Whether there is room for one more; what nobody waits for goes first."""
        if len(self._asks) >= KEPT:
            idle = next((ask for ask in self._asks.values() if ask.waits_since is None), None)
            if idle is None:
                return False
            self._close([idle])
        return True

    def _close_session(self, session_id: str) -> None:
        self._close([ask for ask in self._asks.values() if ask.session_id == session_id])
        self._requests = {key: one for key, one in self._requests.items() if one.session_id != session_id}

    def _close(self, asks: Collection[Ask]) -> None:
        """They are over, with what the relay told of them, but for one whose hook is being handed its answer."""
        for ask in asks:
            if ask.giving is not None:
                continue
            if (own := self._find_request(ask.decision_id)) is not None:
                del self._requests[own.request_id]
            for request in self._requests.values():
                request.is_known = request.is_known or _is_of_one_tool(ask, request)
            self._let_go(ask)
            del self._asks[ask.decision_id]
            self._fits = {key: fits for key, fits in self._fits.items() if key[0] != ask.decision_id}

    def _let_go(self, ask: Ask) -> None:
        if ask.waits_since is not None:
            ask.waits_since = None
            self._due.append(LetGo(ask.decision_id))

    # -- the relay -------------------------------------------------------------------------

    def _find_request(self, decision_id: str) -> Request | None:
        """What the relay calls that dialog; None unless that is sure."""
        ask = self._asks.get(decision_id)
        if ask is None:
            return next((one for one in self._requests.values() if one.decision_id == decision_id), None)
        fitting = self._list_fitting(ask)
        if len(fitting) != 1 or sum(self._is_fitting(other, fitting[0]) for other in self._asks.values()) != 1:
            return None
        return fitting[0]

    def _list_fitting(self, ask: Ask) -> list[Request]:
        return [request for request in self._requests.values() if self._is_fitting(ask, request)]

    def _is_fitting(self, ask: Ask, request: Request) -> bool:
        if not _is_of_one_tool(ask, request) or ask.shown is None:
            return False
        key = (ask.decision_id, request.request_id)
        if key not in self._fits:
            self._fits[key] = preview.shows(request.shown, ask.shown)
        return self._fits[key]

    def _is_alone(self, request: Request) -> bool:
        """Whether nobody else tells of its dialog."""
        rivals = [ask for ask in self._asks.values() if _is_of_one_tool(ask, request)]
        is_expected = any(self._find_request(ask.decision_id) in (None, request) for ask in rivals)
        return not (is_expected or request.is_known or request.decision_id is not None)


def _remember(known: dict[str, None], decision_id: str) -> None:
    known[decision_id] = None
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


def _is_of_one_tool(ask: Ask, request: Request) -> bool:
    is_in_time = request.at >= ask.since - LEAD_SECONDS
    return is_in_time and (ask.session_id, ask.tool_name) == (request.session_id, request.tool_name)
