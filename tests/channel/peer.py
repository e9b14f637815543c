"""A real channel as a child of this test, spoken to as Claude Code does: pipes, hooks, signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hooks import LOADER, SCRIPTS, WAKE_LOADER
from tests.channel.hub_double import PATIENCE

Found = TypeVar("Found")

SESSION = "11111111-1111-4111-8111-111111111111"
NEXT_SESSION = "22222222-2222-4222-8222-222222222222"

STEP = 0.01


async def eventually(condition: Callable[[], Found | None], what: str) -> Found:
    """Wait, bounded, until ``condition`` gives something true."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (found := condition()):
        assert asyncio.get_running_loop().time() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(STEP)
    return found


FLAG = "--dangerously-load-development-channels=server:heliograph"

WITH_WORDS = (
    "import sys\n"
    "import msgspec\n"
    "from channel import run\n"
    "read = run.read_parent\n"
    "words = tuple(sys.argv[1:])\n"
    "run.read_parent = lambda pid: msgspec.structs.replace(read(pid), words=words)\n"
    "run.main()\n"
)
"""A channel that takes its parent, the test, for a Claude Code with the command line in its arguments."""


class Claude:
    """Plays Claude Code, whose pid is the test's own: starts the channel, runs hooks, reads the wire."""

    def __init__(self, home: Path, project: Path) -> None:
        self.home = home
        self.project = project
        self.process: asyncio.subprocess.Process | None = None
        self.notifications: list[dict[str, Any]] = []
        self.pings: list[Any] = []
        self.is_frozen = False
        self.parked: list[asyncio.subprocess.Process] = []
        self.strays: list[bytes] = []
        self._answers: dict[Any, dict[str, Any]] = {}
        self._ids = 0
        self._reading: asyncio.Task[None] | None = None
        (home / "hooks").mkdir(parents=True, exist_ok=True)
        for script in SCRIPTS:
            shutil.copy(script, home / "hooks")

    @property
    def socket(self) -> Path:
        return self.home / "run" / f"{os.getpid()}.sock"

    @property
    def halt(self) -> Path:
        return self.home / "run" / f"{os.getpid()}.stop"

    @property
    def config(self) -> Path:
        return self.home / "claude"

    @property
    def spool(self) -> Path:
        return self.home / "spool" / f"{os.getpid()}.log"

    def show_status(self, word: str, session_id: str = SESSION) -> None:
        """Write the status file, as Claude Code does beside its hooks."""
        path = self.config / "sessions" / f"{os.getpid()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"sessionId": session_id, "status": word, "statusUpdatedAt": time.time_ns() // 10**6})
        )

    def pair(self, url: str, key: str = "hgm_test") -> None:
        path = self.home / "machine.json"
        beside = path.with_suffix(".new")
        beside.touch(mode=0o600)
        pairing = {"hub_url": url, "machine_id": "m1", "machine_name": "desk", "key": key}
        beside.write_text(json.dumps(pairing))
        beside.replace(path)

    async def start(self, words: tuple[str, ...] = ("claude", FLAG), **environment: str) -> None:
        """Spawn the channel; the handshake is ``greet``."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", WITH_WORDS, *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={
                "HOME": str(self.home), "PATH": os.environ["PATH"], "HELIOGRAPH_HOME": str(self.home),
                "CLAUDE_CONFIG_DIR": str(self.config),
                "CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDE_PROJECT_DIR": str(self.project), **environment,
            },
            limit=2**24,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self.process))

    async def greet(self) -> dict[str, Any]:
        """The handshake as Claude Code 2.1.329 does it, up to the tools."""
        refused = await self.request("server/discover", {"_meta": {}})
        assert refused["error"]["code"] == -32601
        client = {"name": "claude-code", "version": "2.1.329"}
        greeting = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": client}
        welcome = await self.request("initialize", greeting)
        await self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await self.request("tools/list")
        return welcome

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self._ids += 1
        number = self._ids
        await self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
        await eventually(lambda: number in self._answers, f"an answer to {method}")
        return self._answers.pop(number)

    async def call(self, tool: str, **arguments: Any) -> tuple[str, bool]:
        answer = await self.request("tools/call", {"name": tool, "arguments": arguments})
        return answer["result"]["content"][0]["text"], answer["result"]["isError"]

    async def write(self, message: dict[str, Any] | bytes) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        await self.process.stdin.drain()

    async def hook(self, name: str, session_id: str = SESSION, **fields: Any) -> str:
        """Run the real hook, as Claude Code would; what it answers."""
        body = {"session_id": session_id, "cwd": str(self.project), "hook_event_name": name, **fields}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", LOADER, str(self.home),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={},
        )  # fmt: skip
        answer, _ = await process.communicate(json.dumps(body).encode())
        assert process.returncode == 0
        return answer.decode()

    async def ask(self, name: str, session_id: str = SESSION, **fields: Any) -> asyncio.subprocess.Process:
        """Start the real hook as in a terminal's session, where it waits for an answer."""
        body = {"session_id": session_id, "cwd": str(self.project), "hook_event_name": name, **fields}
        return await self._start_waiting(LOADER, json.dumps(body).encode(), {"CLAUDE_CODE_ENTRYPOINT": "cli"})

    async def park(self, **environment: str) -> asyncio.subprocess.Process:
        """Start the real parked hook, as Claude Code would."""
        return await self._start_waiting(WAKE_LOADER, b"{}", {"CLAUDE_CODE_ENTRYPOINT": "cli", **environment})

    async def _start_waiting(self, loader: str, body: bytes, environment: dict[str, str]) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", loader, str(self.home),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(body)
        process.stdin.close()
        self.parked.append(process)
        return process

    async def close_stdin(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def ended(self) -> int:
        """Wait for the channel's end; its exit code."""
        assert self.process is not None
        assert self._reading is not None
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._reading
        return code

    async def stop(self) -> None:
        """Let go of the channel, whatever state it is in, and of what is parked at it."""
        try:
            await self._stop_channel()
        finally:
            for process in self.parked:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.communicate()

    async def _stop_channel(self) -> None:
        if self.process is None:
            return
        await self.close_stdin()
        try:
            await self.ended()
        except TimeoutError:
            self.process.kill()
            await self.ended()
            raise

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                self.strays.append(line)
                continue
            if message.get("method") == "ping":
                self.pings.append(message["id"])
                if not self.is_frozen:
                    await self.write({"jsonrpc": "2.0", "id": message["id"], "result": {}})
            elif "method" in message:
                self.notifications.append(message)
            else:
                self._answers[message["id"]] = message
