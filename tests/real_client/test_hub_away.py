"""Claude Code doesn't notice that the hub is away, and nothing of that time is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Hub, Machine, run_hub
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub of the test's own, to stop and start."""
    with run_hub(tmp_path / "hub") as running:
        yield running


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_happened_while_the_hub_was_away_arrives(
    hub: Hub, terminal: Terminal, tmp_path: Path, model: Model, how: signal.Signals
) -> None:
    machine = Machine(tmp_path, "workbench", model.url)
    machine.set_up(hub)
    project = machine.make_project("p")
    claude = machine.start_claude(terminal, project)
    session_id = hub.api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    claude.type("before")
    hub.api.wait_for_entry(session_id, "assistant", text="ok")

    hub.kill(how)
    scene = model.scene([use("Bash", command="echo alone", description="Speak")], [say("Nobody was listening.")])
    claude.type(f"meanwhile {scene}")
    claude.wait_for("Nobody was listening")

    hub.start()
    hub.api.wait_for_entry(session_id, "assistant", text="Nobody was listening.", timeout=20)
    kinds = [entry["kind"] for entry in hub.api.list_entries(session_id)]
    assert kinds == ["prompt", "assistant", "prompt", "tool", "assistant"]
    message_id = hub.api.send(session_id, "welcome back")
    hub.api.wait_for_message(message_id, "answered", timeout=20)


def test_a_session_begun_without_the_hub_appears_when_it_is_there(
    hub: Hub, terminal: Terminal, tmp_path: Path, model: Model
) -> None:
    machine = Machine(tmp_path, "workbench", model.url)
    machine.set_up(hub)
    project = machine.make_project("p")
    hub.stop()
    claude = machine.start_claude(terminal, project)
    claude.type("is anybody there?")
    claude.wait_for("ok")
    hub.start()
    session = hub.api.wait_for_session(cwd=str(project), delivery="channel", timeout=20)
    hub.api.wait_for_entry(session["session_id"], "prompt", text="is anybody there?")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_turn_goes_on_while_the_hub_restarts(
    hub: Hub, terminal: Terminal, tmp_path: Path, model: Model, how: signal.Signals
) -> None:
    machine = Machine(tmp_path, "workbench", model.url)
    machine.set_up(hub)
    project = machine.make_project("p")
    claude = machine.start_claude(terminal, project)
    session_id = hub.api.wait_for_session(cwd=str(project), delivery="channel", timeout=20)["session_id"]
    gate = model.new_gate()
    claude.type(f"work {model.scene([say('On it.'), use('Bash', command='true', description='Try')], [wait(gate)])}")
    hub.api.wait_for_entry(session_id, "tool", state="done", timeout=20)
    hub.kill(how)
    hub.start()
    assert hub.api.find_session(session_id=session_id, state="working")
    message_id = hub.api.send(session_id, "then this")
    wait_until(lambda: "link up" in hub.log.rpartition("hub started")[2], "the channel's return", timeout=30)
    hub.api.wait_for_session(session_id=session_id, state="working")
    assert hub.api.read_message(message_id)["state"] == "queued"
    model.open(gate)
    hub.api.wait_for_message(message_id, "answered", timeout=30)
    hub.api.wait_for_session(session_id=session_id, state="idle")
