"""One hook for every event of Claude Code: put it into the spool, ring the channel, be gone.

Reads the event from stdin, writes one spool line with one O_APPEND write, tells the channel of this
Claude Code process (the parent) that there is something to fetch, and ends the process. Where there
is no channel it starts an uploader instead. It knows neither the hub nor any key, and understands
nothing of the event but its name. Where the channel has left a message to be handed over, it claims
that and prints it as its answer; where somebody has interrupted the turn, its answer is what ends it
(``heliograph_halt``); where Claude Code asks for a decision, it waits for one (``heliograph_ask``). It never
fails Claude: whatever happens, exit 0, and stdout holds such an answer or nothing.

Standard library only, and on the common path only modules that are compiled into the interpreter,
or next to it: each import is paid at every tool call. What is rarely needed is in ``heliograph_room``:
how full the spool is, cutting an event that is too large, counting one that is lost.
"""

import posix
import time

EVENT_BYTES = 256 * 1024  # wire.frames.EVENT_BYTES; a test holds them equal
STDIN_BYTES = 32 * 1024 * 1024  # more than this isn't kept: parsing it would outlast Claude's patience
STEP_BYTES = 64 * 1024  # what one process may add to the spool between two looks at how full it is
UPLOADER_SECONDS = 5.0  # how fresh an uploader's mark is while it lives; a session's channel is up by then, too
LOG_BYTES = 256 * 1024  # of hook.log before it is moved aside to hook.log.1
CHUNK_BYTES = 64 * 1024  # a pipe's capacity
CLAIMS = {b"PostToolUse": (b"now",), b"UserPromptSubmit": (b"now", b"next"), b"Stop": (b"now", b"next")}
ASKS = (b"PermissionRequest", b"Elicitation")  # hooks.ASK_EVENTS
HALTS = (b"PreToolUse", b"PostToolBatch", b"UserPromptSubmit")  # where a turn can be ended
FLAGS = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC


def main(home: str) -> None:
    """Handle the event on stdin; ``home`` is HELIOGRAPH_HOME unless the environment says otherwise."""
    folder = home.encode("utf-8", "surrogateescape")
    try:
        posix.umask(0o077)  # what we create is 0700 and 0600 whatever Claude's own umask is
        named = posix.environ.get(b"HELIOGRAPH_HOME", b"")
        if named[:1] == b"/":
            folder = named
        handle(folder)
    except BaseException as error:
        log(folder, error)
    posix._exit(0)  # noqa: SLF001 - the interpreter's own shutdown costs a tenth of the whole run


def handle(home: bytes) -> None:
    """From stdin to spool and ring; raises whatever goes wrong."""
    body, size = read_stdin()
    at = time.time_ns() // 1000
    if size <= STDIN_BYTES and (body[:1] != b"{" or body[-1:] != b"}"):
        raise ValueError(f"not a JSON object on stdin ({size} bytes)")
    pid = posix.getppid()
    is_left = pid == 1 and not is_claude_first()  # Claude is gone already, and pid 1 has never been it
    if is_left:
        pid = posix.getpid()  # gone in a moment: the next channel on this machine takes the event along
    name = read_name(body)
    event_id = build_id(at, posix.urandom(8))
    lost = None
    try:
        keep(home, pid, b"h %s %d %d" % (event_id, at, pid), body, size)
    except Exception as error:
        from heliograph_room import DROPPED, count  # type: ignore[import-not-found]  # noqa: PLC0415

        make_folder(home)
        make_folder(home + b"/spool")
        count(home + b"/spool", pid, body, DROPPED)
        lost = error
    answer = halt(home, pid, name, body) if name in HALTS else b""
    if not answer and name in CLAIMS:
        answer = claim(home, pid, name, body)
    if is_left:
        pass
    elif not ring(home, pid, event_id):
        start_uploader(home, pid, is_start=name == b"SessionStart", is_end=name == b"SessionEnd")
    elif name in ASKS and not lost:
        from heliograph_ask import describe, wait_for_answer  # type: ignore[import-not-found]  # noqa: PLC0415

        asked = describe(event_id, name, body, is_agents=is_agents(body))
        body = b""  # it may be large, and this may take days
        answer = wait_for_answer(home, pid, asked)
    while answer:
        answer = answer[posix.write(1, answer) :]
    if lost:
        raise lost


def is_claude_first() -> bool:
    """Whether pid 1 is Claude Code itself, as in a container that runs nothing else (`node` for older clients)."""
    try:
        with open(b"/proc/1/comm", "rb") as comm:
            return comm.read().strip() in {b"claude", b"node"}
    except OSError:  # macOS, where pid 1 is launchd
        return False


def keep(home: bytes, pid: int, head: bytes, body: bytes, size: int) -> None:
    """Put the event into the spool; raises if it can't be kept.

    How full the spool is, only a look at the whole folder tells. It is due before a file's first event and
    before each ``STEP_BYTES`` of it, and always while ``spool/full`` says that the last look found it filling up.
    """
    if size > STDIN_BYTES:
        raise ValueError(f"an event of {size} bytes is not kept")
    spool = home + b"/spool"
    path = b"%s/%d.log" % (spool, pid)
    try:
        taken = posix.stat(path).st_size
    except FileNotFoundError:
        taken = 0
    is_due = not taken or taken % STEP_BYTES + len(head) + len(body) + 16 >= STEP_BYTES  # 16: what else is in a line
    if is_due or posix.access(spool + b"/full", posix.F_OK):
        from heliograph_room import fit  # noqa: PLC0415 - one event in fifty, as they come

        body = fit(spool, pid, body, EVENT_BYTES)
    line = b"\n%s %d %s\n" % (head, len(body), body)
    try:
        write_spool(path, line)
    except FileNotFoundError:
        make_folder(home)
        make_folder(spool)
        write_spool(path, line)


def read_name(body: bytes) -> bytes:
    """The event's name: the first one in it, since tools' inputs come later."""
    start = body.find(b'"hook_event_name":')
    return body[start + 18 : start + 64].partition(b'"')[2].partition(b'"')[0] if start >= 0 else b""


def read_stdin() -> tuple[bytes, int]:
    """What is on stdin, on one line, and its size; of more than ``STDIN_BYTES`` only the start. A newline in
    JSON stands only between tokens, so a space does as well.
    """
    chunks = []
    size = 0
    while chunk := posix.read(0, CHUNK_BYTES):
        size += len(chunk)
        if size <= STDIN_BYTES:
            chunks.append(chunk)
    return b"".join(chunks).strip().replace(b"\n", b" ").replace(b"\r", b" "), size


def build_id(at: int, random: bytes) -> bytes:
    """wire.ids.build_id, as bytes: a UUIDv7 with the microseconds in ``rand_a``."""
    millis, micros = divmod(at, 1000)
    low = int.from_bytes(random, "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    digits = b"%012x%04x%016x" % (millis & 0xFFFF_FFFF_FFFF, 0x7000 | (micros << 12) // 1000, low)
    return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def write_spool(path: bytes, line: bytes) -> None:
    """Append ``line``; again if the drainer renamed the file meanwhile (the same id twice is harmless)."""
    for _ in range(3):
        fd = posix.open(path, FLAGS, 0o600)
        written = posix.write(fd, line)
        if written != len(line):
            raise OSError(f"wrote {written} of {len(line)} bytes to the spool")
        try:
            if posix.stat(path).st_ino == posix.fstat(fd).st_ino:
                return
        except FileNotFoundError:
            pass
        posix.close(fd)
    raise OSError("the spool file was replaced three times")


def halt(home: bytes, pid: int, name: bytes, body: bytes) -> bytes:
    """The answer that ends the turn, while the channel says that somebody has interrupted it; else empty."""
    path = b"%s/run/%d.stop" % (home, pid)
    try:
        said = read_file(path)
    except FileNotFoundError:
        return b""
    from heliograph_halt import answer  # type: ignore[import-not-found]  # noqa: PLC0415 - rarely there

    halting: bytes = answer(path, said, name, body, is_agents=is_agents(body))
    return halting


def is_agents(body: bytes) -> bool:
    """Whether the event is a subagent's: its id comes before the tool's input, which may name another so."""
    return b'"agent_id":' in body.partition(b'"tool_input":')[0]


def claim(home: bytes, pid: int, name: bytes, body: bytes) -> bytes:
    """The answer that hands over a message which the channel left for this moment; empty if there is none.

    The channel writes ``run/<pid>.now`` and ``.next``: the session's id, the record to be kept of the handover,
    and the text as a JSON string, a line each. One rename makes it ours, so that no other hook prints it too.
    """
    for kind in CLAIMS[name]:
        path = b"%s/run/%d.%s" % (home, pid, kind)
        try:
            fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:
            continue
        session_id = posix.read(fd, 128).partition(b"\n")[0]
        posix.close(fd)
        if session_id not in body or (name == b"PostToolUse" and is_agents(body)):
            continue  # left for another session, or this is a subagent: it isn't spoken to
        at = time.time_ns() // 1000
        event_id = build_id(at, posix.urandom(8))
        claimed = path + b"." + event_id
        try:
            posix.rename(path, claimed)
        except FileNotFoundError:
            continue  # another hook has it, or it was taken back
        _, record, text = read_file(claimed).split(b"\n", 2)
        record = b'%s,"hook":"%s"}' % (record[:-1], name)
        try:
            line = b"\nc %s %d %d %d %s\n" % (event_id, at, pid, len(record), record)
            write_spool(b"%s/spool/%d.log" % (home, pid), line)
            posix.unlink(claimed)
        except Exception as error:  # the channel finds the claimed file, and keeps the record itself
            log(home, error)
        return b'{"hookSpecificOutput":{"hookEventName":"%s","additionalContext":%s}}' % (name, text)
    return b""


def read_file(path: bytes) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    chunks = []
    while chunk := posix.read(fd, CHUNK_BYTES):
        chunks.append(chunk)
    posix.close(fd)
    return b"".join(chunks).strip()


def ring(home: bytes, pid: int, event_id: bytes) -> bool:
    """Tell the channel; False if there is none. Never waits: its queue may be full."""
    import _socket  # noqa: PLC0415 - after the event is safe

    try:
        posix.chdir(home + b"/run")  # the address of a unix socket has room for about 100 bytes
        bell = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        bell.setblocking(False)
        bell.connect(b"%d.sock" % pid)
        bell.send(event_id + b"\n")
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def start_uploader(home: bytes, pid: int, *, is_start: bool, is_end: bool) -> None:
    """Have somebody else send what is in the spool, unless somebody does or a channel is about to.

    ``run/<pid>.up`` tells: its mark is fresh while an uploader lives, and for as long as the channel of a
    session that has just started (``is_start``) may take. After its end no hook may come, so then only an
    uploader that lives counts. What is missing, nobody has set up.
    """
    try:
        posix.stat(home + b"/machine.json")
        fd = posix.open(home + b"/hooks/uploader.path", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return
    python = posix.read(fd, 4096).strip()
    mark = b"%s/run/%d.up" % (home, pid)
    try:
        age = time.time() - posix.stat(mark).st_mtime
    except FileNotFoundError:
        make_folder(home + b"/run")
    else:
        if abs(age) < UPLOADER_SECONDS and not is_start and not (is_end and is_free(mark)):
            return
    posix.utime(posix.open(mark, FLAGS, 0o600))  # by descriptor: a channel that comes up removes the name
    if not is_start:
        null = (posix.O_RDWR, 0)
        posix.posix_spawn(
            python,
            [python, b"-I", b"-m", b"channel.uploader", b"%d" % pid],
            {**posix.environ, b"HELIOGRAPH_HOME": home},
            file_actions=[(posix.POSIX_SPAWN_OPEN, fd, b"/dev/null", *null) for fd in (0, 1, 2)],
        )


def is_free(mark: bytes) -> bool:
    """Whether no uploader holds it."""
    from fcntl import LOCK_EX, LOCK_NB, flock  # noqa: PLC0415 - once a session

    fd = posix.open(mark, FLAGS, 0o600)
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        posix.close(fd)
    return True


def make_folder(path: bytes) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass


def log(home: bytes, error: BaseException) -> None:
    """One line in our own log. Says what went wrong, never what the event was."""
    try:
        make_folder(home)
        make_folder(home + b"/log")
        path = home + b"/log/hook.log"
        fd = posix.open(path, FLAGS, 0o600)
        if posix.fstat(fd).st_size > LOG_BYTES:
            posix.rename(path, path + b".1")
            fd = posix.open(path, FLAGS, 0o600)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = f"{type(error).__name__}: {error}"[:300].replace("\n", " ")
        line = f"{now} pid {posix.getppid()}: {text}\n"
        posix.write(fd, line.encode("utf-8", "replace"))
    except BaseException:
        pass
