"""JSON over HTTP to the hub: over TCP with a bearer key, or over the admin socket.

One request a connection, bounded in time and size. Knows no route: callers name them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from channel import VERSION
from cli.errors import CliError, HubRefused, HubSaidNo, HubUnreachable, NoHubHere, Refused, Usage

TIMEOUT = 10.0
"""Seconds for each step of a request; the hub answers from a local database."""

ANSWER_BYTES = 16 * 1024 * 1024
"""More than this is no answer of ours."""

USER_AGENT = f"heliograph-cli/{VERSION}"
"""By which the hub tells what was decided here from what other programs decide."""

_SENDABLE = re.compile(r"[\x21-\x7e]*")
"""What may stand in a header."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def parse_hub_url(url: str) -> SplitResult:
    """The parts of a hub's URL; raises Usage when it is none."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise Usage(f"{url!r} is no URL: {error}") from error
    is_clean = not re.search(r"[\x00-\x20\x7f]", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or not is_clean:
        raise Usage(f"{url!r} is no hub's URL; it looks like https://hub.example.org or http://127.0.0.1:7878")
    if parts.username or parts.query or parts.fragment:
        raise Usage(f"{url!r}: a hub's URL has no user, query or fragment")
    return parts


def is_plain_and_remote(url: str) -> bool:
    """Whether a key sent there could be read on the way."""
    parts = parse_hub_url(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and host not in LOOPBACK and not host.startswith("127.")


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a socket file. Whoever may open it is allowed everything behind it."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # From inside its folder: a socket's path may not exceed 107 bytes, a home's may.
        with contextlib.chdir(self._path.parent):
            self.sock.connect(self._path.name)


class HubClient:
    """The hub at ``url``, spoken to as the owner of ``token``."""

    def __init__(self, url: str, token: str | None = None, timeout: float = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self._parts = parse_hub_url(self.url)
        if token is not None and not _SENDABLE.fullmatch(token):
            raise Refused("the token or key has characters that none has: a line break, a space, or no ASCII")
        self._token = token
        self._timeout = timeout

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that the hub answers; raises HubUnreachable, HubRefused or HubSaidNo."""
        try:
            return _exchange(self._connect(), self.url, method, self._parts.path + path, body, self._token)
        except OSError as error:
            raise _name_failure(self.url, error) from error

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, self._parts.port, timeout=self._timeout, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, self._parts.port, timeout=self._timeout)


class AdminClient:
    """The hub of this host, through its admin socket."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """As HubClient.call; raises NoHubHere when nobody answers."""
        try:
            return _exchange(UnixConnection(self._path, self._timeout), str(self._path), method, path, body, None)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise NoHubHere(self._path) from error
        except OSError as error:
            raise _name_failure(str(self._path), error) from error


def _exchange(
    connection: http.client.HTTPConnection,
    where: str,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    token: str | None,
) -> dict[str, Any]:
    headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body).encode()
    try:
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_BYTES + 1)
    except (http.client.HTTPException, UnicodeError) as error:
        raise HubUnreachable(where, "wrong_answer", type(error).__name__) from error
    finally:
        connection.close()
    return _read_answer(where, response.status, answer)


def _read_answer(where: str, status: int, answer: bytes) -> dict[str, Any]:
    if status == http.client.NO_CONTENT:
        return {}
    try:
        fields = json.loads(answer) if len(answer) <= ANSWER_BYTES else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise HubUnreachable(where, "wrong_answer", f"status {status}, no JSON object")
    if 200 <= status < 300:
        return fields
    error = fields.get("error")
    if not isinstance(error, dict):
        raise HubUnreachable(where, "wrong_answer", f"status {status}")
    kind = HubRefused if status in (401, 403, 429) else HubSaidNo
    raise kind(status, str(error.get("code", status)), str(error.get("message", "no reason given")))


def _name_failure(where: str, error: OSError) -> CliError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return HubUnreachable(where, "tls", error.verify_message)
    if isinstance(error, ssl.SSLError):
        return HubUnreachable(where, "tls", error.reason or "TLS failed")
    if isinstance(error, TimeoutError):
        return HubUnreachable(where, "timeout")
    if isinstance(error, ConnectionRefusedError):
        return HubUnreachable(where, "refused")
    if isinstance(error, socket.gaierror):
        return HubUnreachable(where, "no_address", error.strerror or "")
    return HubUnreachable(where, "broken", error.strerror or type(error).__name__)
