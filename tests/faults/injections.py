"""The faults: what each does to a world in which everybody is at work. Afterwards ``world.settle`` must succeed."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from tests.faults.hub_launcher import POINTS
from tests.faults.links import Link, until
from tests.faults.parties import file_limit
from tests.faults.proxy import Direction, Kind, Mischief
from tests.faults.world import World

HOUR = 3600.0
REACH_SECONDS = 30.0
"""Within which a point is reached while everybody is at work."""


@dataclass(frozen=True)
class Scale:
    """How long things last, and how much of them there is."""

    frozen: float
    locked: float
    while_away: float
    links: int
    bulk: int


SHORT = Scale(frozen=3.0, locked=2.0, while_away=0.5, links=200, bulk=2_000)
SOAK = Scale(frozen=60.0, locked=30.0, while_away=2.0, links=200, bulk=10_000)

Fault = Callable[[World, Scale], None]


def let_pass(world: World, seconds: float) -> None:
    """The fault lasts; everybody goes on, and what is to go wrong at the same time does."""
    if world.meanwhile:
        world.meanwhile.pop()()
    time.sleep(seconds)


# -- the hub ----------------------------------------------------------------------------------


def kill_hub_at(point: str) -> Fault:
    """At a named point, the first few times of which are let pass."""

    def fault(world: World, scale: Scale) -> None:
        world.note(f"hub killed: {point}")
        world.hub.order(kill=point, skip=world.dice.randrange(20))
        assert world.hub.wait_killed(REACH_SECONDS), f"{point} was never reached"
        let_pass(world, world.dice.random() * scale.while_away)
        world.restart_hub()

    return fault


def kill_hub_anytime(world: World, scale: Scale) -> None:
    let_pass(world, world.dice.random())
    world.note("hub killed")
    world.hub.kill()
    let_pass(world, world.dice.random() * scale.while_away)
    world.restart_hub()


def restart_hub(world: World, scale: Scale) -> None:
    world.note("hub stopped and started")
    world.hub.stop()
    let_pass(world, world.dice.random() * scale.while_away)
    world.restart_hub()


def freeze_hub(world: World, scale: Scale) -> None:
    world.note(f"hub frozen for {scale.frozen:g} s")
    world.hub.signal(signal.SIGSTOP)
    let_pass(world, scale.frozen)
    world.hub.signal(signal.SIGCONT)


def put_hub_clock_off(world: World, scale: Scale) -> None:
    hour = world.dice.choice((-HOUR, HOUR))
    world.note(f"hub's clock off by {hour:g} s")
    world.hub.order(clock=hour)
    let_pass(world, scale.while_away)
    world.hub.order(clock=0)


# -- the store --------------------------------------------------------------------------------


def lock_database(world: World, scale: Scale) -> None:
    """By another process: this one."""
    world.note(f"database locked for {scale.locked:g} s")
    with closing(sqlite3.connect(world.hub.database, timeout=30.0, isolation_level=None)) as other:
        other.execute("PRAGMA wal_autocheckpoint=0")
        other.execute("BEGIN IMMEDIATE")
        let_pass(world, scale.locked)
        other.execute("ROLLBACK")


def fill_database(world: World, scale: Scale) -> None:
    world.note("database full")
    world.hub.order(full=True)
    let_pass(world, 2 * scale.while_away + 0.5)
    world.hub.order(full=False)


def fail_writes_of_hub(world: World, scale: Scale) -> None:
    world.note("hub can't write")
    with file_limit(world.hub.pid, 4096):
        let_pass(world, 2 * scale.while_away)


# -- machines ---------------------------------------------------------------------------------


def kill_channel(world: World, scale: Scale) -> None:
    claude = world.choose_linked()
    world.note(f"{claude.name}'s channel killed")
    claude.kill_channel()  # and of its hooks' events an uploader takes care
    let_pass(world, world.dice.random() * 2 * scale.while_away)
    claude.reconnect()


def kill_claude(world: World, scale: Scale) -> None:
    claude = world.dice.choice(world.alive)
    world.note(f"{claude.name} killed")
    claude.kill()
    let_pass(world, world.dice.random() * scale.while_away)
    world.resume(claude)


def lose_claude(world: World, scale: Scale) -> None:
    """Killed, and nobody goes on with its session."""
    claude = world.dice.choice(world.alive)
    world.note(f"{claude.name} killed for good")
    claude.kill()
    world.start_claude(claude.machine, wait=False)


def end_claude(world: World, scale: Scale) -> None:
    claude = world.dice.choice(world.alive)
    world.note(f"{claude.name} ended")
    claude.end()
    world.resume(claude)


def freeze_claude(world: World, scale: Scale) -> None:
    claude = world.dice.choice(world.alive)
    world.note(f"{claude.name} frozen")
    claude.signal(signal.SIGSTOP)
    let_pass(world, scale.frozen / 2)
    claude.signal(signal.SIGCONT)


def clear(world: World, scale: Scale) -> None:
    claude = world.dice.choice(world.alive)
    world.note(f"{claude.name} cleared")
    claude.session_id = str(uuid.uuid4())
    claude.tell("clear", session=claude.session_id)


def fill_disk(world: World, scale: Scale) -> None:
    """For the hooks of one Claude Code each write may be cut; its channel can write next to nothing."""
    claude = world.choose_linked()
    world.note(f"disk full under {claude.name}")
    claude.tell("room", room=900)
    with file_limit(claude.channel_pid, world.dice.randint(0, 200)):
        claude.tell("turn")
        let_pass(world, 2 * scale.while_away)
    if not claude.gone:
        claude.tell("room", room=None)


def fire_together(world: World, scale: Scale) -> None:
    claude = world.dice.choice(world.alive)
    world.note("hooks at once")
    claude.tell("parallel", count=8)


def spool_much(world: World, scale: Scale) -> None:
    world.note(f"{scale.bulk} events at once")
    for claude in world.alive:
        claude.tell("bulk", count=scale.bulk)


def install_again(world: World, scale: Scale) -> None:
    """Settings are written anew while hooks run by them."""
    world.note("installed again")
    machine = world.dice.choice(world.machines)
    settings = machine.config / "settings.json"
    beside = settings.with_suffix(".new")
    beside.write_text(settings.read_text().replace('"timeout": 5', '"timeout": 6'))  # somebody's own change
    beside.replace(settings)
    machine.install()


# -- the link ---------------------------------------------------------------------------------

FRAMES: dict[Direction, tuple[bytes, ...]] = {
    "up": (b'"type":"events"', b"UserPromptSubmit", b"ChannelInjected", b'"Stop"'),
    "down": (b'"type":"ack"', b'"type":"push"'),
}


def harm_frame(kind: Kind, direction: Direction | None = None, mark: bytes | None = None) -> Fault:
    """To the next such frame; which one is left to the dice unless it is named."""

    def fault(world: World, scale: Scale) -> None:
        way: Direction = direction or world.dice.choice(("up", "down"))
        words = mark or world.dice.choice(FRAMES[way])
        world.note(f"{kind} a frame with {words.decode()}")
        share, seconds = world.dice.random(), world.dice.random() * 2 * scale.while_away
        mischief = world.proxy.plan(Mischief(kind, way, words, share, seconds))
        assert mischief.done.wait(REACH_SECONDS), f"no frame with {words!r}"

    return fault


def stall_link(world: World, scale: Scale) -> None:
    world.note("links stalled, then cut" if world.dice.random() < 0.5 else "links stalled")
    world.proxy.stall()
    let_pass(world, scale.while_away)
    if "cut" in world.faults[-1]:
        world.proxy.cut_all()
    world.proxy.flow()


def slow_link(world: World, scale: Scale) -> None:
    world.note("slow links")
    world.proxy.latency = 0.05
    let_pass(world, scale.while_away)
    world.proxy.latency = 0.0


def cut_links(world: World, scale: Scale) -> None:
    world.note(f"{world.proxy.cut_all()} links cut")


def storm(world: World, scale: Scale) -> None:
    """Very many links, all cut at once, several times, and the hub killed in between."""
    world.note(f"a storm of {scale.links} links")
    key = world.machines[0].key

    async def blow() -> None:
        links = [Link(world.next_link()) for _ in range(scale.links)]
        world.links += links
        for link in links:
            link.fire("SessionStart", source="startup")
        keeping = [asyncio.create_task(link.keep(world.proxy.url, key)) for link in links]
        try:
            for _ in range(2):
                await until(lambda: all(link.is_done for link in links), "all events acknowledged")
                for link in links:
                    for step in range(10):
                        link.fire("MessageDisplay", message_id="m", index=step, delta="x", final=False)
                await asyncio.to_thread(world.proxy.cut_all)
            await asyncio.to_thread(kill_hub_anytime, world, scale)
            await until(lambda: all(link.is_done for link in links), "all events acknowledged")
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    asyncio.run(blow())


ALL: dict[str, tuple[Fault, float]] = {
    **{f"kill hub: {point}": (kill_hub_at(point), 1.0) for point in POINTS},
    "kill hub": (kill_hub_anytime, 2.0),
    "restart hub": (restart_hub, 1.0),
    "freeze hub": (freeze_hub, 0.3),
    "hub clock": (put_hub_clock_off, 1.0),
    "lock database": (lock_database, 0.5),
    "fill database": (fill_database, 2.0),
    "hub can't write": (fail_writes_of_hub, 2.0),
    "kill channel": (kill_channel, 3.0),
    "kill claude": (kill_claude, 3.0),
    "lose claude": (lose_claude, 2.0),
    "end claude": (end_claude, 2.0),
    "freeze claude": (freeze_claude, 0.5),
    "clear": (clear, 2.0),
    "fill disk": (fill_disk, 2.0),
    "hooks at once": (fire_together, 2.0),
    "many events": (spool_much, 4.0),
    "install again": (install_again, 1.0),
    "cut frame": (harm_frame("cut"), 4.0),
    "repeat frame": (harm_frame("repeat"), 4.0),
    "hold frame": (harm_frame("hold"), 2.0),
    "stall links": (stall_link, 1.0),
    "slow links": (slow_link, 1.0),
    "cut links": (cut_links, 2.0),
    "storm": (storm, 0.3),
}
"""Every fault and how often it comes, relative to others."""


ON_MACHINES = ("kill channel", "kill claude", "lose claude", "end claude", "clear", "hooks at once", "many events")
"""Those that need nothing from the hub, so that they can come while another lasts."""


def inject(world: World, fault: Fault, scale: Scale = SHORT, *, meanwhile: Fault | None = None) -> None:
    """One fault into a world at work, perhaps with another in its middle; afterwards all is as it must be."""
    world.run()
    if meanwhile is not None:
        world.meanwhile.append(lambda: meanwhile(world, scale))
    fault(world, scale)
    world.meanwhile.clear()
    world.settle()
