"""`heliograph decide` and `rule` at a running hub, with a channel that takes the answers."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import Outcome, World
from tests.hub.deciding import FORM, RULE, Asking, asking, read_answer
from tests.hub.kit import Hub, make_database, run_hub
from wire.frames import Verdict

QUESTIONS = {
    "questions": [{"question": "Which?", "header": "W", "multiSelect": True, "options": [{"label": "A"}]}],
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("template") / "heliograph.db"
    return path, asyncio.run(make_database(path))


@pytest.fixture
async def hub(template: Any, tmp_path: Path) -> AsyncIterator[Hub]:
    async with run_hub(Path(shutil.copy(template[0], tmp_path / "heliograph.db")), template[1]) as hub:
        yield hub


@pytest.fixture
async def session(hub: Hub) -> AsyncIterator[Asking]:
    async with asking(hub) as session:
        yield session


@pytest.fixture
def person(world: World, hub: Hub) -> World:
    world.env |= {"HELIOGRAPH_URL": hub.url, "HELIOGRAPH_TOKEN": hub.secrets.owner}
    return world


async def answer(person: World, session: Asking, *words: str) -> tuple[Outcome, Verdict]:
    done, verdict = await asyncio.gather(person.run_async("decide", *words), session.take())
    return done, verdict


async def test_each_kind_of_answer_reaches_claude_code(person: World, session: Asking) -> None:
    asked = await session.ask(permission_suggestions=[RULE])
    listed = await person.run_async("decide")
    assert asked["decision_id"][:8] in listed.out
    done, verdict = await answer(person, session, session.claude.session_id, "--always", "1")
    assert done.code == 0, done.err
    said = read_answer(verdict)["decision"]
    assert said == {"behavior": "allow", "updatedPermissions": [RULE]}
    assert (await session.show(asked["decision_id"]))["decided"]["where"] == "cli"

    asked = await session.ask("AskUserQuestion", QUESTIONS)
    done, verdict = await answer(person, session, asked["decision_id"], "--answer", "1=A", "--answer", "Which?=B, C")
    assert read_answer(verdict)["decision"]["updatedInput"]["answers"] == {"Which?": 'A, "B, C"'}

    asked = await session.ask("ExitPlanMode", {"plan": "# Plan"})
    done, verdict = await answer(person, session, asked["decision_id"], "--mode", "acceptEdits")
    assert read_answer(verdict)["decision"]["updatedPermissions"][0]["mode"] == "acceptEdits"

    asked = await session.ask_form(requested_schema=FORM)
    done, verdict = await answer(person, session, asked["decision_id"], "--field", "name=Ada", "--field", "age=36")
    assert read_answer(verdict)["content"] == {"name": "Ada", "age": 36}

    asked = await session.ask_form()
    done, verdict = await answer(person, session, asked["decision_id"], "--stop")
    assert read_answer(verdict)["action"] == "cancel"


async def test_what_somebody_else_decided_is_told_by_the_exit_code(person: World, session: Asking) -> None:
    asked = await session.ask()
    await session.decide(asked, behavior="deny")
    done = await person.run_async("decide", asked["decision_id"], "--allow")
    assert done.code == 5
    assert "decided this already" in done.err


async def test_an_answer_to_a_machine_that_is_away_is_kept(person: World, hub: Hub) -> None:
    async with asking(hub) as session:
        asked = await session.ask()
    done = await person.run_async("decide", asked["decision_id"], "--allow")
    assert done.code == 7, done.out + done.err


async def test_a_viewer_decides_nothing(person: World, hub: Hub, session: Asking) -> None:
    asked = await session.ask()
    person.env["HELIOGRAPH_TOKEN"] = hub.secrets.viewer
    assert (await person.run_async("decide", asked["decision_id"], "--allow")).code == 4
    assert (await person.run_async("rule", "add", "allow", "Bash")).code == 4
    assert (await session.show(asked["decision_id"]))["state"] == "open"


async def test_a_rule_that_is_added_decides_and_one_that_is_removed_does_not(person: World, session: Asking) -> None:
    added = await person.run_async("rule", "add", "deny", "Bash(git push:*)", "--machine", "atlas", "--message", "No.")
    assert added.code == 0, added.err
    await session.ask()
    assert read_answer(await session.take())["decision"] == {"behavior": "deny", "message": "No."}
    [rule] = json.loads((await person.run_async("rule", "list", "--json")).out)
    assert (await person.run_async("rule", "remove", rule["rule_id"])).code == 0
    assert (await person.run_async("rule", "add", "deny", "Bash(git * push)")).code == 1
    assert (await session.ask())["state"] == "open"
