"""What is known of a message: a state machine that only moves on evidence.

``queued → delivered → seen → answered`` is a ladder: evidence for a step proves the ones below
it, and that a cancelling came too late. A person cancels what is still queued. A message whose
process ended between delivery and sight is ``uncertain``: a person sends it again or drops it, and
later evidence still settles it.
"""

from __future__ import annotations

from hub.core.model import MessageState

_LADDER: tuple[MessageState, ...] = ("queued", "delivered", "seen", "answered")


STEPS: tuple[MessageState, ...] = ("queued", "expired", "delivered", "uncertain", "cancelled", "seen", "answered")
"""Every state, in the order in which a message can be in them."""


def climb(state: MessageState, proven: MessageState) -> MessageState:
    """The state once evidence has proven a step of the ladder; evidence never lowers it."""
    if state == "uncertain":
        return proven if proven in ("seen", "answered") else state
    if state in ("cancelled", "expired"):
        return state if proven == "queued" else proven
    return max(state, proven, key=_LADDER.index)


def cancel(state: MessageState) -> MessageState:
    """A person takes it back while it is queued, or gives up what nobody knows about."""
    return "cancelled" if state in ("queued", "uncertain") else state


def lose(state: MessageState) -> MessageState:
    """The process that it was injected into is gone before it was seen to take it."""
    return "uncertain" if state == "delivered" else state


def is_open(state: MessageState) -> bool:
    """Whether anything can still happen to it by itself."""
    return state in ("queued", "delivered", "seen", "uncertain")
