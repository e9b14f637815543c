"""A hub that has no session yet."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.chromium import Visitor
from tests.support.peer import Peer, PeerSession
from tests.support.stack import run_hub


def test_its_page_stands_still_until_the_first_session_turns_up(browser: Browser, tmp_path: Path) -> None:
    with run_hub(tmp_path / "hub") as hub:
        visitor = Visitor(browser, hub.url)
        page = visitor.sign_in(hub.create_sign_in_url())
        page.wait_for_load_state("networkidle")
        page.evaluate("window.still = true")
        expect(page.locator("html.is-away")).to_have_count(0)
        assert page.evaluate("window.still")
        PeerSession(Peer.join(hub, "atlas"), "/src/orchard").start()
        expect(page.locator(".card", has_text="orchard")).to_be_visible()
        visitor.close()
