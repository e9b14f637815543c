"""Every answer to a permission that Claude Code takes, given through the hub: what runs, with what, what is saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real_client.asking import DONE, Asked, AskedStart, ask_before_acting
from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say, use
from tests.support.stack import Api, Machine


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    machine = set_up_machine("atlas")
    ask_before_acting(machine)
    return machine


@pytest.fixture
def start(api: Api, model: Model, project: Path, start_claude: StartClaude) -> AskedStart:
    return lambda *arguments: Asked.begin(api, model, start_claude(*arguments), project)


def touch(name: str) -> dict[str, object]:
    return use("Bash", command=f"touch {name}", description=f"Make {name}")


def test_allowed_once_it_runs_once(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("one")], [touch("one")])
    decision = asked.wait_for()
    assert (decision["kind"], decision["tool_name"]) == ("permission", "Bash")
    assert decision["input"] == {"command": "touch one", "description": "Make one"}
    assert decision["is_whole"]
    decided = asked.decide("allow", decision)
    assert (decided["decided"]["where"], decided["decided"]["by"]) == ("api", "tests")
    second = asked.wait_for()
    assert second["decision_id"] != decision["decision_id"]
    assert (project / "one").exists()
    asked.decide("deny", second)
    asked.wait_until_idle()
    assert asked.tools() == [("touch one", "done"), ("touch one", "interrupted")]
    assert asked.wait_for("decided", decision_id=decision["decision_id"])["outcome"] == "allowed"


def test_edited_it_runs_as_edited(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("old")])
    decision = asked.wait_for()
    asked.decide("allow", decision, input={**decision["input"], "command": "touch new"})
    asked.wait_until_idle()
    assert sorted(path.name for path in project.iterdir() if path.name in ("old", "new")) == ["new"]
    assert asked.wait_for("decided")["outcome"] == "allowed"


def test_always_allowed_the_offered_rule_is_saved_and_holds(start: AskedStart, project: Path) -> None:
    asked = start()
    make = use("Bash", command="make --version", description="Look")
    asked.play([make], [make])
    decision = asked.wait_for()
    [index] = [i for i, one in enumerate(decision["suggestions"]) if one["type"] == "addRules"]
    asked.decide("allow", decision, remember=index)
    asked.wait_until_idle()
    assert len(asked.api.list_decisions(asked.session_id)) == 1
    saved = json.loads((project / ".claude" / "settings.local.json").read_text())
    [rule] = decision["suggestions"][index]["rules"]
    assert saved["permissions"]["allow"] == [f"Bash({rule['ruleContent']})"]


def test_an_offered_mode_holds_for_the_session(start: AskedStart, project: Path) -> None:
    asked = start()
    write = [use("Write", file_path=str(project / name), content="x") for name in ("a.txt", "b.txt")]
    asked.play([write[0]], [write[1]])
    decision = asked.wait_for()
    [index] = [i for i, one in enumerate(decision["suggestions"]) if one["type"] == "setMode"]
    asked.decide("allow", decision, remember=index)
    asked.wait_until_idle()
    assert (project / "b.txt").exists()
    assert asked.api.find_session(session_id=asked.session_id)["permission_mode"] == "acceptEdits"


def test_denied_it_does_not_run_and_claude_goes_on(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("never")])
    asked.decide("deny")
    asked.wait_until_idle()
    asked.claude.wait_for(DONE)
    assert not (project / "never").exists()
    assert asked.wait_for("decided")["outcome"] == "denied"


def test_denied_with_a_message_claude_is_told(start: AskedStart) -> None:
    asked = start()
    asked.play([touch("never")])
    asked.decide("deny", message="Keep the lockfile. Use npm ci.")
    asked.wait_until_idle()
    asked.wait_until_heard("Keep the lockfile. Use npm ci.")


def test_denied_and_stopped_the_turn_is_over(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("never")])
    asked.decide("deny", stop=True)
    asked.wait_until_idle()
    assert DONE not in asked.claude.screen()
    assert not (project / "never").exists()
    asked.claude.type(f"and now {asked.model.scene([say('Here again.')])}")
    asked.claude.wait_for("Here again")


def test_what_is_not_offered_is_refused_and_changes_nothing(start: AskedStart, project: Path) -> None:
    asked = start()
    asked.play([touch("one")])
    decision = asked.wait_for()
    assert asked.refused("allow", {**decision, "digest": "0" * 64}) == (409, "changed")
    assert asked.refused("allow", decision, remember=9)[0] == 422
    assert asked.refused("deny", decision, stop=True, message="lost")[0] == 422
    assert asked.wait_for()["decision_id"] == decision["decision_id"]
    assert not (project / "one").exists()
    asked.decide("allow", decision)
    assert asked.refused("deny", decision) == (409, "already_decided")
    asked.wait_until_idle()
    assert (project / "one").exists()


def test_of_the_same_command_twice_at_once_each_is_answered_by_itself(start: AskedStart, project: Path) -> None:
    asked = start()
    append = use("Bash", command="echo x >> log", description="Append")
    asked.play([append, append])
    first = asked.wait_for()
    asked.decide("allow", first)
    second = asked.wait_for()
    assert second["decision_id"] != first["decision_id"]
    asked.decide("deny", second)
    asked.wait_until_idle()
    assert (project / "log").read_text() == "x\n"


def test_of_two_that_wait_at_once_the_hidden_one_can_go_first(start: AskedStart) -> None:
    asked = start()
    pages = [use("WebFetch", url=f"http://127.0.0.1:9/{name}", prompt="What?") for name in ("one", "two")]
    asked.play(pages)
    for name in ("two", "one"):
        page = next(page["input"] for page in pages if page["input"]["url"].endswith(name))
        asked.decide("deny", asked.wait_for(input=page))
    asked.wait_until_idle()
    assert [one["outcome"] for one in asked.api.list_decisions(asked.session_id)] == ["denied", "denied"]


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
    after = asked.wait_for("decided")
    assert (after["outcome"], after["problem"]) == ("denied", "edit_refused")


@pytest.mark.parametrize(
    ("mode", "asks"), [("acceptEdits", ["WebFetch"]), ("bypassPermissions", []), ("plan", ["WebFetch"])]
)
def test_each_mode_asks_for_what_it_asks_in_the_terminal(
    mode: str, asks: list[str], start: AskedStart, machine: Machine
) -> None:
    allow_bypass(machine)
    asked = start("--permission-mode", mode)
    fetch = use("WebFetch", url="http://127.0.0.1:9/page", prompt="What?")
    asked.play([fetch], [question := use("AskUserQuestion", questions=[QUESTION])])
    for name in asks:
        decision = asked.wait_for(tool_name=name)
        asked.decide("deny", decision)
    decision = asked.wait_for(kind="question")
    assert decision["questions"] == question["input"]["questions"]
    asked.decide("allow", decision, answers={"Which size?": "L"})
    asked.wait_until_idle()


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
