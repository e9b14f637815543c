"""A fake Claude Code: parent of a real channel and of real hooks, with the client's manners and a ledger.

``python -m tests.faults.claude OPTIONS --dangerously-load-development-channels server:heliograph``; the last two
words are what the channel looks for in its parent's command line. It reads its hooks and its server from the files
that ``heliograph install`` wrote, takes a channel's notification as a turn of its own when idle and at the next
tool boundary when busy, and obeys lines of JSON on stdin (``do_…`` below). Whatever it is told of an event or a
message stands in its ledger first, so it may be killed at any time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.faults import ledger
from tests.faults.hooking import Script, is_parked, list_commands, run_command

NAMES_MESSAGE = re.compile(r'message_id[\\"=:\s]+([0-9a-f]{8}-[0-9a-f-]{27})')
LISTENS_AFTER = 0.03
"""Seconds after ``tools/list`` until the client takes notifications; earlier ones are lost."""

FILLER = "x" * 300
SHIFTED = Path(__file__).with_name("shifted.py")


class Claude:
    """One process."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.session_id: str = options.session
        self.pen = ledger.Pen(options.ledger)
        self.dice = random.Random(options.seed)
        self.home = Path(os.environ["HELIOGRAPH_HOME"])
        self.config = Path(os.environ["CLAUDE_CONFIG_DIR"])
        self.transcript = self.config / "projects" / "x" / f"{self.session_id}.jsonl"
        self.script = Script(self.home)
        self.channel: asyncio.subprocess.Process | None = None
        self.inbox: list[tuple[str | None, str]] = []
        self.pace = 0.0
        self.room: int | None = None
        self.wants: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.woken = asyncio.Event()
        self.ended = False
        self.number = 0
        self.turns = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = 0
        self._listens_at = float("inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._written = 0

    @property
    def place(self) -> str:
        """No other turn of any process has the same."""
        return f"{self.options.name}_{self.turns}"

    # -- life -----------------------------------------------------------------------------

    async def live(self) -> None:
        self.transcript.parent.mkdir(parents=True, exist_ok=True)
        self._show("idle")
        await self.fire("SessionStart", source=self.options.source, model="claude-opus-5-5")
        if not self.options.no_channel:
            await self.do_reconnect()
        self._rest()
        while not self.ended:
            if self.inbox:
                await self._turn(*self.inbox.pop(0))
            elif not self.wants.empty():
                await self._obey(self.wants.get_nowait())
            elif self.pace:
                await self._turn(None, f"do something {self.turns}")
                await self._wait(self.pace * (0.5 + self.dice.random()))
            else:
                await self._wait(0.5)
            self.script.reap()

    async def _wait(self, seconds: float) -> None:
        self.woken.clear()
        if self.wants.empty() and not self.inbox:
            try:
                async with asyncio.timeout(seconds):
                    await self.woken.wait()
            except TimeoutError:
                pass

    async def _obey(self, command: dict[str, Any]) -> None:
        do: Callable[..., Awaitable[None]] = getattr(self, f"do_{command.pop('do')}")
        await do(**command)
        self.pen.counters.put("obeyed", self.pen.counters.get("obeyed") + 1)

    def hear(self, line: str) -> None:
        """A command, or with an empty line the end of whoever gives them."""
        self.wants.put_nowait(json.loads(line) if line else {"do": "end"})
        self.woken.set()

    async def do_run(self, pace: float) -> None:
        """Begin turns of its own accord, about so many seconds apart."""
        self.pace = pace

    async def do_rest(self) -> None:
        self.pace = 0.0

    async def do_turn(self) -> None:
        await self._turn(None, f"do something {self.turns}")

    async def do_bulk(self, count: int) -> None:
        """So many events in one turn, as fast as they can be spooled."""
        await self._begin("a long turn")
        for step in range(count):
            self._display(f"text_{self.place}_{step // 20}", step % 20, final=step % 20 == 19, rings=step % 1000 == 999)
            if step % 200 == 199:
                await asyncio.sleep(0)
        await self._finish()

    async def do_parallel(self, count: int) -> None:
        """Hooks of one moment, each a process, all at once."""
        await self._begin("many tools at once")
        await self._fire_together([self._tool("PreToolUse", f"toolu_{self.place}_p{step}") for step in range(count)])
        await self._fire_together([self._tool("PostToolUse", f"toolu_{self.place}_p{step}") for step in range(count)])
        await self._finish()

    async def do_room(self, room: int | None) -> None:
        """The disk has only so many bytes for each event that follows; None: all is well again."""
        self.room = room

    async def do_clear(self, session: str) -> None:
        await self.fire("SessionEnd", reason="clear")
        self.session_id = session
        self.transcript = self.transcript.with_name(f"{session}.jsonl")
        await self.fire("SessionStart", source="clear")
        self._show("idle")

    async def do_end(self) -> None:
        """As 2.1.329 does it: the channel first, then the hooks of the end."""
        self.ended = True
        if self.channel is not None:
            for number, patience in ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.4), (signal.SIGKILL, 10.0)):
                try:
                    self.channel.send_signal(number)
                    await asyncio.wait_for(self.channel.wait(), patience)
                    break
                except ProcessLookupError:
                    break
                except TimeoutError:
                    continue
        await self.fire("SessionEnd", reason="prompt_input_exit")
        (self.config / "sessions" / f"{os.getpid()}.json").unlink(missing_ok=True)

    # -- turns ----------------------------------------------------------------------------

    async def _turn(self, message_id: str | None, prompt: str) -> None:
        await self._begin(prompt, message_id)
        for step in range(self.dice.randint(1, 4)):
            tool_use_id = f"toolu_{self.place}_{step}"
            real = self.dice.random() < self.options.real
            await self._fire_one(*self._tool("PreToolUse", tool_use_id), real=real)
            pieces = self.dice.randint(0, 8)
            for piece in range(pieces):
                self._display(f"text_{self.place}_{step}", piece, final=piece == pieces - 1)
            await self._fire_one(*self._tool("PostToolUse", tool_use_id), real=real)
            while self.inbox:  # handed over at the tool boundary
                await self._take(*self.inbox.pop(0))
        if message_id is not None and self.dice.random() < 0.5:
            await self._reply(message_id)
        await self._finish()

    async def _begin(self, prompt: str, message_id: str | None = None) -> None:
        self.turns += 1
        self.pen.counters.put("state", ledger.BUSY)
        self._show("busy")
        await self._take(message_id, prompt)

    async def _take(self, message_id: str | None, prompt: str) -> None:
        if message_id is not None:
            self.pen.note(took=message_id, number=self.number + 1)
            self._write_transcript(type="queue-operation", operation="dequeue", sessionId=self.session_id)
        await self.fire("UserPromptSubmit", prompt=prompt)
        message = {"role": "user", "content": prompt}
        self._write_transcript(type="user", message=message, sessionId=self.session_id)

    async def _finish(self) -> None:
        await self.fire("Stop", stop_hook_active=False, last_assistant_message=f"done {self.turns}")
        self._show("idle")
        self._rest()

    def _rest(self) -> None:
        self.pen.counters.put("turns", self.turns)
        self.pen.counters.put("inbox", len(self.inbox))
        self.pen.counters.put("state", ledger.IDLE)

    async def _reply(self, message_id: str) -> None:
        text = f"reply {self.options.name} {self.number} {self.dice.random()}"
        try:
            answer = await self._request("tools/call", name="reply", arguments={"text": text, "message_id": message_id})
        except ConnectionError:
            return
        if not answer.get("result", {}).get("isError", True):
            self.pen.note(reply=text)

    # -- hooks ----------------------------------------------------------------------------

    async def fire(self, name: str, **fields: Any) -> None:
        """The hook processes that the settings name for an event."""
        await self._fire_one(name, fields, real=self.room is None)

    async def _fire_one(self, name: str, fields: dict[str, Any], *, real: bool) -> None:
        if real:
            await self._fire_together([(name, fields)])
        else:
            self._spool(self._count(), name, fields)

    async def _fire_together(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        first = self.number + 1
        bodies = [self._build(self._count(), first, name, fields) for name, fields in events]
        settings = self.config / "settings.json"
        works = []
        for (name, _), body in zip(events, bodies, strict=True):
            for hook in list_commands(settings, name):
                if is_parked(hook):
                    self._later(self._park(hook, body))
                else:
                    works.append(self._run(hook, name, body))
        await asyncio.gather(*works)
        self.pen.counters.put("told", self.number)

    async def _run(self, hook: dict[str, Any], name: str, body: bytes) -> None:
        code, out, err = await asyncio.to_thread(run_command, hook, body, dict(os.environ), self.options.cwd)
        if code != 0 or err:
            self.pen.note(trouble=f"{name} hook: exit {code}, {err[:500]!r}")
        self._take_answer(out)

    def _take_answer(self, out: bytes) -> None:
        """What a hook says reaches Claude in the middle of its turn, or with its prompt."""
        for message_id in NAMES_MESSAGE.findall(out.decode(errors="replace")):
            self.pen.note(got=message_id)
            self.pen.note(took=message_id, number=self.number)

    async def _park(self, hook: dict[str, Any], body: bytes) -> None:
        """A hook that Claude Code doesn't wait for; one that ends with 2 wakes it."""
        process = await asyncio.create_subprocess_exec(
            hook["command"],
            *hook["args"],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.options.cwd,
        )
        _, err = await process.communicate(body)
        if process.returncode == 2:
            self._wake(err.decode(errors="replace"))

    def _wake(self, text: str) -> None:
        """A parked hook has ended with 2: its words start a turn."""
        found = NAMES_MESSAGE.findall(text)
        for message_id in found:
            self.pen.note(got=message_id)
        self.inbox.append((found[0] if found else None, f"<task-notification>\nStop hook feedback:\n{text}\n"))
        self.woken.set()

    def _display(self, message_id: str, index: int, *, final: bool, rings: bool = True) -> None:
        fields = {"message_id": message_id, "index": index, "final": final, "delta": FILLER}
        self._spool(self._count(), "MessageDisplay", fields, rings=rings)

    def _spool(self, number: int, name: str, fields: dict[str, Any], *, rings: bool = True) -> None:
        """In-process; what the script raises is known to be lost, and Claude is not told that we have it."""
        body = self._build(number, number, name, fields)
        room = None if self.room is None else self.dice.randint(0, self.room)
        if not self.script.run(body, rings=rings and room is None, room=room):
            self.pen.note(maybe=number)
        self.pen.counters.put("told", number)
        self._take_answer(self.script.answer)

    def _count(self) -> int:
        self.number += 1
        self.pen.counters.put("attempted", self.number)
        return self.number

    def _build(self, number: int, moment: int, name: str, fields: dict[str, Any]) -> bytes:
        return json.dumps(
            {
                "session_id": self.session_id,
                "transcript_path": str(self.transcript),
                "cwd": self.options.cwd,
                "hook_event_name": name,
                "permission_mode": "default",
                "heliograph_test": {"by": self.options.name, "number": number, "moment": moment},
                **fields,
            }
        ).encode()

    def _tool(self, name: str, tool_use_id: str) -> tuple[str, dict[str, Any]]:
        fields: dict[str, Any] = {"tool_name": "Bash", "tool_use_id": tool_use_id, "tool_input": {"command": "ls"}}
        if name == "PostToolUse":
            fields |= {"tool_response": {"stdout": FILLER, "stderr": "", "interrupted": False}, "duration_ms": 3}
        return name, fields

    # -- the channel ----------------------------------------------------------------------

    async def do_reconnect(self) -> None:
        """``/mcp reconnect``, and how it is started in the first place."""
        if self.channel is not None and self.channel.returncode is None:
            self.channel.kill()
            await self.channel.wait()
        server = json.loads((self.config / ".claude.json").read_bytes())["mcpServers"]["heliograph"]
        words = [server["command"], *server["args"]]
        if self.options.clock:
            words = [server["command"], "-I", str(SHIFTED), str(self.options.clock)]
        with (self.options.ledger / "channel.err").open("ab") as errors:
            self.channel = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={
                    **os.environ,
                    **server["env"],
                    "CLAUDECODE": "1",
                    "CLAUDE_CODE_SESSION_ID": self.session_id,
                    "CLAUDE_PROJECT_DIR": self.options.cwd,
                },
                limit=2**24,
            )
        self.pen.counters.put("channel_pid", self.channel.pid)
        self._listens_at = float("inf")
        self._later(self._listen(self.channel))
        client = {"name": "claude-code", "version": "2.1.329"}
        try:
            await self._request("server/discover")
            await self._request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
            await self._request("tools/list")
        except ConnectionError:
            return  # killed already; the client goes on without
        self._listens_at = asyncio.get_running_loop().time() + LISTENS_AFTER

    async def _listen(self, channel: asyncio.subprocess.Process) -> None:
        assert channel.stdout is not None
        while line := await channel.stdout.readline():
            message = json.loads(line)
            if message.get("method") == "notifications/claude/channel":
                self._receive(message["params"])
            elif message.get("method") == "ping":
                await self._write(channel, {"jsonrpc": "2.0", "id": message["id"], "result": {}})
            elif message.get("id") in self._answers:
                self._answers.pop(message["id"]).set_result(message)
        await channel.wait()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionError("the channel ended"))
        self._answers.clear()

    def _receive(self, params: dict[str, Any]) -> None:
        """A notification: enqueued, unless it came before the client listens."""
        if asyncio.get_running_loop().time() < self._listens_at:
            self.pen.note(trouble="a notification came before the client listened")
            return
        meta = params["meta"]
        attributes = "".join(f' {key}="{value}"' for key, value in meta.items())
        text = params["content"].replace("</channel>", "&lt;/channel>")
        prompt = f'<channel source="heliograph"{attributes}>\n{text}\n</channel>'
        self.pen.note(got=meta["message_id"])
        self.inbox.append((meta["message_id"], prompt))
        self.pen.counters.put("inbox", len(self.inbox))
        self._write_transcript(type="queue-operation", operation="enqueue", content=prompt, sessionId=self.session_id)
        self.woken.set()

    async def _request(self, method: str, **params: Any) -> Any:
        assert self.channel is not None
        self._ids += 1
        answer = self._answers[self._ids] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        await self._write(self.channel, request)
        return await answer

    async def _write(self, channel: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
        if channel.returncode is not None:
            raise ConnectionError("there is no channel")
        assert channel.stdin is not None
        channel.stdin.write(json.dumps(message).encode() + b"\n")
        await channel.stdin.drain()

    # -- the client's own files -----------------------------------------------------------

    def _show(self, word: str) -> None:
        path = self.config / "sessions" / f"{os.getpid()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        now = int((time.time() + self.options.clock) * 1000) + 1  # a turn without a process is over within one
        status = {"pid": os.getpid(), "sessionId": self.session_id, "status": word, "statusUpdatedAt": now}
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(status))
        beside.replace(path)

    def _write_transcript(self, **record: Any) -> None:
        """One line; like the real client's, in one write."""
        fd = os.open(self.transcript, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, json.dumps(record).encode() + b"\n")
        os.close(fd)

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--session", required=True)
    parser.add_argument("--source", default="startup")
    parser.add_argument("--cwd", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=float, default=0.1, help="of the tools' hooks, how many are processes")
    parser.add_argument("--clock", type=float, default=0.0, help="seconds that this machine's clock is ahead")
    parser.add_argument("--no-channel", action="store_true")
    return parser.parse_known_args()[0]


async def main() -> None:
    claude = Claude(read_options())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, claude.hear, "")
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def listen() -> None:
        while True:
            line = await reader.readline()
            claude.hear(line.decode())
            if not line:
                return

    commands = asyncio.create_task(listen())
    await claude.live()
    commands.cancel()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
