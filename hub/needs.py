"""What needs somebody now, kept beside the store so that every page can list it: one a hub."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from hub.core.model import Decision, Session
from hub.db.engine import Changes


class Needs:
    """Decisions that aren't over, the sessions they are of, and sessions that wait for something unknown."""

    def __init__(self, decisions: Iterable[Decision] = (), sessions: Iterable[Session] = ()) -> None:
        self._decisions = {decision.decision_id: decision for decision in decisions}
        self._asking = {decision.session_id for decision in self._decisions.values()}
        self.sessions = {session.session_id: session for session in sessions if self._is_needy(session)}

    @property
    def decisions(self) -> list[Decision]:
        """The open ones, the oldest first."""
        waiting = [decision for decision in self._decisions.values() if decision.needs_you]
        return sorted(waiting, key=lambda decision: (decision.opened_at, decision.decision_id))

    def note(self, changes: Changes) -> tuple[bool, dict[str, Decision]]:
        """Take in what was committed: whether the list may look different now, and which decisions' cards do.

        A card says whether its machine can be reached.
        """
        shown = dict(changes.decisions)
        for decision_id, decision in changes.decisions.items():
            if decision.closed_at is None:
                self._decisions[decision_id] = copy(decision)
            else:
                self._decisions.pop(decision_id, None)
        if shown:
            self._asking = {decision.session_id for decision in self._decisions.values()}
        found = bool(shown)
        for session in changes.sessions.values():
            before = self.sessions.pop(session.session_id, None)
            if self._is_needy(session):
                self.sessions[session.session_id] = copy(session)
                found = True
                if before is not None and _reach(before) != _reach(session):
                    shown = {**self._list_of(session), **shown}
            found |= before is not None
        return found, shown

    def _list_of(self, session: Session) -> dict[str, Decision]:
        return {key: copy(d) for key, d in self._decisions.items() if d.session_id == session.session_id}

    def _is_needy(self, session: Session) -> bool:
        return session.session_id in self._asking or session.state == "needs_you"


def _reach(session: Session) -> tuple[bool, bool]:
    return session.offline_since is None, session.linked
