"""A machine without Claude Code: says to the hub, over the public API and a link, what a real one would.

Its events have the shapes of Claude Code 2.1.329's hooks. What a channel decides by itself is
not imitated: a test says each step.
"""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from websockets.sync.client import ClientConnection, connect

from tests.support.api import Client
from tests.support.stack import Hub
from wire.frames import (
    LEVEL,
    AnsweredBy,
    Hello,
    HubFrame,
    Process,
    Push,
    Settled,
    Verdict,
    Welcome,
    decode_from_hub,
    encode,
)
from wire.ids import build_id

Kind = TypeVar("Kind")

PATIENCE = 10.0
"""Seconds until a wait has failed."""

_pids = itertools.count(100_001)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Peer:
    """A paired machine: its key speaks for its sessions."""

    hub: Hub
    name: str
    key: str

    @classmethod
    def join(cls, hub: Hub, name: str) -> Peer:
        """Pair a new machine."""
        body = {"code": hub.create_code(), "name": name, "user": "tester", "os": "Debian 12"}
        return cls(hub, name, Client(hub.url).post("/api/v1/join", body)["key"])

    @property
    def authorization(self) -> dict[str, str]:
        """The machine's header."""
        return {"Authorization": f"Bearer {self.key}"}

    def post(self, events: list[dict[str, Any]]) -> None:
        """What the uploader does with a spool."""
        answer = Client(self.hub.url, self.authorization).post("/api/v1/events", {"events": events})
        assert not answer["rejected"], answer


@dataclass
class PeerSession:
    """One session on a peer, in a process of its own."""

    peer: Peer
    cwd: str
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pid: int = field(default_factory=lambda: next(_pids))

    def tell(self, name: str, *, by: str = "hook", **body: Any) -> str:
        """One event, as its hook or channel would report it; returns its id."""
        common = {"session_id": self.session_id, "hook_event_name": name}
        if by == "hook":
            common |= {"cwd": self.cwd, "permission_mode": "default", "transcript_path": "/nowhere.jsonl"}
        at = now()
        event = {
            "event_id": build_id(at, os.urandom(8)),
            "at": at,
            "source": by,
            "pid": self.pid,
            "body": {**common, **body},
        }
        self.peer.post([event])
        return str(event["event_id"])

    def start(self, source: str = "startup") -> None:
        """SessionStart."""
        self.tell("SessionStart", source=source, model="claude-opus-5-5")

    def prompt(self, text: str) -> None:
        """UserPromptSubmit: a turn begins."""
        self.tell("UserPromptSubmit", prompt=text)

    def display(self, message: str, index: int, delta: str, *, final: bool = False) -> None:
        """A piece of the assistant's text."""
        self.tell("MessageDisplay", turn_id="turn", message_id=message, index=index, final=final, delta=delta)

    def stop(self, last: str) -> None:
        """Stop: the turn ends."""
        self.tell("Stop", stop_hook_active=False, last_assistant_message=last)

    def take(self, push: Push) -> None:
        """The pushed message reaches Claude, which starts a turn with it."""
        self.tell("ChannelInjected", by="channel", message_id=push.message_id)
        tag = f'<channel source="heliograph" message_id="{push.message_id}" from="{push.author}">'
        self.prompt(f"{tag}\n{push.text}\n</channel>")

    def reply(self, text: str, message_id: str) -> None:
        """The reply tool was called."""
        self.tell("ChannelReply", by="channel", text=text, message_id=message_id)

    def ask(self, tool_name: str = "Bash", tool_input: Any = None, **fields: Any) -> str:
        """PermissionRequest: a dialog is open, and its hook waits for an answer; returns the decision's id."""
        tool_input = tool_input if tool_input is not None else {"command": "git push", "description": "Push"}
        body = {"permission_suggestions": [], "tool_name": tool_name, "tool_input": tool_input, **fields}
        return self.wait_with(self.tell("PermissionRequest", **body))

    def ask_form(self, server: str, message: str, **fields: Any) -> str:
        """Elicitation: an MCP server asks, and the hook waits; returns the decision's id."""
        return self.wait_with(self.tell("Elicitation", mcp_server_name=server, message=message, **fields))

    def wait_with(self, decision_id: str, answered_by: AnsweredBy = "hook") -> str:
        """ChannelWaits: what takes a verdict to Claude Code now."""
        self.tell("ChannelWaits", by="channel", decision_id=decision_id, answered_by=answered_by)
        return decision_id

    def take_verdict(self, verdict: Verdict, *, taken: bool = True) -> None:
        """ChannelDecided: the hook has it, or nobody was there to take it."""
        self.tell("ChannelDecided", by="channel", decision_id=verdict.decision_id, taken=taken)

    @contextmanager
    def link(self) -> Iterator[Link]:
        """A link with the channel on, until the end of the block (cut off, no goodbye)."""
        url = self.peer.hub.url.replace("http", "ws", 1) + "/ws/channel"
        with connect(url, additional_headers=self.peer.authorization, proxy=None) as socket:
            hello = Hello(
                level=LEVEL,
                features=[],
                version="0.1.0",
                process=Process(pid=self.pid, started_at=1),
                session_id=self.session_id,
                cwd=self.cwd,
                push=True,
                branch="main",
            )
            socket.send(encode(hello))
            welcome = decode_from_hub(socket.recv(timeout=10))
            assert isinstance(welcome, Welcome), welcome
            yield Link(socket)


@dataclass(frozen=True)
class Link:
    """The channel's end of a link; ``kept``: frames that came while it waited for another kind."""

    socket: ClientConnection
    kept: list[HubFrame] = field(default_factory=list)

    def wait_for_push(self) -> Push:
        """The next message."""
        return self._wait_for(Push)

    def wait_for_verdict(self) -> Verdict:
        """The next verdict."""
        return self._wait_for(Verdict)

    def wait_for_settled(self) -> Settled:
        """The next word that a decision is over."""
        return self._wait_for(Settled)

    def _wait_for(self, kind: type[Kind]) -> Kind:
        for known in self.kept:
            if isinstance(known, kind):
                self.kept.remove(known)
                return known
        deadline = time.monotonic() + PATIENCE
        while not isinstance(frame := decode_from_hub(self.socket.recv(timeout=deadline - time.monotonic())), kind):
            self.kept.append(frame)
        return frame
