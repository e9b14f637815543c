"""Every decision as people make it: on the page, in a browser, for a real Claude Code that waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.real_client.asking import DIALOG, DONE, SECONDS, Asked, ask_before_acting, confirm, write_form_server
from tests.real_client.conftest import StartClaude
from tests.real_client.test_decision_kinds import FRUIT, PLAN, SIZE
from tests.support.chromium import Visitor, open_card, run_chromium
from tests.support.scenes import Model, use
from tests.support.stack import Api, Hub, Machine, run_hub
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

PATIENCE = SECONDS * 1000
"""In a browser's unit."""

SENDS = "Control+Enter"


@dataclass(frozen=True)
class Shown:
    """A session, and a page where somebody looks at it."""

    asked: Asked
    page: Page

    def open(self, **wanted: Any) -> Locator:
        """The card of the decision that waits now, once it may be decided."""
        return open_card(self.page, self.asked.wait_for(**wanted)["decision_id"])

    def press(self, *keys: str) -> None:
        """One after the other."""
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture(scope="module")
def machine(set_up_machine: Callable[[str], Machine]) -> Machine:
    machine = set_up_machine("atlas")
    ask_before_acting(machine)
    return machine


@contextmanager
def begin(api: Api, model: Model, machine: Machine, name: str, *arguments: str) -> Iterator[Asked]:
    """A session for several tests."""
    project = machine.make_project(name)
    with Terminal() as terminal:
        claude = machine.start_claude(terminal, project, *write_form_server(project), *arguments)
        yield Asked.begin(api, model, claude, project)


@pytest.fixture(scope="module")
def asked(hub: Hub, model: Model, machine: Machine) -> Iterator[Asked]:
    """One session for all answers that leave it as it was."""
    with begin(hub.api, model, machine, "answers") as session:
        yield session


@pytest.fixture(scope="module")
def planner(hub: Hub, model: Model, machine: Machine) -> Iterator[Asked]:
    """One that begins with a plan."""
    with begin(hub.api, model, machine, "plans", "--permission-mode", "plan") as session:
        yield session


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as chromium:
        yield chromium


@contextmanager
def sign_in(browser: Browser, hub: Hub, *, phone: bool = False) -> Iterator[Visitor]:
    """Somebody with a profile of their own; at the end none of their pages has done what it must not."""
    visitor = Visitor(browser, hub.url, phone)
    visitor.sign_in(hub.create_sign_in_url()).close()
    yield visitor
    visitor.close()


@pytest.fixture(scope="module")
def visitor(browser: Browser, hub: Hub) -> Iterator[Visitor]:
    with sign_in(browser, hub) as person:
        yield person


def look(visitor: Visitor, asked: Asked) -> Shown:
    return Shown(asked, visitor.open(f"/sessions/{asked.session_id}"))


@pytest.fixture
def shown(visitor: Visitor, asked: Asked) -> Iterator[Shown]:
    """The shared session's page; at the end Claude rests, so that nothing of the test is left open."""
    looked_at = look(visitor, asked)
    yield looked_at
    looked_at.page.close()
    asked.wait_until_idle()


def touch(path: Path | str) -> dict[str, Any]:
    return use("Bash", command=f"touch {path}", description=f"Make {path}")


def wait_in_bash(name: str) -> dict[str, Any]:
    """A command that runs until there is that file."""
    return use("Bash", command=f"touch {name}.runs; until test -e {name}; do sleep 0.05; done", description="Wait")


def button(part: Locator | Page, name: str) -> Locator:
    return part.get_by_role("button", name=name)


def test_allowed_once_by_click_and_by_keys(shown: Shown) -> None:
    shown.asked.play([touch("one")], [touch("one")])
    card = shown.open()
    button(card, "Allow once").click()
    expect(card).to_contain_text("Allowed touch one")
    again = shown.open()
    shown.press("n", "a")
    expect(again).to_contain_text("Allowed touch one")
    shown.asked.wait_until_idle()
    assert [state for command, state in shown.asked.tools() if command == "touch one"] == ["done", "done"]


def test_a_file_is_written_as_the_card_showed_it(shown: Shown) -> None:
    path = shown.asked.project / "notes.md"
    shown.asked.play([use("Write", file_path=str(path), content="# Notes\n\nKeep it.\n")])
    card = shown.open()
    expect(card.locator(".diff")).to_contain_text("Keep it.")
    button(card, "Allow once").click()
    expect(card).to_contain_text("Allowed")
    shown.asked.wait_until_idle()
    assert path.read_text() == "# Notes\n\nKeep it.\n"


def test_edited_it_runs_as_edited(shown: Shown) -> None:
    shown.asked.play([touch("old")])
    card = shown.open()
    button(card, "Edit, then allow").click()
    card.get_by_role("textbox", name="Command").fill("touch new")
    button(card, "Allow edited command").click()
    expect(card).to_contain_text("Edited, then allowed touch new")
    shown.asked.wait_until_idle()
    assert [path.name for path in shown.asked.project.iterdir() if path.name in ("old", "new")] == ["new"]


def test_always_allowed_the_chosen_rule_is_saved_and_holds(shown: Shown) -> None:
    make = use("Bash", command="make --version", description="Look")
    shown.asked.play([make], [make])
    card = shown.open()
    button(card, "Always allow…").click()
    card.get_by_role("radio", name="Bash(make").check()
    expect(card).to_contain_text(".claude/settings.local.json")
    button(card, "Save rule and allow").click()
    expect(card).to_contain_text("Always allowed Bash(make")
    shown.asked.wait_until_idle()
    saved = json.loads((shown.asked.project / ".claude" / "settings.local.json").read_text())
    [rule] = saved["permissions"]["allow"]
    expect(card).to_contain_text(rule)
    assert [command for command, state in shown.asked.tools() if state == "done"].count("make --version") == 2


def test_denied_with_a_message_claude_is_told(shown: Shown) -> None:
    shown.asked.play([touch("never")])
    card = shown.open()
    shown.press("n", "d")
    shown.page.keyboard.type("Keep the lockfile.")
    button(card, "Deny and tell Claude").click()
    expect(card).to_contain_text("“Keep the lockfile.”")
    shown.asked.wait_until_heard("Keep the lockfile.")
    shown.asked.wait_until_idle()
    assert not (shown.asked.project / "never").exists()


def test_denied_and_stopped_the_turn_is_over(shown: Shown) -> None:
    shown.asked.play([touch("never")], [touch("never")])
    card = shown.open()
    button(card, "Deny and stop").click()
    expect(card).to_contain_text("Denied and stopped")
    expect(shown.page.locator("#session-now")).to_be_empty()
    shown.asked.wait_until_idle()
    assert not (shown.asked.project / "never").exists()


def test_questions_are_answered_by_choice_by_choices_and_in_ones_own_words(shown: Shown) -> None:
    shown.asked.play([use("AskUserQuestion", questions=[SIZE, FRUIT])], [use("AskUserQuestion", questions=[SIZE])])
    card = shown.open(kind="question")
    card.get_by_role("radio", name="L large").check()
    for fruit in ("Apple", "Pear, ripe"):
        card.get_by_role("checkbox", name=fruit).check()
    button(card, "Send answers").click()
    shown.asked.wait_until_heard('"Which size?"="L"')
    shown.asked.wait_until_heard('"Which fruit?"="Apple, "Pear, ripe""')
    again = shown.open(kind="question")
    again.get_by_text("Other…").click()
    again.get_by_role("textbox", name="Your own answer").fill("Neither: “medium”, please.")
    button(again, "Send answers").click()
    expect(again).to_contain_text("Neither: “medium”, please.")
    shown.asked.wait_until_heard("Neither: “medium”, please.")


def test_a_form_is_submitted_or_declined(shown: Shown) -> None:
    shown.asked.play([use("mcp__forms__ask")], [use("mcp__forms__ask")])
    card = shown.open(kind="elicitation")
    button(card, "Submit").click()
    expect(card.locator("form")).to_be_visible()
    card.get_by_role("radio", name="green").check()
    card.get_by_label("count").fill("3")
    button(card, "Submit").click()
    expect(card).to_contain_text("Submitted to forms")
    shown.asked.wait_until_heard('"content": {"colour": "green", "count": 3, "sure": false}')
    again = shown.open(kind="elicitation")
    button(again, "Decline").click()
    expect(again).to_contain_text("Declined for forms")
    shown.asked.wait_until_heard('"action": "decline"')


def test_a_plan_is_sent_back_and_then_approved_into_a_mode(visitor: Visitor, planner: Asked) -> None:
    shown = look(visitor, planner)
    planner.write_plan(PLAN)
    planner.play([use("ExitPlanMode")], [use("ExitPlanMode")])
    card = shown.open(kind="plan")
    expect(card.locator(".planmd li")).to_have_text(["Look", "Leap"])
    button(card, "Keep planning…").click()
    card.get_by_role("textbox", name="What should change?").fill("Don't leap.")
    button(card, "Send and keep planning").click()
    expect(card).to_contain_text("Kept planning")
    planner.wait_until_heard("Don't leap.")
    again = shown.open(kind="plan")
    again.get_by_text("Accepted").click()
    button(again, "Approve").click()
    expect(again).to_contain_text("Plan approved, accept edits")
    planner.wait_until_idle()
    planner.api.wait_for_session(session_id=planner.session_id, permission_mode="acceptEdits")
    shown.page.close()


def test_an_answer_in_the_terminal_folds_the_card(shown: Shown, record_property: Callable[[str, object], None]) -> None:
    shown.asked.play([use("Bash", command="touch two && sleep 2", description="Make two")])
    card = shown.open()
    shown.asked.claude.wait_for(DIALOG)
    card.evaluate(
        """card => { window.folded = new Promise(resolve => new MutationObserver(() => resolve(Date.now()))
             .observe(card, { attributeFilter: ["data-decision-state-value"] })) }"""
    )
    pressed = time.time()
    confirm(shown.asked.claude, DIALOG)
    expect(card).to_contain_text("Answered in the terminal", timeout=PATIENCE)
    expect(card.locator("form")).to_have_count(0)
    milliseconds = round(shown.page.evaluate("folded") - pressed * 1000)
    record_property("key_to_fold_ms", milliseconds)
    print(f"from the key in the terminal to the folded card: {milliseconds} ms")
    expect(card).to_contain_text("Answered in the terminal: allowed", timeout=PATIENCE)


def test_an_interrupt_is_pending_until_claude_stopped(shown: Shown) -> None:
    shown.asked.play([wait_in_bash("go")], [touch("never")])
    button(shown.open(), "Allow once").click()
    wait_until((shown.asked.project / "go.runs").exists, "the command", timeout=SECONDS)
    status = shown.page.locator("#session-interrupt")
    button(status, "Interrupt").click()
    expect(status).to_contain_text("Stops at the next step")
    expect(button(status, "Interrupt")).to_have_count(0)
    (shown.asked.project / "go").touch()
    expect(status).not_to_contain_text("Stops", timeout=PATIENCE)
    expect(shown.page.locator("#session-now")).to_be_empty()
    shown.asked.wait_until_idle()
    assert not (shown.asked.project / "never").exists()


def test_a_message_steers_the_turn_that_runs(shown: Shown) -> None:
    shown.asked.play([wait_in_bash("on")], [touch("three")])
    button(shown.open(), "Allow once").click()
    wait_until((shown.asked.project / "on.runs").exists, "the command", timeout=SECONDS)
    shown.page.get_by_text("Steer now").click()
    shown.page.get_by_label("Message to this session").fill("Mind the gap.")
    button(shown.page, "Send").click()
    receipt = shown.page.locator(".e-message", has_text="Mind the gap.").locator(".receipt")
    expect(receipt).to_have_attribute("data-state", "delivered")
    (shown.asked.project / "on").touch()
    card = shown.open()
    assert shown.asked.model.times_heard("Mind the gap.") == 1
    expect(receipt).to_have_attribute("data-state", "seen")
    button(card, "Allow once").click()
    shown.asked.wait_until_idle()


def test_two_sessions_are_decided_in_the_inbox_by_keys(visitor: Visitor, asked: Asked, planner: Asked) -> None:
    asked.play([touch("four")])
    first = asked.wait_for()["decision_id"]
    planner.play([use("AskUserQuestion", questions=[SIZE])])
    second = planner.wait_for(kind="question")["decision_id"]
    page = visitor.open("/inbox")
    expect(page).to_have_title("(2) Needs you · Heliograph")
    open_card(page, first)
    page.keyboard.press("a")
    open_card(page, second)
    expect(page.locator(f"#inbox-past #inbox-{first}")).to_contain_text("Allowed touch four")
    page.keyboard.press("2")
    page.keyboard.press(SENDS)
    expect(page.locator("#main").get_by_text("Nothing needs you")).to_be_visible()
    expect(page.get_by_role("img", name="Needs you")).to_have_count(0)
    planner.wait_until_heard('"Which size?"="L"')
    for session in (asked, planner):
        session.wait_until_idle()
    assert (asked.project / "four").exists()
    page.close()


def test_a_thumb_decides_on_the_sheet(browser: Browser, hub: Hub, asked: Asked) -> None:
    with sign_in(browser, hub, phone=True) as phone:
        shown = look(phone, asked)
        asked.play([touch("five")])
        card = shown.open()
        box = card.bounding_box()
        assert box is not None
        assert abs(box["y"] + box["height"] - 844) < 2
        button(card, "Allow once").tap()
        expect(card).to_contain_text("Allowed touch five")
        expect(card).to_contain_text("phone")
        asked.wait_until_idle()
        assert (asked.project / "five").exists()


def test_stop_asks_first_and_then_ends_the_session(
    visitor: Visitor, api: Api, model: Model, start_claude: StartClaude, project: Path
) -> None:
    asked = Asked.begin(api, model, start_claude(), project)
    page = look(visitor, asked).page
    button(page, "Stop…").click()
    assert asked.claude.alive()
    button(page, "Stop session").click()
    asked.claude.wait_until_ended()
    expect(page.get_by_label("Timeline")).to_contain_text("ended", timeout=PATIENCE)
    expect(button(page, "Stop…")).to_have_count(0)
    page.close()


def test_a_hub_that_restarts_finds_the_card_open(
    browser: Browser, terminal: Terminal, tmp_path: Path, model: Model
) -> None:
    with run_hub(tmp_path / "hub") as hub:
        machine = Machine(tmp_path, "atlas", model.url)
        machine.set_up(hub)
        ask_before_acting(machine)
        project = machine.make_project("p")
        asked = Asked.begin(hub.api, model, machine.start_claude(terminal, project), project)
        with sign_in(browser, hub) as visitor:
            shown = look(visitor, asked)
            asked.play([touch("one")])
            card = shown.open()
            visitor.expect("ERR_CONNECTION_REFUSED")
            hub.stop()
            expect(shown.page.locator("html.is-away")).to_have_count(1)
            shown.press("n", "a")
            hub.start()
            decision = asked.wait_for()
            assert decision["decided"] is None
            card = open_card(shown.page, decision["decision_id"])
            button(card, "Allow once").click()
            expect(card).to_contain_text("Allowed touch one", timeout=PATIENCE)
            asked.claude.wait_for(DONE)
            assert (project / "one").exists()
