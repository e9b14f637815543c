"""What the parser takes for an address: argparse types, each raising with the reason. Pure."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_port(word: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not re.fullmatch("[0-9]{1,5}", word) or int(word) > 65535:
        raise ArgumentTypeError(f"{word!r} is no port: 0 to 65535 (0: any free one)")
    return int(word)


def read_host(word: str) -> str:
    """A name or address to listen on."""
    try:
        _check_host(word)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{word!r} is no address to listen on; 127.0.0.1 is this machine only, 0.0.0.0 every one"
        ) from error
    return word


def read_public_url(word: str) -> str:
    """An origin as browsers write it: lower case, without default port and slash."""
    problem = f"{word!r} is no address like https://hub.example.org: "
    try:
        parts = urlsplit(word)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in _DEFAULT_PORTS:
            raise ArgumentTypeError(problem + "it begins with http:// or https://")
        ascii_host = _check_host(host)
    except ValueError as error:
        raise ArgumentTypeError(problem + "its host or port can't be one") from error
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment or port == 0:
        raise ArgumentTypeError(problem + "it takes a host and a port, nothing else")
    shown = f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else ""
    return f"{parts.scheme}://{ascii_host}{shown}"


def _check_host(host: str) -> str:
    """The host as it stands in a URL; raises ValueError for what can be none."""
    if re.fullmatch(r"[0-9A-Fa-f:.%]*:[^\s/]*", host):
        return f"[{host}]"
    ascii_host = host.encode("idna").decode().lower()
    if not re.fullmatch(r"[a-z0-9_.-]+", ascii_host):
        raise ValueError(host)
    return ascii_host


def read_push_host(word: str) -> str:
    """The host of a push service, with its port if that isn't its scheme's own."""
    problem = f"{word!r} is no host like push.example.org or 127.0.0.1:8080"
    try:
        parts = urlsplit(f"//{word}")
        host, port = _check_host(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ArgumentTypeError(problem) from error
    if parts.netloc != word or "@" in word or port == 0:
        raise ArgumentTypeError(problem)
    return host if port is None else f"{host}:{port}"
