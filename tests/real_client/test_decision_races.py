"""Both places at once: who answers first wins, the other side closes, and what the hub says of it is true."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.real_client.asking import DIALOG, DONE, Asked, AskedStart, ask_before_acting, confirm
from tests.real_client.conftest import StartClaude
from tests.support.api import Refused
from tests.support.scenes import Model, use
from tests.support.stack import Api, Hub, Machine, run_hub
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    machine = set_up_machine("atlas")
    ask_before_acting(machine)
    return machine


@pytest.fixture
def start(api: Api, model: Model, project: Path, start_claude: StartClaude) -> AskedStart:
    return lambda *arguments: Asked.begin(api, model, start_claude(*arguments), project)


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Hub]:
    """A hub of the test's own, to stop and start."""
    with run_hub(tmp_path / "hub") as running:
        yield running


def touch(name: str) -> dict[str, object]:
    return use("Bash", command=f"touch {name} && sleep 2", description=f"Make {name}")


def count_waiting_hooks(claude_pid: int) -> int:
    """Hooks of ours below this Claude Code that wait for an answer (the one that is parked aside)."""
    count = 0
    for path in Path(f"/proc/{claude_pid}/task").glob("*/children"):
        for child in path.read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes() if Path(f"/proc/{child}").exists() else b""
            count += b"heliograph_hook" in words
    return count


def try_to_deny(asked: Asked, decision: dict[str, Any]) -> str | int:
    """The state after it, or the status of the refusal."""
    try:
        return str(asked.api.decide(decision, "deny")["state"])
    except Refused as refused:
        return refused.status


def test_answered_in_the_terminal_first(start: AskedStart) -> None:
    asked = start()
    asked.play([touch("one")])
    decision = asked.wait_for()
    confirm(asked.claude, DIALOG)
    asked.wait_for("answered_locally")  # while the command still runs
    wait_until(lambda: count_waiting_hooks(asked.claude.pid) == 0, "the waiting hook let go")
    assert asked.refused("deny", decision) == (409, "already_decided")
    asked.wait_until_idle()
    after = asked.wait_for("answered_locally")
    assert (after["outcome"], after["decided"]["where"], after["decided"]["verdict"]) == ("allowed", "terminal", None)
    assert asked.tools() == [("touch one && sleep 2", "done")]


def test_refused_in_the_terminal(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("one")])
    asked.wait_for()
    asked.claude.wait_for(DIALOG)
    asked.claude.press("Escape")
    assert asked.wait_for("answered_locally")["outcome"] == "denied"
    asked.wait_until_idle()
    wait_until(lambda: count_waiting_hooks(asked.claude.pid) == 0, "the waiting hook gone")
    assert not (project / "one").exists()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15])
def test_both_at_the_same_instant(delay: float, start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("one")])
    decision = asked.wait_for()
    asked.claude.wait_for(DIALOG)
    with ThreadPoolExecutor(1) as other:
        verdict = other.submit(try_to_deny, asked, decision)
        time.sleep(delay)  # the race itself
        asked.claude.press("Enter")
        taken = verdict.result(10)
    asked.wait_until_idle()
    after = next(d for d in asked.api.list_decisions(asked.session_id) if d["decision_id"] == decision["decision_id"])
    ran = (project / "one").exists()
    assert (after["state"], after["outcome"]) == (("answered_locally", "allowed") if ran else ("decided", "denied"))
    assert taken in ("decided", 409) or ran


def test_the_hub_is_away_while_the_dialog_is_open(away: Hub, terminal: Terminal, tmp_path: Path, model: Model) -> None:
    machine = Machine(tmp_path, "atlas", model.url)
    machine.set_up(away)
    ask_before_acting(machine)
    project = machine.make_project("p")
    asked = Asked.begin(away.api, model, machine.start_claude(terminal, project), project)
    asked.play([touch("one")], [touch("two")])
    decision = asked.wait_for()
    away.kill(signal.SIGKILL)
    away.start()
    again = asked.wait_for()
    assert again == {**decision, "change_id": again["change_id"]}
    assert asked.api.decide(again, "allow")["state"] in ("sending", "decided")  # the channel may not be back yet
    asked.wait_for()
    assert asked.look(again)["state"] == "decided"
    away.stop()
    confirm(asked.claude, "touch two")
    asked.claude.wait_for(DONE)
    away.start()
    asked.wait_for("answered_locally")
    asked.wait_until_idle()
    assert (project / "two").exists()


def test_claude_is_killed_while_it_waits(start: AskedStart) -> None:
    asked = start()
    asked.play([touch("one")])
    asked.wait_for()
    os.kill(asked.claude.pid, signal.SIGKILL)
    asked.wait_for("withdrawn")
    asked.api.wait_for_session(session_id=asked.session_id, state="offline", timeout=20)


def test_the_session_is_cleared_in_the_terminal_while_it_waits(start: AskedStart) -> None:
    asked = start()
    asked.play([touch("one")])
    asked.wait_for()
    asked.claude.press("Escape")
    asked.wait_for("answered_locally")
    asked.wait_until_idle()
    asked.claude.enter("/clear")
    asked.api.wait_for_session(session_id=asked.session_id, state="ended", timeout=20)
