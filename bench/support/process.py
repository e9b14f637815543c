"""A hub as its own process, on a core of its own, with machines and people made beforehand."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.access.secrets import TokenKind, build_token, hash_token
from hub.clock import new_id, now
from hub.db import migrate

ROOT = Path(__file__).resolve().parents[2]

CORES = sorted(os.sched_getaffinity(0))
HUB_CORE, LOAD_CORE = CORES[-1], CORES[0]

START_SECONDS = 600.0

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def pin(core: int, pid: int = 0) -> None:
    """This process, or a new one that has no threads yet, runs on ``core`` alone."""
    os.sched_setaffinity(pid, {core})


def describe_machine() -> str:
    """One line about where these figures come from."""
    shared = "" if HUB_CORE != LOAD_CORE else " (ONE core: load and hub share it, rates mean little)"
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}; "
        f"hub on core {HUB_CORE}, load on core {LOAD_CORE}{shared}; load average before: {load}"
    )


@dataclass(frozen=True)
class Keys:
    """Secrets of a prepared home: one key a machine, one token of a person who may see everything."""

    machines: list[str]
    person: str


def prepare_home(home: Path, machines: int) -> Keys:
    """A database as the hub makes it, with this many paired machines and an owner."""
    path = database_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    migrate.prepare(path)
    made = now()
    tokens: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []

    def add_token(kind: TokenKind, **owner: str) -> str:
        token = build_token(kind)
        tokens.append(
            {
                "token_id": new_id(),
                "kind": kind,
                "hashed": hash_token(token),
                "name": "bench",
                "user_id": None,
                "machine_id": None,
                "created_at": made,
                **owner,
            }
        )
        return token

    owner = {"user_id": new_id(), "name": "bench", "role": "owner", "created_at": made}
    keys = []
    for number in range(machines):
        machine_id = new_id()
        rows.append(
            {"machine_id": machine_id, "name": f"m{number}", "user": "maya", "os": "Debian 12", "created_at": made}
        )
        keys.append(add_token("machine", machine_id=machine_id))
    person = add_token("person", user_id=str(owner["user_id"]))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for table, found in (("users", [owner]), ("machines", rows), ("tokens", tokens)):
            insert(connection, table, found)
    return Keys(keys, person)


def insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        names = list(rows[0])
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" for _ in names)
        connection.executemany(
            f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', ([row[name] for name in names] for row in rows)
        )


def database_path(home: Path) -> Path:
    """Where a hub with this home keeps its database."""
    return home / "hub" / "heliograph.db"


@dataclass
class HubProcess:
    """A running hub. ``launcher``: a module to start it through, with its arguments, as the profiler does."""

    home: Path
    launcher: list[str] = field(default_factory=lambda: ["cli.main"])
    port: int = 0
    core: int | None = HUB_CORE

    def start(self) -> float:
        """Start it; returns the seconds until it listened."""
        began = time.perf_counter()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *self.launcher, "hub", "--port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "HELIOGRAPH_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=(self.home / "hub.err").open("ab"),
            text=True,
        )
        if self.core is not None:
            pin(self.core, self.popen.pid)
        assert self.popen.stdout is not None
        waiting = select.poll()  # select() takes no descriptor above 1023
        waiting.register(self.popen.stdout, select.POLLIN)
        line = self.popen.stdout.readline() if waiting.poll(START_SECONDS * 1000) else ""
        if not line.startswith("Listening on "):
            self.stop()
            raise RuntimeError(f"the hub didn't start\n{self.last_words()}")
        took = time.perf_counter() - began
        self.port = int(line.rsplit(":", 1)[1])
        return took

    def stop(self) -> float:
        """SIGTERM, and the seconds until it was gone."""
        began = time.perf_counter()
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(60)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        return time.perf_counter() - began

    def last_words(self) -> str:
        """The end of its log."""
        return (self.home / "hub.err").read_text()[-2000:]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def cpu_seconds(self) -> float:
        """User and system time it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self) -> int:
        """Memory it holds now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def get(self, path: str, token: str, *, accept: str = "application/json") -> tuple[bytes, float]:
        """A GET that must succeed: its body, and the seconds it took."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}\n{self.last_words()}")
        return body, took

    def last_page(self, session_id: str, token: str, after: str = "") -> tuple[bytes, str]:
        """The end of a session's timeline, and the cursor that it begins at (walks there from ``after``)."""
        while True:
            body, _ = self.get(f"/api/v1/sessions/{session_id}/timeline?after={after}", token)
            following = json.loads(body)["next"]
            if not following:
                return body, after
            after = following


@contextlib.contextmanager
def running(hub: HubProcess) -> Iterator[float]:
    """Start, and stop at the end; gives the seconds until it listened."""
    took = hub.start()
    try:
        yield took
    finally:
        hub.stop()
