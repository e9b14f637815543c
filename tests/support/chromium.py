"""Chromium through Playwright, with a watch on everything a page must not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests.support.tools import find_chromium

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """A browser, ended with its driver."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS, timeout=30_000)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """One person's browser profile: signed in once, any number of tabs. Watches all of them."""

    browser: Browser
    hub_url: str
    phone: bool = False
    problems: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    _context: BrowserContext | None = None

    @property
    def context(self) -> BrowserContext:
        """The profile; fresh, in memory."""
        if self._context is None:
            size: Any = PHONE if self.phone else WIDE
            self._context = self.browser.new_context(
                viewport=size,
                is_mobile=self.phone,
                has_touch=self.phone,
                user_agent=PHONE_AGENT if self.phone else None,
                reduced_motion="reduce",
            )
            self._context.set_default_timeout(10_000)
            self._context.on("request", self._watch_request)
            self._context.on("console", self._watch_console)
            self._context.on("weberror", lambda error: self.problems.append(f"page error: {error.error}"))
        return self._context

    def open(self, path: str = "/") -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.on("websocket", lambda socket: self._watch_address(socket.url))
        page.goto(path if "://" in path else f"{self.hub_url}{path}")
        return page

    def sign_in(self, link: str) -> Page:
        """Follow the link and press the button."""
        page = self.open(link)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.hub_url}/")
        return page

    def expect(self, text: str) -> None:
        """A console error with this text is what the test is about (a refused link's status)."""
        self.expected.add(text)

    def close(self) -> None:
        """Close the profile; AssertionError with what its pages did wrong."""
        if self._context is not None:
            self._context.close()
        assert not self.problems, "\n".join(self.problems)

    def _watch_request(self, request: Request) -> None:
        self._watch_address(request.url)

    def _watch_address(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("data", "blob"):
            return
        if address.netloc != urlsplit(self.hub_url).netloc:
            self.problems.append(f"request to another host: {url}")

    def _watch_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.expected):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})")


def open_card(page: Page, decision_id: str) -> Locator:
    """A decision's card, once it may be decided: it is live, and has been there for a moment."""
    card = page.locator(f"#decision-{decision_id}")
    expect(card).to_be_visible()
    wait_for_calm(page, card)
    return card


def wait_for_calm(page: Page, part: Locator) -> None:
    """Until a click there counts."""
    expect(page.locator("html:not(.is-away)")).to_have_count(1)
    expect(part).not_to_have_attribute("data-stirred", "")
