"""A real session's life on the page: it appears, works, is cleared, resumed, ended, killed."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.real_client.conftest import StartClaude
from tests.support.processes import is_running
from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Api, Machine
from tests.support.waiting import wait_until


def test_a_card_appears_and_the_chat_follows_the_terminal(
    api: Api, machine: Machine, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session = api.wait_for_session(cwd=str(project), state="idle")
    assert session["machine"]["name"] == machine.name
    assert session["branch"] == "main"
    assert session["delivery"] == "channel"

    gate = model.new_gate()
    claude.type("say something " + model.scene([say("Thinking aloud.\n\n"), wait(gate), say("That is **all**.")]))
    session_id = session["session_id"]
    prompt = api.wait_for_entry(session_id, "prompt")
    assert prompt["text"].startswith("say something scene-")
    api.wait_for_session(session_id=session_id, state="working")
    # Claude Code shows text line by line, to its hooks as to the terminal.
    api.wait_for_entry(session_id, "assistant", text="Thinking aloud.", streaming=True)
    model.open(gate)
    api.wait_for_entry(session_id, "assistant", text="Thinking aloud.\n\nThat is **all**.", streaming=False)
    api.wait_for_session(session_id=session_id, state="idle")


def test_tool_calls_are_rows(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project))["session_id"]
    path = str(project / "list.txt")
    scene = model.scene(
        [say("Here I go."), use("Bash", command="echo out; echo err >&2", description="Say both")],
        [use("Write", file_path=path, content="one\ntwo\n")],
        [use("Edit", file_path=path, old_string="two", new_string="three")],
        [use("Bash", command="exit 3", description="Fail")],
        [say("Done.")],
    )
    claude.type(f"work {scene}")
    api.wait_for_entry(session_id, "assistant", text="Done.")
    bash, write, edit, failed = api.list_entries(session_id, "tool")
    assert (bash["tool_name"], bash["state"]) == ("Bash", "done")
    assert bash["input"]["command"] == "echo out; echo err >&2"
    assert (bash["response"]["stdout"], bash["response"]["stderr"]) == ("out\nerr", "")
    assert (write["tool_name"], write["state"]) == ("Write", "done")
    assert (edit["tool_name"], edit["state"]) == ("Edit", "done")
    assert edit["response"]["structuredPatch"][0]["lines"] == [" one", "-two", "+three"]
    assert (failed["tool_name"], failed["state"]) == ("Bash", "failed")
    assert "3" in failed["error"]
    kinds = [entry["kind"] for entry in api.list_entries(session_id)]
    assert kinds == ["prompt", "assistant", "tool", "tool", "tool", "tool", "assistant"]


def test_clear_makes_a_new_session_that_gets_the_messages_of_the_old(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    old = api.wait_for_session(cwd=str(project))["session_id"]
    claude.type("first things first")
    api.wait_for_entry(old, "assistant", text="ok")
    claude.type("/clear")
    api.wait_for_session(session_id=old, state="ended")
    new = api.wait_for_session(cwd=str(project), state="idle")
    assert new["session_id"] != old
    assert new["lineage"] == {"previous": old, "relation": "clear"}
    assert new["delivery"] == "channel"
    assert api.find_session(session_id=old, next_session_id=new["session_id"])

    message_id = api.send(old, "did you forget everything? " + model.scene([say("All of it.")]))
    message = api.wait_for_message(message_id, "answered")
    assert message["session_id"] == new["session_id"]
    api.wait_for_entry(new["session_id"], "message", message_id=message_id)
    api.wait_for_entry(new["session_id"], "assistant", text="All of it.")
    assert not api.list_entries(old, "message")


def test_a_resumed_session_keeps_its_card(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    first = start_claude()
    session_id = api.wait_for_session(cwd=str(project))["session_id"]
    first.type("remember me")
    api.wait_for_entry(session_id, "assistant", text="ok")
    first.type("/exit")
    first.wait_until_ended()
    api.wait_for_session(session_id=session_id, state="ended")

    second = start_claude("--resume", session_id)
    api.wait_for_session(cwd=str(project), session_id=session_id, state="idle", delivery="channel")
    second.type("and again")
    api.wait_for_entry(session_id, "prompt", text="and again")
    message_id = api.send(session_id, "hello again")
    api.wait_for_message(message_id, "answered")
    assert api.find_session(cwd=str(project))


def test_exit_ends_the_session_and_leaves_nothing_running(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    channel = machine.find_channel(claude.pid)
    assert channel is not None
    claude.type("/exit")
    claude.wait_until_ended()
    wait_until(lambda: not is_running(channel), "the channel's end")
    api.wait_for_session(session_id=session_id, state="ended", delivery="none")
    run = machine.heliograph_home / "run"
    # the uploader that posted the last event takes its mark away when it ends
    wait_until(lambda: not list(run.glob(f"{claude.pid}*")), "nothing of that process in run/")
    # Others that the tests before have killed may have left a hook with nothing on its stdin.
    assert f"pid {claude.pid}:" not in machine.read_log("hook")


def test_a_killed_claude_takes_its_channel_along_and_goes_offline(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    channel = machine.find_channel(claude.pid)
    assert channel is not None
    claude.kill(signal.SIGKILL)
    wait_until(lambda: not is_running(channel), "the channel's end", timeout=5)
    api.wait_for_session(session_id=session_id, state="offline", delivery="none", timeout=5)
