"""``POST /api/v1/events``: what a machine's spool brings in."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from hub.actions import events as events_module
from hub.db.engine import Transaction
from tests.hub.claude import Claude
from tests.hub.kit import Answer, Hub, until
from wire.frames import BATCH_EVENTS, EVENT_BYTES, Bye, Event
from wire.ids import build_id

GOOD_ID = build_id(1_795_243_093_630_000, b"12345678")


def raw_event(**fields: Any) -> dict[str, Any]:
    """One event as JSON, with some fields replaced."""
    body = {"session_id": "s1", "hook_event_name": "SessionStart"}
    return {"event_id": GOOD_ID, "at": 1, "source": "hook", "pid": 1, "body": body, **fields}


async def post(hub: Hub, *events: dict[str, Any]) -> Answer:
    return await hub.call("POST", "/api/v1/events", {"events": list(events)}, token=hub.secrets.atlas.key)


async def test_what_is_answered_as_committed_is_there(hub: Hub) -> None:
    claude = Claude()
    events = [claude.start(), *claude.turn("do it", "done")]
    answer = (await hub.post_events(*events)).json
    assert answer == {"committed": [event.event_id for event in events], "rejected": []}
    assert [row["event_id"] for row in await hub.rows("events")] == answer["committed"]
    assert [bytes(row["body"]) for row in await hub.rows("events")] == [bytes(event.body) for event in events]


async def test_an_event_is_stored_once_however_often_it_comes(hub: Hub) -> None:
    claude = Claude()
    events = [claude.start(), *claude.turn("do it", "done")]
    await hub.post_events(*events[:4])
    before = await hub.timeline(claude.session_id)
    assert (await hub.post_events(*events[:4])).json["committed"] == [event.event_id for event in events[:4]]
    assert await hub.timeline(claude.session_id) == before
    answer = await hub.post_events(*events[2:], *events[2:])
    assert answer.json["rejected"] == []
    assert [row["event_id"] for row in await hub.rows("events")] == [event.event_id for event in events]


async def test_an_empty_batch_is_fine(hub: Hub) -> None:
    assert (await hub.post_events()).json == {"committed": [], "rejected": []}


@pytest.mark.parametrize(
    "fields",
    [
        {"event_id": ""},
        {"event_id": "x" * 5000},
        {"event_id": GOOD_ID.upper()},
        {"event_id": GOOD_ID.replace("-7", "-4", 1)},
        {"event_id": GOOD_ID + " "},
        {"pid": -1},
        {"pid": 2**31},
        {"pid": 2**70},
        {"at": -1},
        {"at": 2**60},
        {"body": []},
        {"body": None},
        {"body": "text"},
        {"body": {"session_id": "s1"}},
        {"body": {"session_id": "", "hook_event_name": "Stop"}},
        {"body": {"session_id": "x" * 129, "hook_event_name": "Stop"}},
        {"body": {"session_id": "s1", "hook_event_name": "x" * 129}},
        {"body": {"session_id": 7, "hook_event_name": "Stop"}},
    ],
    ids=repr,
)
async def test_a_malformed_event_is_refused_for_good_and_the_rest_is_taken(hub: Hub, fields: dict[str, Any]) -> None:
    bad, good = raw_event(**fields), raw_event(event_id=build_id(5, b"abcdefgh"))
    answer = await post(hub, bad, good)
    if answer.status == 422:  # not even an event
        assert await hub.rows("events") == []
        return
    assert answer.json["rejected"] == [{"event_id": bad["event_id"], "code": "malformed"}]
    assert answer.json["committed"] == [good["event_id"]]
    assert [row["event_id"] for row in await hub.rows("events")] == [good["event_id"]]


@pytest.mark.parametrize("size", [EVENT_BYTES, EVENT_BYTES + 1])
async def test_a_body_has_a_bound(hub: Hub, size: int) -> None:
    empty = len(json.dumps({"session_id": "s1", "hook_event_name": "X", "pad": ""}, separators=(",", ":")))
    body = {"session_id": "s1", "hook_event_name": "X", "pad": "x" * (size - empty)}
    batch = json.dumps({"events": [raw_event(body=body)]}, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json"}
    answer = await hub.call("POST", "/api/v1/events", data=batch, headers=headers, token=hub.secrets.atlas.key)
    assert answer.status == 200
    if size > EVENT_BYTES:
        assert answer.json == {"committed": [], "rejected": [{"event_id": GOOD_ID, "code": "too_large"}]}
        assert await hub.rows("events") == []
    else:
        assert answer.json["committed"] == [GOOD_ID]


async def test_a_batch_has_a_bound(hub: Hub) -> None:
    claude = Claude()
    many = [claude.hook("X") for _ in range(BATCH_EVENTS + 1)]
    assert (await hub.post_events(*many)).status == 422
    assert await hub.rows("events") == []
    assert len((await hub.post_events(*many[:BATCH_EVENTS])).json["committed"]) == BATCH_EVENTS


async def test_a_body_nested_beyond_reason_harms_nothing(hub: Hub) -> None:
    deep = "[" * 3000 + "]" * 3000
    whole = json.dumps({"events": [raw_event()]}).replace('"SessionStart"', f'"SessionStart", "x": {deep}')
    headers = {"Content-Type": "application/json"}
    answer = await hub.call("POST", "/api/v1/events", data=whole.encode(), headers=headers, token=hub.secrets.atlas.key)
    assert answer.status == 400
    assert await hub.rows("events") == []


async def test_fields_of_unexpected_types_lose_no_event(hub: Hub) -> None:
    claude = Claude()
    odd = [
        claude.hook("UserPromptSubmit", prompt=["not", "text"]),
        claude.hook("PreToolUse", tool_name="Bash", tool_use_id="t", tool_input="not an object"),
        claude.hook("PostToolUse", tool_name="Bash", tool_use_id="t", tool_response=2**80, duration_ms="12"),
        claude.hook("Stop", last_assistant_message={"text": "x"}),
    ]
    assert (await hub.post_events(*odd)).json["rejected"] == []
    assert len(await hub.rows("events")) == len(odd)
    assert (await hub.timeline(claude.session_id))[-1]["response"] == 2**80


async def test_a_session_of_another_machine_becomes_a_row_of_its_own_and_is_flagged(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start(), *claude.turn("mine", "done"))
    before = (await hub.session(claude.session_id), await hub.timeline(claude.session_id))
    intruder = Claude(claude.session_id, at=claude.at)
    own = Claude(pid=9)
    forged = [*intruder.turn("forged", "forged"), intruder.end()]
    answer = await hub.post_events(own.start(), *forged, key=hub.secrets.borea.key)
    assert len(answer.json["committed"]) == 1 + len(forged)
    assert (await hub.session(claude.session_id), await hub.timeline(claude.session_id)) == before
    assert (await hub.session(own.session_id))["machine"]["name"] == "borea"
    foreign = await hub.session(f"{claude.session_id}@{hub.secrets.borea.machine_id}")
    assert (foreign["foreign"], foreign["state"], foreign["machine"]["name"]) == (True, "ended", "borea")
    assert foreign["lineage"] == {"previous": claude.session_id, "relation": "resume"}
    kinds = [(entry["kind"], entry.get("code")) for entry in await hub.timeline(foreign["session_id"])]
    assert kinds[0] == ("notice", "foreign")
    assert ("prompt", None) in kinds


async def test_nobody_can_claim_the_row_of_a_foreign_session(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start())
    squatter = Claude(f"{claude.session_id}@{hub.secrets.borea.machine_id}")
    answer = await hub.post_events(squatter.start())
    assert [item["code"] for item in answer.json["rejected"]] == ["malformed"]


async def test_the_same_pid_on_two_machines_is_two_processes(hub: Hub) -> None:
    one, other = Claude(pid=77), Claude(pid=77)
    await hub.post_events(one.start())
    await hub.post_events(other.start(), key=hub.secrets.borea.key)
    await hub.post_events(*one.clear())
    assert (await hub.session(other.session_id))["state"] == "idle"
    assert (await hub.session(other.session_id))["next_session_id"] is None


async def test_another_machines_message_ids_prove_nothing(hub: Hub) -> None:
    claude, other = Claude(), Claude(pid=9)
    await hub.post_events(claude.start())
    await hub.post_events(other.start(), key=hub.secrets.borea.key)
    message_id = (await hub.send(claude.session_id))["message_id"]
    forged: list[Event] = [other.injected(message_id), other.take(message_id), other.replies("hi", message_id)]
    await hub.post_events(*forged, other.stop(), key=hub.secrets.borea.key)
    assert await hub.message_state(message_id) == "queued"


async def test_a_full_store_says_so_keeps_nothing_and_recovers(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start())

    async def limit(tx: Transaction, pages: str = "page_count") -> None:
        count = (await tx.conn.execute(text(f"PRAGMA {pages}"))).scalar_one()
        await tx.conn.execute(text(f"PRAGMA max_page_count = {count}"))

    async def lift(tx: Transaction) -> None:
        await tx.conn.execute(text("PRAGMA max_page_count = 1000000"))

    before = await hub.snapshot()
    await hub.db.write(limit)
    big = [claude.prompt("x" * 100_000) for _ in range(3)]
    answer = await hub.post_events(*big)
    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert await hub.snapshot() == before
    sent = await hub.call(
        "POST",
        f"/api/v1/sessions/{claude.session_id}/messages",
        {"text": "x" * 60_000},
        token=hub.secrets.member,
    )
    assert sent.status == 503
    assert (await hub.call("GET", "/healthz")).status == 200
    await hub.db.write(lift)
    assert len((await hub.post_events(*big)).json["committed"]) == 3


async def test_what_a_dead_process_left_does_not_bring_its_session_back(hub: Hub) -> None:
    claude, other = Claude(pid=11), Claude(pid=22)
    async with hub.channel(claude) as channel:
        await channel.send(claude.start())
        await channel.say(Bye(reason="parent_gone"))
    await until_state(hub, claude, "offline")
    event = json.loads(msgspec.json.encode(claude.prompt("its last words")))
    body = {"events": [event], "pid": other.pid}
    answer = await hub.call("POST", "/api/v1/events", body, token=hub.secrets.atlas.key)
    assert answer.json["committed"] == [event["event_id"]]
    await until_state(hub, claude, "offline")


async def until_state(hub: Hub, claude: Claude, state: str) -> None:
    async def look() -> bool:
        return bool((await hub.session(claude.session_id))["state"] == state)

    await until(look, f"{state}")


async def test_an_event_that_the_hub_fails_to_fold_costs_no_other(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    claude = Claude()
    poison = claude.hook("Notification", message="poison")
    fold = events_module.fold

    def fail(world: Any, event: Any) -> None:
        if event.event_id == poison.event_id:
            raise OverflowError("Python int too large")
        fold(world, event)

    monkeypatch.setattr(events_module, "fold", fail)
    start, after = claude.start(), claude.prompt("after")
    answer = await hub.post_events(start, poison, after)
    assert answer.status == 200
    assert answer.json["rejected"] == [{"event_id": poison.event_id, "code": "broken"}]
    assert answer.json["committed"] == [start.event_id, after.event_id]
    assert (await hub.session(claude.session_id))["state"] == "working"
