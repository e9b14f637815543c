"""What the ladder is shown, and what it asks for: plain values. ``ladder`` decides, ``delivery`` does."""

from __future__ import annotations

from typing import Literal

import msgspec

from wire.frames import Push, Via, WhyNot

Slot = Literal["now", "next"]
Reason = Literal["busy", "elsewhere", "no_way"]


class View(msgspec.Struct, frozen=True):
    """The process as it is now. ``starting``: a turn is about to begin. ``at_rest``: the client itself says that
    it is idle, and no dialog is open. ``hooks``: they run here. ``parked``: one waits to wake Claude.
    """

    session_id: str | None
    busy: bool = False
    starting: bool = False
    at_rest: bool = False
    hooks: bool = True
    parked: bool = False
    writable: bool = True


class Notify(msgspec.Struct, frozen=True):
    """Push it, and report it once it is written."""

    push: Push
    via: Via


class Ping(msgspec.Struct, frozen=True):
    """Ask the client whether it is alive; answered by ``take_pong``."""

    number: int


class Release(msgspec.Struct, frozen=True):
    """Wake Claude with it; answered by ``take_release``."""

    push: Push


class Offer(msgspec.Struct, frozen=True):
    """Leave it in a file for a hook; answered by ``take_claim`` one day."""

    push: Push
    slot: Slot


class Retract(msgspec.Struct, frozen=True):
    """Take the file back; answered by ``take_back``."""

    push: Push
    slot: Slot


class Report(msgspec.Struct, frozen=True):
    """Tell the hub that it was injected."""

    push: Push
    via: Via


class Recall(msgspec.Struct, frozen=True):
    """Tell the hub that a channel before us was about to inject it: nobody knows whether Claude got it."""

    push: Push


class Seen(msgspec.Struct, frozen=True):
    """Tell the hub that the transcript shows it."""

    push: Push


class Decline(msgspec.Struct, frozen=True):
    """Give it back to the hub; ``is_noted``: forget first that it was to be injected."""

    push: Push
    reason: Reason
    is_noted: bool = False


class Ways(msgspec.Struct, frozen=True):
    """Tell the hub what works here. ``why`` the channel doesn't."""

    channel: bool
    wake: bool
    next_turn: bool
    why: WhyNot | None


Effect = Notify | Ping | Release | Offer | Retract | Report | Recall | Seen | Decline | Ways
