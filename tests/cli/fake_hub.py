"""A hub that does as it is told: the calls the command line makes, over TCP and the admin socket."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Self

from aiohttp import WSMsgType, web

TOKEN = "hgt_right"


def build_session(session_id: str, **fields: Any) -> dict[str, Any]:
    """A session as the API shows it."""
    return {
        "session_id": session_id,
        "title": "Fix the parser",
        "machine": {"id": "m-1", "name": "build-box"},
        "cwd": "/src/parser",
        "branch": "main",
        "state": "idle",
        "delivery": "channel",
        "last_activity_at": "2026-11-21T06:38:13.545Z",
        "change_id": 7,
        **fields,
    }


def build_entry(entry_id: str, kind: str, position: int, change_id: int, **fields: Any) -> dict[str, Any]:
    """A timeline entry as the API shows it."""
    return {
        "entry_id": entry_id,
        "session_id": "s",
        "kind": kind,
        "position": position,
        "at": "2026-11-21T06:38:13.545Z",
        "change_id": change_id,
        **fields,
    }


def build_decision(decision_id: str, **fields: Any) -> dict[str, Any]:
    """A decision as the API shows it."""
    return {
        "decision_id": decision_id,
        "kind": "permission",
        "session_id": "s",
        "session_title": "Fix the parser",
        "machine": {"id": "m-1", "name": "build-box"},
        "cwd": "/src/parser",
        "tool_name": "Bash",
        "tool_use_id": None,
        "agent": None,
        "input": {"command": "git push", "description": "Push"},
        "is_whole": True,
        "suggestions": [],
        "questions": None,
        "plan": None,
        "fields": None,
        "digest": f"digest of {decision_id}",
        "state": "open",
        "answered_by": "hook",
        "offers": ["allow", "edit", "deny", "message", "stop"],
        "modes": None,
        "problem": None,
        "decided": None,
        "outcome": None,
        "opened_at": "2026-11-21T06:38:13.545Z",
        "closed_at": None,
        "change_id": 7,
        **fields,
    }


class FakeHub:
    """Keeps what it was asked; ``join_answer`` (status, body) is what pairing gets."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.join_answer: tuple[int, Any] = (
            200,
            {"machine_id": "m-1", "machine_name": "build-box", "key": "hgm_secret"},
        )
        self.admin_answers: dict[str, tuple[int, Any]] = {}
        self.sessions: list[dict[str, Any]] = []
        self.timeline: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.verdict_answer: tuple[int, Any] | None = None
        self.rules: list[dict[str, Any]] = []
        self.agents: set[str] = set()
        self.page = 2
        self.frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.resumed_after: list[int] = []
        self.listening = asyncio.Event()
        self.timeline_read = asyncio.Event()
        self.followed = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ws/dashboard", self._dashboard)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def listen_on(self, socket: Path) -> None:
        """Answer on an admin socket too."""
        socket.parent.mkdir(parents=True)
        with contextlib.chdir(socket.parent):
            await web.UnixSite(self._runner, socket.name).start()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path_qs, body))
        self.agents.add(request.headers.get("User-Agent", ""))
        if request.path == "/api/v1/join":
            return _respond(*self.join_answer)
        if request.path in self.admin_answers:
            return _respond(*self.admin_answers[request.path])
        if request.headers.get("Authorization") not in (f"Bearer {TOKEN}", "Bearer hgm_secret"):
            return _respond(401, {"error": {"code": "not_signed_in", "message": "Unknown token."}})
        return _respond(*self._route(request))

    def _route(self, request: web.Request) -> tuple[int, Any]:
        parts = request.path.removeprefix("/api/v1/").split("/")
        if parts == ["whoami"]:
            return 200, {"kind": "machine", "name": "build-box", "role": "machine"}
        if parts == ["sessions"]:
            return 200, self._cut("sessions", self.sessions, request.query.get("cursor"))
        if parts[0] == "messages":
            return 200, {"message_id": parts[1], "state": "answered", "receipts": []}
        if parts[0] == "decisions":
            return self._route_decision(request, parts)
        if parts[0] == "rules":
            return self._route_rule(request, parts)
        return self._route_session(request, parts)

    def _route_decision(self, request: web.Request, parts: list[str]) -> tuple[int, Any]:
        if len(parts) == 1:
            found = [decision for decision in self.decisions if decision["state"] == request.query["state"]]
            return 200, self._cut("decisions", found, request.query.get("cursor"))
        decision = next((d for d in self.decisions if d["decision_id"] == parts[1]), None)
        if decision is None:
            return 404, {"error": {"code": "not_found", "message": "No such decision."}}
        if parts[2:] == ["verdict"]:
            given = {"by": "Maya", "at": decision["opened_at"], "where": "cli", "rule_id": None}
            _, _, body = self.requests[-1]
            decided = {**given, "verdict": {"behavior": body["behavior"]}}
            return self.verdict_answer or (200, {**decision, "state": "decided", "decided": decided})
        if any(path.endswith("/verdict") for _, path, _ in self.requests):
            self.followed.set()
        return 200, decision

    def _route_rule(self, request: web.Request, parts: list[str]) -> tuple[int, Any]:
        if request.method == "POST":
            rule = {"rule_id": "rule-1", "author": "Maya", "created_at": "2026-11-21T06:38:13.545Z"}
            return 201, {**rule, **self.requests[-1][2]}
        if request.method == "DELETE":
            return 200, next(rule for rule in self.rules if rule["rule_id"] == parts[1])
        return 200, {"rules": self.rules}

    def _route_session(self, request: web.Request, parts: list[str]) -> tuple[int, Any]:
        session = next((s for s in self.sessions if s["session_id"] == parts[1]), None)
        if session is None:
            return 404, {"error": {"code": "not_found", "message": "No such session."}}
        if parts[2:] == ["timeline"]:
            self.timeline_read.set()
            return 200, self._cut("entries", self.timeline, request.query.get("after"))
        if parts[2:] == ["messages"]:
            return 202, {"message_id": "msg-1", "session_id": session["session_id"], "state": "queued"}
        if request.method == "POST":
            return 202, {"session_id": session["session_id"], "state": session["state"]}
        return 200, session

    def _cut(self, name: str, rows: list[Any], cursor: str | None) -> dict[str, Any]:
        start = int(cursor or 0)
        end = start + self.page
        return {name: rows[start:end], "next": str(end) if end < len(rows) else None}

    async def _dashboard(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _respond(403, {"error": {"code": "forbidden", "message": "Not yours."}})
        self.resumed_after.append(int(request.query["after"]))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.listening.set()
        sender = asyncio.create_task(self._send_frames(socket))
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        return socket

    async def _send_frames(self, socket: web.WebSocketResponse) -> None:
        while (frame := await self.frames.get()) is not None:
            await socket.send_json(frame)
        await socket.close()


def _respond(status: int, body: Any) -> web.Response:
    if isinstance(body, str):
        return web.Response(status=status, text=body)
    return web.json_response(body, status=status)
