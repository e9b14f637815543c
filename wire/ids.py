"""Time-ordered ids (UUIDv7, RFC 9562) and times, the same on machine and hub."""

from __future__ import annotations

from datetime import UTC, datetime


def build_id(at: int, random: bytes) -> str:
    """A UUIDv7 for ``at`` (microseconds since the epoch) and eight random bytes.

    The sub-millisecond part goes into ``rand_a`` (RFC 9562, method 3), so ids made by one
    machine sort by microsecond-like steps within a millisecond.
    """
    millis, micros = divmod(at, 1000)
    sub = (micros << 12) // 1000
    low = int.from_bytes(random[:8], "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    digits = f"{millis & 0xFFFF_FFFF_FFFF:012x}{0x7000 | sub:04x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def to_rfc3339(at: int) -> str:
    """Microseconds since the epoch as RFC 3339 UTC with milliseconds: ``2026-11-21T06:38:13.545Z``."""
    moment = datetime.fromtimestamp(at / 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
