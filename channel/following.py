"""Follows the session of this process: by what its hooks have written, and by what only Claude Code's files show."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from channel.deciding import Deciding
from channel.delivery import Delivery
from channel.facts import StatusFile, read_branch
from channel.gap import report_gaps
from channel.halt import Halt
from channel.handover import report_claims
from channel.lineage import Lineage
from channel.log import guarded
from channel.meter import Meter
from channel.outbox import Outbox
from channel.session import Session
from channel.telling import Telling


class Following:
    """One a channel. ``branch`` is of the session's folder, as of the last look."""

    def __init__(
        self,
        home: Path,
        pid: int,
        *,
        session: Session,
        outbox: Outbox,
        status: StatusFile,
        telling: Telling,
        meter: Meter,
        halt: Halt,
        delivery: Delivery,
        deciding: Deciding,
        log: logging.Logger,
    ) -> None:
        self.branch: str | None = None
        self._home = home
        self._pid = pid
        self._session = session
        self._outbox = outbox
        self._status = status
        self._telling = telling
        self._meter = meter
        self._halt = halt
        self._delivery = delivery
        self._deciding = deciding
        self._log = log
        self._lineage = Lineage()
        self._facts: tuple[str | None, str | None, str] | None = None

    def follow(self) -> None:
        """Take in what hooks have written since the last time."""
        with guarded(self._log, "the spool could not be followed"):
            heard = self._outbox.see()
            moments = [self._session.see(seen.body, seen.at) for seen in heard]
            self._delivery.hear(heard)
            self._deciding.hear(heard)
            for seen in heard:
                self._meter.see(seen.body)
                self._lineage.see(seen.body)
                if self._halt.see(seen.body):
                    self._report_gone_on()
            if any(moments) or self._facts is None:
                self._look_around()

    def watch(self) -> None:
        """Report what no hook tells, and what is to show within a second while a dialog is open or Claude is to stop:
        that a turn was interrupted, or a dialog answered, at the terminal.
        """
        with guarded(self._log, "the status file could not be followed"):
            status, now = self._status.look(), time.time_ns() // 1000
            if self._halt.look(status, busy=self._session.busy, now=now):
                self._report_gone_on()
            correction = None if status is None else self._session.correct(status, now)
            if status is not None and correction is not None:
                self._log.info("the status file says what no hook did: %s", correction)
                body = {"hook_event_name": correction, "session_id": status.session_id, "since": status.at}
                self._telling.owe(body)
                if correction == "ChannelIdle":
                    self._deciding.end_turn(status.session_id)
        self._telling.pay()

    def trace(self, words: Sequence[str]) -> None:
        """Report where a forked session comes from, once that can be known (``words``: Claude Code's command line)."""
        with guarded(self._log, "where the session comes from could not be found"):
            lineage = self._lineage.look(words)
            if lineage is not None:
                self._telling.owe(lineage)

    def report_left(self) -> None:
        """Say what hooks could not: how many events had no room, and what was handed over to processes that have
        died since.
        """
        run, spool = self._home / "run", self._home / "spool"
        with contextlib.suppress(OSError):
            report_gaps(spool, self._pid, self._telling.keep)
            report_claims(run, spool, self._pid, self._telling.keep)

    def _report_gone_on(self) -> None:
        """The turn that was interrupted is over, the one that is under way isn't."""
        body = {"hook_event_name": "ChannelIdle", "session_id": self._session.session_id}
        self._telling.owe({**body, "since": self._session.turn.began_at - 1})

    def _look_around(self) -> None:
        """Report branch and folder if they have changed."""
        self.branch = read_branch(self._session.cwd)
        facts = (self._session.session_id, self.branch, self._session.cwd)
        if facts == self._facts or not self._session.is_certain:
            return
        self._telling.put({"hook_event_name": "ChannelFacts", "branch": self.branch, "cwd": self._session.cwd})
        self._facts = facts
