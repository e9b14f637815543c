"""One card for each of Claude's session ids, whatever a person does with it, and how sessions follow each other."""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.real_client.conftest import StartClaude
from tests.support.scenes import Model, say
from tests.support.stack import Api, Machine, run_hub
from tests.support.terminal import POINTER, Pane, Terminal, prepare_project
from tests.support.waiting import wait_until

SECONDS = 20.0


def cards(api: Api, project: Path) -> list[dict[str, Any]]:
    return api.list_sessions(cwd=str(project))


def command(claude: Pane, line: str, happens: Callable[[], object]) -> None:
    """Type a line and send it (the prompt box may have a title); again Enter if that was swallowed."""
    claude.write(line)
    claude.wait_for(rf"^{POINTER} {re.escape(line)}$")
    for _ in range(5):
        claude.press("Enter")
        with contextlib.suppress(AssertionError):
            wait_until(happens, line, timeout=4.0)
            return
    raise AssertionError(f"{line!r} changes nothing:\n{claude.screen()}")


def talk(api: Api, machine: Machine, claude: Pane, session_id: str, text: str) -> None:
    """A turn at the terminal, and its trace in the transcript, which is written a little later."""
    command(claude, text, lambda: [e for e in api.list_entries(session_id, "prompt") if e["text"] == text])
    api.wait_for_session(session_id=session_id, state="idle", timeout=SECONDS)

    def is_written() -> bool:
        paths = (machine.home / ".claude" / "projects").glob(f"*/{session_id.partition('@')[0]}.jsonl")
        return any('"type":"assistant"' in path.read_text().partition(f'"{text}"')[2] for path in paths)

    wait_until(is_written, f"{text} in the transcript", timeout=SECONDS)


def leave(api: Api, claude: Pane, session_id: str) -> None:
    command(claude, "/exit", lambda: not claude.alive())
    api.wait_for_session(session_id=session_id, state="ended", timeout=SECONDS)


def test_every_way_back_leads_to_the_same_card(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    chosen = str(uuid.uuid4())
    claude = start_claude("--session-id", chosen)
    session_id = api.wait_for_session(cwd=str(project), state="idle", timeout=SECONDS)["session_id"]
    assert session_id == chosen
    talk(api, machine, claude, session_id, "first")
    leave(api, claude, session_id)

    claude = start_claude("--continue")
    api.wait_for_session(cwd=str(project), state="idle", delivery="channel", timeout=SECONDS)
    talk(api, machine, claude, session_id, "second")
    claude.kill()
    api.wait_for_session(cwd=str(project), state="offline", delivery="none", timeout=SECONDS)

    claude = start_claude("--resume", session_id)
    api.wait_for_session(cwd=str(project), state="idle", delivery="channel", timeout=SECONDS)
    talk(api, machine, claude, session_id, "third")
    again = start_claude("--resume", session_id)  # opened twice, at the same time
    talk(api, machine, again, session_id, "fourth")
    leave(api, again, session_id)
    talk(api, machine, claude, session_id, "fifth")
    assert api.find_session(cwd=str(project), state="idle", delivery="channel")
    texts = [entry["text"] for entry in api.list_entries(session_id, "prompt")]
    assert texts == ["first", "second", "third", "fourth", "fifth"]


def test_branch_resume_compact_and_clear_in_one_process(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    first = api.wait_for_session(cwd=str(project), state="idle", timeout=SECONDS)["session_id"]
    talk(api, machine, claude, first, "the beginning")

    command(claude, "/branch", lambda: api.find_session(session_id=first, state="ended"))
    forked = {"previous": first, "relation": "fork"}
    branch = api.wait_for_session(cwd=str(project), lineage=forked, state="idle", timeout=SECONDS)["session_id"]
    assert api.find_session(session_id=first, state="ended", next_session_id=branch)
    talk(api, machine, claude, branch, "in the branch")

    command(claude, "/compact", lambda: api.list_entries(branch, "notice"))
    api.wait_for_entry(branch, "notice", code="compacted", timeout=SECONDS)
    api.wait_for_session(session_id=branch, state="idle", timeout=SECONDS)

    command(claude, f"/resume {first}", lambda: api.find_session(session_id=branch, state="ended"))
    api.wait_for_session(session_id=first, state="idle", delivery="channel", timeout=SECONDS)
    talk(api, machine, claude, first, "back again")

    command(claude, "/clear", lambda: api.find_session(session_id=first, state="ended"))
    cleared = api.wait_for_session(
        cwd=str(project), lineage={"previous": first, "relation": "clear"}, state="idle", timeout=SECONDS
    )
    message_id = api.send(cleared["session_id"], "what was it?")
    api.wait_for_message(message_id, "answered", timeout=SECONDS)
    assert len(cards(api, project)) == 3


def test_a_fork_in_another_process_names_its_origin(
    api: Api, machine: Machine, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    origin = api.wait_for_session(cwd=str(project), state="idle", timeout=SECONDS)["session_id"]
    talk(api, machine, claude, origin, "the beginning")

    by_id = start_claude("--resume", origin, "--fork-session")
    forked = {"previous": origin, "relation": "fork"}
    fork = api.wait_for_session(cwd=str(project), lineage=forked, timeout=SECONDS)["session_id"]
    assert fork != origin
    assert api.find_session(session_id=origin, state="idle", delivery="channel", lineage=None)
    talk(api, machine, by_id, fork, "in the fork")
    leave(api, claude, origin)
    leave(api, by_id, fork)

    latest = start_claude("--continue", "--fork-session")  # nothing but the transcript tells of what
    following = api.wait_for_session(cwd=str(project), state="idle", delivery="channel", timeout=SECONDS)["session_id"]
    talk(api, machine, latest, following, "which one am I?")
    api.wait_for_session(session_id=following, lineage={"previous": fork, "relation": "fork"}, timeout=SECONDS)
    assert len(cards(api, project)) == 3


def test_two_sessions_in_one_folder_are_two_cards(
    api: Api, model: Model, project: Path, start_claude: StartClaude
) -> None:
    claude = start_claude()
    one = api.wait_for_session(cwd=str(project), state="idle", timeout=SECONDS)["session_id"]
    start_claude()
    wait_until(lambda: len(cards(api, project)) == 2, "both cards", timeout=SECONDS)
    for session_id in [card["session_id"] for card in cards(api, project)]:
        word = "first" if session_id == one else "second"
        message_id = api.send(session_id, f"speak {model.scene([say(f'I am the {word}.')])}")
        api.wait_for_message(message_id, "answered", timeout=SECONDS)
        api.wait_for_entry(session_id, "assistant", text=f"I am the {word}.", timeout=SECONDS)
    claude.wait_for("I am the first")
    assert len(cards(api, project)) == 2


def test_a_session_resumed_on_another_machine_is_a_row_of_its_own(
    tmp_path: Path, model: Model, terminal: Terminal
) -> None:
    with run_hub(tmp_path / "hub") as hub:
        api = hub.api
        home, laptop = (Machine(tmp_path / name, name, model.url) for name in ("home", "laptop"))
        home.set_up(hub)
        laptop.set_up(hub)
        project = home.make_project("wandering")
        prepare_project(laptop.home, project)
        claude = home.start_claude(terminal, project)
        first = api.wait_for_session(cwd=str(project), state="idle", timeout=SECONDS)["session_id"]
        talk(api, home, claude, first, "at home")
        shutil.copytree(home.home / ".claude" / "projects", laptop.home / ".claude" / "projects", dirs_exist_ok=True)

        away = laptop.start_claude(terminal, project, "--resume", first)
        copy = api.wait_for_session(cwd=str(project), foreign=True, state="idle", delivery="channel", timeout=SECONDS)
        own_id = copy["session_id"]
        assert own_id != first
        assert copy["machine"]["name"] == "laptop"
        assert copy["lineage"] == {"previous": first, "relation": "resume"}
        talk(api, laptop, away, own_id, "on the way")
        talk(api, home, claude, first, "still at home")

        hub.kill()
        hub.start()
        message_id = api.send(own_id, "are you the copy?")
        api.wait_for_message(message_id, "answered", timeout=30)
        command(away, "/clear", lambda: api.find_session(session_id=own_id, state="ended"))
        cleared = {"previous": own_id, "relation": "clear"}
        api.wait_for_session(cwd=str(project), lineage=cleared, state="idle", timeout=SECONDS)
        assert api.find_session(session_id=first, state="idle", foreign=False)
        assert [entry["text"] for entry in api.list_entries(first, "prompt")] == ["at home", "still at home"]
        assert len(cards(api, project)) == 3
