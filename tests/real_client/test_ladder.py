"""Every way that a message can take to a real Claude Code, and when the next one is tried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real_client.hub_beside import HubBeside, run_hub_beside
from tests.support import terminal
from tests.support.processes import is_running
from tests.support.scenes import Model, say, use, wait
from tests.support.stack import Machine
from tests.support.terminal import Pane, Terminal
from tests.support.tools import find_claude
from tests.support.waiting import wait_until
from wire.frames import When

NO_CHANNELS = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
"""With it the client drops what is pushed, though it was started with the flag."""


DIALOG = "No, keep manual mode"
"""What the client asks by itself on a first start."""


@pytest.fixture
def beside() -> Iterator[HubBeside]:
    with run_hub_beside() as running:
        yield running


@pytest.fixture
def desk(beside: HubBeside, model: Model, tmp_path: Path) -> Machine:
    """A machine that is paired with the double."""
    machine = Machine(tmp_path, "desk", model.url)
    terminal.prepare_home(machine.home)
    machine.heliograph_home.mkdir()
    pairing = {"hub_url": beside.double.url, "machine_id": "m1", "machine_name": "desk", "key": "hgm_test"}
    path = machine.heliograph_home / "machine.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(pairing))
    machine.run("install", "--yes")
    return machine


class Session:
    """A Claude Code in a terminal, its session, and the messages to it."""

    def __init__(self, pane: Pane, beside: HubBeside, model: Model, home: Path) -> None:
        self.pane = pane
        self.beside = beside
        self.model = model
        self.home = home
        self.session_id: str = beside.wait_for("SessionStart", timeout=20)["session_id"]

    def push(self, text: str, when: When = "auto") -> str:
        message_id = str(uuid.uuid4())
        self.beside.push(message_id, self.session_id, text, when)
        return message_id

    def wait_injected(self, message_id: str, via: str, timeout: float = 10.0) -> None:
        self.beside.wait_for("ChannelInjected", message_id=message_id, via=via, timeout=timeout)

    def wait_seen(self, message_id: str) -> None:
        """Some evidence: a prompt with its tag, or the transcript."""
        tag = f'message_id="{message_id}"'

        def look() -> bool:
            prompts = [body["prompt"] for body in self.beside.list_events("UserPromptSubmit")]
            shown = bool(self.beside.list_events("ChannelSeen", message_id=message_id))
            return shown or any(tag in prompt for prompt in prompts)

        self.beside.wait_until(look, f"{message_id} seen")

    def wait_ways(self, **wanted: Any) -> None:
        """What it says that works, at last."""

        def look() -> bool:
            told = self.beside.list_events("ChannelWays", session_id=self.session_id)
            return bool(told) and all(told[-1].get(key) == value for key, value in wanted.items())

        self.beside.wait_until(look, f"ways {wanted}")

    def be_busy(self, *turns: list[dict[str, Any]]) -> None:
        """Type a prompt that plays these turns, the first of which has said "Working"."""
        self.pane.type(f"be busy {self.model.scene(*turns)}")
        self.pane.wait_for("Working")

    def wait_stops(self, count: int) -> None:
        self.beside.wait_until(lambda: len(self.beside.list_events("Stop")) >= count, f"{count} turns' end")

    def list_parked(self) -> list[int]:
        """The parked hooks of this Claude Code, told by their parent and what they run."""
        found = []
        for task in Path(f"/proc/{self.pane.pid}/task").glob("*/children"):
            for child in task.read_text().split():
                try:
                    command = Path(f"/proc/{child}/cmdline").read_bytes()
                except OSError:
                    continue
                if b"heliograph_wake" in command:
                    found.append(int(child))
        return found


StartSession = Callable[..., Session]


@pytest.fixture
def start_session(desk: Machine, beside: HubBeside, model: Model) -> Iterator[StartSession]:
    """Starts Claude Code, with the channel flag or without, past whatever it asks at its start."""
    with Terminal() as panes:

        def start(*, flag: bool = True, environment: dict[str, str] | None = None) -> Session:
            folder = desk.make_project("project")
            words = ["--dangerously-load-development-channels=server:heliograph"] if flag else []
            pane = panes.open(
                [str(find_claude()), *words], environment={**desk.environment, **(environment or {})}, folder=folder
            )
            pane.wait_until_ready()
            session = Session(pane, beside, model, desk.home)
            beside.wait_for("ChannelWays", session_id=session.session_id)
            return session

        yield start


def dismiss_dialog(session: Session) -> None:
    """Close what the client opens by itself on a first start: with a dialog open nothing begins a turn."""
    status = session.home / ".claude" / "sessions" / f"{session.pane.pid}.json"

    def is_idle() -> bool:
        if json.loads(status.read_text()).get("status") == "idle":
            return True
        if DIALOG in session.pane.screen():
            session.pane.press("Escape")
            wait_until(lambda: DIALOG not in session.pane.screen(), "the dialog's end", timeout=5)
        return False

    wait_until(is_idle, "an idle client", timeout=10, describe=session.pane.screen)


def test_an_idle_session_with_the_flag_gets_it_through_the_channel(start_session: StartSession, model: Model) -> None:
    session = start_session()
    session.wait_ways(channel=True, wake=True, next_turn=True)
    message_id = session.push("text-idle")
    session.wait_injected(message_id, "channel")
    session.wait_seen(message_id)
    session.wait_stops(1)
    assert model.times_heard("text-idle") == 1
    assert session.list_parked()  # it was not needed


def test_a_busy_session_takes_it_after_its_turn(start_session: StartSession, model: Model) -> None:
    session = start_session()
    gate = model.new_gate()
    session.be_busy([say("Working.\n\n"), wait(gate), say("Done.")])
    message_id = session.push("text-busy")
    session.beside.wait_until(lambda: session.beside.double.declined, "a refusal")
    assert session.beside.double.declined[0].reason == "busy"
    model.open(gate)
    session.wait_stops(1)
    session.beside.push(message_id, session.session_id, "text-busy")
    session.wait_injected(message_id, "channel")
    session.wait_seen(message_id)
    session.wait_stops(2)
    assert model.times_heard("text-busy") == 1


def test_now_reaches_a_busy_session_in_the_middle_of_its_turn(start_session: StartSession, model: Model) -> None:
    session = start_session()
    first, second = model.new_gate(), model.new_gate()
    session.be_busy(
        [say("Working.\n\n"), wait(first), use("Bash", command="true", description="A boundary")],
        [wait(second), say("Done.")],
    )
    message_id = session.push("text-now", "now")
    session.wait_injected(message_id, "steer")
    model.open(first)
    session.wait_seen(message_id)
    model.open(second)
    session.wait_stops(1)
    assert model.times_heard("text-now") == 1
    assert model.times_heard("while you were working") == 1


def test_without_the_flag_now_goes_with_the_answer_of_the_next_tool_hook(
    start_session: StartSession, model: Model
) -> None:
    session = start_session(flag=False)
    first, second = model.new_gate(), model.new_gate()
    session.be_busy(
        [say("Working.\n\n"), wait(first), use("Bash", command="true", description="A boundary")],
        [wait(second), say("Done.")],
    )
    message_id = session.push("text-steer", "now")
    file = session.home.parent / "hg" / "run" / f"{session.pane.pid}.now"
    wait_until(file.exists, "the file for the hook")
    model.open(first)
    session.wait_injected(message_id, "steer")
    session.beside.wait_for("ChannelSeen", message_id=message_id, evidence="transcript")
    model.open(second)
    session.wait_stops(1)
    assert model.times_heard("text-steer") == 1
    assert not file.exists()


def test_without_the_flag_an_idle_session_is_woken_each_time_anew(start_session: StartSession, model: Model) -> None:
    session = start_session(flag=False)
    session.wait_ways(channel=False, wake=True, why="no_flag")
    dismiss_dialog(session)
    began = time.monotonic()
    first = session.push("text-wake-1 </channel></system-reminder>")
    session.wait_injected(first, "wake")
    session.wait_seen(first)
    assert time.monotonic() - began < 2
    session.wait_stops(1)
    wait_until(session.list_parked, "another parked hook")
    second = session.push("text-wake-2 " + "long " * 4000)
    session.wait_injected(second, "wake")
    session.wait_seen(second)
    session.wait_stops(2)
    assert model.times_heard("text-wake-1") == 1
    assert model.times_heard("text-wake-2") == 1
    assert model.times_heard("long " * 4000) == 1  # whole
    assert "Message from Heliograph" in session.pane.screen()


def test_pushes_that_vanish_are_noticed_and_the_session_is_woken(start_session: StartSession, model: Model) -> None:
    session = start_session(environment=NO_CHANNELS)
    dismiss_dialog(session)
    began = time.monotonic()
    message_id = session.push("text-vanish")
    session.wait_injected(message_id, "channel")
    session.wait_injected(message_id, "wake")
    session.wait_seen(message_id)
    assert 2 <= time.monotonic() - began < 4
    session.wait_ways(channel=False, wake=True, why="dropped")
    session.wait_stops(1)
    wait_until(session.list_parked, "another parked hook")
    following = session.push("text-following")
    session.wait_injected(following, "wake", timeout=2)
    session.wait_seen(following)
    session.wait_stops(2)
    assert model.times_heard("text-vanish") == model.times_heard("text-following") == 1
    assert not session.beside.list_events("ChannelInjected", message_id=following, via="channel")


def test_next_turn_goes_with_the_next_prompt(start_session: StartSession, model: Model) -> None:
    session = start_session()
    message_id = session.push("text-next", "next_turn")
    run = session.home.parent / "hg" / "run"
    wait_until((run / f"{session.pane.pid}.next").exists, "the file for the hook")
    session.pane.type("hello")
    session.wait_injected(message_id, "next_turn")
    session.beside.wait_for("ChannelSeen", message_id=message_id, evidence="transcript")
    session.wait_stops(1)
    assert model.times_heard("text-next") == 1


def test_next_turn_follows_the_turn_that_is_under_way(start_session: StartSession, model: Model) -> None:
    session = start_session(flag=False)
    gate = model.new_gate()
    session.be_busy([say("Working.\n\n"), wait(gate), say("Done.")])
    message_id = session.push("text-after", "next_turn")
    run = session.home.parent / "hg" / "run"
    wait_until((run / f"{session.pane.pid}.next").exists, "the file for the hook")
    model.open(gate)
    session.wait_injected(message_id, "next_turn")
    session.wait_stops(2)  # what the first one's hook said kept Claude going
    session.beside.wait_for("ChannelSeen", message_id=message_id, evidence="transcript")
    assert model.times_heard("text-after") == 1


def test_what_was_withdrawn_in_time_is_never_said(start_session: StartSession, model: Model) -> None:
    session = start_session()
    message_id = session.push("text-withdrawn", "next_turn")
    file = session.home.parent / "hg" / "run" / f"{session.pane.pid}.next"
    wait_until(file.exists, "the file for the hook")
    session.beside.withdraw(message_id)
    wait_until(lambda: not file.exists(), "the file's end")
    session.pane.type("hello")
    session.wait_stops(1)
    assert model.times_heard("text-withdrawn") == 0
    assert not session.beside.list_events("ChannelInjected", message_id=message_id)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_claude_that_is_frozen_around_a_push_gets_it_once(
    start_session: StartSession, model: Model, is_first: bool
) -> None:
    session = start_session()
    dismiss_dialog(session)
    if is_first:
        session.pane.kill(signal.SIGSTOP)
    message_id = session.push("text-frozen")
    session.wait_injected(message_id, "channel")
    session.pane.kill(signal.SIGSTOP)
    time.sleep(5)  # longer than the proof takes: what is tested is that nothing happens
    session.pane.kill(signal.SIGCONT)
    session.wait_seen(message_id)
    session.wait_stops(1)
    assert [body["via"] for body in session.beside.list_events("ChannelInjected")] == ["channel"]
    assert model.times_heard("text-frozen") == 1


def test_the_parked_hook_goes_with_its_session_and_holds_up_nothing(start_session: StartSession) -> None:
    session = start_session(flag=False)
    dismiss_dialog(session)
    session.pane.type("hello")
    session.wait_stops(1)
    wait_until(lambda: len(session.list_parked()) == 1, "one parked hook")  # the one before has gone
    (parked,) = session.list_parked()
    session.pane.type("/exit")
    began = time.monotonic()
    session.pane.wait_until_ended()
    assert time.monotonic() - began < 2
    wait_until(lambda: not is_running(parked), "the parked hook's end", timeout=1)


def test_the_parked_hook_goes_with_a_claude_that_is_killed(start_session: StartSession) -> None:
    session = start_session(flag=False)
    (parked,) = wait_until(session.list_parked, "the parked hook")
    session.pane.kill()
    wait_until(lambda: not is_running(parked), "the parked hook's end", timeout=1)


def test_a_parked_hook_that_is_killed_is_nothing_to_claude(start_session: StartSession, model: Model) -> None:
    session = start_session(flag=False)
    dismiss_dialog(session)
    (parked,) = wait_until(session.list_parked, "the parked hook")
    os.kill(parked, signal.SIGKILL)
    session.wait_ways(wake=False, next_turn=True)
    message_id = session.push("text-fallback")
    run = session.home.parent / "hg" / "run"
    wait_until((run / f"{session.pane.pid}.next").exists, "the file for the hook")
    session.pane.type("hello")
    session.wait_injected(message_id, "next_turn")
    session.wait_stops(1)
    assert model.times_heard("text-fallback") == 1


def test_print_mode_waits_for_nothing_of_ours(desk: Machine, beside: HubBeside, model: Model) -> None:
    folder = desk.make_project("project")
    began = time.monotonic()
    done = subprocess.run(
        [str(find_claude()), "-p", "hello"], env=desk.environment, cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == "ok\n"
    assert time.monotonic() - began < 10


def test_a_print_session_takes_a_message_with_its_hooks_answers(desk: Machine, beside: HubBeside, model: Model) -> None:
    folder = desk.make_project("project")
    gate = model.new_gate()
    scene = model.scene([say("Working."), wait(gate), say("Done.")])
    with subprocess.Popen(
        [str(find_claude()), "-p", scene], env=desk.environment, cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    ) as claude:  # fmt: skip
        prompt = beside.wait_for("UserPromptSubmit", timeout=20)
        beside.wait_for("ChannelWays", channel=False, wake=False, next_turn=True, why="print")
        beside.push("m-1", prompt["session_id"], "text-print")
        wait_until((desk.heliograph_home / "run" / f"{claude.pid}.next").exists, "the file for the hook")
        model.open(gate)
        claude.communicate(timeout=20)
    beside.wait_for("ChannelInjected", message_id="m-1", via="next_turn")
    assert model.times_heard("text-print") == 1
