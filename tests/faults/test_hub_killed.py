"""The hub is killed at the worst moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hub_launcher import POINTS
from tests.faults.world import make_world


def test_a_hub_killed_at_any_point_loses_nothing(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        for point in POINTS:
            world.run()
            world.hub.order(kill=point, skip=world.dice.randrange(5))
            assert world.hub.wait_killed(30.0), f"{point} was never reached"
            world.note(f"hub killed: {point}")
            world.restart_hub()
            world.settle()
