"""What Claude Code's own status file says of a session, held against what its hooks have told. Pure.

No hook fires when a person stops a turn with Esc or answers a permission dialog, so without this a
session would stay as it was until its next event. The file only ever corrects: it must be newer than
the hooks, stand still for a moment, and speak of the same session; in doubt the hooks are right.
"""

from __future__ import annotations

from typing import Literal

import msgspec

STATUS_BYTES = 64 * 1024
"""The file has about 700 bytes (2.1.329)."""

SETTLE = 500_000
"""Microseconds that a status has to last: between two queued prompts the client is idle for a few milliseconds."""

HOOK_LAG = 2_000_000
"""Microseconds by which a hook may note its event late; a turn's prompt gets no such allowance."""

AT_REST = ("idle", "shell")
"""``shell``: idle, with a command of Claude's still running in the background."""

Correction = Literal["ChannelIdle", "ChannelBusy"]


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """The parts of ``sessions/<pid>.json`` that matter. ``status_updated_at`` in milliseconds since the epoch."""

    session_id: str
    status: str
    status_updated_at: int

    @property
    def at(self) -> int:
        """When it became so, in microseconds like the events."""
        return self.status_updated_at * 1000


class Turn(msgspec.Struct):
    """What the hooks have told: is a turn under way, when did it begin, when was it last heard of, and when did a
    permission dialog open that may still be? One of a subagent may, turn or no turn. Microseconds since the epoch.
    """

    busy: bool = False
    began_at: int = 0
    heard_at: int = 0
    asked_at: int | None = None


def read_status(data: bytes) -> Status | None:
    """None if it is not what we know."""
    try:
        status = msgspec.json.decode(data, type=Status)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return status if 0 < status.status_updated_at < 2**50 else None


def find_correction(status: Status, session_id: str | None, turn: Turn, now: int) -> Correction | None:
    """The event that hooks should have brought and didn't; None if they agree, or if it is too early to tell."""
    if status.session_id != session_id or not (turn.busy or turn.asked_at is not None):
        return None
    if now - max(status.at, turn.heard_at) < SETTLE:
        return None
    if status.status in AT_REST and status.at > turn.began_at and status.at > turn.heard_at - HOOK_LAG:
        return "ChannelIdle"
    if status.status == "busy" and turn.asked_at is not None and status.at > turn.asked_at:
        return "ChannelBusy"
    return None
