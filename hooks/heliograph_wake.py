"""Parked beside an idle Claude Code, to wake it with a message: the way that needs no channel flag.

Claude Code starts it in the background (``asyncRewake``) and goes on; when it exits 2, what it wrote to
stderr becomes a new turn. So it connects to the channel of its Claude Code process (the parent), says that
it parks, and waits. The channel releases it with a text, or hangs up: because it ends, or because a newer
one is parked. It doesn't read the event and never fails Claude: whatever happens, it exits 0 silently.

``claude -p`` would wait for it at its end, so it only parks in a terminal's session. One of it stands beside
each session for as long as that lives: standard library only, and as little of it as possible.
"""

import _socket
import posix
import select
import time

PARK = b"park\n"  # channel.ring.PARK; a test holds them equal
CHANNEL_SECONDS = 60.0  # until a channel must be there: Claude Code itself waits 30 s for it
SHORTEST_STEP, LONGEST_STEP = 0.05, 1.0  # between two looks for the channel
WATCH_SECONDS = 10.0  # between two looks at the parent, should its end not show otherwise
CHUNK_BYTES = 64 * 1024
WAKE = 2  # the exit code that wakes Claude


def main(home: str) -> None:
    """Park; ``home`` is HELIOGRAPH_HOME unless the environment says otherwise."""
    code = 0
    try:
        folder = home.encode("utf-8", "surrogateescape")
        named = posix.environ.get(b"HELIOGRAPH_HOME", b"")
        text = park(named if named[:1] == b"/" else folder) if is_wakeable() else b""
        while text:
            text = text[posix.write(2, text) :]
            code = WAKE
    except BaseException:
        pass
    posix._exit(code)  # noqa: SLF001 - nothing to clean up


def is_wakeable() -> bool:
    """Whether Claude Code runs in a terminal, and so doesn't wait for us when it ends."""
    return posix.environ.get(b"CLAUDE_CODE_ENTRYPOINT") == b"cli"


def park(home: bytes) -> bytes:
    """The text to wake Claude with; empty when there will be none."""
    parent = posix.getppid()
    while posix.read(0, CHUNK_BYTES):
        pass  # the event; a large one would hold up the writer
    posix.chdir(home)
    bell = find_channel(parent, CHANNEL_SECONDS)
    if bell is None:
        return b""
    bell.setblocking(True)
    bell.sendall(PARK)
    while not wait(parent, WATCH_SECONDS, bell):
        pass
    return receive(bell)


def find_channel(parent: int, seconds: float) -> "_socket.socket | None":
    """A connection to the channel, as soon as it listens; None if none comes within ``seconds``."""
    deadline = time.monotonic() + seconds
    step = SHORTEST_STEP
    while True:
        bell = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        bell.setblocking(False)  # the queue of a channel that hangs may be full
        try:
            bell.connect(b"run/%d.sock" % parent)
        except OSError:
            bell.close()
        else:
            return bell
        if time.monotonic() > deadline:
            return None
        wait(parent, step)
        step = min(LONGEST_STEP, step * 1.5)


def wait(parent: int, seconds: float, bell: "_socket.socket | None" = None) -> bool:
    """Whether the channel has something for us, after ``seconds`` at most; ends the process with Claude."""
    poll = select.poll()
    poll.register(2, 0)  # a hang-up shows without being asked for: Claude Code held the other end
    if bell is not None:
        poll.register(bell.fileno(), select.POLLIN)
    found = dict(poll.poll(int(seconds * 1000)))
    if 2 in found or posix.getppid() != parent:
        raise SystemExit
    return bool(found)


def receive(bell: "_socket.socket") -> bytes:
    """The text, taken whole or not at all: what isn't acknowledged here, the channel may send another way."""
    data = b""
    while chunk := bell.recv(CHUNK_BYTES):
        data += chunk
        size, separator, text = data.partition(b"\n")
        if separator and len(text) == int(size):
            bell.sendall(b"+")
            return text
    return b""
