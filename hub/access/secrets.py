"""Secrets: made, shown once, stored hashed.

Tokens carry 256 random bits, so one SHA-256 is enough and can be looked up. Pairing codes are
typed by people and short, so they are hashed with argon2id and live ten minutes.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

TokenKind = Literal["machine", "person", "browser", "sign_in"]

PREFIXES: dict[TokenKind, str] = {"machine": "hgm_", "person": "hgp_", "browser": "hgb_", "sign_in": "hgs_"}
"""What a secret is for, visible in it, so that scanners and people recognise a leaked one."""

TOKEN_CHARS = 64
"""No token of ours is longer; longer input isn't hashed."""

_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_CODE_CHARS = 8

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def build_token(kind: TokenKind) -> str:
    """A new secret."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """What is stored of it."""
    return hashlib.sha256(token.encode()).digest()


def build_code() -> str:
    """A pairing code such as ``K7QF-2M9X``."""
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_CHARS))
    return f"{code[:4]}-{code[4:]}"


def normalise_code(typed: str) -> str:
    """What a person typed, as it was printed: case, spaces and the dash don't matter."""
    plain = "".join(c for c in typed.upper() if c.isalnum())[: _CODE_CHARS + 1]
    return f"{plain[:4]}-{plain[4:]}"


def hash_code(code: str) -> str:
    """Slow on purpose: run it in a thread."""
    return _hasher.hash(code)


def matches_code(hashed: str, code: str) -> bool:
    """Slow on purpose: run it in a thread."""
    try:
        return _hasher.verify(hashed, code)
    except (VerifyMismatchError, InvalidHashError):
        return False
