"""A push service and the browsers behind it: takes what the hub sends as a real one does, and opens it."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02


@dataclass(frozen=True)
class Received:
    """One push, opened: which browser it was for, what it says, and the headers it came with."""

    name: str
    payload: Any
    headers: dict[str, str]
    claims: Any
    public_key: str


@dataclass(frozen=True)
class Subscribed:
    """A browser's subscription, with the halves of its keys that it keeps."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey
    auth: bytes

    @property
    def json(self) -> dict[str, Any]:
        """As the browser's ``toJSON`` writes it."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": encode(point), "auth": encode(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}


@dataclass
class PushService:
    """On a loopback port. ``answers``: the statuses of the next pushes to a browser, 201 when there are no more."""

    host: str = ""
    received: list[Received] = field(default_factory=list)
    tries: int = 0
    answers: dict[str, list[int]] = field(default_factory=dict)
    _browsers: dict[str, Subscribed] = field(default_factory=dict)

    def subscribe(self, name: str) -> Subscribed:
        """A browser subscribes."""
        endpoint = f"http://{self.host}/push/{name}"
        self._browsers[name] = Subscribed(endpoint, ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16))
        return self._browsers[name]

    def payloads(self, name: str) -> list[Any]:
        """What a browser was told."""
        return [push.payload for push in self.received if push.name == name]

    async def take(self, request: web.Request) -> web.Response:
        """What the hub posts."""
        name, body = request.match_info["name"], await request.read()
        self.tries += 1
        status = self.answers[name].pop(0) if self.answers.get(name) else 201
        if status >= 300:
            location = {"Location": f"http://{self.host}/push/elsewhere"} if status < 400 else {}
            return web.Response(status=status, headers=location)
        browser = self._browsers[name]
        assert request.headers["Content-Encoding"] == "aes128gcm"
        opened = http_ece.decrypt(body, private_key=browser.key, auth_secret=browser.auth)
        authorization = request.headers["Authorization"]
        assert Vapid02.verify(authorization)
        token, public_key = (part.partition("=")[2] for part in authorization.removeprefix("vapid ").split(","))
        claims = json.loads(decode(token.split(".")[1]))
        self.received.append(Received(name, json.loads(opened), dict(request.headers), claims, public_key))
        return web.Response(status=status)


@asynccontextmanager
async def run_push_service() -> AsyncIterator[PushService]:
    """One that serves."""
    service = PushService()
    app = web.Application()
    app.router.add_post("/push/{name}", service.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    service.host = f"127.0.0.1:{address[1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


def encode(data: bytes) -> str:
    """As browsers write bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """And back."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
