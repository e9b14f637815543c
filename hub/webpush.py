"""Sends to browsers' push services, encrypted for the browser (RFC 8030, 8291).

The address came from a browser: so only to services that ``core/push`` knows, no redirect is followed, and nothing of
the answer counts but its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs
from yarl import URL

from hub.core.push import Subscription, find_service
from hub.core.sealing import seal
from hub.vapid import Vapid

SECONDS = 10.0
"""What a service gets to answer."""

AT_ONCE = 8

LIFE_SECONDS = 24 * 3600
"""How long a service keeps what it can't deliver."""

LATER = frozenset({429, 500, 502, 503, 504})
GONE = frozenset({404, 410})

log = structlog.get_logger()

Outcome = Literal["sent", "gone", "later", "refused"]


@dataclass(frozen=True)
class Letter:
    """One push. Of several with one ``topic`` a service delivers the latest."""

    payload: bytes
    topic: str
    urgency: Literal["high", "normal"] = "high"


class Courier:
    """One a hub. ``push_hosts``: services that were named beside the known ones."""

    def __init__(self, vapid: Vapid, push_hosts: Collection[str]) -> None:
        self._vapid = vapid
        self._push_hosts = push_hosts
        self._session: ClientSession | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)

    @property
    def public_key(self) -> str:
        """What browsers subscribe to."""
        return self._vapid.public_key

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For as long as the hub serves."""
        timeout = ClientTimeout(total=SECONDS)
        connector = TCPConnector(limit=AT_ONCE)
        async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout) as self._session:
            yield

    async def send(self, subscription: Subscription, letter: Letter) -> Outcome:
        """One try."""
        origin = find_service(subscription.endpoint, self._push_hosts)
        if origin is None or self._session is None:
            return "refused"
        headers = {
            hdrs.AUTHORIZATION: self._vapid.sign(origin),
            hdrs.CONTENT_ENCODING: "aes128gcm",
            hdrs.CONTENT_TYPE: "application/octet-stream",
            "TTL": str(LIFE_SECONDS),
            "Topic": letter.topic,
            "Urgency": letter.urgency,
        }
        body = seal(letter.payload, subscription.p256dh, subscription.auth)
        address = URL(subscription.endpoint, encoded=True)
        try:
            async with (
                self._turns,
                self._session.post(address, data=body, headers=headers, allow_redirects=False) as response,
            ):
                outcome = _judge(response.status)
                status = response.status
        except (ClientError, TimeoutError, OSError) as error:
            log.warning("push not sent", subscription_id=subscription.subscription_id, error=type(error).__name__)
            return "later"
        if outcome != "sent":
            log.warning("push not taken", subscription_id=subscription.subscription_id, status=status)
        return outcome


def _judge(status: int) -> Outcome:
    if 200 <= status < 300:
        return "sent"
    if status in GONE:
        return "gone"
    return "later" if status in LATER else "refused"
