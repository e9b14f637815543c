"""A home, a hub double and a channel for each test that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.channel.hub_double import HubDouble
from tests.channel.peer import Claude


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "heliograph"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


@pytest.fixture
async def hub() -> AsyncIterator[HubDouble]:
    double = HubDouble()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def claude(home: Path, project: Path) -> AsyncIterator[Claude]:
    player = Claude(home, project)
    yield player
    await player.stop()


@pytest.fixture
async def linked(claude: Claude, hub: HubDouble) -> Claude:
    """A Claude whose channel has shaken hands on both sides."""
    claude.pair(hub.url)
    await claude.start()
    await claude.greet()
    await hub.until(lambda: hub.hellos, "hello")
    await claude.hook("SessionStart", source="startup")
    await hub.until(lambda: hub.named("ChannelFacts"), "the session's start")
    return claude
