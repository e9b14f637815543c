"""A machine whose Claude Code asks before it acts, and one session there whose decisions a test answers."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import form_server
from tests.support.api import Refused
from tests.support.scenes import Model, say
from tests.support.stack import Api, Machine
from tests.support.terminal import Pane
from tests.support.waiting import wait_until

SECONDS = 20.0
DIALOG = "Do you want to proceed"
DONE = "All done."


def confirm(claude: Pane, shown: str) -> None:
    """Allow what the dialog on the screen shows; again if the dialog, just opened, has not taken the key."""
    claude.wait_for(shown)
    for _ in range(5):
        claude.press("Enter")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: DIALOG not in (screen := claude.screen()) or shown not in screen, "its end", timeout=2.0)
            return
    raise AssertionError(f"Enter changes nothing:\n{claude.screen()}")


def ask_before_acting(machine: Machine) -> None:
    """Take away what the tests' machines allow otherwise; hooks and our own tools stay."""
    path = machine.home / ".claude" / "settings.json"
    settings = json.loads(path.read_text())
    settings["permissions"]["allow"] = [name for name in settings["permissions"]["allow"] if name.startswith("mcp__")]
    path.write_text(json.dumps(settings))


def write_form_server(folder: Path) -> list[str]:
    """The arguments that give Claude Code the server ``forms``, its tool allowed."""
    path = folder / "forms.json"
    server = {"type": "stdio", "command": sys.executable, "args": [form_server.__file__]}
    path.write_text(json.dumps({"mcpServers": {"forms": server}}))
    return [f"--mcp-config={path}", "--allowedTools=mcp__forms__ask"]


@dataclass(frozen=True)
class Asked:
    """A session in its terminal, through the hub's API."""

    api: Api
    model: Model
    claude: Pane
    project: Path
    session_id: str

    @classmethod
    def begin(cls, api: Api, model: Model, claude: Pane, project: Path) -> Asked:
        """Once the hub knows the session."""
        session = api.wait_for_session(cwd=str(project), delivery="channel", timeout=SECONDS)
        return cls(api, model, claude, project, session["session_id"])

    def play(self, *turns: list[dict[str, Any]]) -> None:
        """Type a prompt that makes Claude do these things and end."""
        self.claude.type(f"go {self.model.scene(*turns, [say(DONE)])}")

    def write_plan(self, text: str) -> None:
        """Let there be a plan, in the file that Claude Code names after the session's first prompt, which this is.
        Without that it asks with none.
        """
        scene = self.model.scene([say("Planned.")])
        self.claude.type(f"go {scene}")
        found = wait_until(lambda: self.model.find_heard(rf"(/\S+/plans/\S*{scene}\S*\.md)"), "the plan's file")
        path = Path(found)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.api.wait_for_entry(self.session_id, "assistant", text="Planned.", timeout=SECONDS)
        self.wait_until_idle()

    def wait_for(self, state: str = "open", **wanted: Any) -> dict[str, Any]:
        """A decision in this state; an open one can be answered from here."""
        wanted |= {"answered_by": "hook"} if state == "open" and "answered_by" not in wanted else {}
        return self.api.wait_for_decision(self.session_id, state=state, timeout=SECONDS, **wanted)

    def look(self, decision: dict[str, Any]) -> dict[str, Any]:
        """The decision as it is now."""
        now: dict[str, Any] = self.api.client.get(f"/api/v1/decisions/{decision['decision_id']}")
        return now

    def decide(self, behavior: str, decision: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Answer the open decision; it must be taken."""
        decided = self.api.decide(decision or self.wait_for(), behavior, **fields)
        assert decided["state"] == "decided", decided
        return decided

    def refused(self, behavior: str, decision: dict[str, Any], **fields: Any) -> tuple[int, str]:
        """Status and code of a verdict that the hub doesn't take."""
        try:
            self.api.decide(decision, behavior, **fields)
        except Refused as error:
            return error.status, error.body["error"]["code"]
        raise AssertionError("it was taken")

    def wait_until_idle(self) -> None:
        """Until Claude rests."""
        self.api.wait_for_session(session_id=self.session_id, state="idle", timeout=SECONDS)

    def wait_until_heard(self, text: str) -> None:
        """Until the model has been told this."""
        wait_until(lambda: self.model.times_heard(text), f"the model hears {text!r}", timeout=SECONDS)

    def tools(self) -> list[tuple[str, str]]:
        """The calls in the chat: what each was, and how it ended."""
        entries = self.api.list_entries(self.session_id, "tool")
        return [(entry["input"].get("command") or entry["tool_name"], entry["state"]) for entry in entries]


AskedStart = Callable[..., Asked]
