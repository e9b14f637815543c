"""The key by which push services know this hub (RFC 8292), made once and kept in its folder."""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

FILE = "vapid.pem"

LIFE_SECONDS = 12 * 3600
"""Of a signature; services take up to a day."""

NOBODY = "mailto:nobody@example.com"
"""Whom to write to about a hub that has no address in the world: services refuse to do without."""


class BadKey(Exception):
    """The file is there, and isn't a key of this kind."""


class Vapid:
    """Signs requests to push services. ``contact``: a URL of the hub, or a mail address."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str) -> None:
        self._key = key
        self._contact = contact
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = _encode(point)

    def sign(self, origin: str) -> str:
        """The Authorization header for this push service."""
        claims = {"aud": origin, "exp": int(time.time()) + LIFE_SECONDS, "sub": self._contact}
        parts = ({"typ": "JWT", "alg": "ES256"}, claims)
        signed = ".".join(_encode(msgspec.json.encode(part)) for part in parts)
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return f"vapid t={signed}.{signature},k={self.public_key}"


def load_vapid(folder: Path, public_url: str) -> Vapid:
    """The hub's key; a new one if there is none. Raises BadKey."""
    path = folder / FILE
    if not path.exists():
        _make_key(path)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise BadKey(f"{path} holds no key; move it away, and the hub makes a new one.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadKey(f"{path} holds a key of another kind; move it away, and the hub makes a new one.")
    return Vapid(key, public_url if public_url.startswith("https://") else NOBODY)


def _make_key(path: Path) -> None:
    """Whole under its name or not at all: browsers subscribe to this one key."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
