"""Faults are seeded: ``HELIOGRAPH_SEED=… pytest tests/faults`` repeats a run."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("HELIOGRAPH_SEED", "1"))
