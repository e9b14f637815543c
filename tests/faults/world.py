"""A small world that things go wrong in: a hub, the way to it, machines, fake Claude Codes, people who write."""

from __future__ import annotations

import contextlib
import http.client
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults import truth
from tests.faults.links import Link
from tests.faults.parties import Claude, HubProcess, Machine
from tests.faults.people import Follower, People, insist
from tests.faults.proxy import Proxy
from tests.support.api import Refused
from tests.support.processes import list_with_home_below
from tests.support.waiting import wait_until

SETTLE_SECONDS = 60.0
"""Until everything must have arrived after a fault; mostly it takes one or two. A busy machine takes longer."""

NUDGE_SECONDS = 4.0
"""Between nudges of channels that wait for their next attempt; it costs those that are linked their link."""

ANSWER_SECONDS = 10.0
"""Until a message that was seen must be answered, if its turn's end is known."""

HARMLESS = ("BlockingIOError", "not a JSON object on stdin (0 bytes)")
"""In the hooks' log: the channel's bell was busy; Claude Code was killed before it had told the hook anything."""


class World:
    """Made with ``make_world``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.dice = random.Random(seed)
        self.proxy = Proxy()
        self.proxy.start()
        self.hub = HubProcess(folder / "hub", self.proxy.url)
        self.proxy.target = self.hub.port
        self.machines: list[Machine] = []
        self.claudes: list[Claude] = []
        self.people = People(self.hub.client, seed)
        self.follower = Follower(self.hub.client)
        self.store = truth.Store(self.hub.database)
        self.faults: list[str] = []
        self.links: list[Link] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.stuck = 0
        self.counts: dict[str, int] = {}
        self._names = 0

    # -- who is there ---------------------------------------------------------------------

    def set_up(self, claudes: int, **options: Any) -> None:
        self.hub.start(wait=False)
        machine = self._make_machine()
        self.hub.wait_ready()
        machine.pair(self.hub, self.proxy.url)
        self.follower.start()
        started = [self.start_claude(machine, wait=False, **options) for _ in range(claudes)]
        for claude in started:
            self.wait_known(claude)

    def add_machine(self, clock: float = 0.0) -> Machine:
        machine = self._make_machine()
        if clock:
            machine.put_clock_off(clock)
        machine.pair(self.hub, self.proxy.url)
        return machine

    def _make_machine(self) -> Machine:
        name = f"machine-{len(self.machines)}"
        machine = Machine(self.folder / name, name)
        machine.install()
        self.machines.append(machine)
        return machine

    def start_claude(self, machine: Machine | None = None, *, wait: bool = True, **options: Any) -> Claude:
        self._names += 1
        options.setdefault("seed", self.dice.randrange(2**31))
        claude = Claude.start(machine or self.machines[0], self.folder / "ledgers", f"claude-{self._names}", **options)
        self.claudes.append(claude)
        if wait:
            self.wait_known(claude)
        return claude

    def resume(self, claude: Claude) -> Claude:
        """``claude --resume`` of a session whose process is gone, on its machine."""
        return self.start_claude(claude.machine, session_id=claude.session_id, source="resume", wait=False)

    def choose_linked(self) -> Claude:
        """Any Claude Code whose channel is up, whatever the hub knows of it."""
        linked = [claude for claude in self.alive if claude.has_channel]
        for claude in linked:
            wait_until(lambda claude=claude: claude.channel_pid, "a channel", timeout=SETTLE_SECONDS)
        return self.dice.choice(linked)

    def next_link(self) -> int:
        self._names += 1
        return self._names

    def wait_known(self, claude: Claude) -> None:
        """Until the hub has its session, and its link if it is to have one."""
        claude.wait_resting()
        wait_until(
            lambda: self.is_reachable(claude),
            f"{claude.name} known to the hub",
            timeout=SETTLE_SECONDS,
            describe=lambda: f"{self.read_session(claude)}\n{self.hub.log}\n{claude.complaints()}",
        )

    @property
    def alive(self) -> list[Claude]:
        return [claude for claude in self.claudes if not claude.gone]

    def read_session(self, claude: Claude) -> dict[str, Any] | None:
        try:
            session: dict[str, Any] = self.hub.client().get(f"/api/v1/sessions/{claude.session_id}")
        except (OSError, Refused, http.client.HTTPException):
            return None
        return session

    def is_reachable(self, claude: Claude) -> bool:
        """Whether the hub's picture of it is right: there, and with a way in if it has a channel."""
        session = self.read_session(claude)
        if session is None:
            return False
        return not claude.has_channel or (session["delivery"] == "channel" and session["state"] == "idle")

    # -- what goes on ---------------------------------------------------------------------

    def run(self, pace: float = 0.1, messages: float = 0.2) -> None:
        """Everybody works and writes, until ``settle``."""
        for claude in self.alive:
            claude.tell("run", pace=pace)
        self.people.start(lambda: [c.session_id for c in self.alive if c.has_channel], messages)

    def restart_hub(self) -> None:
        """Channels come back at once: their backoff grows with each fault, and is tested elsewhere."""
        self.hub.start()
        for machine in self.machines:
            machine.nudge()

    def note(self, fault: str) -> None:
        self.faults.append(fault)

    # -- what must be so afterwards -------------------------------------------------------

    def settle(self) -> None:
        """Nobody begins anything new, everything under way arrives; then all must be as the ledgers say."""
        self.proxy.forget()
        self.proxy.latency = 0.0
        self.proxy.flow()
        for claude in self.alive:
            claude.tell("rest")
        self.people.rest()
        deadline = time.monotonic() + SETTLE_SECONDS
        nudge_at = time.monotonic() + NUDGE_SECONDS
        seen_until = time.monotonic() + ANSWER_SECONDS
        while open_ends := self._list_open_ends(is_early=time.monotonic() < seen_until):
            if time.monotonic() > deadline:
                self.stuck = sum(end.startswith("message ") for end in open_ends)
                raise AssertionError(self._describe(open_ends))
            if time.monotonic() > nudge_at:
                nudge_at = time.monotonic() + NUDGE_SECONDS
                for machine in self.machines:
                    if any(c.machine is machine and c.has_channel and not self.is_reachable(c) for c in self.alive):
                        machine.nudge()
            time.sleep(0.1)
        self.check()

    def check(self) -> None:
        """Against the ledgers; nothing is under way."""
        self.store.read_on()
        truths = self._list_truths()
        wrong = [line for one in truths for line in truth.find_wrong_events(self.store, one)]
        for message in self._read_messages():
            wrong += truth.find_wrong_message(message, truths, self.store)
        wrong += self.people.troubles + self.follower.troubles
        assert not wrong, self._describe(wrong)

    def count(self) -> dict[str, int]:
        """For the soak's last line."""
        truths = self._list_truths()
        stored = self.store.stored
        got: dict[str, int] = {}
        for one in truths:
            for message_id, times in one.got.items():
                got[message_id] = got.get(message_id, 0) + times
        return {
            "faults injected": len(self.faults),
            "events sent": sum(one.told for one in truths),
            "events lost": sum(len(self.store.list_missing(one)) for one in truths),
            "events duplicated": sum(len(one.repeated) for one in stored.values()),
            "events out of order": sum(len(one.disordered) for one in stored.values()),
            "messages sent": len(self.people.sent),
            "messages lost": self.stuck,
            "messages injected twice": sum(times > 1 for times in got.values()),
        }

    def _read_messages(self) -> list[dict[str, Any]]:
        client = self.hub.client()
        return [insist(lambda i=i: client.get(f"/api/v1/messages/{i}")) for i in self.people.sent]

    def _list_open_ends(self, *, is_early: bool) -> list[str]:
        """What is still on its way, in words; the first kind of it is enough."""
        restless = [c.name for c in self.alive if not c.is_resting]
        if restless:
            return [f"{name} is not at rest" for name in restless]
        self.store.read_on()
        truths = self._list_truths()
        if late := [f"{one.name}: event {m[0]} and {len(m)} in all" for one in truths if (m := self._missing(one))]:
            return late
        if away := [c.name for c in self.alive if not self.is_reachable(c)]:
            return [f"{name} is not what the hub says" for name in away]
        try:
            return self._list_open_messages(is_early=is_early) or self._list_ghosts()
        except (OSError, Refused, http.client.HTTPException) as error:
            return [repr(error)]

    def _list_open_messages(self, *, is_early: bool) -> list[str]:
        """Those of which more must become known; one to a session that nobody carries may stay queued.

        ``seen`` stays true where a full disk has kept the turn's end from the hub.
        """
        reachable = {c.session_id for c in self.alive if c.has_channel}
        carried = {c.session_id for c in self.alive}
        open_states = ("queued", "delivered", "seen") if is_early else ("queued", "delivered")
        messages = [m for m in self._read_messages() if m["state"] in open_states]
        return [
            f"message {m['message_id']} is {m['state']}"
            for m in messages
            if m["session_id"] in reachable or (m["state"] == "delivered" and m["session_id"] not in carried)
        ]

    def _list_ghosts(self) -> list[str]:
        """Sessions that the hub takes for alive, though their processes are gone."""
        carried = {c.session_id for c in self.alive}
        gone = {c.session_id: c for c in self.claudes if c.gone and c.session_id not in carried}
        sessions = [(one, self.read_session(one)) for one in gone.values()]
        return [
            f"{one.name} is {session['state']} with delivery {session['delivery']}, though it is gone"
            for one, session in sessions
            if session is not None and session["state"] not in ("offline", "ended")
        ]

    def _list_truths(self) -> list[truth.Truth]:
        return [claude.book.look() for claude in self.claudes] + [link.truth for link in self.links]

    def _missing(self, one: truth.Truth) -> list[int]:
        return self.store.list_missing(one)

    def _describe(self, lines: list[str]) -> str:
        sessions = [str(self.read_session(claude)) for claude in self.alive] if self.hub.is_up else []
        logs = [machine.read_log("channel")[-2000:] for machine in self.machines]
        more = [*sessions, *logs, self.hub.log[-2000:]]
        return "\n".join([f"seed {self.seed}, after {self.faults[-3:]}:", *lines[:30], *more])

    # -- the end --------------------------------------------------------------------------

    def finish(self) -> None:
        """An orderly end of everybody; what is left on the machines is nothing."""
        for claude in self.alive:
            claude.end()
        for machine in self.machines:
            self._sweep(machine)
        self.check()
        self.follower.stop()
        self.hub.stop()
        wait_until(
            lambda: not list_with_home_below(self.folder),
            "no process left",
            describe=lambda: "\n".join(map(str, list_with_home_below(self.folder))),
        )
        for machine in self.machines:
            lines = machine.read_log("hook").splitlines()
            complaints = [line for line in lines if not any(word in line for word in HARMLESS)]
            assert not complaints, complaints[:10]
            left = machine.list_files("spool") + machine.list_files("run")
            assert not left, f"left on {machine.name}: {left}"
        truth.check_rebuild(self.hub.database)

    def _sweep(self, machine: Machine) -> None:
        """The next session on a machine takes along what others have left there."""
        last = self.start_claude(machine)
        wait_until(
            lambda: [name for name in machine.list_files("spool") if not name.startswith(f"{last.pid}.")] == [],
            "what others left is sent",
            timeout=SETTLE_SECONDS,
            describe=lambda: str(machine.list_files("spool")),
        )
        last.end()
        wait_until(
            lambda: machine.list_files("spool") == [] and machine.list_files("run") == [],
            "nothing left",
            timeout=15.0,
            describe=lambda: str((machine.list_files("spool"), machine.list_files("run"))),
        )

    def abandon(self) -> None:
        """After a failure: nobody is left, whatever state they are in."""
        self.people.stop_soon()
        self.follower.stop_soon()
        for claude in self.alive:
            with contextlib.suppress(AssertionError):
                claude.kill()
        if self.hub.is_up:
            self.hub.kill()
        self.people.rest()
        self.follower.stop()


@contextlib.contextmanager
def make_world(folder: Path, seed: int, claudes: int = 2, **options: Any) -> Iterator[World]:
    """Set up, and at its end finished in order and checked, unless it has failed before."""
    world = World(folder, seed)
    try:
        world.set_up(claudes, **options)
        yield world
        world.settle()
        world.finish()
    except BaseException:
        world.abandon()
        raise
    finally:
        world.counts = world.count()
        for claude in world.claudes:
            claude.book.close()
        world.proxy.stop()
