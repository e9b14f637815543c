"""``python -I -m channel.uploader PID``: the last words of a Claude Code whose channel has gone.

Claude Code 2.1.329 ends its channel first, waits for that, and only then runs its ``SessionEnd``
hooks. So a channel that is told to stop leaves this behind, for two seconds at most: it posts what
the hooks of that process still write. It stops as soon as the session's end is committed, the
process is gone, or a new channel has taken over (``/mcp reconnect``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from channel import VERSION
from channel.config import Machine, find_home, read_machine
from channel.log import build_logger, guarded
from channel.outbox import Outbox
from wire.frames import Ack, Event, Events, Rejected

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

LIFE_SECONDS = 2.0
"""``SessionEnd`` hooks share 1.5 s."""

STEP_SECONDS = 0.02
"""Between two looks at the spool."""

POST_SECONDS = 1.0


class Batch(msgspec.Struct, frozen=True):
    """The body of ``POST /api/v1/events``."""

    events: list[Event]


class Answer(msgspec.Struct, frozen=True):
    """What the hub says to it, as far as it matters here."""

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


def upload(home: Path, pid: int, machine: Machine, outbox: Outbox) -> None:
    """Post until there is nothing more to come; raises OSError if the hub can't be reached."""
    opener = _build_opener(machine)
    deadline = time.monotonic() + LIFE_SECONDS
    ended = False
    while True:
        is_running = _is_running(pid)  # before the look at the spool: what is written later, nobody wrote
        ended = ended or any(body.get("hook_event_name") == "SessionEnd" for body in outbox.see())
        while (batch := outbox.next_batch(time.monotonic())) is not None:
            outbox.ack(_post(opener, machine, batch))
        if ended or not is_running or (home / "run" / f"{pid}.sock").exists() or time.monotonic() > deadline:
            return
        time.sleep(STEP_SECONDS)


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


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def main() -> None:
    """Run as a process of its own; always ends within a few seconds."""
    os.umask(0o077)
    home, pid = find_home(os.environ), int(sys.argv[1])
    log = build_logger(home)
    outbox = Outbox(home / "spool", pid, log.warning)
    with guarded(log, "the last events were not sent; the next channel sends them"):
        upload(home, pid, read_machine(home), outbox)
    outbox.tidy(own_bytes=0)
    outbox.close()


if __name__ == "__main__":
    main()
