"""Every answer to a permission that Claude Code takes, given through the hub: what runs, with what, what is saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real_client.asking import DONE, Asked, AskedStart, ask_before_acting
from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say, use
from tests.support.stack import Api, Hub, Machine
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    machine = set_up_machine("atlas")
    ask_before_acting(machine)
    return machine


@pytest.fixture(scope="module")
def asked(hub: Hub, model: Model, machine: Machine) -> Iterator[Asked]:
    """One session for all answers that leave it as it was."""
    project = machine.make_project("answers")
    with Terminal() as terminal:
        yield Asked.begin(hub.api, model, machine.start_claude(terminal, project), project)


@pytest.fixture
def start(api: Api, model: Model, project: Path, start_claude: StartClaude) -> AskedStart:
    """A session of the test's own."""
    return lambda *arguments: Asked.begin(api, model, start_claude(*arguments), project)


def touch(name: str) -> dict[str, object]:
    return use("Bash", command=f"touch {name}", description=f"Make {name}")


def test_allowed_once_it_runs_once(asked: Asked) -> None:
    asked.play([touch("one")], [touch("one")])
    decision = asked.wait_for()
    assert (decision["kind"], decision["tool_name"]) == ("permission", "Bash")
    assert decision["input"] == {"command": "touch one", "description": "Make one"}
    assert decision["is_whole"]
    decided = asked.decide("allow", decision)
    assert (decided["decided"]["where"], decided["decided"]["by"]) == ("api", "tests")
    second = asked.wait_for()
    assert second["decision_id"] != decision["decision_id"]
    assert (asked.project / "one").exists()
    asked.decide("deny", second)
    asked.wait_until_idle()
    assert [state for command, state in asked.tools() if command == "touch one"] == ["done", "interrupted"]
    assert (asked.look(decision)["outcome"], asked.look(second)["outcome"]) == ("allowed", "denied")


def test_edited_it_runs_as_edited(asked: Asked) -> None:
    asked.play([touch("old")])
    decision = asked.wait_for()
    asked.decide("allow", decision, input={**decision["input"], "command": "touch new"})
    asked.wait_until_idle()
    assert [path.name for path in asked.project.iterdir() if path.name in ("old", "new")] == ["new"]
    assert (asked.look(decision)["state"], asked.look(decision)["outcome"]) == ("decided", "allowed")


def test_always_allowed_the_offered_rule_is_saved_and_holds(asked: Asked) -> None:
    make = use("Bash", command="make --version", description="Look")
    asked.play([make], [make])
    decision = asked.wait_for()
    [index] = [i for i, one in enumerate(decision["suggestions"]) if one["type"] == "addRules"]
    before = len(asked.api.list_decisions(asked.session_id))
    asked.decide("allow", decision, remember=index)
    asked.wait_until_idle()
    assert len(asked.api.list_decisions(asked.session_id)) == before
    saved = json.loads((asked.project / ".claude" / "settings.local.json").read_text())
    [rule] = decision["suggestions"][index]["rules"]
    assert saved["permissions"]["allow"] == [f"Bash({rule['ruleContent']})"]


def test_denied_it_does_not_run_and_claude_goes_on(asked: Asked) -> None:
    asked.play([touch("never")])
    decision = asked.wait_for()
    asked.decide("deny", decision)
    asked.wait_until_idle()
    assert not (asked.project / "never").exists()
    assert asked.look(decision)["outcome"] == "denied"
    assert asked.api.list_entries(asked.session_id, "assistant")[-1]["text"].strip() == DONE


def test_denied_with_a_message_claude_is_told(asked: Asked) -> None:
    asked.play([touch("never")])
    asked.decide("deny", message="Keep the lockfile. Use npm ci.")
    asked.wait_until_heard("Keep the lockfile. Use npm ci.")
    asked.wait_until_idle()


def test_denied_and_stopped_the_turn_is_over(asked: Asked) -> None:
    said = len(asked.api.list_entries(asked.session_id, "assistant"))
    asked.play([touch("never")])
    asked.decide("deny", stop=True)
    asked.wait_until_idle()
    assert not (asked.project / "never").exists()
    assert len(asked.api.list_entries(asked.session_id, "assistant")) == said
    asked.claude.type(f"and now {asked.model.scene([say('Here again.')])}")
    asked.claude.wait_for("Here again")
    asked.wait_until_idle()


def test_what_is_not_offered_is_refused_and_changes_nothing(asked: Asked) -> None:
    asked.play([touch("two")])
    decision = asked.wait_for()
    assert asked.refused("allow", {**decision, "digest": "0" * 64}) == (409, "changed")
    assert asked.refused("allow", decision, remember=9)[0] == 422
    assert asked.refused("deny", decision, stop=True, message="lost")[0] == 422
    assert asked.wait_for()["decision_id"] == decision["decision_id"]
    assert not (asked.project / "two").exists()
    asked.decide("allow", decision)
    assert asked.refused("deny", decision) == (409, "already_decided")
    asked.wait_until_idle()
    assert (asked.project / "two").exists()


def test_of_the_same_command_twice_at_once_each_is_answered_by_itself(asked: Asked) -> None:
    append = use("Bash", command="echo x >> log", description="Append")
    asked.play([append, append])
    first = asked.wait_for()
    asked.decide("allow", first)
    second = asked.wait_for()
    assert second["decision_id"] != first["decision_id"]
    asked.decide("deny", second)
    asked.wait_until_idle()
    assert (asked.project / "log").read_text() == "x\n"


def test_of_two_that_wait_at_once_the_hidden_one_can_go_first(asked: Asked) -> None:
    pages = [use("WebFetch", url=f"http://127.0.0.1:9/{name}", prompt="What?") for name in ("one", "two")]
    asked.play(pages)
    decided = []
    for page in reversed(pages):
        decided.append(asked.wait_for(input=page["input"]))
        asked.decide("deny", decided[-1])
    asked.wait_until_idle()
    assert [asked.look(decision)["outcome"] for decision in decided] == ["denied", "denied"]


def test_an_edited_input_that_a_deny_rule_forbids_does_not_run(start: AskedStart, project: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text('{"permissions": {"deny": ["Bash(rm:*)"]}}')
    (project / "keep").touch()
    asked = start()
    asked.play([touch("one")])
    decision = asked.wait_for()
    asked.decide("allow", decision, input={**decision["input"], "command": "rm keep"})
    asked.wait_until_idle()
    assert (project / "keep").exists()
    assert (asked.look(decision)["outcome"], asked.look(decision)["problem"]) == ("denied", "edit_refused")


def test_an_offered_mode_holds_for_the_session(start: AskedStart, project: Path) -> None:
    asked = start()
    write = [use("Write", file_path=str(project / name), content="x") for name in ("a.txt", "b.txt")]
    asked.play([write[0]], [write[1]])
    decision = asked.wait_for()
    [index] = [i for i, one in enumerate(decision["suggestions"]) if one["type"] == "setMode"]
    asked.decide("allow", decision, remember=index)
    asked.wait_until_idle()
    assert (project / "b.txt").exists()
    session = asked.api.wait_for_session(session_id=asked.session_id)
    assert session["permission_mode"] == "acceptEdits"


@pytest.mark.parametrize(
    ("mode", "call", "asks"),
    [
        ("acceptEdits", use("WebFetch", url="http://127.0.0.1:9/page", prompt="What?"), True),
        ("acceptEdits", use("Bash", command="touch one", description="Make"), False),
        ("bypassPermissions", use("WebFetch", url="http://127.0.0.1:9/page", prompt="What?"), False),
        ("plan", use("Write", file_path="plan.txt", content="x"), True),
        ("auto", use("Write", file_path="auto.txt", content="x"), False),
    ],
    ids=["acceptEdits: the net", "acceptEdits: files", "bypassPermissions", "plan", "auto"],
)
def test_each_mode_asks_here_for_what_it_asks_in_the_terminal(
    mode: str, call: dict[str, Any], asks: bool, start: AskedStart, machine: Machine, project: Path
) -> None:
    allow_bypass(machine)
    if path := call["input"].get("file_path"):
        call = use(call["use"], **{**call["input"], "file_path": str(project / path)})
    asked = start("--permission-mode", mode)
    question = use("AskUserQuestion", questions=[QUESTION])
    asked.play([call], [question])
    if asks:
        asked.decide("deny", asked.wait_for(tool_name=call["use"]))
    decision = asked.wait_for(kind="question")
    assert decision["questions"] == question["input"]["questions"]
    asked.decide("allow", decision, answers={"Which size?": "L"})
    asked.wait_until_idle()
    assert len(asked.api.list_decisions(asked.session_id)) == 1 + asks


QUESTION = {
    "question": "Which size?",
    "header": "Size",
    "multiSelect": False,
    "options": [{"label": "S", "description": "small"}, {"label": "L", "description": "large"}],
}


def allow_bypass(machine: Machine) -> None:
    """Confirm what the client asks before it runs without asking."""
    path = machine.home / ".claude" / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "skipDangerousModePermissionPrompt": True}))
