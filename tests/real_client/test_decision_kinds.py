"""Questions, plans, forms and what subagents ask, answered through the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real_client.asking import Asked, AskedStart, ask_before_acting, write_form_server
from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say, use
from tests.support.stack import Api, Machine

SIZE = {
    "question": "Which size?",
    "header": "Size",
    "multiSelect": False,
    "options": [{"label": "S", "description": "small"}, {"label": "L", "description": "large"}],
}
FRUIT = {
    "question": "Which fruit?",
    "header": "Fruit",
    "multiSelect": True,
    "options": [{"label": name, "description": name} for name in ("Apple", "Pear, ripe", "Plum")],
}
PLAN = "# The plan\n\n1. Look\n2. Leap\n"


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    machine = set_up_machine("atlas")
    ask_before_acting(machine)
    return machine


@pytest.fixture
def start(api: Api, model: Model, project: Path, start_claude: StartClaude) -> AskedStart:
    return lambda *arguments: Asked.begin(api, model, start_claude(*arguments), project)


def test_every_kind_of_answer_to_questions_reaches_claude(start: AskedStart) -> None:
    asked = start()
    asked.play([use("AskUserQuestion", questions=[SIZE, FRUIT])], [use("AskUserQuestion", questions=[SIZE])])
    decision = asked.wait_for(kind="question")
    assert [question["question"] for question in decision["questions"]] == ["Which size?", "Which fruit?"]
    assert asked.refused("allow", decision, answers={"Which size?": "L"})[0] == 422
    asked.decide("allow", decision, answers={"Which size?": "L", "Which fruit?": ["Apple", "Pear, ripe"]})
    asked.wait_until_heard('"Which size?"="L"')
    asked.wait_until_heard('"Which fruit?"="Apple, "Pear, ripe""')
    own = 'Neither: "medium", please.\nThanks.'
    asked.decide("allow", asked.wait_for(kind="question"), answers={"Which size?": own})
    asked.wait_until_heard(own)
    asked.wait_until_idle()


def test_a_question_can_be_talked_about_first(start: AskedStart) -> None:
    asked = start()
    asked.play([use("AskUserQuestion", questions=[SIZE])])
    asked.decide("deny", asked.wait_for(kind="question"), message="Tell me first what it costs.")
    asked.wait_until_heard("Tell me first what it costs.")
    asked.wait_until_idle()


@pytest.mark.parametrize(
    ("mode", "result"), [("acceptEdits", "acceptEdits"), ("default", "default"), (None, "default")]
)
def test_a_plan_is_approved_into_a_mode(mode: str | None, result: str, start: AskedStart) -> None:
    asked = start("--permission-mode", "plan")
    asked.write_plan(PLAN)
    asked.play([use("ExitPlanMode")])
    decision = asked.wait_for(kind="plan")
    assert decision["plan"] == PLAN
    asked.decide("allow", decision, **({"mode": mode} if mode else {}))
    asked.wait_until_idle()
    session = asked.api.find_session(session_id=asked.session_id)
    assert session is not None
    assert session["permission_mode"] == result


def test_keep_planning_with_feedback(start: AskedStart) -> None:
    asked = start("--permission-mode", "plan")
    asked.play([use("ExitPlanMode")])
    decision = asked.wait_for(kind="plan")
    assert (decision["plan"], "edit" in decision["offers"]) == (None, False)
    asked.decide("deny", decision, message="Split step 2.")
    asked.wait_until_heard("Split step 2.")
    asked.wait_until_idle()
    session = asked.api.find_session(session_id=asked.session_id)
    assert session is not None
    assert session["permission_mode"] == "plan"


@pytest.mark.parametrize(
    ("behavior", "fields", "came"),
    [
        ("allow", {"answers": {"colour": "green", "count": 3}}, '"content": {"colour": "green", "count": 3}'),
        ("deny", {}, '"action": "decline"'),
        ("deny", {"stop": True}, '"action": "cancel"'),
    ],
)
def test_a_form_is_submitted_declined_or_cancelled(
    behavior: str, fields: dict[str, object], came: str, start: AskedStart, project: Path
) -> None:
    asked = start(*write_form_server(project))
    asked.play([use("mcp__forms__ask")])
    decision = asked.wait_for(kind="elicitation")
    assert [field["name"] for field in decision["fields"]] == ["colour", "count", "sure"]
    assert asked.refused("allow", decision, answers={"colour": "blue", "count": 3})[0] == 422
    asked.decide(behavior, decision, **fields)
    asked.wait_until_heard(came)
    asked.wait_until_idle()


def test_an_address_is_opened_and_said_to_be(start: AskedStart, project: Path) -> None:
    asked = start(*write_form_server(project))
    asked.play([use("mcp__forms__ask", mode="url")])
    decision = asked.wait_for(kind="elicitation")
    assert decision["input"]["url"] == "http://127.0.0.1:9/consent"
    asked.decide("allow", decision)
    asked.wait_until_heard('"action": "accept"')
    asked.wait_until_idle()


def test_what_a_subagent_asks_is_answered_here_or_given_back_to_the_terminal(
    start: AskedStart, model: Model, project: Path
) -> None:
    asked = start()
    inner = model.scene(
        [use("Bash", command="touch inner", description="Touch")],
        [use("Bash", command="touch later", description="Touch")],
        [say("Inner done.")],
    )
    asked.play([use("Task", description="sub", prompt=f"inner {inner}", subagent_type="general-purpose")])
    decision = asked.wait_for(tool_name="Bash")
    assert decision["agent"]["type"] == "general-purpose"
    asked.decide("allow", decision)
    asked.claude.wait_for("touch later", timeout=40)  # nobody answers here: the terminal asks
    second = asked.wait_for(answered_by="relay", tool_name="Bash")
    assert second["offers"] == ["allow", "deny"]
    asked.decide("allow", second)
    asked.wait_until_idle()
    assert (project / "inner").exists()
    assert (project / "later").exists()
