"""Counts wrong secrets by address and freezes who keeps guessing. Pure: the caller brings the time.

Only wrong secrets count; a missing or an expired one never does. IPv6 is counted by /64.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec

WRONG = 10
"""Wrong secrets until an address is frozen."""

FREEZE = 3600.0
"""Seconds; also how long a wrong secret is remembered."""

ADDRESSES = 10_000
"""Addresses remembered; the longest quiet is forgotten first."""


class _Count(msgspec.Struct):
    wrong: int
    since: float


class WrongSecrets:
    """One a hub."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def is_frozen(self, address: str, now: float) -> bool:
        """Whether this address has to wait before it may try another secret."""
        count = self._counts.get(_group(address))
        return count is not None and count.wrong >= WRONG and now - count.since < FREEZE

    def note(self, address: str, now: float) -> None:
        """This address showed a wrong secret."""
        group = _group(address)
        count = self._counts.pop(group, None)
        if count is None or now - count.since >= FREEZE:
            count = _Count(0, now)
        count.wrong += 1
        count.since = now
        self._counts[group] = count
        while len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)

    def forgive(self, address: str) -> None:
        """What was noted beforehand turned out to be no wrong secret."""
        count = self._counts.get(_group(address))
        if count is not None:
            count.wrong -= 1


def _group(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
