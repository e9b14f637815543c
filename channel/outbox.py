"""What is still to reach the hub, in order: this process's spool files, then those left by dead ones.

Knows offsets and batches: what the session has seen, what is sent on this link, what is committed.
A new link begins again at what is committed, so nothing is lost with a link, and the hub drops what
it has by its id. It doesn't know sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from channel import loose
from channel.spool import Page, Record, SpoolFile, append, build_line, check_room, list_files, list_orphans
from wire.frames import Ack, Event, Events

WINDOW = 4
"""Batches on their way at once: one commit's latency doesn't hold up the next event."""

RETIRE_BYTES = 256 * 1024
"""A live process's file is replaced when so much of it is committed: what a crash would send again."""

ADOPT_SECONDS = 30.0
"""Between two looks for files of dead processes."""


CLAIM = b',"hook":"'
"""In the record that a hook leaves of a message it has handed over: it is written by the hook, as the channel's."""

END = 2**62
"""An offset beyond every file."""


class Batch(msgspec.Struct):
    """A stretch of a file, up to ``end``, sent as ``seq``."""

    end: int
    seq: int | None
    done: bool


class Seen(msgspec.Struct, frozen=True):
    """A hook's event, decoded; ``at`` in microseconds since the epoch."""

    at: int
    event_id: str
    body: dict[str, Any]


class Draining:
    """A spool file and how far it has come."""

    def __init__(self, file: SpoolFile) -> None:
        self.file = file
        self.seen = 0
        self.sent = 0
        self.committed = 0
        self.on_its_way: deque[Batch] = deque()

    def advance(self) -> None:
        """Count as committed what is committed without a gap."""
        while self.on_its_way and self.on_its_way[0].done:
            self.committed = self.on_its_way.popleft().end

    def is_committed(self) -> bool:
        """Whether the hub has all that can be read."""
        return not self.on_its_way and self.file.read(self.committed).size == 0

    def is_drained(self) -> bool:
        """Whether nobody needs the file any more: the session has seen it all, too."""
        return self.is_committed() and self.file.read(self.seen).size == 0


class Outbox:
    """One a channel. ``note`` gets a line for the log; it never contains an event."""

    def __init__(self, folder: Path, pid: int, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._pid = pid
        self._note = note
        self._path = folder / f"{pid}.log"
        self._own: list[Draining] = []
        self._orphan: Draining | None = None
        self._adopt_at = 0.0
        self._seq = 0

    def put(self, record: Record, *, sync: bool = False) -> None:
        """Write an event of the channel; raises OSError if it can't be kept."""
        check_room(self._folder)
        line = build_line(record)
        try:
            append(self._path, line, sync=sync)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            append(self._path, line, sync=sync)

    def see(self) -> list[Seen]:
        """What this process's hooks have written since the last call."""
        found: list[Seen] = []
        for own in self._attach_own():
            while (page := own.file.read(own.seen)).size > 0:
                own.seen += page.size
                if page.torn:
                    self._note(f"{page.torn} torn lines in {own.file.path.name} skipped")
                for record in page.records:
                    is_hooks = record.source == "h" or CLAIM in record.body
                    body = _read_body(record)[0] if is_hooks else None
                    if body is not None:
                        found.append(Seen(record.at, record.event_id, body))
        return found

    def start_link(self) -> None:
        """A new link: what isn't committed is sent again, as batches from 1."""
        self._seq = 0
        self._adopt_at = 0.0
        for draining in self._list_all():
            draining.sent = draining.committed
            draining.on_its_way.clear()

    def next_batch(self, now: float) -> Events | None:
        """The next frame to send; None if there is nothing, or enough is on its way."""
        for own in self._attach_own():
            if (events := self._take(own)) is not None:
                return events
            if len(own.on_its_way) >= WINDOW:
                break  # the next file's events are later ones
        orphan = self._adopt(now)
        return self._take(orphan) if orphan is not None else None

    def ack(self, frame: Ack) -> None:
        """The hub has committed a batch."""
        for rejected in frame.rejected:
            self._note(f"the hub rejected event {rejected.event_id}: {rejected.code}")
        for draining in self._list_all():
            for batch in draining.on_its_way:
                batch.done = batch.done or batch.seq == frame.seq
        self.tidy()

    def is_sent(self) -> bool:
        """Whether all of this process's events are committed."""
        return all(own.is_committed() for own in self._attach_own())

    def tidy(self, own_bytes: int = RETIRE_BYTES) -> None:
        """Delete what is drained; this process's current file only if ``own_bytes`` of it are committed, or if
        somebody has deleted it by hand.
        """
        try:
            self._tidy(own_bytes)
        except OSError as error:
            self._note(f"can't tidy the spool: {error}")

    def _tidy(self, own_bytes: int) -> None:
        for own in list(self._own):
            own.advance()
            is_due = own.committed >= own_bytes or not own.file.is_current()
            if is_due and self._let_go(own):
                self._own.remove(own)
        if self._orphan is not None:
            self._orphan.advance()
            if self._let_go(self._orphan):
                self._orphan = None

    def close(self) -> None:
        """Let go of all files; what isn't committed stays on disk for the next channel."""
        for draining in self._list_all():
            draining.file.close()
        self._own, self._orphan = [], None

    def _list_all(self) -> list[Draining]:
        return self._own if self._orphan is None else [*self._own, self._orphan]

    @staticmethod
    def _let_go(draining: Draining) -> bool:
        if not draining.is_drained():
            return False
        draining.file.retire()
        if not draining.is_drained():  # a hook was faster; its event is sent from the renamed file
            return False
        draining.file.delete()
        return True

    def _attach_own(self) -> list[Draining]:
        """This process's files, oldest first: the one that hooks write to, after what a crash has left renamed."""
        if not self._own or not self._own[-1].file.is_current():
            known = {own.file.path for own in self._own}
            for _, path, _ in list_files(self._folder, self._pid):
                if path not in known:
                    if (file := SpoolFile.open(path)) is None:
                        break  # somebody drains it: what is newer comes later
                    self._own.append(Draining(file))
        return self._own

    def _adopt(self, now: float) -> Draining | None:
        if self._orphan is None and now >= self._adopt_at:
            self._adopt_at = now + ADOPT_SECONDS
            busy = set()
            for pid, path in list_orphans(self._folder, self._pid):
                if pid in busy:
                    continue
                if (file := SpoolFile.open(path)) is None:
                    busy.add(pid)  # somebody drains it: the process's newer files are not for us either
                    continue
                self._orphan = Draining(file)
                self._orphan.seen = END  # another process's events tell nothing about this one
                self._adopt_at = now  # there may be more
                self._note(f"sending what {path.name} has left")
                break
        return self._orphan

    def _take(self, draining: Draining) -> Events | None:
        while len(draining.on_its_way) < WINDOW:
            page: Page = draining.file.read(draining.sent)
            if page.size == 0:
                return None
            draining.sent += page.size
            if events := self._build_events(page):
                self._seq += 1
                draining.on_its_way.append(Batch(draining.sent, self._seq, done=False))
                return Events(seq=self._seq, events=events)
            draining.on_its_way.append(Batch(draining.sent, None, done=True))
            draining.advance()
        return None

    def _build_events(self, page: Page) -> list[Event]:
        events = []
        for record in page.records:
            value, body = _read_body(record)
            if value is None:
                self._note(f"event {record.event_id} is no JSON object, skipped")
                continue
            events.append(
                Event(
                    event_id=record.event_id,
                    at=record.at,
                    source="hook" if record.source == "h" else "channel",
                    pid=record.pid,
                    body=msgspec.Raw(body),
                )
            )
        return events


def _read_body(record: Record) -> tuple[dict[str, Any] | None, bytes]:
    try:
        value, body = loose.mend(record.body)
    except loose.NotJson:
        return None, b""
    if not isinstance(value, dict):
        return None, body
    if body is not record.body:  # nobody may allow what isn't shown as it came
        value["heliograph_cut"] = True
        body = msgspec.json.encode(value)
    return value, body
