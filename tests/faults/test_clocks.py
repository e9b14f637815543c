"""Machines whose clocks are an hour off, either way, and a hub that has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.injections import HOUR, SHORT, inject, kill_channel, kill_claude, kill_hub_anytime
from tests.faults.world import make_world

pytestmark = pytest.mark.timeout(240)


def test_an_hour_ahead_or_behind_is_no_reason_to_lose_anything(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed, claudes=1) as world:
        for hour in (-HOUR, HOUR):
            world.start_claude(world.add_machine(clock=hour), wait=False)
        for fault in (kill_hub_anytime, kill_channel, kill_claude):
            inject(world, fault, SHORT)
