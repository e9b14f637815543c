"""How long the two ways through Heliograph take, on this machine, with everything real but Claude.

- page to Claude: POST of a message (committed) until the notification's bytes are on the channel's stdout
- hook to dashboard: spawn of the hook script until the frame is on an open dashboard's socket

Run by ``make bench``. Prints figures and fails on none.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from hooks import LOADER, SCRIPTS

ROUNDS = 200
SESSION = "6cca265d-88ab-463e-a1d9-93f3f807605c"
PYTHON = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]  # noqa: SLF001


class AdminConnection(http.client.HTTPConnection):
    """HTTP over the hub's admin socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Bench:
    """A hub, a paired machine, and a channel whose Claude Code is this process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "HELIOGRAPH_HOME": str(home)}

    async def start(self) -> None:
        self.hub = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "hub", "--port", "0"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.hub.stdout is not None
        self.url = self.hub.stdout.readline().split()[-1]
        while not (self.home / "hub" / "hub.sock").exists():
            await asyncio.sleep(0.01)
        token = self._admin("/tokens", {"name": "bench", "role": "owner"})["token"]
        self.http = aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {token}"})
        code = self._admin("/pair")["code"]
        machine = {"code": code, "name": "bench", "user": "bench", "os": "bench"}
        async with self.http.post("/api/v1/join", json=machine) as answer:
            paired = await answer.json()
        self.key = paired["key"]
        config = {
            "hub_url": self.url,
            "machine_id": paired["machine_id"],
            "machine_name": "bench",
            "key": paired["key"],
        }
        path = self.home / "machine.json"
        path.touch(0o600)
        path.write_text(json.dumps(config))
        (self.home / "hooks").mkdir()
        for script in SCRIPTS:
            (self.home / "hooks" / script.name).write_text(script.read_text())
        await self._start_channel()

    async def _start_channel(self) -> None:
        # the flag stands where the channel looks for it: on the command line of its parent, see main()
        self.channel = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-m", "channel"),
            env={**self.environment, "CLAUDE_CODE_SESSION_ID": SESSION},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}}
        self._say({"id": 0, "method": "initialize", "params": hello})
        await self._hear()
        self._say({"method": "notifications/initialized"})
        self._say({"id": 1, "method": "tools/list"})
        await self._hear()
        self.hook({"hook_event_name": "SessionStart", "source": "startup"})
        await self.until("idle")

    async def stop(self) -> None:
        await self.http.close()
        self.channel.terminate()
        await self.channel.wait()
        self.hub.terminate()
        self.hub.wait()

    def hook(self, fields: dict[str, Any]) -> None:
        """Run the hook as Claude Code does."""
        body = {"session_id": SESSION, "cwd": "/", **fields}
        command = [PYTHON, "-I", "-S", "-c", LOADER, str(self.home)]
        subprocess.run(command, input=json.dumps(body).encode(), env=self.environment, check=True)

    async def until(self, state: str) -> None:
        """Wait for the hub to know the session in this state, its channel connected."""
        while True:
            async with self.http.get(f"/api/v1/sessions/{SESSION}") as answer:
                session = await answer.json()
            if session.get("state") == state and session.get("delivery") == "channel":
                return
            await asyncio.sleep(0.005)

    async def page_to_claude(self) -> list[float]:
        times = []
        for number in range(ROUNDS):
            started = time.perf_counter()
            posting = asyncio.create_task(self._post(f"message {number}"))
            await self._hear()
            times.append(time.perf_counter() - started)
            message_id = await posting
            tag = f'<channel source="heliograph" message_id="{message_id}" from="bench">\nm\n</channel>'
            self.hook({"hook_event_name": "UserPromptSubmit", "prompt": tag})
            self.hook({"hook_event_name": "Stop"})
            await self._until_answered(message_id)
        return times

    async def hook_to_dashboard(self) -> list[float]:
        times = []
        path = f"/ws/dashboard?format=json&view=session&session={SESSION}"
        async with self.http.ws_connect(path, max_msg_size=0) as socket_:
            await socket_.receive()
            for number in range(ROUNDS):
                body = {"hook_event_name": "MessageDisplay", "message_id": f"m{number}", "final": True, "delta": "x"}
                started = time.perf_counter()
                running = asyncio.create_task(asyncio.to_thread(self.hook, body))
                while not any(e["kind"] == "assistant" for e in json.loads((await socket_.receive()).data)["entries"]):
                    pass
                times.append(time.perf_counter() - started)
                await running
        return times

    async def _post(self, text: str) -> str:
        async with self.http.post(f"/api/v1/sessions/{SESSION}/messages", json={"text": text}) as answer:
            return str((await answer.json())["message_id"])

    async def _until_answered(self, message_id: str) -> None:
        while True:
            async with self.http.get(f"/api/v1/messages/{message_id}") as answer:
                if (await answer.json())["state"] == "answered":
                    return
            await asyncio.sleep(0.002)

    def _admin(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        connection = AdminConnection(self.home / "hub" / "hub.sock")
        connection.request("POST", path, json.dumps(body or {}))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def _say(self, message: dict[str, Any]) -> None:
        assert self.channel.stdin is not None
        self.channel.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _hear(self) -> dict[str, Any]:
        assert self.channel.stdout is not None
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(self.channel.stdout.readline(), 30))
        return answer


def show(what: str, times: list[float], aim: str) -> None:
    """One line: median and 99th percentile in milliseconds."""
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"{what:28} p50 {statistics.median(times) * 1000:6.1f} ms   p99 {p99 * 1000:6.1f} ms   (aim {aim})")


async def main() -> None:
    """Measure both ways."""
    with tempfile.TemporaryDirectory(prefix="hg") as folder:
        bench = Bench(Path(folder))
        await bench.start()
        try:
            show("page to Claude", await bench.page_to_claude(), "3 and 10 ms")
            show("hook to dashboard", await bench.hook_to_dashboard(), "12 and 25 ms")
        finally:
            await bench.stop()


if __name__ == "__main__":
    flag = ["--dangerously-load-development-channels", "server:heliograph"]
    if sys.argv[1:] != flag:
        os.execv(sys.executable, [sys.executable, "-m", "bench.roundtrip", *flag])
    asyncio.run(main())
