"""What happens at the terminal alone, or where the channel has died: the page is told all the same."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.real_client.conftest import StartClaude
from tests.support.processes import is_running
from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Api, Machine
from tests.support.terminal import Pane
from tests.support.waiting import wait_until

STOPPED = "Interrupted"
DIALOG = "Do you want to proceed"


@pytest.fixture
def ask_for_bash(project: Path) -> None:
    """In this project Claude Code asks before each command."""
    folder = project / ".claude"
    folder.mkdir()
    (folder / "settings.json").write_text('{"permissions": {"ask": ["Bash"]}}')


def assert_it_takes_the_message(api: Api, model: Model, session_id: str, message_id: str) -> None:
    """The session has become idle, and what waited for that is answered."""
    api.wait_for_message(message_id, "answered", timeout=15)
    assert model.times_heard(message_id) == 1
    api.wait_for_session(session_id=session_id, state="idle")


def close_dialog(claude: Pane, key: str) -> None:
    """Press ``key``; again if the dialog, just opened, has not taken it."""
    for _ in range(5):
        claude.press(key)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: DIALOG not in claude.screen(), "the dialog's end", timeout=2.0)
            return
    raise AssertionError(f"{key} changes nothing:\n{claude.screen()}")


def begin(api: Api, project: Path, claude: Pane, text: str) -> str:
    """Type ``text``; the session's id."""
    session_id: str = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    claude.type(text)
    return session_id


def test_escape_while_claude_writes(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    claude = start_claude()
    scene = model.scene([say("Let me think.\n\n"), wait(model.new_gate())])
    session_id = begin(api, project, claude, f"think {scene}")
    api.wait_for_entry(session_id, "assistant", text="Let me think.")
    api.wait_for_session(session_id=session_id, state="working")
    message_id = api.send(session_id, "instead of that")
    claude.press("Escape")
    claude.wait_for(STOPPED)
    assert_it_takes_the_message(api, model, session_id, message_id)


def test_escape_while_a_tool_runs(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    claude = start_claude()
    command = f"until test -e {project / 'never'}; do sleep 0.1; done"
    scene = model.scene([use("Bash", command=command, description="Wait")])
    session_id = begin(api, project, claude, f"wait {scene}")
    api.wait_for_entry(session_id, "tool", tool_name="Bash")
    claude.wait_for("Running")
    message_id = api.send(session_id, "wake up")
    claude.press("Escape")
    claude.wait_for(STOPPED)
    assert_it_takes_the_message(api, model, session_id, message_id)


@pytest.mark.usefixtures("ask_for_bash")
def test_escape_on_a_permission_dialog(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    claude = start_claude()
    scene = model.scene([use("Bash", command="touch x", description="Touch")])
    session_id = begin(api, project, claude, f"touch {scene}")
    claude.wait_for(DIALOG)
    api.wait_for_session(session_id=session_id, state="needs_you")
    message_id = api.send(session_id, "never mind")
    close_dialog(claude, "Escape")
    claude.wait_for(STOPPED)
    assert_it_takes_the_message(api, model, session_id, message_id)


@pytest.mark.usefixtures("ask_for_bash")
def test_a_dialog_answered_at_the_terminal(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    claude = start_claude()
    gate = project / "gate"
    scene = model.scene(
        [use("Bash", command=f"until test -e {gate}; do sleep 0.1; done", description="Wait")], [say("Done.")]
    )
    session_id = begin(api, project, claude, f"wait {scene}")
    claude.wait_for(DIALOG)
    api.wait_for_session(session_id=session_id, state="needs_you")
    close_dialog(claude, "Enter")
    api.wait_for_session(session_id=session_id, state="working")
    assert not api.list_entries(session_id, "assistant")
    gate.touch()
    api.wait_for_entry(session_id, "assistant", text="Done.")
    api.wait_for_session(session_id=session_id, state="idle")


def test_a_session_whose_channel_was_killed_still_reports(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    path = machine.heliograph_home / "hooks" / "uploader.path"
    if not path.exists():
        path.write_text(f"{sys.executable}\n")
    channel = machine.find_channel(claude.pid)
    assert channel is not None
    os.kill(channel, signal.SIGKILL)
    wait_until(lambda: not is_running(channel), "the channel's end")
    claude.type("is this thing on?")
    api.wait_for_entry(session_id, "prompt", text="is this thing on?")
    api.wait_for_entry(session_id, "assistant", text="ok")
    claude.type("/exit")
    claude.wait_until_ended()
    api.wait_for_session(session_id=session_id, state="ended")
    assert not list((machine.heliograph_home / "run").glob(f"{claude.pid}.up"))
