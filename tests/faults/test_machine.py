"""On a machine: channels and Claude Codes killed, a full disk, hooks while the settings are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.injections import (
    clear,
    end_claude,
    fill_disk,
    fire_together,
    freeze_claude,
    inject,
    install_again,
    kill_channel,
    kill_claude,
    lose_claude,
    spool_much,
)
from tests.faults.world import make_world

pytestmark = pytest.mark.timeout(240)


def test_sessions_that_are_killed_frozen_or_cleared_keep_their_events_and_messages(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        for fault in (kill_channel, kill_claude, lose_claude, freeze_claude, clear, end_claude):
            inject(world, fault)


def test_a_full_disk_loses_only_what_claude_was_not_told_is_kept(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        inject(world, fill_disk)
        inject(world, fill_disk, meanwhile=kill_claude)


def test_hooks_at_once_and_in_bulk_run_on_while_heliograph_is_installed_again(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed, real=0.8) as world:
        inject(world, fire_together)
        for claude in world.alive:
            claude.tell("parallel", count=6)
        inject(world, install_again)
        inject(world, spool_much, meanwhile=kill_channel)
