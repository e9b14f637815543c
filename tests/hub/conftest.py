"""A hub for each test: a copy of one migrated database, on a port of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hub.kit import Hub, Secrets, make_database, run_hub


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Secrets]:
    """A database with people and machines but no session yet, and their secrets."""
    path = tmp_path_factory.mktemp("template") / "heliograph.db"
    return path, asyncio.run(make_database(path))


@pytest.fixture
def database(template: tuple[Path, Secrets], tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(template[0], tmp_path / "heliograph.db"))


@pytest.fixture
def secrets(template: tuple[Path, Secrets]) -> Secrets:
    """The tokens and keys of the people and machines in it."""
    return template[1]


@pytest.fixture
async def hub(database: Path, secrets: Secrets) -> AsyncIterator[Hub]:
    """A running hub."""
    async with run_hub(database, secrets) as running:
        yield running
