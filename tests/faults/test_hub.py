"""The hub is killed at the worst moments, stands still, and doesn't know what time it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hub_launcher import POINTS
from tests.faults.injections import freeze_hub, inject, kill_hub_at, put_hub_clock_off, restart_hub, spool_much
from tests.faults.world import make_world

pytestmark = pytest.mark.timeout(240)


def test_a_hub_killed_around_commit_and_ack_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        for point in POINTS:
            inject(world, kill_hub_at(point))


def test_a_hub_that_stands_still_or_starts_anew_or_has_the_wrong_hour_is_only_late(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        inject(world, freeze_hub, meanwhile=spool_much)
        inject(world, restart_hub)
        inject(world, put_hub_clock_off)
