"""What a person sees and does in a browser, against a hub process. The machine's side is told step by step."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import Visitor
from tests.support.peer import Peer, PeerSession
from tests.support.stack import Hub, run_hub


def has_sideways_scroll(page: Page) -> bool:
    wider: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wider


def write(page: Page, text: str) -> None:
    page.locator("form textarea").fill(text)
    page.get_by_role("button", name="Send").click()


def test_the_printed_link_signs_in_once(hub: Hub, visit: Callable[..., Visitor]) -> None:
    link = hub.read_sign_in_url()
    first, second = visit(), visit()
    first.sign_in(link)

    second.expect("the server responded with a status of 403")
    page = second.open(link)
    button = page.get_by_role("button", name="Sign in")
    if button.count():
        button.click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.goto(f"{hub.url}/")
    expect(page).to_have_url(re.compile(r"/sign-in"))


def test_without_signing_in_there_is_only_the_sign_in_page(visit: Callable[..., Visitor], session: PeerSession) -> None:
    session.start()
    stranger = visit()
    for path in ("/", f"/sessions/{session.session_id}"):
        page = stranger.open(path)
        expect(page).to_have_url(re.compile(r"/sign-in"))
        assert session.session_id not in page.content()


def test_a_card_appears_and_changes_while_one_looks(visitor: Visitor, session: PeerSession) -> None:
    page = visitor.open("/")
    card = page.locator(f"#card-{session.session_id}")
    session.start()
    with session.link():
        session.prompt("Sort the imports")
        expect(card).to_have_attribute("data-state", "working")
        expect(card).to_contain_text("Sort the imports")
        session.stop("Sorted.")
        expect(card).to_have_attribute("data-state", "idle")
        expect(card).to_contain_text("Sorted.")


def test_the_chat_streams(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open(f"/sessions/{session.session_id}")
    session.prompt("Tell me a **story**")
    expect(page.locator(".e-prompt")).to_contain_text("Tell me a **story**")

    text = page.locator(".e-assistant")
    session.display("m1", 0, "Once upon ")
    expect(text).to_have_text(re.compile(r"^Once upon"))
    session.display("m1", 1, "a *time*.", final=True)
    expect(text.locator("em")).to_have_text("time")
    session.stop("Once upon a *time*.")
    expect(text).to_have_count(1)
    expect(page.locator("[data-streaming]")).to_have_count(0)


def test_a_tool_call_is_a_row_that_opens(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open(f"/sessions/{session.session_id}")
    session.prompt("Look around")
    call: dict[str, Any] = {"tool_name": "Bash", "tool_input": {"command": "ls -la"}, "tool_use_id": "toolu_1"}
    session.tell("PreToolUse", **call)
    row = page.locator(".e-tool")
    expect(row).to_contain_text("ls -la")
    response = {"stdout": "README.md\nMakefile", "stderr": "", "interrupted": False}
    session.tell("PostToolUse", **call, tool_response=response, duration_ms=12)
    row.locator("summary").click()
    expect(row).to_contain_text("Makefile")


def test_a_message_climbs_to_answered_before_ones_eyes(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    with session.link() as link:
        page = visitor.open(f"/sessions/{session.session_id}")
        write(page, "Are you there?")
        push = link.wait_for_push()
        assert push.text == "Are you there?"
        entry = page.locator(f'.e-message[data-message-id="{push.message_id}"]')
        receipt = entry.locator(".receipt")
        expect(entry).to_have_count(1)
        expect(entry).to_contain_text("Are you there?")
        expect(page.locator("form textarea")).to_have_value("")

        session.take(push)
        expect(receipt).to_have_attribute("data-state", "seen")
        session.reply("Yes, here.", push.message_id)
        expect(receipt).to_have_attribute("data-state", "answered")
        expect(page.locator(".e-reply")).to_contain_text("Yes, here.")
        session.stop("")


def test_a_message_that_the_hub_did_not_take_is_not_lost(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open(f"/sessions/{session.session_id}")
    text = page.locator("form textarea")
    visitor.expect("ERR_FAILED")
    page.route("**/api/v1/sessions/*/messages", lambda route: route.abort())
    write(page, "Rather long thoughts")
    expect(page.locator(".e-message.is-sending")).to_contain_text("Not sent.")
    text.press_sequentially("And more")
    page.reload()
    expect(text).to_have_value("Rather long thoughts\n\nAnd more")

    page.unroute("**/api/v1/sessions/*/messages")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".e-message:not(.is-sending)")).to_contain_text("And more")
    expect(text).to_have_value("")
    page.reload()
    expect(page.locator(".e-message")).to_have_count(1)
    expect(text).to_have_value("")


def test_a_message_is_shown_as_text(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open(f"/sessions/{session.session_id}")
    hostile = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
    write(page, hostile)
    session.prompt(hostile)
    expect(page.locator(".e-message[data-message-id]")).to_contain_text(hostile)
    expect(page.locator(".e-prompt")).to_contain_text(hostile)
    assert page.locator("#timeline img, #timeline script").count() == 0


def test_a_reload_and_a_second_tab_show_the_same(visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open(f"/sessions/{session.session_id}")
    session.prompt("Count to two")
    session.display("m1", 0, "One, two.", final=True)
    session.stop("One, two.")
    expect(page.locator(".e-assistant")).to_contain_text("One, two.")
    write(page, "And three?")
    expect(page.locator('.e-message:not(.is-sending) .receipt[data-state="queued"]')).to_have_count(1)

    shown = page.locator("#timeline > article")
    expect(shown).to_have_count(3)
    first = shown.all_inner_texts()
    second = visitor.open(f"/sessions/{session.session_id}")
    assert second.locator("#timeline > article").all_inner_texts() == first
    page.reload()
    assert shown.all_inner_texts() == first

    session.prompt("Never mind")
    for tab in (page, second):
        expect(tab.locator(".e-prompt").last).to_contain_text("Never mind")


def test_the_page_comes_back_by_itself_when_the_hub_does(browser: Browser, tmp_path: Path) -> None:
    with run_hub(tmp_path / "hub") as hub:
        session = PeerSession(Peer.join(hub, "builder"), "/src/somewhere")
        session.start()
        visitor = Visitor(browser, hub.url)
        visitor.sign_in(hub.read_sign_in_url()).close()
        page = visitor.open(f"/sessions/{session.session_id}")
        for text in ("ERR_CONNECTION_REFUSED", "WebSocket connection"):
            visitor.expect(text)
        hub.stop()
        hub.start()
        session.prompt("Still there?")
        expect(page.locator(".e-prompt")).to_contain_text("Still there?", timeout=20_000)
        visitor.close()


def test_a_phone_has_all_of_it_without_sideways_scroll(phone: Visitor, session: PeerSession) -> None:
    session.start()
    with session.link() as link:
        session.prompt("A rather long prompt with an_unbroken_word_" + "x" * 200)
        session.stop("Done")
        page = phone.open("/")
        card = page.locator(f"#card-{session.session_id}")
        expect(card).to_be_visible()
        assert not has_sideways_scroll(page)

        card.get_by_role("link").first.tap()
        expect(page).to_have_url(re.compile(f"/sessions/{session.session_id}$"))
        expect(page.locator(".e-prompt")).to_be_visible()
        assert not has_sideways_scroll(page)

        write(page, "From the phone")
        push = link.wait_for_push()
        session.take(push)
        expect(page.locator(".e-message .receipt")).to_have_attribute("data-state", "seen")
        assert not has_sideways_scroll(page)


def test_signing_out_ends_it(hub: Hub, visitor: Visitor, session: PeerSession) -> None:
    session.start()
    page = visitor.open("/")
    other = visitor.open(f"/sessions/{session.session_id}")
    visitor.expect("WebSocket connection")
    visitor.expect("status of 401")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/sign-in"))
    other.reload()
    expect(other).to_have_url(re.compile(r"/sign-in"))
