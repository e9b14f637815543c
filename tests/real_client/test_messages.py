"""Messages through the API to a real Claude Code, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Api, Machine
from tests.support.terminal import Terminal
from tests.support.tools import find_claude

CLIMB = ["queued", "delivered", "seen", "answered"]


def list_receipts(message: dict[str, Any]) -> list[str]:
    receipts = message["receipts"]
    assert [receipt["at"] for receipt in receipts] == sorted(receipt["at"] for receipt in receipts)
    return [receipt["state"] for receipt in receipts]


def test_an_idle_claude_takes_a_message_and_answers_with_the_reply_tool(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    message_id = api.send(session_id, "Are you there?")
    message = api.wait_for_message(message_id, "answered")
    assert list_receipts(message) == CLIMB
    reply = api.wait_for_entry(session_id, "reply")
    assert reply["text"] == "hello from the scripted model"
    assert reply["message_id"] == message_id
    assert model.times_heard(message_id) == 1
    claude.wait_for("Are you there")
    # Nobody was asked whether the reply tool may be used.
    assert "Do you want to proceed" not in claude.screen()
    api.wait_for_session(session_id=session_id, state="idle")
    kinds = [entry["kind"] for entry in api.list_entries(session_id)]
    assert kinds[:2] == ["message", "reply"]
    assert "tool" not in kinds


def test_the_end_of_the_turn_answers_too(api: Api, model: Model, project: Path, start_claude: StartClaude) -> None:
    start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    gate = model.new_gate()
    message_id = api.send(session_id, "How is it? " + model.scene([say("Let me look.\n\n"), wait(gate), say("Fine.")]))
    message = api.wait_for_message(message_id, "seen")
    assert list_receipts(message) == CLIMB[:3]
    model.open(gate)
    assert list_receipts(api.wait_for_message(message_id, "answered")) == CLIMB
    api.wait_for_entry(session_id, "assistant", text="Let me look.\n\nFine.")
    assert not api.list_entries(session_id, "reply")


def test_a_message_to_a_busy_claude_waits_for_the_end_of_its_turn(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    first, second = model.new_gate(), model.new_gate()
    busy = model.scene(
        [say("Working.\n\n"), wait(first), use("Bash", command="true", description="A tool boundary")],
        [wait(second), say("Worked.")],
    )
    claude.type(f"be busy {busy}")
    api.wait_for_session(session_id=session_id, state="working")
    api.wait_for_entry(session_id, "assistant", text="Working.")
    message_id = api.send(session_id, "When you have time: " + model.scene([say("Now I have.")]))

    # What is pushed mid-turn is handed over at the next tool boundary: there it must not be.
    model.open(first)
    api.wait_for_entry(session_id, "tool", state="done")
    assert api.read_message(message_id)["state"] == "queued"
    assert model.times_heard(message_id) == 0

    model.open(second)
    message = api.wait_for_message(message_id, "answered")
    assert list_receipts(message) == CLIMB
    api.wait_for_entry(session_id, "assistant", text="Now I have.")
    assert model.times_heard(message_id) == 1
    assert model.times_heard("while you were working") == 0


def test_messages_come_one_after_the_other_in_order(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    start_claude()
    session_id = api.wait_for_session(cwd=str(project), delivery="channel")["session_id"]
    texts = [f"number {number} " + model.scene([say(f"Got {number}.")]) for number in range(3)]
    sent = [api.send(session_id, text) for text in texts]
    for message_id in sent:
        api.wait_for_message(message_id, "answered")
    api.wait_for_entry(session_id, "assistant", text="Got 2.")
    said = [entry["text"] for entry in api.list_entries(session_id, "assistant")]
    assert said == ["Got 0.", "Got 1.", "Got 2."]


def test_a_session_without_the_channel_flag_is_woken(
    api: Api, machine: Machine, model: Model, project: Path, terminal: Terminal
) -> None:
    claude = terminal.open([str(find_claude())], environment=machine.environment, folder=project)
    claude.wait_until_ready()
    session = api.wait_for_session(cwd=str(project), delivery="wake")
    assert session["delivery_reason"]["code"] == "no_flag"
    claude.type("hello")  # with whatever the client asks by itself at a first start out of the way
    api.wait_for_entry(session["session_id"], "assistant", text="ok")
    message_id = api.send(session["session_id"], "Are you there?")
    message = api.wait_for_message(message_id, "answered")
    assert list_receipts(message) == CLIMB
    assert model.times_heard("Are you there?") == 1
