"""Durable ingest: links that send events to a hub on one core while dashboards watch it.

    python bench/ingest.py [--seconds S]          all figures
    python bench/ingest.py --profile [SHAPE …]    where the hub's time goes (links, small, drain, paced)

1.3 KB an event, 50 sessions, 32 links with 4 batches unanswered each, 8 dashboards (overview: 3 html, 1 json; one
session each: 3 html, 1 json). The hub has a core of its own; what it used of it is said beside each rate ("a core
second"), since that figure holds still when the machine is busy with something else. Prints figures and fails on none.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.support.events import Made
from bench.support.load import Load, Seen, Stuck, cut_full, cut_small
from bench.support.process import (
    HUB_CORE,
    LOAD_CORE,
    ROOT,
    HubProcess,
    database_path,
    describe_machine,
    pin,
    prepare_home,
    running,
)
from bench.support.profile import begin_samples, end_samples, show_profile
from bench.support.tables import percentiles, say_bytes, show_table

LINKS, SESSIONS = 32, 50
DRAINING = 4
PACE = 200.0

LINKS_AIM, DRAIN_AIM, P99_AIM = 20_000, 50_000, 50

MOST_EVENTS = 400_000
WARM_UP = 3_000

Cut = Callable[[list[Made]], list[list[Made]]]


@dataclass(frozen=True)
class Shape:
    """How events reach the hub."""

    title: str
    cut: Cut
    links: int
    aim: str = ""


def _small(made: list[Made]) -> list[list[Made]]:
    return cut_small(made, smallest=1, largest=3, chance=random.Random(1))


def _medium(made: list[Made]) -> list[list[Made]]:
    return cut_small(made, smallest=8, largest=24, chance=random.Random(2))


SHAPES = {
    "small": Shape(f"{LINKS} links, 1-3 events a batch", _small, LINKS),
    "links": Shape(f"{LINKS} links, 8-24 events a batch", _medium, LINKS, f"{LINKS_AIM:,}/s"),
    "drain": Shape(f"spool drain: {DRAINING} links, full batches", cut_full, DRAINING, f"{DRAIN_AIM:,}/s"),
}


@dataclass
class Flat:
    """One run flat out."""

    shape: Shape
    events: int
    seconds: float
    cpu: float
    timelines: float
    reading: float
    shown: float
    seen: list[Seen]

    @property
    def rate(self) -> float:
        """Events a second, until the last ack."""
        return self.events / self.seconds


@dataclass
class Paced:
    """One run at PACE events a second."""

    events: int
    cpu: float
    seen: list[Seen]


async def run_flat(load: Load, shape: Shape, events: int, *, sampled: bool = False) -> Flat:
    """So many events, flat out. ``sampled``: print where the time goes."""
    links = load.links if shape.links == len(load.links) else load.links[-shape.links - 2 : -2]  # one of them watched
    for link in links:
        made = link.carrier.take_turns(max(1, events // len(links)))
        link.prepare(shape.cut(made), set(load.watched))
    total = sum(link.events_waiting for link in links)
    checked = [link.carrier.last_session for link in links[-4:]]
    places = [await asyncio.to_thread(load.hub.last_page, s.session_id, load.person) for s in checked]
    gc.collect()
    gc.freeze()
    for dashboard in load.dashboards:
        dashboard.take()
    if sampled:
        begin_samples(load.hub)
    cpu, began = load.hub.cpu_seconds(), time.perf_counter()
    await load.flush()
    acked = time.perf_counter() - began
    used = load.hub.cpu_seconds() - cpu
    if sampled:
        show_profile(shape.title, end_samples(load.hub), total)
    for session, (_, place) in zip(checked, places, strict=True):
        page, cursor = b"", place
        while session.last_marker not in page:
            page, cursor = await asyncio.to_thread(load.hub.last_page, session.session_id, load.person, cursor)
    complete = time.perf_counter() - began
    await load.until_shown()
    shown = time.perf_counter() - began
    again = time.perf_counter()
    for session, (_, cursor) in zip(checked, places, strict=True):
        await asyncio.to_thread(load.hub.last_page, session.session_id, load.person, cursor)
    reading = time.perf_counter() - again
    gc.unfreeze()
    return Flat(shape, total, acked, used, complete, reading, shown, [d.take() for d in load.dashboards])


async def run_paced(load: Load, seconds: float, *, sampled: bool = False) -> Paced:
    """PACE events a second. ``sampled``: print where the time goes."""
    for dashboard in load.dashboards:
        dashboard.take()
    if sampled:
        begin_samples(load.hub)
    cpu = load.hub.cpu_seconds()
    count = await load.pace(PACE, seconds)
    used = load.hub.cpu_seconds() - cpu
    if sampled:
        show_profile(f"{PACE:.0f} events/s", end_samples(load.hub), count)
    await load.until_shown()
    return Paced(count, used, [dashboard.take() for dashboard in load.dashboards])


BEHIND = """
    SELECT (SELECT coalesce(max(number), 0) FROM entries) - number + (SELECT count(*) FROM search_changed)
    FROM search_reached
"""


async def print_index(hub: HubProcess, after: str) -> None:
    """How far the search index is behind, and what it takes to catch up."""
    connection = sqlite3.connect(database_path(hub.home))
    count = behind = connection.execute(BEHIND).fetchone()[0]
    cpu, began = hub.cpu_seconds(), time.perf_counter()
    while behind:
        await asyncio.sleep(0.1)
        behind = connection.execute(BEHIND).fetchone()[0]
    took, used = time.perf_counter() - began, hub.cpu_seconds() - cpu
    connection.close()
    each = f", {used / count * 1e6:.0f} us of CPU each" if count else ""
    print(f"search index after {after}: {count:,} entries behind, complete after {took:.1f} s{each}", flush=True)


async def calibrate(load: Load, shape: Shape, seconds: float) -> int:
    """How many events fill ``seconds``, by a first run that warms up what is cold."""
    warm = await run_flat(load, shape, WARM_UP)
    return min(MOST_EVENTS, max(WARM_UP, round(warm.rate * seconds)))


async def measure(hub: HubProcess, keys: list[str], person: str, seconds: float) -> None:
    """Everything over links."""
    load = await Load.build(hub, keys, person, sessions=SESSIONS)
    runs: dict[str, Flat] = {}
    for name in ("small", "links"):
        runs[name] = await run_flat(load, SHAPES[name], await calibrate(load, SHAPES[name], seconds))
        await print_index(hub, SHAPES[name].title)
    paced = await run_paced(load, seconds * 2)
    stuck = Stuck(f"view=session&session={load.watched[0]}")
    await stuck.open(hub.port, person)
    beside = {name: await run_flat(load, SHAPES[name], runs[name].events) for name in ("small", "links")}
    await print_index(hub, "those with one dashboard stuck")
    beside_paced = await run_paced(load, seconds * 2)
    await stuck.close()
    after = await run_flat(load, SHAPES["links"], runs["links"].events)
    runs["drain"] = await run_flat(load, SHAPES["drain"], await calibrate(load, SHAPES["drain"], seconds))
    await print_index(hub, SHAPES["drain"].title)
    rejected = load.rejected()
    load.close()

    print_rates(runs, beside, after)
    print_delays(runs, paced, beside, beside_paced)
    if rejected:
        print(f"  THE HUB REJECTED {rejected} EVENTS: these figures mean nothing")


def print_rates(runs: dict[str, Flat], beside: dict[str, Flat], after: Flat) -> None:
    """Events a second."""
    rows = []
    named = [(flat, "") for flat in runs.values()] + [(flat, ", one dashboard stuck") for flat in beside.values()]
    named.append((after, ", after that, none stuck"))
    for flat, suffix in named:
        rows.append(
            [
                flat.shape.title + suffix,
                f"{flat.events:,}",
                f"{flat.rate:,.0f}",
                f"{flat.events / flat.cpu:,.0f}",
                f"{flat.cpu / flat.events * 1000:.3f} s",
                f"+{(flat.timelines - flat.seconds) * 1000:.0f} ms ({flat.reading * 1000:.0f})",
                f"+{(flat.shown - flat.seconds) * 1000:.0f} ms",
                flat.shape.aim,
            ]
        )
    heads = [
        "flat out",
        "events",
        "events/s",
        "a core second",
        "CPU/1,000",
        "timelines complete (GETs alone)",
        "pages",
        "aim",
    ]
    show_table("Events a second, until the last ack", heads, rows)


def print_delays(runs: dict[str, Flat], paced: Paced, beside: dict[str, Flat], beside_paced: Paced) -> None:
    """From the sending of an event to the frame that shows it."""
    groups = [(f"{PACE:.0f}/s, 1-3 events a batch", paced.seen, paced.cpu / paced.events)]
    groups += [("flat out, " + flat.shape.title, flat.seen, 0.0) for flat in runs.values()]
    groups += [(f"{PACE:.0f}/s, one stuck", beside_paced.seen, beside_paced.cpu / beside_paced.events)]
    groups += [(f"flat out, {flat.shape.title}, one stuck", flat.seen, 0.0) for flat in beside.values()]
    rows = []
    for title, seen, cpu in groups:
        html = percentiles([delay for one in seen[3:6] for delay in one.delays])
        follower = percentiles(seen[6].delays)
        rows.append(
            [
                title,
                f"{html[0]:.1f} / {html[1]:.1f} ms",
                f"{follower[0]:.1f} / {follower[1]:.1f} ms",
                f"{sum(len(one.delays) for one in seen[3:7])}",
                f"{sum(one.frames for one in seen)}",
                say_bytes(sum(one.bytes for one in seen)),
                f"{sum(one.cuts for one in seen)}",
                f"{cpu * 1000:.3f} s" if cpu else "",
                f"p99 < {P99_AIM} ms" if title.startswith(f"{PACE:.0f}/s") else "",
            ]
        )
    heads = ["hook to dashboard", "html p50 / p99", "json p50 / p99", "samples", "frames", "sent to 8", "cut"]
    show_table("From the sending of an event to the frame that shows it", [*heads, "CPU/1,000", "aim"], rows)


BARE = """
import os, sqlite3, sys, time
os.sched_setaffinity(0, [int(sys.argv[3])])
source = sqlite3.connect(sys.argv[1])
ddl = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'events' AND sql IS NOT NULL "
                     "AND name NOT LIKE 'sqlite_%' ORDER BY type DESC").fetchall()
rows = source.execute("SELECT * FROM events ORDER BY rowid LIMIT 100000").fetchall()
target = sqlite3.connect(sys.argv[2], isolation_level=None)
target.execute("PRAGMA journal_mode=WAL")
target.execute("PRAGMA synchronous=FULL")
for (statement,) in ddl:
    target.execute(statement)
insert = f"INSERT INTO events VALUES ({', '.join('?' * len(rows[0]))})"
began, cpu = time.perf_counter(), time.process_time()
for at in range(0, len(rows), 400):
    target.execute("BEGIN IMMEDIATE")
    target.executemany(insert, rows[at:at + 400])
    target.execute("COMMIT")
took, used = time.perf_counter() - began, time.process_time() - cpu
target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
print(len(rows), took, used, os.path.getsize(sys.argv[2]))
"""


def print_store(home: Path, before: int) -> None:
    """Bytes of database per event, table by table, and bare inserts of the same rows."""
    path = database_path(home)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    events, bodies = connection.execute("SELECT count(*), sum(length(body)) FROM events").fetchone()
    tables = connection.execute(
        "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12"
    ).fetchall()
    connection.close()
    command = [sys.executable, "-c", BARE, str(path), str(home / "bare.db"), str(HUB_CORE)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    rows, took, used, size = int(out[0]), float(out[1]), float(out[2]), int(out[3])
    show_table(
        "Bare sqlite3 inserts of the same rows (same table and index, WAL, synchronous=FULL, 400 a transaction)",
        ["", "events", "events/s", "a core second", "CPU/1,000", "bytes/event"],
        [
            [
                "bare inserts, same core",
                f"{rows:,}",
                f"{rows / took:,.0f}",
                f"{rows / used:,.0f}",
                f"{used / rows * 1000:.3f} s",
                f"{size / rows:,.0f}",
            ]
        ],
    )
    shares = [[name, f"{pages / events:,.0f}"] for name, pages in tables if pages / events >= 0.5]
    whole = (path.stat().st_size - before) / events
    show_table(
        f"Bytes of database per event ({events:,} events, body {bodies / events:,.0f} bytes on average)",
        ["table or index", "bytes/event"],
        [["the whole file", f"{whole:,.0f}"], *shares],
    )


async def profile(hub: HubProcess, keys: list[str], person: str, shapes: list[str], seconds: float) -> None:
    """Run each shape with the sampler on."""
    load = await Load.build(hub, keys, person, sessions=SESSIONS)
    for name in shapes:
        if name == "paced":
            await run_paced(load, seconds, sampled=True)
        else:
            await run_flat(load, SHAPES[name], await calibrate(load, SHAPES[name], seconds), sampled=True)
    load.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run flat out (paced ones: twice)")
    parser.add_argument("--profile", nargs="*", choices=[*SHAPES, "paced"], metavar="SHAPE")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="hg") as folder:
        home = Path(folder)
        keys = prepare_home(home, LINKS)
        before = database_path(home).stat().st_size
        if arguments.profile is not None:
            hub = HubProcess(home, launcher=["bench.support.sampler", str(home / "profile.json"), "cli.main"])
        else:
            hub = HubProcess(home)
        pin(LOAD_CORE)
        with running(hub):
            if arguments.profile is not None:
                shapes = arguments.profile or ["links", "drain"]
                asyncio.run(profile(hub, keys.machines, keys.person, shapes, arguments.seconds))
            else:
                asyncio.run(measure(hub, keys.machines, keys.person, arguments.seconds))
        if arguments.profile is None:
            print_store(home, before)


if __name__ == "__main__":
    main()
