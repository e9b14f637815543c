"""The way between channel and hub: cut inside a frame, stalled, late, frames that come twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.injections import FRAMES, cut_links, harm_frame, inject, kill_claude, slow_link, stall_link, storm
from tests.faults.world import make_world

pytestmark = pytest.mark.timeout(240)


def test_a_link_cut_inside_any_frame_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        for direction, marks in FRAMES.items():
            for mark in marks:
                inject(world, harm_frame("cut", direction, mark))


def test_frames_that_come_twice_or_late_change_nothing(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        for direction, marks in FRAMES.items():
            for mark in marks:
                inject(world, harm_frame("repeat", direction, mark))
            inject(world, harm_frame("hold", direction))
        inject(world, slow_link)
        inject(world, stall_link, meanwhile=kill_claude)
        inject(world, cut_links)


def test_200_links_that_come_back_at_once_are_served(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed, claudes=1) as world:
        inject(world, storm)
