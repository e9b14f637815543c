"""What is pushed to people's browsers, through which services, and how a browser is called."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

import msgspec

SERVICES = ("fcm.googleapis.com", "jmt17.google.com", "updates.push.services.mozilla.com", "web.push.apple.com")
SERVICE_DOMAINS = (".push.services.mozilla.com", ".notify.windows.com", ".push.apple.com")
"""Where the browsers' makers run their push services: Chrome and its kin, Chromium as distributions build it, Firefox,
Edge, Safari. The hub sends requests nowhere else.
"""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

ENDPOINT_CHARS = 2048

TOPIC_BYTES = 24
"""32 characters, as many as a topic may have."""

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""What tells in a User-Agent, the most particular first: most of them claim to be others, too."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that a person wants to be told in. Who knows ``endpoint`` can reach it; ``p256dh`` and ``auth``
    are what it decrypts by. ``failed_at``: since when its service takes nothing.
    """

    subscription_id: str
    user_id: str
    token_id: str
    endpoint: str
    p256dh: str
    auth: str
    label: str
    created_at: int
    failed_at: int | None = None


def find_service(endpoint: str, named: Collection[str]) -> str | None:
    """The origin of a push service that the hub may send to, None for any other address.

    ``named``: hosts that were added to the known ones; plain http is for those on loopback.
    """
    if len(endpoint) > ENDPOINT_CHARS or not _PRINTABLE.fullmatch(endpoint):
        return None
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or "\\" in endpoint or parts.fragment:
        return None
    is_named = _say_host(host, port) in named
    if parts.scheme == "https":
        is_known = host in SERVICES or (host.endswith(SERVICE_DOMAINS) and bool(_NAME.fullmatch(host)))
        return _say_origin(parts) if is_named or (is_known and port is None) else None
    return _say_origin(parts) if parts.scheme == "http" and is_named and host in LOOPBACK else None


def takes_withdrawals(endpoint: str) -> bool:
    """Whether a push that shows nothing is all right: Safari ends a subscription that had a few of them."""
    return not (urlsplit(endpoint).hostname or "").endswith(".push.apple.com")


def build_call(decision_id: str, session_id: str, count: int) -> bytes:
    """That something needs a person; ``count``: how many things do."""
    return msgspec.json.encode({"decision_id": decision_id, "session_id": session_id, "n": count})


def build_withdrawal(decision_id: str) -> bytes:
    """That it doesn't any more."""
    return msgspec.json.encode({"closed": decision_id})


def build_trial() -> bytes:
    """What a person asked for to see whether it arrives."""
    return msgspec.json.encode({"test": True})


def build_topic(decision_id: str) -> str:
    """What a push service keeps apart by: of one topic it delivers only the latest."""
    return urlsafe_b64encode(hashlib.sha256(decision_id.encode()).digest()[:TOPIC_BYTES]).decode()


def name_browser(user_agent: str) -> str:
    """A browser in words."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "A browser")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), None)
    return f"{browser} on {system}" if system else browser


def _say_host(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _say_origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.lower()}"
