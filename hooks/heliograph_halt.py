"""The hook's part in an interrupt: while the channel says that somebody wants Claude to stop, each step ends the turn.

``run/<pid>.stop`` says so: the session's id, why as a JSON string, and the channel's pid. It stays until Claude is
idle, since calls beside this one and those of subagents have hooks of their own. A prompt that a person queues comes
up in the middle of the turn and changes nothing; once the turn was told to end, which makes the file read-only, it
begins one of its own.
"""

import posix

SAYS = {  # what ends a turn there
    b"PreToolUse": b'{"continue":false,"stopReason":%(why)b,"hookSpecificOutput":{"hookEventName":"PreToolUse",'
    b'"permissionDecision":"deny","permissionDecisionReason":%(why)b}}',
    b"PostToolBatch": b'{"continue":false,"stopReason":%(why)b}',
    b"UserPromptSubmit": b'{"continue":false,"stopReason":%(why)b}',
}
NOTIFICATION = b'"<task-notification>'
OWN_TAG = rb"<channel source=\"heliograph\""  # wire.messages', as it stands in JSON


def answer(path: bytes, said: bytes, name: bytes, body: bytes, *, is_agents: bool) -> bytes:
    """What to print at this event; empty if it isn't this session that is to stop, or not any more."""
    fields = said.split(b"\n")
    if len(fields) != 3 or fields[0] not in body:
        return b""
    try:
        posix.kill(int(fields[2]), 0)  # a channel that was killed can't take it back
        if name == b"UserPromptSubmit" and not is_notified(body):
            if not posix.stat(path).st_mode & 0o200:
                posix.unlink(path)
            return b""
        if not is_agents:
            posix.chmod(path, 0o400)
    except (FileNotFoundError, ProcessLookupError):
        return b""
    return SAYS[name] % {b"why": fields[1]}


def is_notified(body: bytes) -> bool:
    """Whether the prompt is Claude Code's own, of a task in the background; one that brings a message is not."""
    start = body.find(b'"prompt":') + 9
    return body[start : start + 64].lstrip().startswith(NOTIFICATION) and OWN_TAG not in body
