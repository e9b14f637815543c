"""Rules at work in a running hub: what they decide, and what they leave to people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hub import rulings
from hub.db import queries
from hub.keys import RULINGS
from tests.hub.claude import Claude
from tests.hub.deciding import Asking, asking, decide, read_answer
from tests.hub.kit import Hub, Secrets, run_hub, until

STATUS = {"command": "git status", "description": "Look"}
PUSH = {"command": "git push", "description": "Push"}


@pytest.fixture
async def session(hub: Hub) -> AsyncIterator[Asking]:
    async with asking(hub) as session:
        yield session


async def add(hub: Hub, *tools: str, behavior: str = "allow", **fields: Any) -> str:
    body = {"behavior": behavior, "tools": list(tools), **fields}
    answer = await hub.call("POST", "/api/v1/rules", body, token=hub.secrets.owner)
    assert answer.status == 201, answer.body
    return str(answer.json["rule_id"])


async def settle(hub: Hub) -> None:
    """Until the rules have looked at everything: a decision that comes after others is looked at after them."""
    async with asking(hub, Claude(pid=77)) as other:
        rule_id = await add(hub, "Probe")
        await other.ask("Probe", {"a": 1})
        await other.take()
        await hub.call("DELETE", f"/api/v1/rules/{rule_id}", token=hub.secrets.owner)


def go_deaf(hub: Hub) -> None:
    """From here on the rules aren't told of what is asked."""
    hub.db.observers.remove(hub.app[RULINGS].notice)


async def list_audit(hub: Hub) -> list[tuple[str, str]]:
    return [(row["who"], row["what"]) for row in await hub.rows("audit") if row["did"] == "decide"]


async def test_a_rule_allows_what_it_names(hub: Hub, session: Asking) -> None:
    rule_id = await add(hub, "Bash(git status)")
    decision = await session.ask("Bash", STATUS)
    verdict = await session.take()
    assert verdict.decision_id == decision["decision_id"]
    assert read_answer(verdict)["decision"] == {"behavior": "allow"}
    shown = await session.show(decision["decision_id"])
    assert (shown["state"], shown["decided"]["where"], shown["decided"]["rule_id"]) == ("decided", "rule", rule_id)
    assert shown["decided"]["by"] == "allow Bash(git status)"
    assert await list_audit(hub) == [(rule_id, f"{decision['decision_id']} allow by rule {rule_id}")]


async def test_a_rule_denies_with_its_message(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git push:*)", behavior="deny", message="Ask Maya first.")
    await session.ask("Bash", {"command": "ls && git push -f"})
    said = read_answer(await session.take())["decision"]
    assert said == {"behavior": "deny", "message": "Ask Maya first."}


async def test_what_no_rule_names_is_left_to_people(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)")
    await add(hub, "Bash", project="/elsewhere")
    await add(hub, "Bash", machine=hub.secrets.borea.machine_id)
    decision = await session.ask("Bash", PUSH)
    await settle(hub)
    assert (await session.show(decision["decision_id"]))["state"] == "open"


async def test_questions_and_plans_and_forms_are_left_to_people(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash", "mcp__people__*", "Write")
    asked = [
        await session.ask("AskUserQuestion", {"questions": [{"question": "Which?", "options": []}]}),
        await session.ask("ExitPlanMode", {"plan": "# Plan"}),
        await session.ask_form(),
    ]
    await settle(hub)
    for decision in asked:
        assert (await session.show(decision["decision_id"]))["state"] == "open"


async def test_what_only_the_relay_told_of_is_left_to_people(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash")
    await add(hub, "Bash", behavior="deny")
    decision = await session.ask_by_relay()
    await settle(hub)
    assert (await session.show(decision["decision_id"]))["state"] == "open"


async def test_a_rule_waits_until_something_takes_its_answer(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)")
    decision = await session.ask("Bash", STATUS, by="none")
    await settle(hub)
    assert (await session.show(decision["decision_id"]))["state"] == "open"
    waits = session.claude.channel("ChannelWaits", decision_id=decision["decision_id"], answered_by="hook")
    await session.channel.send(waits)
    assert (await session.take()).decision_id == decision["decision_id"]


async def test_a_new_rule_answers_what_is_open_already(hub: Hub, session: Asking) -> None:
    decision = await session.ask("Bash", STATUS)
    await add(hub, "Bash(git status)")
    assert (await session.take()).decision_id == decision["decision_id"]


async def test_a_removed_rule_answers_nothing_more(hub: Hub, session: Asking) -> None:
    rule_id = await add(hub, "Bash(git status)")
    await hub.call("DELETE", f"/api/v1/rules/{rule_id}", token=hub.secrets.owner)
    decision = await session.ask("Bash", STATUS)
    await settle(hub)
    assert (await session.show(decision["decision_id"]))["state"] == "open"


async def test_rules_answer_at_start_what_is_open_already(database: Path, secrets: Secrets) -> None:
    claude = Claude()
    async with run_hub(database, secrets) as hub, asking(hub, claude) as session:
        await add(hub, "Bash(git status)")
        go_deaf(hub)
        decision = await session.ask("Bash", STATUS)
        assert decision["state"] == "open"
    async with run_hub(database, secrets) as hub, hub.channel(claude, level=3) as channel:
        verdict = await Asking(hub, claude, channel).take()
        assert verdict.decision_id == decision["decision_id"]


async def test_a_verdict_that_nothing_took_is_not_given_again(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)")
    decision = await session.ask("Bash", STATUS)
    await session.take(taken=False)
    waits = session.claude.channel("ChannelWaits", decision_id=decision["decision_id"], answered_by="hook")
    await session.channel.send(waits)
    await settle(hub)
    shown = await session.show(decision["decision_id"])
    assert (shown["state"], shown["problem"]) == ("open", "not_taken")
    assert len(await list_audit(hub)) == 2  # and the probe's


async def test_a_person_who_is_first_is_first(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)", behavior="deny")
    go_deaf(hub)
    decision = await session.ask("Bash", STATUS)
    async with hub.db.read() as conn:
        as_it_was = await queries.find_decision(conn, decision["decision_id"])
    assert as_it_was is not None
    _, verdict = await session.decide(decision)
    assert read_answer(verdict)["decision"] == {"behavior": "allow"}
    hub.app[RULINGS].look_at([as_it_was])
    hub.db.observers.append(hub.app[RULINGS].notice)
    await settle(hub)
    assert (await session.show(decision["decision_id"]))["decided"]["where"] == "api"


async def test_of_a_person_and_a_rule_at_once_one_decides(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)")
    for _ in range(10):
        event = session.claude.asks("Bash", STATUS)
        waits = session.claude.channel("ChannelWaits", decision_id=event.event_id, answered_by="hook")
        await session.channel.send(event, waits)
        decision = await session.show(event.event_id)
        answer, _ = await asyncio.gather(decide(hub, decision, behavior="deny"), session.take())
        assert answer.status in (200, 409)
        shown = await session.show(event.event_id)
        assert shown["decided"]["where"] == ("api" if answer.status == 200 else "rule")
    given = [row for row in await hub.rows("events") if row["name"] == "DecisionGiven"]
    assert len(given) == 10


async def test_no_rule_speaks_for_a_foreign_session(hub: Hub) -> None:
    await add(hub, "Bash")
    claude = Claude()
    async with asking(hub, claude), asking(hub, Claude(claude.session_id), key=hub.secrets.borea.key) as copy:
        decision = await copy.ask("Bash", STATUS)
        await settle(hub)
        assert (await copy.show(decision["decision_id"]))["state"] == "open"


async def test_what_fails_is_left_to_people_and_stops_nothing(
    hub: Hub, session: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(hub, "Bash")
    real = rulings.do_apply_rules
    broken: set[str] = set()

    async def fail_first(db: Any, decision_id: str) -> str | None:
        if not broken:
            broken.add(decision_id)
            raise RuntimeError("boom")
        return await real(db, decision_id)

    monkeypatch.setattr(rulings, "do_apply_rules", fail_first)
    first = await session.ask("Bash", STATUS)
    await until(lambda: broken, "the first failed")
    second = await session.ask("Bash", STATUS)
    assert (await session.take()).decision_id == second["decision_id"]
    assert (await session.show(first["decision_id"]))["state"] == "open"


async def test_what_the_store_refused_is_tried_again(
    hub: Hub, session: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(hub, "Bash")
    real = rulings.do_apply_rules
    tries: list[str] = []

    async def fail_first(db: Any, decision_id: str) -> str | None:
        tries.append(decision_id)
        if len(tries) == 1:
            raise OperationalError("insert", {}, Exception("disk full"))
        return await real(db, decision_id)

    monkeypatch.setattr(rulings, "do_apply_rules", fail_first)
    hub.app[RULINGS]._after_failure = 0.01
    await session.ask("Bash", STATUS)
    await session.take()
    assert len(tries) == 2


async def test_many_at_once_are_all_decided(hub: Hub, session: Asking) -> None:
    await add(hub, "Bash(git status)")
    events = [session.claude.asks("Bash", STATUS) for _ in range(80)]
    waits = [session.claude.channel("ChannelWaits", decision_id=e.event_id, answered_by="hook") for e in events]
    await session.channel.send(*events, *waits)
    told = {(await session.take_nothing()).decision_id for _ in events}
    assert told == {event.event_id for event in events}
