"""``python -I -m channel.uploader PID``: sends what a Claude Code process spools while it has no channel.

Two start it. A channel that is told to stop, since Claude Code 2.1.329 ends its channel first and only
then runs its ``SessionEnd`` hooks. And a hook that finds nobody listening: a channel that died is never
started again. It ends when nothing has come for a while (the next hook starts another), when the session
has ended, when the process is gone, and when a channel has taken over (``/mcp reconnect``).

``run/<pid>.up`` is its mark: locked, so that there is one at a time; fresh, so that hooks start no other.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from channel import VERSION
from channel.config import Machine, find_home, read_machine
from channel.log import build_logger, guarded
from channel.outbox import Outbox
from channel.process import is_running
from channel.ring import is_answered
from channel.spool import Gap, Record
from wire.frames import Ack, Event, Events, Rejected
from wire.ids import build_id

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

IDLE_SECONDS = 2.0
"""``SessionEnd`` hooks share 1.5 s, so the last of them comes within this."""

STEP_SECONDS = 0.05
"""Between two looks at the spool."""

MARK_SECONDS = 1.0
"""Between renewals of the mark; hooks take it for left behind after 5 s."""

POST_SECONDS = 1.0

RETRY_SECONDS = 1.0
AWAY_SECONDS = 3.0
"""How long a hub that can't be reached is tried, while Claude Code lives. Then the mark stays, so that
hooks start another uploader only once it is old."""


class Batch(msgspec.Struct, frozen=True):
    """The body of ``POST /api/v1/events``."""

    events: list[Event]


class Answer(msgspec.Struct, frozen=True):
    """What the hub says to it, as far as it matters here."""

    rejected: list[Rejected] = []


class Mark:
    """The locked file that says: somebody uploads. Made by ``take``."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._renewed_at = 0.0

    @classmethod
    def take(cls, path: Path) -> Mark | None:
        """None if another uploader has it; raises OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                return None
            mark = cls(path, fd)
            if mark._has_name():
                return mark
            os.close(fd)  # its last owner has just removed it

    def renew(self) -> None:
        """Keep it fresh; raises OSError."""
        if time.monotonic() - self._renewed_at >= MARK_SECONDS:
            self._renewed_at = time.monotonic()
            os.utime(self._fd)

    def remove(self) -> None:
        """From here on hooks start another uploader."""
        if self._has_name():
            self._path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Let go of it, and leave it to grow old."""
        os.close(self._fd)

    def _has_name(self) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(self._fd).st_ino
        except OSError:
            return False


class Relief:
    """Whether a channel has taken over; a socket's name that nobody answers at is asked once."""

    def __init__(self, home: Path, pid: int) -> None:
        self._folder = home / "run"
        self._pid = pid
        self._dead: int | None = None

    def is_here(self) -> bool:
        """True from when a channel listens."""
        try:
            inode = (self._folder / f"{self._pid}.sock").stat().st_ino
        except OSError:
            return False
        if inode != self._dead and is_answered(self._folder, self._pid):
            return True
        self._dead = inode
        return False


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


def upload(home: Path, pid: int, machine: Machine, outbox: Outbox, *, renew: Callable[[], None] = lambda: None) -> None:
    """Post until there is nothing more to come; raises OSError if the hub refuses, or can't be reached for long."""
    opener = _build_opener(machine)
    relief, gap = Relief(home, pid), Gap(home / "spool", pid)
    came_at = time.monotonic()
    away_since: float | None = None
    ended = False
    while True:
        is_alive = is_running(pid)  # before the look at the spool: what is written later, nobody wrote
        renew()
        seen = [event.body for event in outbox.see()]
        ended = ended or any(body.get("hook_event_name") == "SessionEnd" for body in seen)
        if seen:
            came_at = time.monotonic()
            _report_gap(gap, outbox, pid, seen[-1].get("session_id"))
        try:
            while (batch := outbox.next_batch(time.monotonic())) is not None:
                outbox.ack(_post(opener, machine, batch))
                renew()
            away_since = None
        except OSError as error:
            away_since = away_since or time.monotonic()
            if _is_refused(error) or not is_alive or time.monotonic() - away_since > AWAY_SECONDS:
                raise
            outbox.start_link()
        if relief.is_here():
            return
        if away_since is not None:
            time.sleep(RETRY_SECONDS)
        elif ended or not is_alive or time.monotonic() - came_at > IDLE_SECONDS:
            return
        else:
            time.sleep(STEP_SECONDS)


def _is_refused(error: OSError) -> bool:
    """Whether the hub has answered, and will answer the same again."""
    from urllib.error import HTTPError  # noqa: PLC0415 - see _build_opener

    later = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return isinstance(error, HTTPError) and error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in later


def _report_gap(gap: Gap, outbox: Outbox, pid: int, session_id: object) -> None:
    if isinstance(session_id, str) and (dropped := gap.count()):
        at = time.time_ns() // 1000
        body = {"hook_event_name": "ChannelGap", "session_id": session_id, "dropped": dropped}
        outbox.put(Record("c", build_id(at, os.urandom(8)), at, pid, msgspec.json.encode(body)))
        gap.forget()


def _build_opener(machine: Machine) -> OpenerDirector:
    import urllib.request  # noqa: PLC0415 - the channel imports this module, and doesn't need it

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """The key goes to the hub that it was made by, and nowhere else."""

        def redirect_request(self, *_: object) -> None:
            return None

    proxy = urllib.request.ProxyHandler({} if machine.is_on_loopback else None)
    return urllib.request.build_opener(NoRedirect, proxy)


def _post(opener: OpenerDirector, machine: Machine, batch: Events) -> Ack:
    import urllib.request  # noqa: PLC0415 - see above

    request = urllib.request.Request(  # noqa: S310 - Machine takes http and https only
        machine.hub_url.rstrip("/") + "/api/v1/events",
        data=msgspec.json.encode(Batch(batch.events)),
        headers={
            "Authorization": f"Bearer {machine.key}",
            "Content-Type": "application/json",
            "User-Agent": f"heliograph-channel/{VERSION}",
        },
    )
    with opener.open(request, timeout=POST_SECONDS) as response:
        answer = msgspec.json.decode(response.read(), type=Answer)
    return Ack(seq=batch.seq, rejected=answer.rejected)


def serve(home: Path, pid: int, machine: Machine, outbox: Outbox) -> None:
    """Upload for as long as it is ours to do; raises OSError, and leaves its mark then."""
    path = home / "run" / f"{pid}.up"
    while (mark := Mark.take(path)) is not None:
        try:
            upload(home, pid, machine, outbox, renew=mark.renew)
        except BaseException:
            mark.leave()
            raise
        mark.remove()
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
