"""The hub's database is locked by another process, full, or can't be written; meanwhile life goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.injections import (
    SHORT,
    end_claude,
    fail_writes_of_hub,
    fill_database,
    inject,
    kill_claude,
    lock_database,
    lose_claude,
)
from tests.faults.world import make_world

pytestmark = pytest.mark.timeout(240)

BEYOND_PATIENCE = 7.0
"""Seconds; SQLite waits for a lock for five."""


def test_a_store_that_fails_for_a_while_costs_nothing(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        inject(world, lock_database, meanwhile=kill_claude)
        inject(world, fill_database, meanwhile=end_claude)
        inject(world, fail_writes_of_hub)


def test_what_ended_while_the_store_was_locked_is_not_taken_for_alive(tmp_path: Path, seed: int) -> None:
    with make_world(tmp_path, seed) as world:
        inject(world, lock_database, replace(SHORT, locked=BEYOND_PATIENCE), meanwhile=lose_claude)
