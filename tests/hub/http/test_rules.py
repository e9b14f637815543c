"""Rules over the API: made, listed, removed, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from hub.actions import rules as actions
from tests.hub.kit import Answer, Hub

RULE = {"behavior": "deny", "tools": ["WebFetch", "Bash(curl:*)"]}


async def add(hub: Hub, role: str = "owner", **fields: Any) -> Answer:
    return await hub.call("POST", "/api/v1/rules", {**RULE, **fields}, token=hub.secrets.token(role))


async def remove(hub: Hub, rule_id: str, role: str = "owner") -> Answer:
    return await hub.call("DELETE", f"/api/v1/rules/{rule_id}", token=hub.secrets.token(role))


async def list_audit(hub: Hub) -> list[tuple[str, str]]:
    return [(row["did"], row["what"]) for row in await hub.rows("audit") if row["did"].endswith("_rule")]


async def test_there_is_none_until_somebody_makes_one(hub: Hub) -> None:
    assert await hub.get("/api/v1/rules") == {"rules": []}


async def test_a_rule_is_made_listed_and_removed(hub: Hub) -> None:
    hours = {"from": "18:00", "to": "08:00", "zone": "Europe/Berlin"}
    where = {"machine": hub.secrets.atlas.machine_id, "project": "/home/maya/project"}
    answer = await add(hub, **where, hours=hours, message="Not at night.")
    assert answer.status == 201
    rule = answer.json
    assert rule == {
        **RULE,
        **where,
        "hours": hours,
        "message": "Not at night.",
        "author": "owner token",
        "rule_id": rule["rule_id"],
        "created_at": rule["created_at"],
    }
    second = (await add(hub, behavior="allow")).json
    assert (second["machine"], second["project"], second["hours"], second["message"]) == (None, None, None, None)
    assert (await hub.get("/api/v1/rules"))["rules"] == [rule, second]
    removed = await remove(hub, rule["rule_id"])
    assert (removed.status, removed.json) == (200, rule)
    assert (await hub.get("/api/v1/rules"))["rules"] == [second]
    assert await list_audit(hub) == [
        ("add_rule", rule["rule_id"]),
        ("add_rule", second["rule_id"]),
        ("remove_rule", rule["rule_id"]),
    ]


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_only_who_administers_makes_and_removes_rules(hub: Hub, role: str) -> None:
    rule = (await add(hub)).json
    before = await hub.snapshot()
    assert (await add(hub, role)).status == 403
    assert (await remove(hub, rule["rule_id"], role)).status == 403
    assert await hub.snapshot() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": []},
        {"tools": ["*"]},
        {"tools": ["Bash(git * push)"]},
        {"tools": ["AskUserQuestion"]},
        {"tools": "Bash"},
        {"behavior": "ask"},
        {"behavior": "allow", "message": "why?"},
        {"project": "project"},
        {"machine": "no such machine"},
        {"hours": {"from": "18:00", "to": "08:00", "zone": "Nowhere"}},
        {"hours": {"from": "18:00", "to": "08:00"}},
        {"hours": {"from": "18:00", "to": "08:00", "zone": "UTC", "days": []}},
        {"enabled": True},
    ],
)
async def test_what_makes_no_rule_is_refused_and_changes_nothing(hub: Hub, fields: dict[str, Any]) -> None:
    before = await hub.snapshot()
    answer = await add(hub, **fields)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert await hub.snapshot() == before


async def test_a_rule_that_is_not_there_is_not_found(hub: Hub) -> None:
    rule = (await add(hub)).json
    assert (await remove(hub, rule["rule_id"])).status == 200
    assert (await remove(hub, rule["rule_id"])).status == 404


async def test_a_hub_has_a_bounded_number_of_rules(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "RULES", 2)
    assert [(await add(hub)).status for _ in range(3)] == [201, 201, 409]
