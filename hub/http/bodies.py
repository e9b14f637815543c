"""What calls of the API take. Fields that a call doesn't know are refused, so that none is lost silently."""

from __future__ import annotations

from typing import Literal

import msgspec

from wire.frames import Event


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """Text for a session.

    The same ``client_id`` from the same sender is the same message. ``when``: an idle Claude reads
    either at once; a busy one when its turn ends.
    """

    text: str
    client_id: str | None = None
    when: Literal["auto", "next_turn"] = "auto"


class Join(msgspec.Struct, forbid_unknown_fields=True):
    """A machine that shows its pairing code, and how it is called."""

    code: str
    name: str
    user: str
    os: str


class Batch(msgspec.Struct):
    """Events out of a machine's spool, oldest first."""

    events: list[Event]
