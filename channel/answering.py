"""What ``asks`` keeps and is shown, and what it asks for: plain values. ``deciding`` does."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from wire.frames import ID_CHARS, AnsweredBy, Verdict

Kind = Literal["main", "agent", "form"]
"""Who asks. Claude Code may hold a subagent's dialog back while the hook waits, and always does so with a form."""

_LINE = re.compile(rb"ask ([0-9a-f-]{36}) ([\w-]{1,%d}) (main|agent|form)\n" % ID_CHARS, re.ASCII)

_KINDS: dict[bytes, Kind] = {b"main": "main", b"agent": "agent", b"form": "form"}


class View(msgspec.Struct, frozen=True):
    """The process as it is now. ``waiting``: the client itself says that a dialog is open. ``linked``: with the hub.
    ``writable``: it reads what the relay is told.
    """

    waiting: bool = False
    linked: bool = True
    writable: bool = True


class Asking(msgspec.Struct, frozen=True):
    """What a hook says that waits for an answer."""

    decision_id: str
    session_id: str
    kind: Kind


class Hand(msgspec.Struct, frozen=True):
    """Give the waiting hook its answer; answered by ``take_answer``."""

    decision_id: str
    answer: bytes


class LetGo(msgspec.Struct, frozen=True):
    """Let the waiting hook go without one."""

    decision_id: str


class Relay(msgspec.Struct, frozen=True):
    """Tell Claude Code's relay."""

    request_id: str
    behavior: Literal["allow", "deny"]


class Waits(msgspec.Struct, frozen=True):
    """Tell the hub what takes an answer now."""

    decision_id: str
    session_id: str
    answered_by: AnsweredBy
    request_id: str | None = None


class Decided(msgspec.Struct, frozen=True):
    """Tell the hub what became of its verdict."""

    decision_id: str
    session_id: str
    taken: bool


class Request(msgspec.Struct):
    """What the relay told at ``at``; ``shown`` is its preview, normalised. ``decision_id``: once it is told to the hub
    as a decision of its own. ``is_known``: it may belong to a dialog that a hook told of, and that is over.
    """

    request_id: str
    session_id: str
    tool_name: str
    description: str
    input_preview: str
    shown: str
    at: float
    decision_id: str | None = None
    is_known: bool = False


class Announce(msgspec.Struct, frozen=True):
    """Tell the hub of a dialog that only the relay knows; answered by ``announce``."""

    request: Request


Effect = Hand | LetGo | Relay | Waits | Decided | Announce


class Ask(msgspec.Struct):
    """A dialog. ``shown``: its input as a preview is held against it, None if that isn't known whole. ``waits_since``:
    a hook waits; ``came_at``: the last one began to. ``giving``: it is being handed this. ``told``: of what the hub
    knows that it takes an answer.
    """

    decision_id: str
    session_id: str
    kind: Kind
    since: float
    agent_id: str | None = None
    tool_name: str = ""
    shown: str | None = None
    waits_since: float | None = None
    came_at: float | None = None
    giving: Verdict | None = None
    told: Waits | None = None

    def is_of(self, session_id: str, *kinds: Kind) -> bool:
        """Whether that session asks, in one of these ways."""
        return self.session_id == session_id and self.kind in kinds


class Pending(msgspec.Struct, frozen=True):
    """A verdict that nobody has taken yet, and how long it may stay so."""

    verdict: Verdict
    until: float


def read_line(line: bytes) -> Asking | None:
    """What a hook says that waits; None if that is something else."""
    found = _LINE.fullmatch(line)
    return None if found is None else Asking(found[1].decode(), found[2].decode(), _KINDS[found[3]])


class _Said(msgspec.Struct, frozen=True):
    interrupt: bool = False


class _Output(msgspec.Struct, frozen=True, rename="camel"):
    decision: _Said = _Said()


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    hook_specific_output: _Output = _Output()


def names_stop(verdict: Verdict) -> bool:
    """Whether the answer ends Claude's turn, which it does even when its own dialog is over; in doubt, yes."""
    try:
        return msgspec.json.decode(verdict.answer, type=_Answer).hook_specific_output.decision.interrupt
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True
