"""What stored events cost: memory of the hub, rate of ingest, its start and its pages, beside 0, 100,000 and 1,000,000.

    python bench/stored.py [EVENTS …]            other sizes
    python bench/stored.py --full                0, 1 and 5 million (14 GB of disk)

Everything of each size is measured on a hub started anew, with 50 new sessions over 32 links and no dashboard.
Prints figures and fails on none. Aim: flat within 20 %.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.support.load import Load, cut_small
from bench.support.process import (
    LOAD_CORE,
    HubProcess,
    database_path,
    describe_machine,
    pin,
    prepare_home,
    running,
)
from bench.support.stored import Filler, write_template
from bench.support.tables import say_bytes, show_table

SIZES = [0, 100_000, 1_000_000]
FULL = [0, 1_000_000, 5_000_000]

LINKS, SESSIONS = 32, 50
WARM_UP = 640
PAGES = 20
SETTLE_SECONDS = 1.0


@dataclass
class Measured:
    """A hub beside so many events."""

    stored: int
    size: int
    start: float
    resident: int
    resident_after: int
    rate: float
    cpu: float
    session_page: float | None
    overview: float


async def ingest(hub: HubProcess, keys: list[str], person: str, seconds: float) -> tuple[float, float]:
    """Events a second, and seconds of the hub's processor per event."""
    load = await Load.build(hub, keys, person, sessions=SESSIONS, dashboards=False)
    events, rate, cpu = WARM_UP, 0.0, 0.0
    for _ in range(2):
        for link in load.links:
            made = link.carrier.take_turns(events // len(load.links))
            link.prepare(cut_small(made, smallest=8, largest=24, chance=random.Random(3)), set())
        total = sum(link.events_waiting for link in load.links)
        used, began = hub.cpu_seconds(), time.perf_counter()
        await load.flush()
        rate = total / (time.perf_counter() - began)
        cpu = (hub.cpu_seconds() - used) / total
        events = round(rate * seconds)
    load.close()
    return rate, cpu


def measure(home: Path, machines: list[str], person: str, sessions: list[str], seconds: float) -> Measured:
    """Start a hub on what is stored there."""
    path = database_path(home)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        stored = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    size = path.stat().st_size
    hub = HubProcess(home)
    with running(hub) as start:
        time.sleep(SETTLE_SECONDS)
        resident = hub.resident_bytes()
        rate, cpu = asyncio.run(ingest(hub, machines, person, seconds))
        time.sleep(SETTLE_SECONDS)
        resident_after = hub.resident_bytes()
        opened = random.Random(5).sample(sessions, min(PAGES, len(sessions)))
        pages = [hub.get(f"/sessions/{one}", person, accept="text/html")[1] for one in opened]
        overview = [hub.get("/", person, accept="text/html")[1] for _ in range(PAGES)]
        return Measured(
            stored=stored,
            size=size,
            start=start,
            resident=resident,
            resident_after=resident_after,
            rate=rate,
            cpu=cpu,
            session_page=statistics.median(pages) if pages else None,
            overview=statistics.median(overview),
        )


def show(found: list[Measured]) -> None:
    """One line a size, and how far the last is from the first."""
    rows = [
        [
            f"{one.stored:,}",
            say_bytes(one.size),
            f"{one.start:.2f} s",
            say_bytes(one.resident),
            say_bytes(one.resident_after),
            f"{one.rate:,.0f}",
            f"{1 / one.cpu:,.0f}",
            f"{one.session_page * 1000:.1f} ms" if one.session_page is not None else "",
            f"{one.overview * 1000:.1f} ms",
        ]
        for one in found
    ]
    first, last = found[0], found[-1]
    paged = [one.session_page for one in found if one.session_page is not None]

    def change(before: float, after: float) -> str:
        return f"{(after / before - 1) * 100:+.0f} %"

    rows.append(
        [
            "last to first (aim: within 20 %)",
            "",
            change(first.start, last.start),
            change(first.resident, last.resident),
            change(first.resident_after, last.resident_after),
            change(first.rate, last.rate),
            change(1 / first.cpu, 1 / last.cpu),
            change(paged[0], paged[-1]) if paged else "",
            change(first.overview, last.overview),
        ]
    )
    heads = ["events stored", "file", "start", "memory", "after ingest", "events/s", "a core second"]
    show_table("Beside what is stored", [*heads, "session page", "overview"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=int, nargs="*", default=SIZES)
    parser.add_argument("--full", action="store_true", help="0, 1 and 5 million")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each ingest")
    arguments = parser.parse_args()
    print(describe_machine())
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(prefix="hg") as folder:
        home = Path(folder)
        keys = prepare_home(home, LINKS)
        found: list[Measured] = []
        filler: Filler | None = None
        for wanted in FULL if arguments.full else arguments.events:
            if wanted and filler is None:
                with contextlib.closing(sqlite3.connect(database_path(home))) as connection:
                    machine_id = connection.execute("SELECT machine_id FROM machines").fetchone()[0]
                filler = Filler(home, write_template(home, machine_id))
                if filler.skipped:
                    print(f"not filled: {', '.join(filler.skipped)}")
            if filler is not None:
                began = time.perf_counter()
                count = filler.fill(wanted)
                print(f"filled to {count:,} events in {time.perf_counter() - began:.0f} s", flush=True)
            sessions = filler.sessions if filler is not None else []
            found.append(measure(home, keys.machines, keys.person, sessions, arguments.seconds))
        show(found)


if __name__ == "__main__":
    main()
