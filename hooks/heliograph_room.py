"""The hook's rare half: how much room the spool has, and what becomes of an event that doesn't fit.

One bound for the machine, over all processes' files. Every hook may look, and whoever finds the spool
half full leaves ``spool/full`` behind, so that all look from then on, until one finds it less full. Nobody
locks anything: hooks that look at the same time may each add the event they hold, no more.

What is cheapest goes first: streamed text (the turn's end repeats its last part), then the bulk of
tool results, then everything but what a message's receipt or a person's decision hangs on. Everything
that goes is counted in ``<pid>.<session>.gap``, a byte each; the channel or an uploader reports it.
"""

import posix

SPOOL_BYTES = 256 * 1024 * 1024  # of the whole folder; HELIOGRAPH_SPOOL_MIB says otherwise. The disk is not ours
TEXT_SHARE = 0.5  # from here on MessageDisplay is dropped, and every hook looks
CUT_SHARE = 0.75  # tool results are cut
REST_SHARE = 0.9375  # what is not vital is dropped; at 1 everything is
SMALL_BYTES = 8 * 1024  # of a tool result that is cut
VITAL = (
    b"UserPromptSubmit", b"Stop", b"StopFailure", b"SessionStart", b"SessionEnd", b"PermissionRequest", b"Elicitation",
)  # fmt: skip
BULK = (b"PostToolUse", b"PostToolUseFailure", b"PostToolBatch")
KEPT = ("hook_event_name", "session_id", "transcript_path", "cwd", "tool_name", "tool_use_id", "prompt_id")
DROPPED, CUT = b"d", b"c"
SESSION_CHARS = 128  # wire.frames.ID_CHARS
FLAGS = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC


class NoRoom(Exception):
    """The spool is too full for an event of this kind."""


def fit(folder: bytes, pid: int, body: bytes, most: int) -> bytes:
    """The event as there is room for it, at most ``most`` bytes; raises NoRoom, or ValueError if it can't be cut."""
    if len(body) > most:
        body = cut(body, most)
    bound = read_bound()
    size = measure(folder) + len(body)
    set_mark(folder + b"/full", is_due=size > bound * TEXT_SHARE)
    name = find_text(body, b"hook_event_name")
    if size > bound * TEXT_SHARE and name == b"MessageDisplay":
        raise NoRoom("the spool fills up, streamed text is not kept")
    if size > bound * CUT_SHARE and name in BULK and len(body) > SMALL_BYTES:
        smaller = cut(body, SMALL_BYTES)
        count(folder, pid, body, CUT)
        size -= len(body) - len(smaller)
        body = smaller
    if size > bound * (1 if name in VITAL else REST_SHARE):
        raise NoRoom("the spool is full, the event is not kept")
    return body


def read_bound() -> int:
    """Bytes that the spool may take."""
    named = posix.environ.get(b"HELIOGRAPH_SPOOL_MIB", b"")
    return int(named) * 1024 * 1024 if named.isdigit() else SPOOL_BYTES


def measure(folder: bytes) -> int:
    """Bytes in the spool, of all processes."""
    size = 0
    try:
        for name in posix.listdir(folder):
            try:
                size += posix.lstat(folder + b"/" + name).st_size
            except FileNotFoundError:
                pass  # drained just now
    except FileNotFoundError:
        pass
    return size


def set_mark(path: bytes, *, is_due: bool) -> None:
    """Have every hook look, or none; if that fails, the next look tries again."""
    try:
        if is_due:
            posix.close(posix.open(path, FLAGS, 0o600))
        elif posix.access(path, posix.F_OK):
            posix.unlink(path)
    except OSError:
        pass


def find_text(body: bytes, key: bytes) -> bytes:
    """The text at ``key``: the first one so named, since tools' inputs come later."""
    start = body.find(b'"%s":' % key)
    value = body[start + len(key) + 3 :][: SESSION_CHARS + 8].lstrip() if start >= 0 else b""
    text, end, _ = value[1:].partition(b'"')
    return text if value[:1] == b'"' and end else b""


def count(folder: bytes, pid: int, body: bytes, kind: bytes) -> None:
    """One byte for each event that is missing or cut. Whoever reports renames the file first, so a byte that
    went to a renamed one is written again.
    """
    session = find_text(body, b"session_id")
    if not session or not session.replace(b"-", b"").replace(b"_", b"").isalnum() or len(session) > SESSION_CHARS:
        return  # the hub takes nothing for it
    path = b"%s/%d.%s.gap" % (folder, pid, session)
    try:
        for _ in range(3):
            fd = posix.open(path, FLAGS, 0o600)
            opened = posix.fstat(fd)
            try:
                posix.write(fd, kind)
            except OSError:
                posix.ftruncate(fd, opened.st_size + 1)  # the disk is full: a hole takes no room, and reads as dropped
            try:
                if posix.stat(path).st_ino == opened.st_ino:
                    return
            except FileNotFoundError:
                pass
            posix.close(fd)
    except OSError:
        pass  # not even that: the log says so, if anything does


def cut(body: bytes, most: int) -> bytes:
    """A large event made to fit: its longest texts are shortened until it does."""
    import json  # noqa: PLC0415 - costs as much as all the rest

    def dump(event: dict[str, object]) -> bytes:
        event["heliograph_cut"] = True
        text: str = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")

    event: dict[str, object] = json.loads(body)
    for limit in (65536, 16384, 4096, 1024, 256, 64):
        if limit < most:
            body = dump({key: value if key in KEPT else shorten(value, limit) for key, value in event.items()})
            if len(body) <= most:
                return body
    body = dump({key: shorten(event[key], most // 64) for key in KEPT if key in event})
    if len(body) > most:
        raise ValueError("an event that can't be cut is not kept")
    return body


def shorten(value: object, limit: int) -> object:
    """``value`` with every text in it cut to about ``limit`` characters, out of its middle."""
    if isinstance(value, str) and len(value) > limit:
        head = limit * 3 // 4
        left_out = len(value) - limit
        return f"{value[:head]}\n… {left_out} characters cut by Heliograph …\n{value[head + left_out :]}"
    if isinstance(value, dict):
        return {shorten(key, 256): shorten(item, limit) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item, limit) for item in value]
    return value
