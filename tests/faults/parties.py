"""The processes of the suite, as its tests hold them: the hub, a machine with its files, a fake Claude Code."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.claude_code import WANTED_EVENTS
from tests.faults import ledger
from tests.support.api import Client, Refused
from tests.support.processes import is_running
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
CHANNEL_WORDS = ("--dangerously-load-development-channels", "server:heliograph")

SHIFTED_CLOCK = """

class _Shifted:
    def __getattr__(self, name, time=time):
        return getattr(time, name)

    def time_ns(self, time=time):
        return time.time_ns() + {nanoseconds}


time = _Shifted()
"""
"""What an installed hook script ends with on a machine whose clock is off."""


def find_port() -> int:
    """One that is free now; a hub that is killed and started again has to keep its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class HubProcess:
    """The hub in its launcher; ``start`` again keeps port and database."""

    def __init__(self, folder: Path, public_url: str) -> None:
        self.folder = folder
        self.port = find_port()
        self._public_url = public_url
        self._popen: subprocess.Popen[bytes] | None = None
        self._token: str | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def database(self) -> Path:
        return self.folder / "hub" / "heliograph.db"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def is_up(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def log(self) -> str:
        path = self.folder / "stderr.log"
        return path.read_text()[-5000:] if path.exists() else ""

    def start(self, wait: bool = True) -> None:
        words = ["hub", "--port", str(self.port), "--public-url", self._public_url]
        with (self.folder / "stdout.log").open("wb") as out, (self.folder / "stderr.log").open("ab") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.hub_launcher", str(self.folder), *words],
                cwd=ROOT,
                env={"HOME": str(self.folder), "PATH": os.environ["PATH"], "HELIOGRAPH_HOME": str(self.folder)},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=errors,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        def look() -> bool:
            assert self.is_up, f"the hub ended:\n{self.log}"
            if "Listening on" not in (self.folder / "stdout.log").read_text():
                return False
            try:
                return bool(Client(self.url, timeout=2.0).get("/healthz")["ok"])
            except (OSError, Refused, http.client.HTTPException):
                return False

        wait_until(look, "a healthy hub", timeout=START_SECONDS, describe=lambda: self.log)

    def order(self, **command: Any) -> None:
        """A command to the launcher."""
        assert self._popen is not None
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(command).encode() + b"\n")
        self._popen.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        assert self._popen is not None
        self._popen.send_signal(number)

    def wait_killed(self, timeout: float) -> bool:
        """Whether it killed itself in time."""
        assert self._popen is not None
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        assert status == -signal.SIGKILL, f"the hub exited {status}:\n{self.log}"
        self._forget()
        return True

    def kill(self) -> None:
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()
        self._forget()

    def stop(self) -> None:
        """In order, and in time."""
        assert self._popen is not None
        self._popen.terminate()
        try:
            status = self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the hub did not stop:\n{self.log}") from None
        self._forget()
        assert status == 0, f"the hub exited {status}:\n{self.log}"

    def _forget(self) -> None:
        assert self._popen is not None
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen = None

    def admin(self, path: str, body: Any = None) -> Any:
        """A call on the admin socket."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.folder / "hub" / "hub.sock"))
            connection.request("POST", path, json.dumps(body or {}), {"Connection": "close"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            return answer
        finally:
            connection.close()

    def client(self, timeout: float = 10.0) -> Client:
        """An owner's."""
        if self._token is None:
            self._token = self.admin("/tokens", {"name": "tests", "role": "owner"})["token"]
        return Client(self.url, {"Authorization": f"Bearer {self._token}"}, timeout)


class Machine:
    """A computer with a (fake) Claude Code: its files, made by the command line."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.key = ""
        self.clock = 0.0
        for folder in (self.home, self.root / "bin", self.project, self.config):
            folder.mkdir(parents=True)
        claude = self.root / "bin" / "claude"
        claude.write_text(f"#!/bin/sh\n# {json.dumps(WANTED_EVENTS, separators=(',', ':'))}\n")
        claude.chmod(0o755)

    @property
    def home(self) -> Path:
        return self.root / "hg"

    @property
    def config(self) -> Path:
        return self.root / "claude"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.root),
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "HELIOGRAPH_HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.config),
            "CLAUDE_CODE_ENTRYPOINT": "cli",  # as in a terminal
        }

    def install(self, word: str = "install") -> None:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", word, "--yes"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def put_clock_off(self, seconds: float) -> None:
        """Its hooks and its Claude Codes are so far ahead."""
        self.clock = seconds
        script = self.home / "hooks" / "heliograph_hook.py"
        script.write_text(script.read_text() + SHIFTED_CLOCK.format(nanoseconds=int(seconds * 1e9)))

    def pair(self, hub: HubProcess, url: str) -> None:
        """What ``heliograph join`` does, without a second process."""
        body = {"code": hub.admin("/pair")["code"], "name": self.name, "user": "maya", "os": "Debian 12"}
        paired = Client(hub.url).post("/api/v1/join", body)
        self.key = paired["key"]
        fields = {name: paired[name] for name in ("machine_id", "machine_name", "key")}
        path = self.home / "machine.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"hub_url": url, **fields}))

    def nudge(self) -> None:
        """Channels that wait for their next attempt try now: the pairing might be another."""
        os.utime(self.home / "machine.json")

    def list_files(self, folder: str) -> list[str]:
        path = self.home / folder
        return sorted(one.name for one in path.iterdir()) if path.is_dir() else []

    def read_log(self, name: str) -> str:
        path = self.home / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


@dataclass
class Claude:
    """A fake Claude Code process. ``gone``: it will not say any more."""

    name: str
    session_id: str
    machine: Machine
    popen: subprocess.Popen[bytes]
    book: ledger.Book
    has_channel: bool = True
    gone: bool = False
    orders: int = 0

    @classmethod
    def start(
        cls, machine: Machine, folder: Path, name: str, *, session_id: str | None = None, **options: Any
    ) -> Claude:
        session_id = session_id or str(uuid.uuid4())
        place = folder / name
        place.mkdir(parents=True)
        words = ["--name", name, "--ledger", str(place), "--session", session_id, "--cwd", str(machine.project)]
        has_channel = not options.pop("no_channel", False)
        words += ["--clock", str(machine.clock)]
        words += [] if has_channel else ["--no-channel"]
        for option, value in options.items():
            words += [f"--{option}", str(value)]
        with (place / "err").open("wb") as errors:
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.claude", *words, *CHANNEL_WORDS],
                cwd=ROOT,
                env=machine.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        return cls(name, session_id, machine, popen, ledger.Book(place), has_channel)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def channel_pid(self) -> int:
        return self.book.get("channel_pid")

    @property
    def is_resting(self) -> bool:
        idle = self.book.get("state") == ledger.IDLE and not self.book.get("inbox")
        return idle and self.book.get("obeyed") == self.orders

    def tell(self, do: str, **words: Any) -> None:
        """A command; it comes when the turn under way is over."""
        assert self.popen.stdin is not None
        assert self.popen.poll() is None, f"{self.name} ended:\n{self.complaints()}"
        self.orders += 1
        self.popen.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
        self.popen.stdin.flush()

    def wait_resting(self, timeout: float = 30.0) -> None:
        def look() -> bool:
            assert self.popen.poll() is None, f"{self.name} ended:\n{self.complaints()}"
            return self.is_resting

        wait_until(look, f"{self.name} at rest", timeout=timeout, describe=self.complaints)

    def complaints(self) -> str:
        place = self.book._folder
        return "".join(path.read_text(errors="replace") for path in (place / "err",) if path.exists())

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill_channel(self) -> None:
        self.has_channel = False
        pid = self.channel_pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), "the channel gone")

    def reconnect(self) -> None:
        self.has_channel = True
        self.tell("reconnect")

    def kill(self) -> None:
        self.popen.kill()
        self._end()

    def end(self) -> None:
        """As at ``/exit``."""
        self.tell("end")
        self._end()
        assert self.popen.returncode == 0, self.complaints()

    def _end(self) -> None:
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end:\n{self.complaints()}") from None
        finally:
            self.gone, self.has_channel = True, False
            with suppress(BrokenPipeError):
                assert self.popen.stdin is not None
                self.popen.stdin.close()


@contextmanager
def file_limit(pid: int, size: int) -> Iterator[None]:
    """No file of that process may grow beyond ``size``: a full disk, as far as it can tell."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it may have been killed meanwhile
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
