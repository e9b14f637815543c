"""Before the user's own status line runs: save what Claude Code told it, and be gone.

Reads the JSON from stdin and puts it back there, unchanged, for the command that the loader then turns this
process into: its output, exit code, signals and time are the command's own. A grandchild, with nothing of
Claude Code's open any more, saves what the channel wants to know, to ``run/<pid>.status.json``.

Standard library only; whatever goes wrong, the user's status line runs with its stdin whole.
"""

import posix

STDIN_BYTES = 32 * 1024 * 1024  # what is longer is passed on and not looked into; usual are 1.5 KB
SAVED_BYTES = 16 * 1024  # channel.statusline.SAVED_BYTES allows for more
CHUNK_BYTES = 64 * 1024
FEED_SECONDS = 60  # how long a command may take to read what doesn't fit into a pipe
KEPT = ("session_id", "model", "cost", "context_window", "rate_limits")


def main(home: str) -> None:
    """Leave stdin as it was found; ``home`` is HELIOGRAPH_HOME unless the environment says otherwise."""
    folder = home.encode("utf-8", "surrogateescape")
    named = posix.environ.get(b"HELIOGRAPH_HOME", b"")
    if named[:1] == b"/":
        folder = named
    parts = [posix.read(0, CHUNK_BYTES)]
    try:
        while parts[-1]:
            parts.append(posix.read(0, CHUNK_BYTES))
    finally:
        give_back(folder, b"".join(parts))


def give_back(folder: bytes, data: bytes) -> None:
    """Put ``data`` where stdin was, and have a grandchild save it (and feed what the pipe doesn't hold)."""
    pid = find_claude()
    reading, writing = posix.pipe()
    posix.dup2(reading, 0)
    posix.close(reading)
    rest = feed(writing, data)
    child = posix.fork()
    if child == 0:
        try:
            if posix.fork() == 0:
                run_aside(folder, pid, data, rest, writing)
        finally:
            posix._exit(0)  # noqa: SLF001 - nothing of the interpreter's may run twice
    posix.close(writing)
    posix.waitpid(child, 0)


def feed(writing: int, data: bytes) -> bytes:
    """Write what goes in at once; what is left."""
    posix.set_blocking(writing, False)
    try:
        return data[posix.write(writing, data) :] if data else data
    except BlockingIOError:
        return data
    finally:
        posix.set_blocking(writing, True)


def run_aside(folder: bytes, pid: int, data: bytes, rest: bytes, writing: int) -> None:
    """The grandchild's whole life: Claude Code must not wait for it, so it holds nothing that it listens to."""
    null = posix.open(b"/dev/null", posix.O_RDWR)
    for fd in (0, 1, 2):
        posix.dup2(null, fd)
    posix.setsid()  # who stops the status line stops the command, not the saving
    if not rest:
        posix.close(writing)  # the command's stdin ends here
    if len(data) <= STDIN_BYTES:
        save(folder, pid, data)
    if rest:
        import signal  # noqa: PLC0415 - rarely needed

        signal.alarm(FEED_SECONDS)
        while rest:
            rest = rest[posix.write(writing, rest) :]


def find_claude() -> int:
    """Its pid: it says so itself; a version that doesn't is our parent, since the shell became us."""
    named = posix.environ.get(b"CLAUDE_PID", b"")
    return int(named) if named.isdigit() and len(named) < 11 else posix.getppid()


def save(folder: bytes, pid: int, data: bytes) -> None:
    """The parts that the channel reads, in a file that is always whole."""
    import json  # noqa: PLC0415 - costs as much as all the rest; the user's command runs by now

    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(told, dict) or "session_id" not in told:
        return
    kept = json.dumps({key: told[key] for key in KEPT if key in told}, separators=(",", ":")).encode()
    if len(kept) > SAVED_BYTES:
        return
    posix.umask(0o077)
    for path in (folder, folder + b"/run"):
        try:
            posix.mkdir(path, 0o700)
        except FileExistsError:
            pass
    path = b"%s/run/%d.status.json" % (folder, pid)
    beside = b"%s.%d" % (path, posix.getpid())
    fd = posix.open(beside, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    if posix.write(fd, kept) == len(kept):
        posix.rename(beside, path)
    else:
        posix.unlink(beside)
