"""A hub, a machine with the pinned Claude Code, a scripted model, and terminals to start it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.scenes import Model, run_model
from tests.support.stack import Api, Hub, Machine, run_hub
from tests.support.terminal import Pane, Terminal


class StartClaude(Protocol):
    """`heliograph claude ARGUMENTS` in a folder, ready for a prompt."""

    def __call__(self, *arguments: str, project: Path | None = None, on: Machine | None = None) -> Pane: ...


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The model behind every Claude Code of a file."""
    with run_model(tmp_path_factory.mktemp("model") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub a file."""
    with run_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def set_up_machine(hub: Hub, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Machine]:
    """Makes a paired machine with everything installed."""

    def set_up(name: str) -> Machine:
        machine = Machine(tmp_path_factory.mktemp("m"), name, model.url)
        machine.set_up(hub)
        return machine

    return set_up


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    """The machine of a file."""
    return set_up_machine("workbench")


@pytest.fixture
def api(hub: Hub) -> Api:
    """The hub's API."""
    return hub.api


@pytest.fixture
def project(machine: Machine, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own: its sessions are found by it."""
    return machine.make_project(request.node.name.removeprefix("test_"))


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Where Claude Code runs; whatever still runs at the end is killed."""
    with Terminal() as panes:
        yield panes


@pytest.fixture
def start_claude(machine: Machine, project: Path, terminal: Terminal) -> StartClaude:
    """Starts Claude Code."""
    own_machine, own_project = machine, project

    def start(*arguments: str, project: Path | None = None, on: Machine | None = None) -> Pane:
        return (on or own_machine).start_claude(terminal, project or own_project, *arguments)

    return start
