"""A hook with a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hooks.runner import Hook


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path / "home")
