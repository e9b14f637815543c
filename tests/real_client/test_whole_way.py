"""The whole way, as a person walks it: what the hub prints is typed into a shell, the rest happens on the page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.chromium import Visitor, run_chromium
from tests.support.scenes import Model, say, use
from tests.support.stack import Machine, run_hub
from tests.support.terminal import Pane, Terminal, prepare_home


def read_line(hub_output: str, word: str) -> str:
    """The whole printed line with this command of ours, as a person copies it."""
    found = re.search(rf"^ *(\S+ {word}\b.*)$", hub_output, re.MULTILINE)
    assert found, hub_output
    return found.group(1)


def install_by_hand(shell: Pane) -> None:
    shell.wait_for(r"\[y/N\]")
    shell.enter("y")
    shell.wait_for(r"heliograph claude")


def ask_on_the_page(page: Page, folder: str, question: str, answer: str) -> float:
    """Find the session's card by its folder, write to it, read the reply; the seconds from sending to reading."""
    page.locator(".card", has_text=folder).get_by_role("link").first.click()
    page.locator("form textarea").fill(question)
    sent = time.monotonic()
    page.get_by_role("button", name="Send").click()
    reply = page.locator(".e-reply")
    expect(reply).to_contain_text(answer)
    took = time.monotonic() - sent
    expect(page.locator('.e-message .receipt[data-state="answered"]')).to_have_count(1)
    return took


def test_from_a_fresh_hub_to_a_reply_in_the_chat_on_two_machines(
    tmp_path: Path, model: Model, terminal: Terminal, record_property: Callable[[str, object], None]
) -> None:
    with run_hub(tmp_path / "hg") as hub, run_chromium() as browser:
        here = Machine(tmp_path / "here", "here", model.url, shared_home=hub.folder)
        prepare_home(here.home)
        project = here.make_project("orchard")
        visitor = Visitor(browser, hub.url)
        page = visitor.sign_in(hub.read_sign_in_url())

        shell = terminal.open(["sh"], environment=here.environment, folder=project)
        shell.enter(read_line(hub.output, "join"))
        install_by_hand(shell)
        shell.enter("clear")
        shell.enter(read_line(hub.output, "claude"))
        shell.wait_until_ready()
        expect(page.locator(".card", has_text="orchard")).to_be_visible()

        scene = model.scene(
            [use("Bash", command="echo apples", description="Count")],
            [use("*__reply", text="Twelve **apples**.", message_id="{message_id}")],
            [say("Told them.")],
        )
        took = ask_on_the_page(page, "orchard", f"How many are there? {scene}", "Twelve apples.")
        record_property("seconds from Send to the reply on the page", round(took, 2))
        expect(page.locator(".e-tool")).to_contain_text("echo apples")
        expect(page.locator(".e-assistant")).to_contain_text("Told them.")
        shell.wait_for("How many are there")

        there = Machine(tmp_path / "there", "there", model.url)
        prepare_home(there.home)
        field = there.make_project("cornfield")
        joining = re.search(r"heliograph (join .+)", hub.run("pair"))
        assert joining
        there.run(*joining.group(1).split(), "--name", there.name)
        there.run("install", "--yes")
        there.start_claude(terminal, field)
        page.goto(hub.url)
        scene = model.scene([use("*__reply", text="All corn.", message_id="{message_id}")], [say("Done.")])
        ask_on_the_page(page, "cornfield", f"And there? {scene}", "All corn.")

        shell.type("/exit")
        page.goto(hub.url)
        expect(page.locator(".card", has_text="orchard")).to_have_attribute("data-state", "ended")
        visitor.close()
