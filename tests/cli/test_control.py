"""`heliograph interrupt` and `stop` against a hub."""

from __future__ import annotations

import pytest

from tests.cli.fake_hub import TOKEN, FakeHub, build_session
from tests.cli.world import World

ONE, TWO = "aaaa1111-0000", "bbbb2222-0000"


@pytest.fixture
def person(world: World, hub: FakeHub) -> World:
    world.env |= {"HELIOGRAPH_URL": hub.url, "HELIOGRAPH_TOKEN": TOKEN}
    hub.sessions = [build_session(ONE, state="working"), build_session(TWO, cwd="/a\x1b[2Jb")]
    return world


def orders(hub: FakeHub) -> list[str]:
    return [path for method, path, _ in hub.requests if method == "POST"]


async def test_interrupt_names_the_session_by_the_beginning_of_its_id(person: World, hub: FakeHub) -> None:
    done = await person.run_async("interrupt", "aaaa")
    assert (done.code, done.out) == (0, "aaaa1111 (/src/parser on build-box) stops at its next step.\n")
    assert orders(hub) == [f"/api/v1/sessions/{ONE}/interrupt"]


@pytest.mark.parametrize(("words", "answer"), [(["--yes"], ""), ([], "y\n")])
async def test_stop_ends_it_once_that_is_sure(person: World, hub: FakeHub, words: list[str], answer: str) -> None:
    done = await person.run_async("stop", TWO, *words, answer=answer)
    assert done.code == 0, done.err
    assert done.out.endswith("bbbb2222 (/a\\x1b[2Jb on build-box) ends.\n")
    assert "\x1b" not in done.out
    assert orders(hub) == [f"/api/v1/sessions/{TWO}/stop"]


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
async def test_no_answer_is_no(person: World, hub: FakeHub, answer: str) -> None:
    done = await person.run_async("stop", ONE, answer=answer)
    assert done.code == 1
    assert done.out.endswith("Nothing was stopped.\n")
    assert orders(hub) == []


@pytest.mark.parametrize("words", [["interrupt", ONE], ["stop", ONE, "--yes"]])
async def test_what_the_hub_refuses_is_a_line(person: World, hub: FakeHub, words: list[str]) -> None:
    hub.admin_answers[f"/api/v1/sessions/{ONE}/{words[0]}"] = (
        409,
        {"error": {"code": "not_running", "message": "Nothing is under way there."}},
    )
    done = await person.run_async(*words)
    assert done.code == 1
    assert done.err == "heliograph: the hub says: Nothing is under way there. (not_running)\n"
