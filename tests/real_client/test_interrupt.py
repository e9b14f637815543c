"""Interrupt: Claude stops at its next step, and is there for the next prompt. Stop: Claude Code ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real_client.conftest import StartClaude
from tests.support.api import Refused
from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Api, Machine
from tests.support.terminal import Pane
from tests.support.waiting import wait_until

SECONDS = 20.0


@pytest.fixture
def claude(start_claude: StartClaude) -> Pane:
    return start_claude()


@pytest.fixture
def session_id(api: Api, project: Path, claude: Pane) -> str:
    """The session of ``claude``."""
    return str(api.wait_for_session(cwd=str(project), delivery="channel", timeout=SECONDS)["session_id"])


@pytest.fixture
def stop_file(machine: Machine, claude: Pane) -> Path:
    """What tells the hooks of ``claude`` to stop it."""
    return machine.heliograph_home / "run" / f"{claude.pid}.stop"


def order(api: Api, session_id: str, what: str) -> None:
    answer = api.client.post(f"/api/v1/sessions/{session_id}/{what}", None)
    assert answer["session_id"] == session_id


def interrupt(api: Api, session_id: str, stop_file: Path) -> None:
    order(api, session_id, "interrupt")
    wait_until(stop_file.exists, "the hooks' word")


def touch(path: Path) -> dict[str, object]:
    return use("Bash", command=f"touch {path}", description="Touch")


def wait_in_bash(path: Path) -> dict[str, object]:
    name = path.name
    return use("Bash", command=f"touch {name}.runs; until test -e {name}; do sleep 0.05; done", description="Wait")


def wait_until_idle(api: Api, session_id: str, stop_file: Path) -> None:
    api.wait_for_session(session_id=session_id, state="idle", timeout=SECONDS)
    wait_until(lambda: not stop_file.exists(), "the end of the interrupt", timeout=SECONDS)


def expect_the_next_prompt_to_work(api: Api, model: Model, session_id: str, claude: Pane, project: Path) -> None:
    done = project / "next"
    claude.type(f"go on {model.scene([touch(done)], [say('Went on.')])}")
    api.wait_for_entry(session_id, "assistant", text="Went on.", timeout=SECONDS)
    assert done.exists()
    api.wait_for_session(session_id=session_id, state="idle", timeout=SECONDS)


def test_the_call_after_the_one_that_runs_does_not_run(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, stop_file: Path
) -> None:
    go, second = project / "go", project / "second"
    claude.type(f"work {model.scene([wait_in_bash(go)], [touch(second)], [say('All done.')])}")
    wait_until(Path(f"{go}.runs").exists, "the first call", timeout=SECONDS)
    interrupt(api, session_id, stop_file)
    assert api.find_session(session_id=session_id, state="working")
    go.touch()
    wait_until_idle(api, session_id, stop_file)
    assert not second.exists()
    states = [entry["state"] for entry in api.list_entries(session_id, "tool")]
    assert states == ["done"]
    notices = [(entry["code"], entry["text"]) for entry in api.list_entries(session_id, "notice")]
    assert [code for code, _ in notices] == ["interrupt"]
    expect_the_next_prompt_to_work(api, model, session_id, claude, project)


def test_calls_beside_each_other_do_not_run(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, stop_file: Path
) -> None:
    gate, files = model.new_gate(), [project / name for name in ("one", "two")]
    writes = [use("Write", file_path=str(path), content="x") for path in files]
    bashes = [touch(project / name) for name in ("three", "four")]
    claude.type(f"work {model.scene([wait(gate), *writes, *bashes], [say('All done.')])}")
    api.wait_for_session(session_id=session_id, state="working", timeout=SECONDS)
    interrupt(api, session_id, stop_file)
    model.open(gate)
    wait_until_idle(api, session_id, stop_file)
    assert not [path for path in (*files, project / "three", project / "four") if path.exists()]
    assert {entry["state"] for entry in api.list_entries(session_id, "tool")} == {"interrupted"}
    assert "All done." not in claude.screen()
    expect_the_next_prompt_to_work(api, model, session_id, claude, project)


def test_a_turn_without_a_step_ends_by_itself(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, stop_file: Path
) -> None:
    gate = model.new_gate()
    claude.type(f"talk {model.scene([wait(gate), say('Only words.')])}")
    api.wait_for_session(session_id=session_id, state="working", timeout=SECONDS)
    interrupt(api, session_id, stop_file)
    model.open(gate)
    wait_until_idle(api, session_id, stop_file)
    api.wait_for_entry(session_id, "assistant", text="Only words.", timeout=SECONDS)
    expect_the_next_prompt_to_work(api, model, session_id, claude, project)


def test_a_subagent_in_the_background_stops_and_so_does_what_its_end_begins(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, stop_file: Path
) -> None:
    gate, inner_file = model.new_gate(), project / "inner"
    inner = model.scene([wait(gate), touch(inner_file)], [say("Inner done.")])
    agent = use("Task", description="sub", prompt=f"inner {inner}", subagent_type="general-purpose")
    claude.type(f"spawn {model.scene([agent], [say('It runs.')], [say('Its end was seen.')])}")
    api.wait_for_entry(session_id, "assistant", text="It runs.", timeout=SECONDS)
    api.wait_for_session(session_id=session_id, state="working", turn_started_at=None, timeout=SECONDS)
    interrupt(api, session_id, stop_file)
    model.open(gate)
    wait_until_idle(api, session_id, stop_file)
    assert not inner_file.exists()
    assert "Its end was seen." not in claude.screen()
    expect_the_next_prompt_to_work(api, model, session_id, claude, project)


def test_what_a_person_types_meanwhile_is_done_after_it(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, stop_file: Path
) -> None:
    gate, later = model.new_gate(), model.new_gate()
    claude.type(f"talk {model.scene([wait(gate), touch(project / 'never')])}")
    api.wait_for_session(session_id=session_id, state="working", timeout=SECONDS)
    interrupt(api, session_id, stop_file)
    claude.enter(f"then {model.scene([wait(later), touch(project / 'next')], [say('Went on.')])}")
    claude.wait_for("Press up to edit queued")
    model.open(gate)
    wait_until(lambda: not stop_file.exists(), "the end of the interrupt", timeout=SECONDS)
    assert api.find_session(session_id=session_id, state="working")
    model.open(later)
    api.wait_for_entry(session_id, "assistant", text="Went on.", timeout=SECONDS)
    wait_until_idle(api, session_id, stop_file)
    assert (project / "next").exists()
    assert not (project / "never").exists()


def test_an_idle_session_can_not_be_interrupted(api: Api, session_id: str) -> None:
    with pytest.raises(Refused) as refused:
        order(api, session_id, "interrupt")
    assert (refused.value.status, refused.value.body["error"]["code"]) == (409, "not_running")


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_stop_ends_claude_code(
    api: Api, model: Model, project: Path, claude: Pane, session_id: str, is_busy: bool
) -> None:
    go = project / "go"
    claude.type(f"work {model.scene(*([[wait_in_bash(go)]] if is_busy else []), [say('Done.')])}")
    if is_busy:
        wait_until(Path(f"{go}.runs").exists, "the command", timeout=SECONDS)
    else:
        api.wait_for_entry(session_id, "assistant", text="Done.", timeout=SECONDS)
        api.wait_for_session(session_id=session_id, state="idle", timeout=SECONDS)
    order(api, session_id, "stop")
    claude.wait_until_ended()
    api.wait_for_session(session_id=session_id, state="ended", timeout=SECONDS)
    assert [entry["code"] for entry in api.list_entries(session_id, "notice")] == ["stop", "ended"]
    with pytest.raises(Refused) as refused:
        order(api, session_id, "stop")
    assert refused.value.body["error"]["code"] == "not_running"
