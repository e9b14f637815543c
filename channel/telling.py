"""What the channel itself has to tell the hub: events of its own, kept on disk like any hook's."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from channel.log import guarded
from channel.outbox import Outbox
from channel.owed import Owed
from channel.session import Session
from channel.spool import Record
from wire.frames import EVENT_BYTES
from wire.ids import build_id


class Telling:
    """One a channel. ``wake`` has the link look at once."""

    def __init__(
        self, pid: int, session: Session, outbox: Outbox, wake: Callable[[], None], log: logging.Logger
    ) -> None:
        self._pid = pid
        self._session = session
        self._outbox = outbox
        self._wake = wake
        self._log = log
        self._owed = Owed()

    def put(self, body: dict[str, Any], *, sync: bool = False) -> str:
        """Write an event, for the session we carry unless ``body`` names one; its id. Raises OSError."""
        fields = {"session_id": self._session.session_id, **body}
        data = msgspec.json.encode({key: value for key, value in fields.items() if value is not None})
        if len(data) > EVENT_BYTES:
            raise OSError(f"an event of {len(data)} bytes")
        at = time.time_ns() // 1000
        event_id = build_id(at, os.urandom(8))
        self.keep(Record("c", event_id, at, self._pid, data), sync=sync)
        return event_id

    def keep(self, record: Record, *, sync: bool = False) -> None:
        """Write an event as it is; raises OSError."""
        self._outbox.put(record, sync=sync)
        self._wake()

    def report(self, body: dict[str, Any]) -> None:
        """Keep an event for the hub, now or as soon as the disk takes it."""
        try:
            self.put(body)
        except OSError:
            self._owed.add(body)

    def owe(self, body: dict[str, Any]) -> None:
        """Keep it with the next ``pay``, in its turn."""
        self._owed.add(body)

    def pay(self) -> None:
        """Write what is owed, as far as the disk takes it."""
        with guarded(self._log, "what was owed could not be paid"), contextlib.suppress(OSError):
            self._owed.pay(self.put)
