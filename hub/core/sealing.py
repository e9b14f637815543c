"""Encrypts a push for the one browser that can read it (RFC 8291)."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

AUTH_BYTES = 16


def are_keys(p256dh: str, auth: str) -> bool:
    """Whether these can be a browser's: a point on the curve and a secret of the right length."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decode(p256dh))
        return len(_decode(auth)) == AUTH_BYTES
    except ValueError:
        return False


def seal(payload: bytes, p256dh: str, auth: str) -> bytes:
    """With a key pair made for this once."""
    ours = ec.generate_private_key(ec.SECP256R1())
    sealed: bytes = http_ece.encrypt(payload, private_key=ours, dh=_decode(p256dh), auth_secret=_decode(auth))
    return sealed


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
