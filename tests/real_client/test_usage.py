"""What a real session uses is reported, and with the status line wrapped also what only that is told.

The machine isn't paired: what its channel reports stays in the spool, where the tests read it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channel.spool import parse
from tests.support.model import USAGE
from tests.support.scenes import Model, say, use
from tests.support.stack import HELIOGRAPH, Machine
from tests.support.terminal import Pane, Terminal, prepare_home
from tests.support.waiting import wait_until

SAID = 40
"""Tokens of each answer of the scripted model."""
MODEL = "claude-sonnet-4-5"


@pytest.fixture
def machine(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine of the test's own, not paired, nothing installed."""
    machine = Machine(tmp_path_factory.mktemp("m"), "workbench", model.url)
    prepare_home(machine.home)
    return machine


class Claude:
    """Claude Code of a subscriber, since only those have limits."""

    def __init__(self, machine: Machine, panes: Terminal, project: Path, *arguments: str) -> None:
        environment = {**machine.environment, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-tests-0000000000"}
        del environment["ANTHROPIC_API_KEY"]
        self.machine = machine
        self.pane: Pane = panes.open([str(HELIOGRAPH), "claude", *arguments], environment=environment, folder=project)
        self.pane.wait_until_ready()

    @property
    def reports(self) -> Iterator[dict[str, Any]]:
        """The ``ChannelUsage`` events so far, newest first."""
        spool = self.machine.heliograph_home / "spool" / f"{self.pane.pid}.log"
        page = parse(spool.read_bytes(), 10_000, 2**30) if spool.exists() else None
        for record in reversed(page.records if page else []):
            body = json.loads(record.body)
            if body["hook_event_name"] == "ChannelUsage":
                yield body

    def wait_for_report(self, requests: int, *, cost: bool = False) -> dict[str, Any]:
        """The newest report, once it counts so many requests (and knows what they cost)."""
        wanted = build_tokens(requests)

        def find() -> dict[str, Any] | None:
            newest = next(self.reports, None)
            told = newest and newest["usage"]["totals"].get(MODEL) == wanted
            return newest if newest and told and (newest["usage"]["cost_usd"] or not cost) else None

        def describe() -> str:
            return f"{next(self.reports, None)}\n{self.pane.screen()}\n{self.machine.read_log('channel')}"

        return wait_until(find, f"a report of {requests} requests", timeout=20, describe=describe)


def build_tokens(requests: int) -> dict[str, int]:
    """What so many requests to the scripted model use."""
    return {
        "input": requests * USAGE["input_tokens"],
        "output": requests * SAID,
        "cache_read": requests * USAGE["cache_read_input_tokens"],
        "cache_write": requests * USAGE["cache_creation_input_tokens"],
    }


CONTEXT = sum(USAGE.values()) - USAGE["output_tokens"]


def test_tokens_are_counted_as_the_model_told_them(
    machine: Machine, model: Model, project: Path, terminal: Terminal
) -> None:
    machine.run("install", "--yes")
    claude = Claude(machine, terminal, project, "--model", MODEL)
    scene = model.scene(
        [say("Two at once."), use("Bash", command="echo 1", description="One"), use("Bash", command="echo 2")],
        [say("Done.")],
    )
    claude.pane.type(f"work {scene}")
    report = claude.wait_for_report(2)
    usage = report["usage"]
    assert (usage["model"], usage["context_used"], usage["context_window"]) == (MODEL, CONTEXT, 200_000)
    assert (usage["cost_usd"], usage["limits"]) == (None, None)
    assert [sum(models[MODEL].values()) for models in usage["days"].values()] == [sum(build_tokens(2).values())]

    claude.pane.type("/compact")
    wait_until(lambda: next(claude.reports)["usage"]["context_used"] != CONTEXT, "what the compaction left", timeout=20)
    assert next(claude.reports)["usage"]["context_used"] > 0
    assert next(claude.reports)["usage"]["totals"][MODEL] == build_tokens(2)

    claude.pane.type("/clear")
    claude.pane.type("after the clear")
    after = claude.wait_for_report(1)
    assert after["session_id"] != report["session_id"]

    claude.pane.type("/exit")
    claude.pane.wait_until_ended()
    again = Claude(machine, terminal, project, "--model", MODEL, "--resume", report["session_id"])
    again.pane.type("and again")
    assert again.wait_for_report(3)["session_id"] == report["session_id"]
    again.pane.type("/exit")
    again.pane.wait_until_ended()

    fork = Claude(machine, terminal, project, "--model", MODEL, "--resume", report["session_id"], "--fork-session")
    fork.pane.type("another way")
    assert fork.wait_for_report(1)["session_id"] not in (report["session_id"], after["session_id"])


def test_a_subagents_tokens_are_the_sessions(machine: Machine, model: Model, project: Path, terminal: Terminal) -> None:
    machine.run("install", "--yes")
    claude = Claude(machine, terminal, project, "--model", MODEL)
    call = use(
        "Task", description="Help", prompt="do a thing", subagent_type="general-purpose", run_in_background=False
    )
    claude.pane.type("delegate " + model.scene([call], [say("It is done.")]))
    usage = claude.wait_for_report(4)["usage"]  # the call, the subagent's, the last words, those on the agent's end
    assert usage["context_used"] == CONTEXT


def test_the_users_status_line_stays_and_tells_cost_and_limits(
    machine: Machine, model: Model, project: Path, terminal: Terminal
) -> None:
    told = machine.root / "told.json"
    own = machine.root / "own line.sh"
    own.write_text(
        f"#!/bin/sh\ncat > '{told}.new' && mv '{told}.new' '{told}'\nprintf '\\033[32mOWN LINE\\033[0m %s' \"$1\""
    )
    own.chmod(0o755)
    path = machine.home / ".claude" / "settings.json"
    settings = {**json.loads(path.read_text()), "statusLine": {"type": "command", "command": f"'{own}' 'a b'"}}
    path.write_text(json.dumps(settings, indent=2))
    machine.run("install", "--yes", "--statusline")
    resets_at = int(time.time()) + 3600
    model.tell_limits(**{"5h": (0.42, resets_at), "7d": (0.07, resets_at + 86400)})

    claude = Claude(machine, terminal, project, "--model", MODEL)
    claude.pane.type("hello")
    claude.pane.wait_for("OWN LINE a b")
    report = claude.wait_for_report(1, cost=True)
    usage = report["usage"]
    seen = json.loads(told.read_bytes())
    assert seen["session_id"] == report["session_id"]
    assert seen["transcript_path"].endswith(f"{report['session_id']}.jsonl")
    assert usage["cost_usd"] == pytest.approx(seen["cost"]["total_cost_usd"])
    assert usage["context_used"] == seen["context_window"]["total_input_tokens"]
    assert usage["context_window"] == seen["context_window"]["context_window_size"]
    assert usage["limits"] == {
        "five_hour": {"used_percent": 42.0, "resets_at": resets_at * 1_000_000},
        "seven_day": {"used_percent": 7.0, "resets_at": (resets_at + 86400) * 1_000_000},
    }
    claude.pane.type("/exit")
    claude.pane.wait_until_ended()
    machine.run("uninstall", "--yes")
    assert json.loads(path.read_text())["statusLine"] == settings["statusLine"]


def test_without_a_status_line_of_the_users_none_is_shown(
    machine: Machine, model: Model, project: Path, terminal: Terminal
) -> None:
    machine.run("install", "--yes", "--statusline")
    claude = Claude(machine, terminal, project, "--model", f"{MODEL}[1m]")
    box = claude.pane.screen().splitlines()[-3:]
    claude.pane.type("hello")
    usage = claude.wait_for_report(1, cost=True)["usage"]
    assert (usage["model"], usage["context_window"]) == (f"{MODEL}[1m]", 1_000_000)
    assert len(claude.pane.screen().splitlines()[-3:]) == len(box)
    assert claude.pane.screen().splitlines()[-2].startswith("─")
