"""Decisions as people make them: by click, by key and by thumb, with a channel that takes the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.asking import QUESTIONS, SCHEMA, ask, ask_form, run_command
from tests.support.chromium import Visitor, open_card, wait_for_calm
from tests.support.peer import Link, PeerSession
from tests.support.stack import Hub
from wire.frames import Verdict, decode_from_hub


@dataclass
class Asking:
    """A session with a link, whose verdicts a test takes as its hook would."""

    session: PeerSession
    link: Link

    def take(self) -> dict[str, Any]:
        """The next verdict, handed to Claude Code: what the hook prints."""
        while True:
            frame = decode_from_hub(self.link.socket.recv(timeout=10))
            if isinstance(frame, Verdict):
                break
        self.session.tell("ChannelDecided", by="channel", decision_id=frame.decision_id, taken=True)
        said: dict[str, Any] = msgspec.json.decode(frame.answer)["hookSpecificOutput"]
        return dict(said.get("decision") or said)


@pytest.fixture
def asking(session: PeerSession) -> Iterator[Asking]:
    """A session in a turn."""
    session.start()
    with session.link() as link:
        session.prompt("Do it")
        yield Asking(session, link)
        session.tell("SessionEnd", reason="other")


def show(visitor: Visitor, asking: Asking, decision_id: str) -> tuple[Page, Locator]:
    page = visitor.open(f"/sessions/{asking.session.session_id}#decision-{decision_id}")
    return page, open_card(page, decision_id)


def test_a_command_is_allowed_by_click(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    decision_id = run_command(asking.session, "git push")
    card = open_card(page, decision_id)
    expect(page.locator("#needs-head .count")).to_be_visible()
    card.get_by_role("button", name="Allow once").click()
    assert asking.take() == {"behavior": "allow"}
    expect(card).to_contain_text("Allowed git push")
    expect(card.locator("form")).to_have_count(0)
    expect(page.locator(f"#ask-{decision_id}")).to_have_count(0)


def test_a_command_is_allowed_by_keys(visitor: Visitor, asking: Asking) -> None:
    decision_id = run_command(asking.session, "git push")
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    open_card(page, decision_id)
    page.keyboard.press("n")
    page.keyboard.press("a")
    assert asking.take() == {"behavior": "allow"}


def test_a_rule_is_saved_and_it_is_said_where(visitor: Visitor, asking: Asking) -> None:
    page, card = show(visitor, asking, run_command(asking.session, "git push"))
    card.focus()
    page.keyboard.press("w")
    expect(card).to_contain_text("Bash(git *)")
    expect(card).to_contain_text(".claude/settings.local.json")
    page.keyboard.press("Control+Enter")
    said = asking.take()
    assert said["behavior"] == "allow"
    assert said["updatedPermissions"][0]["rules"] == [{"toolName": "Bash", "ruleContent": "git *"}]
    expect(card).to_contain_text("Always allowed Bash(git *)")


def test_a_command_is_edited_before_it_is_allowed(visitor: Visitor, asking: Asking) -> None:
    decision_id = ask(asking.session, "Bash", {"command": "make -j8 all", "timeout": 5})
    page, card = show(visitor, asking, decision_id)
    card.focus()
    page.keyboard.press("e")
    card.get_by_role("textbox", name="Command").fill("make -j4 all")
    expect(card.locator("del")).to_have_text("8")
    page.keyboard.press("Control+Enter")
    assert asking.take() == {"behavior": "allow", "updatedInput": {"command": "make -j4 all", "timeout": 5}}
    expect(card).to_contain_text("Edited, then allowed make -j4 all")


def test_a_denial_tells_claude_what_to_do(visitor: Visitor, asking: Asking) -> None:
    page, card = show(visitor, asking, run_command(asking.session, "rm -rf target"))
    card.focus()
    page.keyboard.press("d")
    page.keyboard.type("Keep it, please")
    card.get_by_role("button", name="Deny and tell Claude").click()
    assert asking.take() == {"behavior": "deny", "message": "Keep it, please"}
    expect(card).to_contain_text("“Keep it, please”")


def test_deny_and_stop_has_no_key(visitor: Visitor, asking: Asking) -> None:
    _, card = show(visitor, asking, run_command(asking.session, "rm -rf target"))
    button = card.get_by_role("button", name="Deny and stop")
    assert button.get_attribute("data-letter") is None
    button.click()
    assert asking.take() == {"behavior": "deny", "interrupt": True}


def test_questions_are_answered_by_number(visitor: Visitor, asking: Asking) -> None:
    page, card = show(visitor, asking, ask(asking.session, "AskUserQuestion", {"questions": QUESTIONS}))
    card.focus()
    page.keyboard.press("Control+Enter")
    expect(card.get_by_role("alert")).to_contain_text("no answer")
    for key in ("2", "4", "6"):
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    answers = asking.take()["updatedInput"]["answers"]
    assert answers == {"Which provider?": "Google Places", "Which countries?": "Japan, France"}


def test_a_question_takes_ones_own_words(visitor: Visitor, asking: Asking) -> None:
    _, card = show(visitor, asking, ask(asking.session, "AskUserQuestion", {"questions": QUESTIONS[:1]}))
    card.get_by_text("Other…").click()
    card.get_by_role("textbox", name="Your own answer").fill("Neither")
    card.get_by_role("button", name="Send answers").click()
    assert asking.take()["updatedInput"]["answers"] == {"Which provider?": "Neither"}


def test_many_questions_come_one_at_a_time(visitor: Visitor, asking: Asking) -> None:
    questions = [{**QUESTIONS[0], "question": f"Which {n}?"} for n in range(3)]
    page, card = show(visitor, asking, ask(asking.session, "AskUserQuestion", {"questions": questions}))
    card.focus()
    for n in range(3):
        expect(card.get_by_text(f"Which {n}?")).to_be_visible()
        card.get_by_text("Loqate").locator("visible=true").click()
        page.keyboard.press("Control+Enter")
    assert set(asking.take()["updatedInput"]["answers"].values()) == {"Loqate"}


def test_discussing_first_declines_and_leads_to_the_composer(visitor: Visitor, asking: Asking) -> None:
    page, card = show(visitor, asking, ask(asking.session, "AskUserQuestion", {"questions": QUESTIONS}))
    card.get_by_role("button", name="Discuss first").click()
    said = asking.take()
    assert said["behavior"] == "deny"
    assert "talk about this" in said["message"]
    expect(page.get_by_label("Message to this session")).to_be_focused()


def test_a_plan_is_approved_into_a_mode(visitor: Visitor, asking: Asking) -> None:
    given = {"plan": "# Do\n\n1. **it**", "planFilePath": "/p.md"}
    _, card = show(visitor, asking, ask(asking.session, "ExitPlanMode", given))
    expect(card.locator(".planmd strong")).to_have_text("it")
    card.get_by_text("Accepted").click()
    card.get_by_role("button", name="Approve").click()
    said = asking.take()
    assert said["updatedPermissions"] == [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]
    assert said["updatedInput"] == given


def test_planning_goes_on_with_feedback(visitor: Visitor, asking: Asking) -> None:
    page, card = show(visitor, asking, ask(asking.session, "ExitPlanMode", {"plan": "Do it"}))
    card.focus()
    expect(card.get_by_text("After that, edits are")).to_be_visible()
    page.keyboard.press("d")
    expect(card.get_by_text("After that, edits are")).to_be_hidden()
    page.keyboard.type("Split it")
    page.keyboard.press("Control+Enter")
    assert asking.take() == {"behavior": "deny", "message": "Split it"}


def test_a_form_is_filled_in_and_sent(visitor: Visitor, asking: Asking) -> None:
    decision_id = ask_form(asking.session, "orders", message="Who?", requested_schema=SCHEMA)
    _, card = show(visitor, asking, decision_id)
    card.get_by_label("Your name").fill("Maya")
    card.get_by_label("How many").fill("3")
    card.get_by_text("Medium").click()
    card.get_by_role("button", name="Submit").click()
    said = asking.take()
    assert (said["action"], said["content"]) == ("accept", {"name": "Maya", "count": 3, "size": "m", "sure": False})


def test_an_address_is_a_link_that_somebody_opens(visitor: Visitor, asking: Asking) -> None:
    where = "https://login.example/a"
    decision_id = ask_form(asking.session, "orders", mode="url", url=where, message="Sign in")
    _, card = show(visitor, asking, decision_id)
    link = card.get_by_role("link", name="Open it in a new tab")
    expect(link).to_have_attribute("href", where)
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    card.get_by_role("button", name="Cancel").click()
    assert asking.take()["action"] == "cancel"


def test_nothing_is_allowed_right_after_a_card_appeared_nor_by_a_held_key(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    expect(page.locator("html:not(.is-away)")).to_have_count(1)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/verdict" in request.url else None)
    page.evaluate(
        """addEventListener("turbo:before-stream-render", () => setTimeout(() => {
             const card = document.querySelector(".dec:has([data-letter=a])")
             if (!card || "tried" in document.body.dataset) return
             card.focus()
             for (const repeat of [false, true]) dispatchEvent(new KeyboardEvent("keydown", { key: "a", repeat }))
             card.querySelector("[data-letter=a]").click()
             document.body.dataset.tried = ""
           }, 50))"""
    )
    decision_id = run_command(asking.session, "git push")
    expect(page.locator("body[data-tried]")).to_have_count(1)
    card = open_card(page, decision_id)
    card.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Shift+A")
    assert sent == []
    card.get_by_role("button", name="Allow once").click()
    assert asking.take() == {"behavior": "allow"}
    assert len(sent) == 1


def test_the_end_of_a_long_command_is_shown_before_a_key_allows_it(visitor: Visitor, asking: Asking) -> None:
    command = "\n".join(f"echo {n}" for n in range(300))
    page, card = show(visitor, asking, ask(asking.session, "Bash", {"command": command}))
    card.focus()
    page.keyboard.press("a")
    expect(card.get_by_role("alert")).to_contain_text("A to allow")
    expect(card).to_have_class("dec is-open")
    page.keyboard.press("a")
    assert asking.take() == {"behavior": "allow"}


def test_what_one_has_typed_stays_when_the_card_changes_around_it(visitor: Visitor, asking: Asking) -> None:
    decision_id = run_command(asking.session, "git push")
    page, card = show(visitor, asking, decision_id)
    card.focus()
    page.keyboard.press("d")
    page.keyboard.type("Not yet")
    asking.session.tell("ChannelWaits", by="channel", decision_id=decision_id, answered_by="hook", request_id="abcde")
    other = run_command(asking.session, "git pull")
    expect(page.locator(f"#decision-{other}")).to_be_visible()
    expect(card.locator("textarea:visible")).to_have_value("Not yet")
    expect(card.locator("textarea:visible")).to_be_focused()


def test_an_answer_at_the_terminal_folds_the_card(visitor: Visitor, asking: Asking) -> None:
    decision_id = run_command(asking.session, "git push")
    page, card = show(visitor, asking, decision_id)
    given = {"command": "git push", "description": "Do the thing"}
    asking.session.tell("PostToolUse", tool_name="Bash", tool_input=given, tool_use_id="", tool_response={})
    expect(card).to_contain_text("Answered in the terminal: allowed")
    expect(page.locator(f"#ask-{decision_id}")).to_have_count(0)


def test_an_answer_that_nobody_took_opens_the_card_again(visitor: Visitor, asking: Asking) -> None:
    visitor.expect("status of 409")
    decision_id = run_command(asking.session, "git push")
    _, card = show(visitor, asking, decision_id)
    card.get_by_role("button", name="Allow once").click()
    expect(card).to_contain_text("Allowing git push")
    asking.session.tell("ChannelDecided", by="channel", decision_id=decision_id, taken=False)
    expect(card).to_contain_text("arrive: nothing on builder took it")
    expect(card).to_contain_text("Answer it in the terminal")
    expect(card.locator("form")).to_have_count(0)


def test_what_was_changed_meanwhile_is_shown_and_not_allowed(visitor: Visitor, asking: Asking) -> None:
    visitor.expect("status of 409")
    page, card = show(visitor, asking, run_command(asking.session, "git push"))
    digest = card.get_attribute("data-decision-digest-value")
    card.locator("pre.code").evaluate("code => (code.textContent = 'git status')")
    card.evaluate("card => (card.dataset.decisionDigestValue = '0'.repeat(64))")
    wait_for_calm(page, card)
    card.get_by_role("button", name="Allow once").click()
    expect(card.get_by_role("alert")).to_contain_text("This isn't what you were shown: look at it again.")
    expect(card.locator("pre.code")).to_contain_text("git push")
    expect(card).to_have_attribute("data-decision-digest-value", str(digest))
    wait_for_calm(page, card)
    card.get_by_role("button", name="Allow once").click()
    assert asking.take() == {"behavior": "allow"}


def test_a_plan_is_compared_with_the_one_before_in_its_card(visitor: Visitor, asking: Asking) -> None:
    ask(asking.session, "ExitPlanMode", {"plan": "# Move\n\n1. Copy it\n2. Run it", "planFilePath": "/p.md"})
    asking.session.tell("PostToolBatch", tool_calls=[])
    given = {"plan": "# Move\n\n1. Copy it\n2. Run it twice", "planFilePath": "/p.md"}
    decision_id = ask(asking.session, "ExitPlanMode", given)
    page, card = show(visitor, asking, decision_id)
    summary = card.locator("summary", has_text="second version, compare with the first")
    summary.click()
    expect(card.locator(".diff .d")).to_contain_text("2. Run it")
    expect(card.locator(".diff .a mark")).to_have_text(" twice")
    asking.session.tell("ChannelWaits", by="channel", decision_id=decision_id, answered_by="hook", request_id="abcde")
    other = run_command(asking.session, "git pull")
    expect(page.locator(f"#decision-{other}")).to_be_visible()
    expect(card.locator(".diff .a")).to_be_visible()
    summary.click()
    expect(card.locator(".diff")).to_be_hidden()


def test_one_reads_you_instead_of_ones_own_name(
    hub: Hub, visitor: Visitor, visit: Callable[..., Visitor], asking: Asking
) -> None:
    decision_id = run_command(asking.session, "git push")
    page, card = show(visitor, asking, decision_id)
    card.get_by_role("button", name="Allow once").click()
    asking.take()
    expect(card.locator("summary .by")).to_contain_text("You · hub")
    page.get_by_label("Message to this session").fill("Thank you")
    page.get_by_role("button", name="Send").click()
    said = page.locator(".e-message:not(.is-sending) .who b")
    expect(said).to_have_text("You")
    page.reload()
    expect(card.locator("summary .by")).to_contain_text("You · hub")
    expect(said).to_have_text("You")
    page.goto(f"{hub.url}/inbox/{decision_id}")
    expect(page.locator("#inbox-detail .by")).to_contain_text("You · hub")
    expect(page.locator(f"#inbox-{decision_id}")).to_contain_text("You · hub")
    other = visit()
    token = hub.run("token", "create", "vera", "--role", "viewer").strip()
    other.context.set_extra_http_headers({"Authorization": f"Bearer {token}"})
    other.expect("WebSocket connection")
    theirs = other.open(f"/sessions/{asking.session.session_id}")
    expect(theirs.locator("summary .by")).not_to_contain_text("You")


def test_keys_are_only_shown_on_the_card_that_they_act_on(visitor: Visitor, asking: Asking) -> None:
    decision_id = run_command(asking.session, "git push")
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    card = open_card(page, decision_id)
    key = card.locator("[data-letter=a] kbd")
    expect(key).to_be_hidden()
    page.keyboard.press("a")
    page.keyboard.press("n")
    expect(key).to_be_visible()
    page.goto("about:blank")
    page = visitor.open(f"/inbox/{decision_id}")
    expect(open_card(page, decision_id).locator("[data-letter=a] kbd")).to_be_visible()


def test_only_deny_is_offered_for_what_is_known_in_part(visitor: Visitor, asking: Asking) -> None:
    asking.session.tell(
        "ChannelAsked", by="channel", request_id="abcde", tool_name="Bash", description="d", input_preview="{ x ⋯ }"
    )
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    card = page.locator(".dec")
    expect(card.get_by_role("button", name="Deny")).to_be_visible()
    expect(card.get_by_role("button", name="Allow once")).to_have_count(0)
    expect(card).to_contain_text("Only a part of what Claude wants is known here")


def test_a_viewer_sees_no_buttons(hub: Hub, visit: Callable[..., Visitor], asking: Asking) -> None:
    viewer = visit()
    token = hub.run("token", "create", "vera", "--role", "viewer").strip()
    viewer.context.set_extra_http_headers({"Authorization": f"Bearer {token}"})
    viewer.expect("WebSocket connection")
    decision_id = run_command(asking.session, "git push")
    page = viewer.open(f"/sessions/{asking.session.session_id}")
    card = page.locator(f"#decision-{decision_id}")
    expect(card).to_contain_text("Your role may look at this, but not decide it.")
    assert page.locator("button:visible", has_text="Allow once").count() == 0
    assert page.locator("button:visible", has_text="Interrupt").count() == 0


def test_the_inbox_is_gone_through_by_keys(visitor: Visitor, asking: Asking) -> None:
    first, second = (run_command(asking.session, command) for command in ("git fetch", "git push"))
    page = visitor.open("/inbox")
    expect(page.locator(f"#inbox-{second}")).to_be_visible()
    page.locator(f"#inbox-{first}").click()
    open_card(page, first)
    page.keyboard.press("j")
    card = open_card(page, second)
    page.keyboard.press("k")
    card = open_card(page, first)
    page.keyboard.press("a")
    assert asking.take() == {"behavior": "allow"}
    card = open_card(page, second)
    expect(page.locator(f"#inbox-past #inbox-{first}")).to_contain_text("Allowed git fetch")
    page.keyboard.press("d")
    page.keyboard.press("Control+Enter")
    assert asking.take() == {"behavior": "deny"}
    expect(card).to_contain_text("Denied git push")
    expect(page.locator("#inbox-detail").get_by_role("img", name="Needs you")).to_have_count(0)


def test_a_thumb_decides_on_a_sheet(phone: Visitor, asking: Asking) -> None:
    decision_id = run_command(asking.session, "git push")
    page, card = show(phone, asking, decision_id)
    box = card.bounding_box()
    assert box is not None
    assert abs(box["y"] + box["height"] - 844) < 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    card.get_by_role("button", name="Allow once").tap()
    assert asking.take() == {"behavior": "allow"}
    expect(page.get_by_label("Message to this session")).to_be_visible()


def test_a_short_command_is_allowed_in_the_rail(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open("/")
    decision_id = run_command(asking.session, "git push")
    ask_row = page.locator(f"#ask-{decision_id}")
    expect(ask_row).to_be_visible()
    wait_for_calm(page, page.locator("#calls"))
    ask_row.get_by_role("button", name="Allow once").click()
    assert asking.take() == {"behavior": "allow"}
    expect(ask_row).to_have_count(0)


def test_an_interrupt_says_that_it_stops_at_the_next_step(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    page.get_by_role("button", name="Interrupt").click()
    expect(page.locator("#session-interrupt")).to_contain_text("Stops at the next step")


def test_stopping_a_session_asks_first(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop session").click()
    expect(page.locator("#session-actions")).to_contain_text("Asked to stop.")


def test_a_message_can_steer_the_turn_that_runs(visitor: Visitor, asking: Asking) -> None:
    page = visitor.open(f"/sessions/{asking.session.session_id}")
    page.get_by_text("Steer now").click()
    expect(page.locator("#session-line")).to_contain_text("Claude reads this in its current turn.")
    with page.expect_request("**/messages") as sent:
        page.get_by_label("Message to this session").fill("Look here")
        page.get_by_role("button", name="Send").click()
    assert sent.value.post_data_json["when"] == "now"


def test_a_decision_for_a_machine_that_is_away_is_kept(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    with session.link():
        session.prompt("Do it")
        decision_id = run_command(session, "git push")
        page = visitor.open(f"/sessions/{session.session_id}")
        card = open_card(page, decision_id)
    expect(card).to_contain_text("builder is offline", timeout=15_000)
    card.get_by_role("button", name="Allow once").click()
    expect(card).to_contain_text("kept until builder returns")
    expect(page.locator(f"#ask-{decision_id}")).to_have_count(0)


def test_what_is_edited_stays_in_sight_where_the_text_field_hides_something_of_it(
    visitor: Visitor, asking: Asking
) -> None:
    for command, is_hidden in (("git push", True), ("git push \u202eniam", False)):
        _, card = show(visitor, asking, run_command(asking.session, command))
        card.get_by_role("button", name="Edit, then allow").click()
        expect(card.locator("textarea:visible")).to_be_focused()
        expect(card.get_by_label("Full command")).to_be_visible(visible=not is_hidden)
