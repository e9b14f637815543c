"""What holds for every test: it leaves nothing behind, and its folder says what it needs.

After each test there must be no asyncio task, thread, child process, Heliograph process or open
socket that was not there before it, and the environment and working directory must be as they were.
What fixtures of a wider scope hold counts as there before.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Process, list_children, list_open_sockets, list_with_home_below, send_uploaders_away
from tests.support.waiting import wait_until

GRACE = 5.0
"""Seconds for what is already on its way out; a test that leaves nothing never waits."""

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, so that ``-m`` can leave out what a machine can't run."""
    for item in items:
        for name in ("real_client", "browser", "faults"):
            if item.path.is_relative_to(TESTS / name):
                item.add_marker(name)


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compare the world before and after: set up before, and torn down after, everything of the test."""
    homes = tmp_path_factory.getbasetemp()
    environment, folder = _read_environment(), Path.cwd()
    before = {
        "child processes": list_children(),
        "Heliograph processes": list_with_home_below(homes),
        "threads": set(threading.enumerate()),
        "open sockets": list_open_sockets(),
    }
    yield
    if _read_environment() != environment:
        changed = sorted({key for key, _ in set(_read_environment().items()) ^ set(environment.items())})
        os.environ.clear()
        os.environ.update(environment)
        pytest.fail(f"left a changed environment: {', '.join(changed)}")
    if Path.cwd() != folder:
        os.chdir(folder)
        pytest.fail("left another working directory")
    looks = {
        "child processes": list_children,
        "Heliograph processes": lambda: _look_for_ours(homes, before["Heliograph processes"]),
        "threads": lambda: set(threading.enumerate()),
        "open sockets": list_open_sockets,
    }
    for what, look in looks.items():
        known = before[what]
        if look() - known:  # type: ignore[operator]
            gc.collect()  # a cycle may hold it; an unclosed one then warns, and a warning is an error here
            wait_until(
                lambda look=look, known=known: not look() - known,
                f"{what} gone",
                timeout=GRACE,
                describe=lambda look=look, known=known: "\n".join(map(str, look() - known)),
            )


@pytest.fixture(autouse=True)
def tasks_watched(request: pytest.FixtureRequest, nothing_left_behind: None) -> None:
    """For tests with a loop of their own; after the other fixture, so that the loop is closed before it looks."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """No task on the test's loop when its other fixtures are done."""
    before = asyncio.all_tasks()
    yield
    deadline = asyncio.get_running_loop().time() + GRACE
    while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
        if asyncio.get_running_loop().time() > deadline:
            names = "\n".join(sorted(repr(task) for task in left))
            pytest.fail(f"left asyncio tasks:\n{names}")
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_at_the_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """When all is torn down, no Heliograph process of this run is left on the machine."""
    # Otherwise pytest-asyncio's first asyncio.get_event_loop() makes a loop that nobody closes.
    asyncio.set_event_loop(None)
    yield
    homes = tmp_path_factory.getbasetemp()
    wait_until(
        lambda: not _look_for_ours(homes, set()),
        "Heliograph processes gone",
        timeout=GRACE,
        describe=lambda: "\n".join(map(str, list_with_home_below(homes))),
    )


def _look_for_ours(homes: Path, known: set[Any]) -> set[Process]:
    """Heliograph's processes, but those that a known one has started since (a hook of a session that several tests
    share). An uploader that waits for a hub that is gone has no more to wait for.
    """
    parents = {process.pid for process in known}
    found = {process for process in list_with_home_below(homes) if process.parent not in parents}
    send_uploaders_away(found - known)
    return found


def _read_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
