"""Sessions that must not be mixed up: in one folder, and on two machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say
from tests.support.stack import Api, Machine
from tests.support.waiting import wait_until


def test_two_sessions_in_one_folder_stay_apart(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    first = start_claude()
    one = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    second = start_claude()
    second.type("I am the second")
    first.type("I am the first")
    api.wait_for_entry(one, "prompt", text="I am the first")
    two = wait_until(
        lambda: next((s["session_id"] for s in api.list_sessions(cwd=str(project)) if s["session_id"] != one), None),
        "the second session",
    )
    api.wait_for_entry(two, "prompt", text="I am the second")
    api.wait_for_entry(one, "assistant", text="ok")
    api.wait_for_entry(two, "assistant", text="ok")

    message_id = api.send(two, "only for the second " + model.scene([say("Only mine.")]))
    assert api.wait_for_message(message_id, "answered")["session_id"] == two
    api.wait_for_entry(two, "assistant", text="Only mine.")
    second.wait_for("Only mine")
    assert "only for the second" not in first.screen()
    assert [entry["kind"] for entry in api.list_entries(one)] == ["prompt", "assistant"]


def test_two_machines_stay_apart(
    api: Api,
    machine: Machine,
    model: Model,
    project: Path,
    start_claude: StartClaude,
    set_up_machine: Callable[[str], Machine],
) -> None:
    other = set_up_machine("laptop")
    there = other.make_project("there")
    start_claude()
    pane = start_claude(project=there, on=other)
    here_session = api.wait_for_session(cwd=str(project), delivery="channel")
    there_session = api.wait_for_session(cwd=str(there), delivery="channel")
    assert here_session["machine"]["name"] == machine.name
    assert there_session["machine"]["name"] == "laptop"
    assert here_session["machine"]["id"] != there_session["machine"]["id"]

    message_id = api.send(there_session["session_id"], "to the laptop " + model.scene([say("Laptop here.")]))
    api.wait_for_message(message_id, "answered")
    pane.wait_for("Laptop here")
    assert not api.list_entries(here_session["session_id"])
