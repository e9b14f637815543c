"""How long a decision takes, both ways, with everything real but Claude; and how a hub with 500 open ones answers.

- asked to card: spawn of the hook with a ``PermissionRequest`` until its card is on an open page's socket
- verdict to hook: POST of the verdict until the whole answer is on the hook's stdout
- 500 open: GET of the inbox, of the overview, and of the API's list

Run by ``make bench``. Prints figures and fails on none.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.roundtrip import PYTHON, SESSION, Bench, show
from hooks import LOADER
from wire.ids import build_id

ROUNDS = 200
OPEN = 500
LOADS = 20


class Asker:
    """Runs the hook that waits, as Claude Code does."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._environment = {**bench.environment, "CLAUDE_CODE_ENTRYPOINT": "cli"}

    async def ask(self, command: str) -> asyncio.subprocess.Process:
        """A dialog opens; its hook waits."""
        body = {
            "session_id": SESSION,
            "cwd": "/",
            "hook_event_name": "PermissionRequest",
            "tool_name": "Bash",
            "tool_input": {"command": command},
        }
        hook = await asyncio.create_subprocess_exec(
            *(PYTHON, "-I", "-S", "-c", LOADER, str(self._bench.home)),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert hook.stdin is not None
        hook.stdin.write(json.dumps(body).encode())
        hook.stdin.close()
        return hook


async def measure(bench: Bench) -> tuple[list[float], list[float]]:
    """Seconds from asking to the card, and from the verdict to the hook's answer."""
    asker = Asker(bench)
    cards, answers = [], []
    path = f"/ws/dashboard?format=html&view=session&session={SESSION}"
    async with (
        bench.http.ws_connect(path, max_msg_size=0) as page,
        bench.http.ws_connect(f"{path}&format=json".replace("format=html&", ""), max_msg_size=0) as program,
    ):
        for number in range(ROUNDS):
            started = time.perf_counter()
            hook = await asker.ask(f"echo {number}")
            while f"echo {number}" not in json.loads((await page.receive()).data).get("html", ""):
                pass
            cards.append(time.perf_counter() - started)
            decision = await _wait_until_answerable(program)
            started = time.perf_counter()
            body = {"digest": decision["digest"], "behavior": "allow"}
            posting = bench.http.post(f"/api/v1/decisions/{decision['decision_id']}/verdict", json=body)
            posted = asyncio.ensure_future(posting)
            assert hook.stdout is not None
            assert b"allow" in await hook.stdout.read()
            answers.append(time.perf_counter() - started)
            await hook.wait()
            (await posted).release()
            bench.hook({"hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": f"t{number}"})
    return cards, answers


async def _wait_until_answerable(program: Any) -> dict[str, Any]:
    while True:
        for decision in json.loads((await program.receive()).data).get("decisions", ()):
            if decision["state"] == "open" and decision["answered_by"] == "hook":
                return dict(decision)


async def open_many(bench: Bench, key: str) -> None:
    """As many sessions, each with an open dialog whose hook waits."""
    for number in range(OPEN):
        session_id = f"00000000-0000-4000-8000-{number:012}"
        asked = _build_event(number, "hook", session_id, "PermissionRequest", tool_name="Bash")
        asked["body"] |= {"cwd": f"/home/bench/{number}", "tool_input": {"command": f"make all-{number} " + "x" * 200}}
        waits = {"decision_id": asked["event_id"], "answered_by": "hook"}
        events = [asked, _build_event(number, "channel", session_id, "ChannelWaits", **waits)]
        headers = {"Authorization": f"Bearer {key}"}
        async with bench.http.post("/api/v1/events", json={"events": events}, headers=headers) as answer:
            answer.raise_for_status()


def _build_event(number: int, source: str, session_id: str, name: str, **fields: Any) -> dict[str, Any]:
    at = time.time_ns() // 1000
    body = {"session_id": session_id, "hook_event_name": name, **fields}
    return {"event_id": build_id(at, os.urandom(8)), "at": at, "source": source, "pid": 10_000 + number, "body": body}


async def load(bench: Bench, path: str) -> list[float]:
    """Seconds for each of some requests, one after the other."""
    times = []
    for _ in range(LOADS):
        started = time.perf_counter()
        async with bench.http.get(path) as answer:
            answer.raise_for_status()
            await answer.read()
        times.append(time.perf_counter() - started)
    return times


async def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="hg") as folder:
        bench = Bench(Path(folder))
        await bench.start()
        try:
            cards, answers = await measure(bench)
            show("asked to card", cards, "20 and 80 ms")
            show("verdict to the hook's answer", answers, "15 and 60 ms")
            await open_many(bench, bench.key)
            show(f"{OPEN} open: API's list", await load(bench, f"/api/v1/decisions?state=open&limit={OPEN}"), "200 ms")
            show(f"{OPEN} open: inbox", await load(bench, "/inbox"), "200 ms")
            show(f"{OPEN} open: overview", await load(bench, "/"), "200 ms")
        finally:
            await bench.stop()


if __name__ == "__main__":
    flag = ["--dangerously-load-development-channels", "server:heliograph"]
    if sys.argv[1:] != flag:
        os.execv(sys.executable, [sys.executable, "-m", "bench.decisions", *flag])
    asyncio.run(main())
