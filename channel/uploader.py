"""``python -I -m channel.uploader PID``: sends what a Claude Code process spools while it has no channel.

Two start it. A channel that is told to stop, since Claude Code 2.1.329 ends its channel first and only
then runs its ``SessionEnd`` hooks. And a hook that finds nobody listening: a channel that died is never
started again. It ends when nothing has come for a while (the next hook starts another), when the session
has ended, when the process is gone, and when a channel has taken over (``/mcp reconnect``). Then it has sent what
dead processes have left, too. Where the process is gone and no hook told of its last session's end, the uploader
does: ``ChannelGone``.

A hub that is away is tried again for ten minutes, ever more rarely: that outlasts a restart, an upgrade, another
network. Beyond, 25 MB of memory are better spent: the next hook, channel or uploader of the machine goes on.
Of those whose process has ended, only one waits (``run/waiting``): a hundred ``claude -p`` leave no hundred
uploaders, and who waits adopts what the others leave.

``run/<pid>.up`` is its mark: locked, so that there is one at a time; fresh, so that hooks start no other. Who
removes it (a channel that comes up, ``heliograph uninstall``) sends the uploader away.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from channel import VERSION
from channel.config import Machine, find_home, read_machine, read_stamp
from channel.gap import report_gaps
from channel.handover import report_claims
from channel.log import build_logger, guarded
from channel.mark import Mark, Relief
from channel.outbox import Outbox
from channel.process import is_running
from channel.spool import Record
from wire.frames import Ack, Event, Rejected
from wire.ids import build_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.request import OpenerDirector

IDLE_SECONDS = 2.0
"""``SessionEnd`` hooks share 1.5 s, so the last of them comes within this."""

STEP_SECONDS = 0.05
"""Between two looks at the spool."""

POST_SECONDS = 2.0
LONGEST_POST_SECONDS = 30.0
"""For a batch; twice as long after each that took longer: half a megabyte over a slow link takes its time."""

AWAY_SECONDS = 600.0
"""How long a hub that can't be reached is tried. Then the mark stays, so that hooks start another uploader only
once it is old."""

AWAY_STEP_SECONDS = 0.5
LONGEST_DELAY = 30.0
"""Between two attempts; the first come after about a second."""


class Batch(msgspec.Struct, frozen=True):
    """The body of ``POST /api/v1/events``. ``pid``: whose uploader this is; of others it sends what they left."""

    events: list[Event]
    pid: int


class Answer(msgspec.Struct, frozen=True):
    """What the hub says to it."""

    committed: list[str]
    rejected: list[Rejected] = []


def leave_behind(home: Path, pid: int) -> None:
    """Start the uploader for Claude Code ``pid``, in nobody's way; raises OSError."""
    subprocess.Popen(
        [sys.executable, "-I", "-m", "channel.uploader", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what ends Claude's process group comes too early for this
        cwd="/",
        env={**os.environ, "HELIOGRAPH_HOME": str(home)},
    )


class Patience:
    """With a hub that can't be reached: when to try again, and when no more. Pure; times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._failures = 0
        self._due = 0.0

    @property
    def is_tried(self) -> bool:
        """Whether the hub is away."""
        return self._since is not None

    def is_due(self, now: float) -> bool:
        """Whether to try."""
        return now >= self._due

    def fail(self, now: float, spread: float) -> bool:
        """It didn't answer; ``spread`` in [0, 1) parts many machines. False if that is enough."""
        self._since = now if self._since is None else self._since
        self._due = now + min(LONGEST_DELAY, 2.0 ** min(self._failures, 10)) * (0.5 + spread / 2)
        self._failures += 1
        return now - self._since < AWAY_SECONDS


class Sessions:
    """Which session a process carried last, and whether a hook told of its end. Pure."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._ended: set[str] = set()

    def see(self, body: Mapping[str, Any]) -> None:
        """Learn from a hook's event. What comes late, of a session that has ended, opens it no more."""
        session_id, name = body.get("session_id"), body.get("hook_event_name")
        if not isinstance(session_id, str):
            return
        if name == "SessionEnd":
            self._ended.add(session_id)
        elif name == "SessionStart":
            self._ended.discard(session_id)
        if session_id not in self._ended:
            self._last = session_id

    def take_open(self) -> str | None:
        """The last session, if nobody told of its end; only the first time."""
        session_id, self._last = self._last, None
        return None if session_id in self._ended else session_id


class Upload:
    """The work of one uploader, for as long as ``mark`` is its."""

    def __init__(self, home: Path, pid: int, machine: Machine, outbox: Outbox, mark: Mark) -> None:
        self._home = home
        self._pid = pid
        self._machine = machine
        self._outbox = outbox
        self._mark = mark
        self._opener = _build_opener(machine)
        self._relief = Relief(home, pid)
        self._patience = Patience()
        self._stamp = read_stamp(home)
        self._waits: Mark | None = None
        self._seconds = POST_SECONDS
        self._sessions = Sessions()

    def run(self) -> None:
        """Post until there is nothing more to come; raises OSError if the hub refuses, or is away for long."""
        try:
            self._run()
        finally:
            if self._waits is not None:
                self._waits.remove()

    def _run(self) -> None:
        came_at = time.monotonic()
        is_over = False
        while self._mark.renew():
            is_alive = is_running(self._pid)  # before the look at the spool: what is written later, nobody wrote
            bodies = [event.body for event in self._outbox.see()]
            seen = [body.get("hook_event_name") for body in bodies]
            for body in bodies:
                self._sessions.see(body)
            if not is_alive:
                self._tell_death()
            is_over = is_over or not is_alive or "SessionEnd" in seen
            came_at = time.monotonic() if seen else came_at
            if self._patience.is_due(time.monotonic()) and self._try():
                continue
            if self._relief.is_here():
                return
            if self._patience.is_tried:
                if not is_alive and not self._may_wait():
                    return
                time.sleep(AWAY_STEP_SECONDS)
            elif is_over or time.monotonic() - came_at > IDLE_SECONDS:
                return
            else:
                time.sleep(STEP_SECONDS)

    def _tell_death(self) -> None:
        """Claude Code was killed: no hook, and no channel, tells the hub that its session is over."""
        session_id = self._sessions.take_open()
        if session_id is None:
            return
        at = time.time_ns() // 1000
        data = msgspec.json.encode({"hook_event_name": "ChannelGone", "session_id": session_id})
        with suppress(OSError):  # the disk is full, and more than this is lost
            self._outbox.put(Record("c", build_id(at, os.urandom(8)), at, self._pid, data))

    def _try(self) -> bool:
        """Post what there is; True if there is more by now."""
        try:
            while self._mark.renew() and (batch := self._outbox.next_batch(time.monotonic())) is not None:
                self._outbox.ack(
                    _post(self._opener, self._machine, Batch(batch.events, self._pid), self._seconds, batch.seq)
                )
        except OSError as error:
            self._seconds = min(LONGEST_POST_SECONDS, self._seconds * 2) if _is_late(error) else self._seconds
            if _is_refused(error) or not self._patience.fail(time.monotonic(), random.random()):  # noqa: S311
                raise
            if read_stamp(self._home) != self._stamp:
                raise ConnectionAbortedError("this machine was paired anew, or not at all") from error
            self._outbox.start_link()
            return False
        self._patience = Patience()
        with suppress(OSError):  # no room for the report: the next one makes it
            run, spool = self._home / "run", self._home / "spool"
            reports = report_gaps(spool, self._pid, self._outbox.put)
            return reports + report_claims(run, spool, self._pid, self._outbox.put) > 0
        return False

    def _may_wait(self) -> bool:
        """Whether no other uploader waits for the hub although its process has ended."""
        self._waits = self._waits or Mark.take(self._home / "run" / "waiting")
        return self._waits is not None


def _is_refused(error: OSError) -> bool:
    """Whether the hub has answered, and will answer the same again."""
    from urllib.error import HTTPError  # noqa: PLC0415 - see _build_opener

    later = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return isinstance(error, HTTPError) and error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in later


def _build_opener(machine: Machine) -> OpenerDirector:
    import urllib.request  # noqa: PLC0415 - the channel imports this module, and doesn't need it

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """The key goes to the hub that it was made by, and nowhere else."""

        def redirect_request(self, *_: object) -> None:
            return None

    proxy = urllib.request.ProxyHandler({} if machine.is_on_loopback else None)
    return urllib.request.build_opener(NoRedirect, proxy)


def _is_late(error: OSError) -> bool:
    return isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)


def _post(opener: OpenerDirector, machine: Machine, batch: Batch, seconds: float, seq: int) -> Ack:
    import urllib.request  # noqa: PLC0415 - see above
    from http.client import HTTPException  # noqa: PLC0415

    request = urllib.request.Request(  # noqa: S310 - Machine takes http and https only
        machine.hub_url.rstrip("/") + "/api/v1/events",
        data=msgspec.json.encode(batch),
        headers={
            "Authorization": f"Bearer {machine.key}",
            "Content-Type": "application/json",
            "User-Agent": f"heliograph-channel/{VERSION}",
        },
    )
    try:
        with opener.open(request, timeout=seconds) as response:
            answer = msgspec.json.decode(response.read(), type=Answer)
    except (HTTPException, msgspec.DecodeError, UnicodeError) as error:
        raise ConnectionError("what answered is no hub") from error
    if not {event.event_id for event in batch.events} <= {*answer.committed, *(r.event_id for r in answer.rejected)}:
        raise ConnectionError("the hub didn't commit everything")
    return Ack(seq=seq, rejected=answer.rejected)


def serve(home: Path, pid: int, machine: Machine, outbox: Outbox) -> None:
    """Upload for as long as it is ours to do; raises OSError, and leaves its mark then."""
    path = home / "run" / f"{pid}.up"
    while (mark := Mark.take(path)) is not None:
        try:
            Upload(home, pid, machine, outbox, mark).run()
        except BaseException:
            mark.leave()
            raise
        if not mark.remove():
            break
        # A hook that still saw the mark has written its event before: so this look comes after it.
        if outbox.is_sent() or not is_running(pid) or Relief(home, pid).is_here():
            break
    outbox.see()  # what it shows matters to nobody any more
    outbox.tidy(own_bytes=0)


def main() -> None:
    """Run as a process of its own, in nobody's session."""
    with suppress(PermissionError):
        os.setsid()  # a hook can't do this for us
    os.chdir("/")
    os.umask(0o077)
    home, pid = find_home(os.environ), int(sys.argv[1])
    log = build_logger(home)
    outbox = Outbox(home / "spool", pid, log.warning)
    with guarded(log, "not all events were sent; the next uploader or channel sends them"):
        serve(home, pid, read_machine(home), outbox)
    outbox.close()


if __name__ == "__main__":
    main()
