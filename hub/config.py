"""How this hub was started, and which names it answers to."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}

COMMAND = "heliograph"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``database`` is an SQLAlchemy URL; ``public_url`` is where people reach the hub, without a slash at the end;
    ``push_hosts`` are trusted as push services beside the known ones.
    """

    home: Path
    host: str
    port: int
    database: str
    public_url: str
    push_hosts: frozenset[str] = frozenset()

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return self.public_url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """The exact origins of our own pages."""
        return frozenset({_origin(self.public_url), *(f"http://{host}" for host in self._loopback)})

    @property
    def hosts(self) -> frozenset[str]:
        """The exact Host headers that are ours."""
        return frozenset({urlsplit(self.public_url).netloc.lower(), *self._loopback})

    @property
    def cookie(self) -> str:
        """The session cookie's name: cookies ignore ports, and hubs may share a host."""
        return f"__Host-heliograph_{self.port}" if self.secure else f"heliograph_{self.port}"

    @property
    def _loopback(self) -> frozenset[str]:
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def normalise_url(url: str) -> str:
    """``--public-url`` as browsers write it in Host and Origin; raises ValueError with the reason."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"--public-url {url!r} isn't an http:// or https:// address")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"--public-url {url!r} has more than a host and a port: the hub is at the top of it")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def find_command() -> str:
    """How people on this host start our command line."""
    ours = Path(sys.executable).parent / COMMAND
    found = shutil.which(COMMAND)
    return COMMAND if found and Path(found).resolve() == ours.resolve() else shlex.quote(str(ours))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
