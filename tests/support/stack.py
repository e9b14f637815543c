"""The product as people run it: a hub process, and machines with a HOME and a HELIOGRAPH_HOME of their own.

Everything goes through the command line and the public API; nothing of ours is imported.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import terminal
from tests.support.api import Client, Refused
from tests.support.tools import find_claude
from tests.support.waiting import wait_until

HELIOGRAPH = Path(sys.executable).with_name("heliograph")
STOP_SECONDS = 10.0
"""What the hub promises between SIGTERM and its end."""

Session = dict[str, Any]
Entry = dict[str, Any]


def run_heliograph(environment: dict[str, str], *words: str) -> str:
    """What a command prints; AssertionError with what it complained about when it fails."""
    command = [str(HELIOGRAPH), *words]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, f"heliograph {words[0]} exited {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Api:
    """The hub's REST API, as a person with a token."""

    client: Client

    def list_sessions(self, **wanted: Any) -> list[Session]:
        """The sessions with these fields, newest first as the hub lists them."""
        sessions: list[Session] = self.client.get("/api/v1/sessions", limit=100)["sessions"]
        return [session for session in sessions if all(session[key] == value for key, value in wanted.items())]

    def find_session(self, **wanted: Any) -> Session | None:
        """The one session with these fields, None when there is none; more than one is an error."""
        found = self.list_sessions(**wanted)
        assert len(found) <= 1, f"{len(found)} sessions with {wanted}"
        return found[0] if found else None

    def wait_for_session(self, *, timeout: float = 10.0, **wanted: Any) -> Session:
        """The one session with these fields, once it is there."""
        return wait_until(
            lambda: self.find_session(**wanted),
            f"a session with {wanted}",
            timeout=timeout,
            describe=lambda: "\n".join(map(str, self.list_sessions())),
        )

    def list_entries(self, session_id: str, kind: str | None = None) -> list[Entry]:
        """The session's timeline, oldest first."""
        path = f"/api/v1/sessions/{session_id}/timeline"
        entries: list[Entry] = self.client.get(path, limit=200)["entries"]
        return [entry for entry in entries if kind in (None, entry["kind"])]

    def wait_for_entry(self, session_id: str, kind: str, *, timeout: float = 10.0, **wanted: Any) -> Entry:
        """The first entry of that kind with these fields (blanks around ``text`` aside), once it is there."""

        def find() -> Entry | None:
            for entry in self.list_entries(session_id, kind):
                seen = {**entry, "text": str(entry.get("text")).strip()}
                if all(seen.get(key) == value for key, value in wanted.items()):
                    return entry
            return None

        return wait_until(
            find,
            f"a {kind} entry with {wanted}",
            timeout=timeout,
            describe=lambda: "\n".join(map(str, self.list_entries(session_id))),
        )

    def send(self, session_id: str, text: str) -> str:
        """Send a message; its id."""
        answer = self.client.post(f"/api/v1/sessions/{session_id}/messages", {"text": text})
        return str(answer["message_id"])

    def read_message(self, message_id: str) -> dict[str, Any]:
        """The message with its state and receipts."""
        message: dict[str, Any] = self.client.get(f"/api/v1/messages/{message_id}")
        return message

    def wait_for_message(self, message_id: str, *states: str, timeout: float = 10.0) -> dict[str, Any]:
        """The message, once it is in one of these states."""

        def look() -> dict[str, Any] | None:
            message = self.read_message(message_id)
            return message if message["state"] in states else None

        return wait_until(
            look,
            f"message {message_id} {' or '.join(states)}",
            timeout=timeout,
            describe=lambda: str(self.read_message(message_id)),
        )

    def list_decisions(self, session_id: str) -> list[dict[str, Any]]:
        """All that the session has waited for, oldest first."""
        decisions: list[dict[str, Any]] = self.client.get("/api/v1/decisions", session=session_id)["decisions"]
        return decisions

    def wait_for_decision(self, session_id: str, *, timeout: float = 20.0, **wanted: Any) -> dict[str, Any]:
        """The first decision of the session with these fields, once it is there."""

        def find() -> dict[str, Any] | None:
            found = self.list_decisions(session_id)
            return next((one for one in found if all(one[key] == value for key, value in wanted.items())), None)

        return wait_until(
            find,
            f"a decision with {wanted}",
            timeout=timeout,
            describe=lambda: "\n".join(map(str, self.list_decisions(session_id))),
        )

    def decide(self, decision: dict[str, Any], behavior: str, **fields: Any) -> dict[str, Any]:
        """Give a verdict on what was shown; the decision as it then is."""
        body = {"digest": decision["digest"], "behavior": behavior, **fields}
        decided: dict[str, Any] = self.client.post(f"/api/v1/decisions/{decision['decision_id']}/verdict", body)
        return decided


@dataclass
class Hub:
    """A hub process on a folder. ``stop`` and ``start`` again keep its port and database."""

    folder: Path
    port: int = 0
    arguments: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _token: str | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """Of the hub, and of commands on the hub's host."""
        return {**terminal.base_environment(self.folder), "HELIOGRAPH_HOME": str(self.folder)}

    @property
    def api(self) -> Api:
        """As an owner with a token."""
        if self._token is None:
            self._token = self.run("token", "create", "tests", "--role", "owner").strip()
        return Api(Client(self.url, {"Authorization": f"Bearer {self._token}"}))

    @property
    def output(self) -> str:
        """What the latest start printed."""
        return (self.folder / "stdout.log").read_text()

    @property
    def log(self) -> str:
        """What it logged, over all starts."""
        return (self.folder / "stderr.log").read_text()

    def run(self, *words: str) -> str:
        """A command on the hub's host."""
        return run_heliograph(self.environment, *words)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(HELIOGRAPH), "hub", "--port", str(self.port), *self.arguments]
        with (self.folder / "stdout.log").open("wb") as out, (self.folder / "stderr.log").open("ab") as errors:
            self._process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
            )
        found = self._wait_for_line(r"^Listening on http://[^:]+:(\d+)$")
        self.port = int(found.group(1))
        wait_until(self.is_healthy, "a healthy hub", describe=lambda: self.log)

    def is_healthy(self) -> bool:
        """Whether GET /healthz says so."""
        try:
            return bool(Client(self.url).get("/healthz")["ok"])
        except (OSError, Refused):
            return False

    def read_sign_in_url(self) -> str:
        """The single-use link printed at the first start."""
        return self._wait_for_line(r"^Sign in: (\S+)$").group(1)

    def create_sign_in_url(self) -> str:
        """A new single-use link."""
        return self.run("sign-in").strip()

    def create_code(self) -> str:
        """A pairing code."""
        found = re.search(r"Pairing code: (\S+)", self.run("pair"))
        assert found
        return found.group(1)

    def stop(self) -> None:
        """SIGTERM, and an orderly end in the promised time."""
        self.kill(signal.SIGTERM)
        assert self._process is None

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Signal it and wait for its end; only SIGKILL may make it exit with anything but 0."""
        process = self._process
        assert process is not None
        process.send_signal(how)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError(f"the hub took longer than {STOP_SECONDS:g} s to stop:\n{self.log}") from None
        finally:
            self._process = None
        assert status == (-how if how == signal.SIGKILL else 0), f"the hub exited {status}:\n{self.log}"

    def _wait_for_line(self, pattern: str) -> re.Match[str]:
        def look() -> re.Match[str] | None:
            assert self._process is not None
            assert self._process.poll() is None, f"the hub ended:\n{self.log}"
            return re.search(pattern, self.output, re.MULTILINE)

        return wait_until(look, pattern, describe=lambda: f"{self.output}\n{self.log}")


@contextmanager
def run_hub(folder: Path) -> Iterator[Hub]:
    """A hub on a free port, stopped in order at the end unless the test did."""
    hub = Hub(folder)
    hub.start()
    try:
        yield hub
    finally:
        if hub._process is not None:
            hub.stop()


@dataclass(frozen=True)
class Machine:
    """A computer with Claude Code: a HOME, a HELIOGRAPH_HOME (the hub's, on the hub's host), and its model."""

    root: Path
    name: str
    model_url: str
    shared_home: Path | None = None

    @property
    def home(self) -> Path:
        """Its user's HOME."""
        return self.root / "home"

    @property
    def heliograph_home(self) -> Path:
        """Its HELIOGRAPH_HOME."""
        return self.shared_home or self.root / "hg"

    @property
    def environment(self) -> dict[str, str]:
        """A login shell there, with Claude Code on PATH."""
        base = terminal.base_environment(self.home)
        return {
            **base,
            "PATH": f"{find_claude().parent}:{base['PATH']}",
            "HELIOGRAPH_HOME": str(self.heliograph_home),
            **terminal.model_environment(self.model_url),
        }

    def run(self, *words: str) -> str:
        """A command on this machine."""
        return run_heliograph(self.environment, *words)

    def set_up(self, hub: Hub) -> None:
        """What its user does once: pair it, install."""
        terminal.prepare_home(self.home)
        self.run("join", hub.url, "--code", hub.create_code(), "--name", self.name)
        self.run("install", "--yes")

    def make_project(self, name: str) -> Path:
        """A folder that Claude Code trusts."""
        return terminal.prepare_project(self.home, self.root / name)

    def start_claude(self, panes: terminal.Terminal, project: Path, *arguments: str) -> terminal.Pane:
        """`heliograph claude` in a pane, ready for a prompt."""
        command = [str(HELIOGRAPH), "claude", *arguments]
        terminal.trust(self.home, project)
        pane = panes.open(command, environment=self.environment, folder=project)
        pane.wait_until_ready()
        return pane

    def find_channel(self, claude_pid: int) -> int | None:
        """The pid of the channel below a Claude Code process."""
        for path in Path(f"/proc/{claude_pid}/task").glob("*/children"):
            for child in path.read_text().split():
                try:
                    words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if b"channel" in words:
                    return int(child)
        return None

    def read_log(self, name: str) -> str:
        """One of our logs on this machine (``hook``, ``channel``), empty when there is none."""
        path = self.heliograph_home / "log" / f"{name}.log"
        return path.read_text() if path.exists() else ""
