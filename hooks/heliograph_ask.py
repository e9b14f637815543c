"""The hook's waiting half: a dialog is open, or held back, and somebody may answer it from afar.

Asks the channel of its Claude Code process (the parent), and stays until that answers, lets it go, or Claude ends.
A channel that ends without a word may come back (``/mcp reconnect``), so it is asked again. Only an answer that came
whole is acknowledged, and only what was acknowledged is said; without one the dialog goes on in the terminal.

``claude -p`` has nobody to ask, and would hang: there it doesn't wait. Standard library only, and as little of it as
possible: one of it may stand beside each dialog for days.
"""

import _socket
import posix
import time

from heliograph_room import find_text  # type: ignore[import-not-found]
from heliograph_wake import WATCH_SECONDS, find_channel, is_wakeable, wait  # type: ignore[import-not-found]

CHANNEL_SECONDS = 60.0  # until a channel must be there again
HELD_SECONDS = 15.0  # the same while Claude Code shows no dialog before we go
HOLD_SECONDS = 660.0  # that it may stay held back; a channel that doesn't hang lets us go before
STEP_SECONDS = 0.2  # after a channel has hung up: it may be about to end
CHANNELS = 8  # that hang up without a word; one from before this script does so every 2 s
ANSWER_BYTES = 1024 * 1024  # wire.frames.FRAME_BYTES: no answer came in a larger one; a test holds them equal
CHUNK_BYTES = 64 * 1024


def describe(event_id: bytes, name: bytes, body: bytes) -> bytes:
    """The line that asks: about which event, of which session, and whether Claude Code holds its dialog back for us.

    It tells a channel that has never seen the event enough. ``agent``: a subagent's, whose dialog may be held back;
    ``form``: a server's, whose always is.
    """
    kind = b"form" if name == b"Elicitation" else b"agent" if b'"agent_id":' in body else b"main"
    return b"ask %s %s %s\n" % (event_id, find_text(body, b"session_id"), kind)


def wait_for_answer(home: bytes, parent: int, asked: bytes) -> bytes:
    """What to print; empty if nobody answers here."""
    if not is_wakeable():
        return b""
    posix.chdir(home)
    seconds = CHANNEL_SECONDS if asked.endswith(b"main\n") else HELD_SECONDS
    try:
        for _ in range(CHANNELS):
            bell = find_channel(parent, seconds)
            if bell is None:
                break
            answer = listen(parent, bell, asked)
            if answer is not None:
                return answer
            bell.close()
            wait(parent, STEP_SECONDS)
    except SystemExit:
        pass  # Claude is gone
    return b""


def listen(parent: int, bell: "_socket.socket", asked: bytes) -> "bytes | None":
    """The answer, acknowledged; empty when the channel lets us go, None when it hangs up without a word."""
    try:
        bell.setblocking(True)
        bell.sendall(asked)
        until = time.monotonic() + HOLD_SECONDS
        data = b""
        answer = None
        while answer is None:
            while not wait(parent, WATCH_SECONDS, bell):
                if time.monotonic() > until and not asked.endswith(b"main\n"):
                    return b""
            chunk = bell.recv(CHUNK_BYTES)
            if not chunk:
                return None
            data += chunk
            answer = read_answer(data)
        if answer:
            bell.sendall(b"+")
    except OSError:
        return None
    return answer


def read_answer(data: bytes) -> "bytes | None":
    """The answer in what has come so far, None while it isn't whole; raises ValueError for what is none."""
    size, separator, answer = data.partition(b"\n")
    if not size.isdigit() or len(size) > 7 or int(size) > ANSWER_BYTES or len(answer) > int(size):
        raise ValueError("the channel said what is no answer")
    if not separator or len(answer) < int(size):
        return None
    if answer and (answer[:1] != b"{" or answer[-1:] != b"}"):
        raise ValueError("the channel's answer is no JSON object")
    return answer
