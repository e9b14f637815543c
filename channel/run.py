"""A channel from its start to its end: wires the edges to what decides.

Every handler is guarded: Claude Code never starts a channel again that died.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from channel import VERSION, mcp
from channel.config import find_home
from channel.deciding import Deciding
from channel.delivery import Delivery
from channel.facts import StatusFile
from channel.following import Following
from channel.halt import Halt
from channel.link import Link, Status
from channel.log import build_logger, guarded
from channel.meter import Meter
from channel.outbox import Outbox
from channel.process import Parent, end_process, read_parent
from channel.session import Session
from channel.stdio import Stdio, claim
from channel.telling import Telling
from channel.uploader import leave_behind
from wire.frames import (
    LEVEL,
    Declined,
    Hello,
    Interrupt,
    Order,
    Process,
    Push,
    Settled,
    Stop,
    Verdict,
    Withdraw,
)

TICK_SECONDS = 1.0
"""Between looks at the parent, and at the spool in case a ring was missed."""

LINK_SECONDS = 1.0
"""A client that doesn't ask for the tools gets no link before this."""

FLUSH_SECONDS = 0.06
"""On a signal, for what is still in the spool: 100 ms later comes the next, harder signal."""

ORPHAN_FLUSH_SECONDS = 1.0
"""The same when Claude is gone and nobody presses."""

NO_HUB = {
    Status.NOT_PAIRED: "This machine isn't paired with a Heliograph hub, so nobody would see this. Go on without.",
    Status.UNREADABLE: "Heliograph's machine.json can't be used here (`heliograph doctor` says why). Go on without.",
    Status.REFUSED: "The Heliograph hub doesn't accept this machine any more. Go on without.",
}
"""What Claude is told when there is nobody to send to."""

Reason = Literal["stopped", "parent_gone"]


class Channel:
    """One a process. ``run`` returns when Claude Code ends it, or ends itself."""

    def __init__(self, home: Path, parent_pid: int, environment: Mapping[str, str]) -> None:
        self._home = home
        self._parent_pid = parent_pid
        self._parent = Parent(parent_pid, 0, ())
        self._log = build_logger(home)
        cwd = environment.get("CLAUDE_PROJECT_DIR") or str(Path.cwd())
        self._session = Session(environment.get("CLAUDE_CODE_SESSION_ID"), cwd)
        self._outbox = Outbox(home / "spool", parent_pid, self._log.warning)
        self._status = StatusFile(environment, parent_pid)
        self._telling = Telling(parent_pid, self._session, self._outbox, self._wake_link, self._log)
        self._meter = Meter(home / "run", parent_pid, self._session, self._telling.put, self._log)
        self._halt = Halt(home / "run", parent_pid)
        self._interrupted_at = 0
        self._stdio = Stdio(self._on_line, lambda: self._end("parent_gone"))
        self._delivery = Delivery(
            home,
            parent_pid,
            session=self._session,
            stdio=self._stdio,
            status=self._status,
            on_ring=self._on_ring,
            report=self._telling.report,
            keep=self._telling.keep,
            answer=self._answer,
            log=self._log,
        )
        self._deciding = Deciding(
            self._delivery.ring,
            session=self._session,
            stdio=self._stdio,
            status=self._status,
            is_linked=lambda: self._link.status is Status.LINKED,
            put=self._telling.put,
            report=self._telling.report,
            watch=self._watch,
            log=self._log,
        )
        self._following = Following(
            home,
            parent_pid,
            session=self._session,
            outbox=self._outbox,
            status=self._status,
            telling=self._telling,
            meter=self._meter,
            halt=self._halt,
            delivery=self._delivery,
            deciding=self._deciding,
            log=self._log,
        )
        self._sending: set[asyncio.Task[None]] = set()
        self._link_due = asyncio.Event()
        self._ended: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        self._link = Link(
            home,
            self._outbox,
            build_hello=self._build_hello,
            on_order=self._take_order,
            random=random.random,
            log=self._log,
        )

    async def run(self, wire_in: int, wire_out: int) -> None:
        """Serve Claude Code until it ends us; raises OSError or ValueError if there is no wire to it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, "stopped")
        await self._stdio.open(wire_in, wire_out)
        loop.call_later(LINK_SECONDS, self._link_due.set)
        link = asyncio.create_task(self._keep_link())
        works = [
            asyncio.create_task(work)
            for work in (self._tick(), self._meter.run(), self._deciding.run(), self._halt.run(self._watch))
        ]
        reason = await self._ended
        for work in works:
            work.cancel()
        await asyncio.wait(works)
        self._delivery.close()  # before all else: a socket of this name means a channel to whoever comes after us
        self._halt.disarm()
        self._meter.finish()
        if os.getppid() != self._parent_pid:  # killed: its terminal sends a signal before stdin ends
            reason = "parent_gone"
        if reason == "stopped" and self._link.status is Status.LINKED:
            with guarded(self._log, "nobody is left to send the session's end"):
                leave_behind(self._home, self._parent_pid)
        await self._link.finish(reason, FLUSH_SECONDS if reason == "stopped" else ORPHAN_FLUSH_SECONDS)
        link.cancel()
        self._outbox.see()  # what it shows matters to no session any more
        self._outbox.tidy(own_bytes=0)
        self._outbox.close()
        self._log.info("ended: %s", reason)

    def _end(self, reason: Reason) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    # -- Claude Code's side ---------------------------------------------------------------

    def _on_line(self, line: bytes | None) -> None:
        with guarded(self._log, "a message from Claude Code was not handled"):
            if line is None:
                self._stdio.write(mcp.build_too_long())
                return
            for effect in mcp.receive(line):
                self._do(effect)

    def _do(self, effect: mcp.Effect) -> None:
        match effect:
            case mcp.Send():
                self._stdio.write(effect.data)
            case mcp.Call():
                text, is_error = self._call(effect.tool)
                self._stdio.write(mcp.build_tool_answer(effect.request_id, text, is_error=is_error))
            case mcp.Listed():
                self._delivery.list_tools()
                self._link_due.set()
            case mcp.Pong():
                self._following.follow()
                self._delivery.take_pong(effect.number)
            case mcp.Asked() if self._parent.takes_pushes:
                self._deciding.relay(effect)

    def _call(self, tool: mcp.Reply | mcp.Progress) -> tuple[str, bool]:
        """The answer to a tool call, and whether it is an error; both for Claude to read."""
        if self._link.status in NO_HUB:
            return NO_HUB[self._link.status], True
        self._following.follow()
        if self._session.session_id is None:
            return "Heliograph doesn't know yet which session this is. Try again after the next prompt.", True
        if isinstance(tool, mcp.Reply):
            body = {"hook_event_name": "ChannelReply", "text": tool.text, "message_id": tool.message_id}
        else:
            body = {"hook_event_name": "ChannelProgress", **msgspec.structs.asdict(tool)}
        try:
            self._telling.put(body, sync=isinstance(tool, mcp.Reply))
        except OSError as error:
            self._log.warning("a tool call was not kept: %s", error)
            return "This could not be saved on this machine (is the disk full?), so it was not sent.", True
        if self._link.status is Status.LINKED:
            return "Sent.", False
        return "Saved; it is sent as soon as the hub can be reached.", False

    # -- the hooks' side ------------------------------------------------------------------

    def _on_ring(self) -> None:
        self._following.follow()
        self._delivery.look()
        self._link.wake()

    def _watch(self) -> None:
        self._following.watch()

    def _wake_link(self) -> None:
        self._link.wake()

    async def _tick(self) -> None:
        while True:
            if os.getppid() != self._parent_pid:
                self._end("parent_gone")
            if not self._delivery.ring.is_open:
                try:
                    await self._delivery.ring.open()
                except OSError as error:
                    self._log.warning("hooks can't ring: %s", error)
            self._on_ring()
            self._following.trace(self._parent.words)
            self._following.watch()
            with guarded(self._log, "messages were not looked after"):
                self._delivery.tick()
            self._outbox.tidy()
            if self._link.status is Status.LINKED:
                self._following.report_left()
            await asyncio.sleep(TICK_SECONDS)

    # -- the hub's side -------------------------------------------------------------------

    async def _keep_link(self) -> None:
        await self._link_due.wait()
        self._parent = read_parent(self._parent_pid)
        self._delivery.open(self._parent)
        self._halt.disarm()
        while True:
            with guarded(self._log, "the link failed"):
                await self._link.run()
            await asyncio.sleep(TICK_SECONDS)

    def _build_hello(self) -> Hello:
        self._following.follow()
        return Hello(
            level=LEVEL,
            features=[],
            version=VERSION,
            process=Process(pid=self._parent_pid, started_at=self._parent.started_at),
            session_id=self._session.session_id,
            cwd=self._session.cwd,
            push=self._parent.takes_pushes,
            branch=self._following.branch,
            why="print" if self._parent.prints else None,
        )

    def _take_order(self, order: Order) -> None:
        match order:
            case Push():
                self._delivery.receive(order)
            case Withdraw():
                self._delivery.withdraw(order.message_id)
            case Verdict():
                self._deciding.receive(order)
            case Settled():
                self._deciding.settle(order.decision_id)
            case Interrupt():
                self._interrupt(order)
            case Stop():
                self._stop(order.session_id)

    def _interrupt(self, order: Interrupt) -> None:
        """Somebody wants Claude to stop at its next step."""
        self._following.follow()
        if order.session_id != self._session.session_id:
            self._log.info("an interrupt for another session: %s", order.session_id)
            return
        if order.at and order.at == self._interrupted_at:
            return  # the hub hasn't heard yet that it is over: another turn may be under way
        self._halt.arm(order.session_id, time.time_ns() // 1000, busy=self._session.busy)
        self._interrupted_at = order.at
        self._log.info("interrupted: %s", order.session_id)

    def _stop(self, session_id: str) -> None:
        """Somebody wants Claude Code to end."""
        self._following.follow()
        is_ours = session_id == self._session.session_id and end_process(self._parent)
        self._log.info("stopped: %s" if is_ours else "a stop for another session, or process: %s", session_id)

    def _answer(self, frame: Declined) -> None:
        sending = asyncio.get_running_loop().create_task(self._link.send(frame))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)


def main() -> None:
    """Run as Claude Code's child; ends the process."""
    os.umask(0o077)
    wire_in, wire_out = claim()
    try:
        asyncio.run(_serve(wire_in, wire_out))
    except (OSError, ValueError) as error:
        print(f"heliograph channel: {error}", file=sys.stderr)  # noqa: T201 - Claude Code's MCP log
        sys.exit(1)


async def _serve(wire_in: int, wire_out: int) -> None:
    await Channel(find_home(os.environ), os.getppid(), os.environ).run(wire_in, wire_out)
    os._exit(0)  # asyncio's and the interpreter's own shutdown would outlast Claude Code's patience
