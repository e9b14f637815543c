"""A small HTTP client for tests: JSON in, JSON out, no proxy, no connection kept open."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit


class Refused(AssertionError):
    """An answer that is no success. ``status`` and the decoded ``body`` are kept for tests that expect it."""

    def __init__(self, method: str, path: str, status: int, body: Any) -> None:
        super().__init__(method, path, status, body)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        return "{} {} → {}: {}".format(*self.args)


@dataclass(frozen=True)
class Client:
    """Calls to one server, each on its own connection, with the same headers."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float = 10.0

    def call(self, method: str, path: str, body: Any = None, **query: str | int) -> Any:
        """The decoded answer of a successful call (None when it is empty); raises Refused or OSError."""
        where = urlsplit(self.url)
        assert where.hostname is not None
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=self.timeout)
        try:
            headers = {"Connection": "close", **self.headers}
            data = None
            if body is not None:
                data = json.dumps(body).encode()
                headers["Content-Type"] = "application/json"
            target = f"{path}?{urlencode(query)}" if query else path
            connection.request(method, target, body=data, headers=headers)
            response = connection.getresponse()
            text = response.read()
            answer = None
            if text:
                is_json = "json" in (response.headers.get("Content-Type") or "")
                answer = json.loads(text) if is_json else text.decode(errors="replace")
            if response.status >= 300:
                raise Refused(method, path, response.status, answer)
            return answer
        finally:
            connection.close()

    def get(self, path: str, **query: str | int) -> Any:
        """GET."""
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any) -> Any:
        """POST with a JSON body."""
        return self.call("POST", path, body)
