"""What calls of the API take. Fields that a call doesn't know are refused, so that none is lost silently."""

from __future__ import annotations

import asyncio
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from hub.core.model import Verdict
from hub.core.rules import Behavior, Hours
from hub.errors import BadRequest, TooSlow
from wire.frames import Event, When

FORM = "application/x-www-form-urlencoded"

FORM_FIELDS = 16

BODY_SECONDS = 10.0
"""What a body gets to arrive, whatever its size."""


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """Text for a session.

    The same ``client_id`` from the same sender is the same message. ``when``: ``auto``, as a turn of its own as soon
    as Claude is idle; ``now``, in the middle of a turn, where Claude takes it as information; ``next_turn``, with
    the next prompt at the terminal or at the end of the turn.
    """

    text: str
    client_id: str | None = None
    when: When = "auto"


class Move(msgspec.Struct, forbid_unknown_fields=True):
    """Where a queued message goes: before another one of its session, or last."""

    before: str | None = None


class NewVerdict(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to what ``digest`` was made of: one of the decision's ``offers``.

    ``message``: to Claude, with a denial. ``input``: allow with this one instead; of a plan, ``{"plan": text}``.
    ``remember``: allow, and save the suggestion at this index. ``answers``: to questions, by the question's text, a
    text or a list of choices; to a form, by the field's name. ``mode``: into which a plan is approved. ``stop``: deny,
    and Claude's turn ends. A form is declined by ``deny``, and cancelled by ``deny`` with ``stop``.
    """

    digest: str
    behavior: Literal["allow", "deny"]
    message: str | None = None
    input: dict[str, Any] | None = None
    remember: int | None = None
    answers: dict[str, Any] | None = None
    mode: str | None = None
    stop: bool = False

    def build_verdict(self) -> Verdict:
        """What is decided. A blank message is none."""
        return Verdict(
            behavior=self.behavior,
            message=self.message if self.message and self.message.strip() else None,
            input=self.input,
            remember=self.remember,
            answers=self.answers,
            mode=self.mode,
            stop=self.stop,
        )


class NewRule(msgspec.Struct, forbid_unknown_fields=True):
    """What is answered without a person from now on: permissions only, and only where all of the input is known.

    ``tools``: patterns in Claude Code's own form: ``WebFetch``, ``WebFetch(domain:example.com)``, ``Bash(git status)``,
    ``Bash(git log:*)``, ``mcp__server__*``. One that allows a beginning (``:*``) fits no command that chains or
    substitutes; one that denies fits wherever the command could be meant. Where any rule denies, none allows.
    ``machine``: an id; ``project``: a folder and what is below; null is every one. ``hours``: from a time of the day to
    another, past midnight if it ends earlier. ``message``: told to Claude with a denial.
    """

    behavior: Behavior
    tools: list[str]
    machine: str | None = None
    project: str | None = None
    hours: Hours | None = None
    message: str | None = None


class Join(msgspec.Struct, forbid_unknown_fields=True):
    """A machine that shows its pairing code, and how it is called."""

    code: str
    name: str
    user: str
    os: str


class PushKeys(msgspec.Struct):
    """What a browser decrypts by."""

    p256dh: str
    auth: str


class PushSubscription(msgspec.Struct):
    """A browser's ``PushSubscription`` as its ``toJSON`` writes it; what else a browser adds is its own business."""

    endpoint: str
    keys: PushKeys


class Batch(msgspec.Struct):
    """Events out of a machine's spool, oldest first; all but those of the process ``pid`` are of dead ones."""

    events: list[Event]
    pid: int | None = None


async def read_bytes(request: web.Request) -> bytes:
    """The whole body; raises TooSlow for one that trickles."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise TooSlow(f"The body didn't arrive within {BODY_SECONDS:.0f} s.") from None


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of one of our pages' forms; raises BadRequest for any other kind of body."""
    if request.content_type != FORM:
        raise BadRequest(f"The body must be a form, with Content-Type: {FORM}.")
    try:
        return dict(parse_qsl((await read_bytes(request)).decode("ascii"), max_num_fields=FORM_FIELDS))
    except ValueError as error:
        raise BadRequest("The form can't be read.") from error
