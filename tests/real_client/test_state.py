"""Working, needs you, idle, offline, ended: what the page says is what Claude does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.real_client.asking import DIALOG, confirm
from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, fail, say, use, wait
from tests.support.stack import HELIOGRAPH, Api, Machine
from tests.support.terminal import Pane

SECONDS = 20.0


@pytest.fixture
def ask_first(project: Path) -> None:
    """In this project Claude Code asks before each command, and before it reads."""
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text('{"permissions": {"ask": ["Bash", "Read"]}}')


def begin(api: Api, project: Path, claude: Pane, text: str) -> str:
    """Type ``text``; the session's id."""
    session_id: str = api.wait_for_session(cwd=str(project), delivery="channel", timeout=SECONDS)["session_id"]
    claude.type(text)
    return session_id


def wait_for_state(api: Api, session_id: str, state: str) -> None:
    api.wait_for_session(session_id=session_id, state=state, timeout=SECONDS)


@pytest.mark.usefixtures("ask_first")
def test_of_two_dialogs_the_second_still_needs_you(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    for name in ("one", "two"):
        (project / name).write_text(name)
    gate = model.new_gate()
    reads = [use("Read", file_path=str(project / name)) for name in ("one", "two")]
    session_id = begin(api, project, claude, f"read {model.scene(reads, [wait(gate), say('Read.')])}")
    api.wait_for_session(session_id=session_id, state="needs_you", open_decisions=2, timeout=SECONDS)
    confirm(claude, "1 of 2")
    api.wait_for_session(session_id=session_id, state="needs_you", open_decisions=1, timeout=SECONDS)
    confirm(claude, DIALOG)
    wait_for_state(api, session_id, "working")
    model.open(gate)
    wait_for_state(api, session_id, "idle")


@pytest.mark.usefixtures("ask_first")
def test_a_background_agent_works_and_asks_while_the_session_takes_messages(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    gate = model.new_gate()
    inner = model.scene([wait(gate), use("Bash", command="touch inner", description="Touch")], [say("Inner done.")])
    agent = use("Task", description="sub", prompt=f"inner {inner}", subagent_type="general-purpose")
    session_id = begin(api, project, claude, f"spawn {model.scene([agent], [say('It runs.')])}")
    api.wait_for_entry(session_id, "assistant", text="It runs.", timeout=SECONDS)
    wait_for_state(api, session_id, "working")
    message_id = api.send(session_id, f"meanwhile {model.scene([say('Here I am.')])}")
    api.wait_for_message(message_id, "answered", timeout=SECONDS)
    wait_for_state(api, session_id, "working")
    model.open(gate)
    wait_for_state(api, session_id, "needs_you")
    api.decide(api.wait_for_decision(session_id, answered_by="hook"), "allow")  # the terminal shows no dialog so far
    wait_for_state(api, session_id, "idle")


def test_an_error_of_the_service_ends_the_turn(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = begin(api, project, claude, f"go {model.scene([fail(400)])}")
    notice = api.wait_for_entry(session_id, "notice", code="api_error", timeout=SECONDS)
    assert notice["text"] == "API Error: 400 out of order"
    wait_for_state(api, session_id, "idle")
    claude.type(f"again {model.scene([fail(529)])}")
    claude.wait_for("retrying")
    wait_for_state(api, session_id, "working")
    claude.press("Escape")
    wait_for_state(api, session_id, "idle")


def test_compacting_is_work_and_a_background_shell_is_none(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    gate, lasts = model.new_gate(), f"until test -e {project / 'go'}; do sleep 0.1; done"
    shell = use("Bash", command=lasts, description="Wait", run_in_background=True)
    session_id = begin(api, project, claude, f"start {model.scene([shell], [say('Started.')], [wait(gate), say('S')])}")
    api.wait_for_entry(session_id, "assistant", text="Started.", timeout=SECONDS)
    wait_for_state(api, session_id, "idle")
    claude.enter("/compact")
    wait_for_state(api, session_id, "working")
    claude.press("Escape")
    wait_for_state(api, session_id, "idle")
    claude.kill()
    wait_for_state(api, session_id, "offline")
    (project / "go").touch()


def print_answer(machine: Machine, project: Path, prompt: str) -> str:
    command = [str(HELIOGRAPH), "claude", "-p", prompt]
    done = subprocess.run(
        command,
        env=machine.environment,
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout.decode().strip()


def test_print_mode_is_a_session_that_ends(api: Api, machine: Machine, project: Path) -> None:
    assert print_answer(machine, project, "say hi") == "ok"
    session = api.wait_for_session(cwd=str(project), state="ended", timeout=SECONDS)
    api.wait_for_entry(session["session_id"], "assistant", text="ok", timeout=SECONDS)


@pytest.mark.usefixtures("ask_first")
def test_print_mode_waits_for_nobody_and_says_so(api: Api, model: Model, machine: Machine, project: Path) -> None:
    scene = model.scene([use("Bash", command="touch made", description="Touch")], [say("It was refused.")])
    assert print_answer(machine, project, f"make {scene}") == "It was refused."
    assert not (project / "made").exists()
    session = api.wait_for_session(cwd=str(project), state="ended", timeout=SECONDS)
    [decision] = api.list_decisions(session["session_id"])
    assert (decision["state"], decision["outcome"], decision["decided"]) == ("expired", "denied", None)
