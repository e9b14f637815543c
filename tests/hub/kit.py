"""A running hub for tests, and everybody who talks to it: people, browsers, machines, channels."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from sqlalchemy import select

from hub.actions.identity import do_create_code, do_create_sign_in, do_create_token, do_ensure_owner, do_join
from hub.app import build_app
from hub.config import Settings
from hub.db import migrate as schema_migration
from hub.db.engine import Database, Transaction, lock_database, open_database
from hub.db.schema import metadata
from hub.db.search import index_some
from hub.keys import LINKS, LIVE
from tests.hub.claude import Claude
from wire.frames import (
    Ack,
    Event,
    Events,
    HubFrame,
    Push,
    Rejected,
    Settled,
    Verdict,
    Welcome,
    decode_from_hub,
    encode,
)

Found = TypeVar("Found")
Kind = TypeVar("Kind")

PATIENCE = 10.0
"""Seconds until a wait has failed."""

UNASKED = (Push, Verdict, Settled)
"""Frames that come between an answer and its question."""

CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')


async def until(condition: Callable[[], Found | Awaitable[Found]], what: str) -> Found:
    """The first truthy value of ``condition``."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Machine:
    """A paired machine."""

    machine_id: str
    name: str
    key: str


@dataclass(frozen=True)
class Secrets:
    """What was given out when the template database was made. The database has only hashes."""

    owner: str
    member: str
    viewer: str
    atlas: Machine
    borea: Machine

    def token(self, role: str) -> str:
        """A person's token."""
        return str(getattr(self, role))


async def make_database(path: Path) -> Secrets:
    """A migrated database with an owner, a token of each role and two machines."""
    schema_migration.prepare(path)
    db = await open_database(f"sqlite:///{path}", lock_database(path))
    try:
        await do_ensure_owner(db, "maya")
        tokens = {role: await do_create_token(db, f"{role} token", role) for role in ("owner", "member", "viewer")}
        return Secrets(atlas=await join_machine(db, "atlas"), borea=await join_machine(db, "borea"), **tokens)
    finally:
        await db.close()


async def join_machine(db: Database, name: str) -> Machine:
    """Pair a machine, the way `heliograph join` does."""
    code = (await do_create_code(db)).code
    paired = await do_join(db, code, name, "maya", "Debian 12", "127.0.0.1")
    return Machine(paired.machine.machine_id, paired.machine.name, paired.key)


@dataclass(frozen=True)
class Answer:
    """What the hub answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json["error"]["code"])


@dataclass
class Hub:
    """A hub on a loopback port, and a client for it."""

    app: web.Application
    db: Database
    settings: Settings
    path: Path
    secrets: Secrets
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.settings.port}"

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: Any = None,
    ) -> Answer:
        """One request; ``body`` goes as JSON, ``data`` as it is."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = self.client.request(method, self.url + path, data=data, headers=headers, allow_redirects=False)
        async with request as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, *, token: str | None = None) -> Any:
        """The JSON of a successful GET, as the viewer unless said otherwise."""
        answer = await self.call("GET", path, token=token or self.secrets.viewer)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    async def post_events(self, *events: Event, key: str | None = None) -> Answer:
        """Post a batch the way the uploader does."""
        batch = msgspec.json.encode({"events": events})
        headers = {"Content-Type": "application/json"}
        return await self.call(
            "POST", "/api/v1/events", data=batch, headers=headers, token=key or self.secrets.atlas.key
        )

    async def send(self, session_id: str, text: str = "hello", *, token: str | None = None, **fields: Any) -> Any:
        """Send a message as the member."""
        path = f"/api/v1/sessions/{session_id}/messages"
        answer = await self.call("POST", path, {"text": text, **fields}, token=token or self.secrets.member)
        assert answer.status == 202, answer.body
        return answer.json

    async def message_state(self, message_id: str) -> str:
        """How far a message got."""
        return str((await self.get(f"/api/v1/messages/{message_id}"))["state"])

    async def session(self, session_id: str) -> Any:
        """One session's JSON."""
        return await self.get(f"/api/v1/sessions/{session_id}")

    async def timeline(self, session_id: str) -> list[Any]:
        """A session's entries."""
        entries: list[Any] = (await self.get(f"/api/v1/sessions/{session_id}/timeline"))["entries"]
        return entries

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """A whole table."""
        async with self.db.read() as conn:
            return [dict(row) for row in (await conn.execute(select(metadata.tables[name]))).mappings()]

    async def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table: equal snapshots mean that nothing was written."""
        return {name: await self.rows(name) for name in metadata.tables}

    async def browser(self) -> Browser:
        """A browser that signed in through a fresh link."""
        link = await do_create_sign_in(self.db)
        answer = await self.submit_sign_in(link)
        assert answer.status == 303, answer.body
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        page = await self.call("GET", "/", headers={"Cookie": cookie, "Accept": "text/html"})
        found = CSRF.search(page.body.decode())
        assert found is not None
        return Browser(self, cookie, found.group(1))

    async def submit_sign_in(self, token: str, **headers: str) -> Answer:
        """Press the button of the sign-in page."""
        return await self.call("POST", "/sign-in", data={"token": token}, headers={"Origin": self.url, **headers})

    @asynccontextmanager
    async def channel(
        self, claude: Claude | None = None, key: str | None = None, **hello: Any
    ) -> AsyncIterator[Channel]:
        """A link; with ``claude`` it has said hello and was welcomed."""
        headers = {"Authorization": f"Bearer {key or self.secrets.atlas.key}"}
        async with self.client.ws_connect(f"{self.url}/ws/channel", headers=headers, max_msg_size=0) as socket:
            channel = Channel(socket)
            if claude is not None:
                await channel.say(claude.hello(**hello))
                await channel.expect(Welcome)
            yield channel

    @asynccontextmanager
    async def dashboard(self, query: str, **headers: str) -> AsyncIterator[Dashboard]:
        """A follower with the viewer's token, or with the headers given."""
        headers = headers or {"Authorization": f"Bearer {self.secrets.viewer}"}
        async with self.client.ws_connect(
            f"{self.url}/ws/dashboard?{query}", headers=headers, max_msg_size=0
        ) as socket:
            yield Dashboard(socket)

    async def pushes_done(self) -> None:
        """Until nothing is being pushed: what was to be written to links is written."""
        await until(lambda: not self.app[LINKS]._tasks, "pushes done")

    async def links_gone(self) -> None:
        """Until the hub has noticed that no channel is connected any more."""
        await until(lambda: not self.app[LINKS]._links, "links gone")

    async def indexed(self) -> None:
        """Until search finds everything."""

        async def work(tx: Transaction) -> bool:
            return await index_some(tx.conn)

        while await self.db.write(work):
            pass

    async def stop_links(self) -> None:
        """What the process does first when it stops."""
        self.app[LIVE].cut_all()
        await self.app[LINKS].stop()


@dataclass
class Browser:
    """A signed-in browser, on our own pages."""

    hub: Hub
    cookie: str
    csrf: str

    def headers(self, *, csrf: bool = True, origin: str | None = "") -> dict[str, str]:
        """What it sends with a request of our pages' scripts."""
        headers = {"Cookie": self.cookie}
        if origin is not None:
            headers["Origin"] = origin or self.hub.url
        return headers | ({"X-CSRF-Token": self.csrf} if csrf else {})

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request by a script of our page."""
        return await self.hub.call(method, path, body, headers={**self.headers(), **headers})


@dataclass(frozen=True)
class Closed:
    """How a socket ended."""

    code: int | None


@dataclass
class Channel:
    """The machine's end of a link, frame by frame."""

    socket: aiohttp.ClientWebSocketResponse
    seq: int = 0
    kept: list[HubFrame] = field(default_factory=list)

    @property
    def pushes(self) -> list[Push]:
        """The messages that came in between."""
        return [frame for frame in self.kept if isinstance(frame, Push)]

    async def say(self, frame: Any) -> None:
        """Send a frame of ours, or text as it is."""
        await self.socket.send_str(frame if isinstance(frame, str) else encode(frame))

    async def hear(self) -> HubFrame | Closed:
        """The next frame, or how the link ended."""
        message = await self.socket.receive(timeout=PATIENCE)
        if message.type is WSMsgType.TEXT:
            return decode_from_hub(message.data)
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED), message
        return Closed(self.socket.close_code)

    async def expect(self, kind: type[Kind]) -> Kind:
        """The next frame of this kind; what the hub says in between without being asked is kept for later."""
        for known in self.kept:
            if isinstance(known, kind):
                self.kept.remove(known)
                return known
        while not isinstance(frame := await self.hear(), kind):
            assert isinstance(frame, UNASKED), frame
            self.kept.append(frame)
        return frame

    async def next_push(self) -> Push:
        """The next message for Claude."""
        return await self.expect(Push)

    async def send(self, *events: Event) -> list[Rejected]:
        """A batch, committed."""
        self.seq += 1
        await self.say(Events(seq=self.seq, events=list(events)))
        ack = await self.expect(Ack)
        assert ack.seq == self.seq
        return ack.rejected


@dataclass
class Dashboard:
    """A follower of changes."""

    socket: aiohttp.ClientWebSocketResponse

    async def hear(self) -> Any:
        """The next frame, or how the socket ended."""
        message = await self.socket.receive(timeout=PATIENCE)
        if message.type is WSMsgType.TEXT:
            return json.loads(message.data)
        return Closed(self.socket.close_code)

    async def hear_until(self, change_id: int) -> list[Any]:
        """All frames up to the one with this change, or a later one."""
        frames = [await self.hear()]
        while frames[-1]["change_id"] < change_id:
            frames.append(await self.hear())
        return frames


@asynccontextmanager
async def run_hub(path: Path, secrets: Secrets, **settings: Any) -> AsyncIterator[Hub]:
    """A hub on this database, on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    fields = {"public_url": f"http://127.0.0.1:{port}", **settings}
    config = Settings(home=path.parent, host="127.0.0.1", port=port, database=f"sqlite:///{path}", **fields)
    db = await open_database(config.database, lock_database(path))
    app = await build_app(config, db)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        hub = Hub(app, db, config, path, secrets, client)
        try:
            yield hub
        finally:
            await hub.stop_links()
            await runner.cleanup()
            await db.close()
