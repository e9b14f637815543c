"""Asks a hub under the sampler for its samples, and prints them."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from bench.support.process import HubProcess
from bench.support.tables import show_table

PATIENCE = 60.0
LEAST = 0.004


def begin_samples(hub: HubProcess) -> None:
    """From here on."""
    _file(hub).unlink(missing_ok=True)
    os.kill(hub.pid, signal.SIGUSR1)


def end_samples(hub: HubProcess) -> dict[str, Any]:
    """Until here: what the sampler wrote."""
    os.kill(hub.pid, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while not _file(hub).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the hub wrote no profile")
        time.sleep(0.01)
    found: dict[str, Any] = json.loads(_file(hub).read_text())
    return found


def show_profile(title: str, found: dict[str, Any], events: int) -> None:
    """Stages first, then statements, then functions; all in processor time of the hub."""
    cpu = found["cpu"]

    def cells(used: float) -> list[str]:
        return [f"{used:.2f} s", f"{used / cpu * 100:.1f} %", f"{used / events * 1e6:.1f} µs"]

    statements = sum(used for name, used, _ in found["statements"] if "(main thread)" not in name)
    sampled = sum(found["stages"].values()) or 1.0
    scale = found["main"] / sampled
    rows = [[name, *cells(used * scale)] for name, used in sorted(found["stages"].items(), key=lambda x: -x[1])]
    rows += [
        ["= main thread", *cells(found["main"])],
        ["SQLite in other threads, see below", *cells(statements)],
        ["other threads, the rest (hand-over)", *cells(found["threads"] - statements)],
        ["= process", *cells(cpu)],
        ["  of it in the kernel", *cells(found["system"])],
    ]
    heads = ["processor time", "share", "per event"]
    times = f"{cpu:.2f} s of processor in {found['seconds']:.2f} s"
    show_table(f"PROFILE {title}: {events:,} events, {times}, sampled", ["stage", *heads], rows)
    rows = [[name, *cells(used), f"{calls:,}"] for name, used, calls in found["statements"] if used / cpu > LEAST]
    show_table("SQLite, by statement", ["statement", *heads, "calls"], rows)
    for name, what in (("own", "own time (C code counts for its caller)"), ("whole", "with what they call")):
        rows = [[function[-90:], *cells(used * scale)] for function, used in found[name]]
        show_table(f"Functions, main thread, {what}", ["function", *heads], rows)


def _file(hub: HubProcess) -> Path:
    return Path(hub.launcher[1])
