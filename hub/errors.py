"""What the hub refuses, with a code for programs and words for people.

``http/middleware`` and ``ws`` are the only places that turn these into answers.
"""

from __future__ import annotations

from typing import Any

from hub.core.model import Decision


class HubError(Exception):
    """``status`` is HTTP's; ``code`` is stable; ``details`` are told beside them, as JSON."""

    status = 500
    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = {}


class NotSignedIn(HubError):
    """No credentials, or none that count."""

    status = 401
    code = "not_signed_in"


class Forbidden(HubError):
    """Known, but without the right."""

    status = 403
    code = "forbidden"


class BadOrigin(HubError):
    """The request comes from another site, or lacks the page's token."""

    status = 403
    code = "bad_origin"


class BadCode(HubError):
    """A pairing code or sign-in link that is wrong, used or expired."""

    status = 403
    code = "bad_code"


class NotFound(HubError):
    """Absent and forbidden look alike."""

    status = 404
    code = "not_found"


class TooSlow(HubError):
    """The body didn't arrive in time."""

    status = 408
    code = "too_slow"


class Conflict(HubError):
    """The thing has moved on."""

    status = 409
    code = "conflict"


class DecisionConflict(Conflict):
    """A verdict that was not, or not yet, applied; ``decision`` is how it stands now."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


class AlreadyDecided(DecisionConflict):
    """Somebody was first, or nobody waits for an answer any more."""

    code = "already_decided"


class Changed(DecisionConflict):
    """The verdict is on something else than what is asked."""

    code = "changed"


class NotTaken(DecisionConflict):
    """Nothing on the machine was there to take the verdict to Claude Code; the decision is open again."""

    code = "not_taken"


class NotRunning(HubError):
    """Nothing goes on there that could be stopped, or nobody is there to do it."""

    status = 409
    code = "not_running"


class TooLarge(HubError):
    """The body is over its bound."""

    status = 413
    code = "too_large"


class BadHost(HubError):
    """A Host that isn't this hub's."""

    status = 421
    code = "bad_host"


class Unprocessable(HubError):
    """Well-formed, but not acceptable."""

    status = 422
    code = "unprocessable"


class SearchTooSlow(HubError):
    """Well-formed, but what it asks for takes too long to find."""

    status = 422
    code = "search_too_slow"


class BadRequest(HubError):
    """Not of the call's form."""

    status = 400
    code = "bad_request"


class Frozen(HubError):
    """Too many wrong secrets from this address."""

    status = 429
    code = "too_many_wrong_secrets"


class PushFailed(HubError):
    """The browser's push service didn't take it."""

    status = 502
    code = "push_failed"


class Busy(HubError):
    """Too many ask for the same at once."""

    status = 503
    code = "busy"


class StoreUnavailable(HubError):
    """The database is full, locked or broken; nothing was stored."""

    status = 503
    code = "store_unavailable"
