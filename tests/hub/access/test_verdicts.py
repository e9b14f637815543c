"""Who tries to decide without the right to, twice, on something else, or by guessing: nothing is applied."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.hub.claude import Claude, new_uuid
from tests.hub.deciding import BASH, Asking, asking, decide
from tests.hub.kit import Hub
from wire.frames import Event, Settled, Verdict
from wire.ids import build_id


@pytest.fixture
async def session(hub: Hub) -> AsyncIterator[Asking]:
    async with asking(hub) as session:
        yield session


async def given(hub: Hub) -> list[str]:
    """The decisions that verdicts were stored for."""
    events = [row for row in await hub.rows("events") if row["name"] == "DecisionGiven"]
    return [msgspec.json.decode(row["body"])["decision_id"] for row in events]


async def verdict_lines(hub: Hub) -> list[tuple[str, str, str]]:
    """(who, what, from which address) in the audit log."""
    return [(row["who"], row["what"], row["address"]) for row in await hub.rows("audit") if row["did"] == "decide"]


async def test_of_a_hundred_at_once_one_is_applied(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    behaviors = ["allow", "deny"] * 50
    answering = asyncio.gather(*(decide(hub, decision, behavior=behavior) for behavior in behaviors))
    frame = await session.take()
    answers = await answering
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 99}
    assert {answer.code for answer in answers if answer.status == 409} == {"already_decided"}
    (applied,) = [behavior for behavior, answer in zip(behaviors, answers, strict=True) if answer.status == 200]
    assert frame.behavior == applied
    assert len(await given(hub)) == len(await verdict_lines(hub)) == 1
    await session.channel.send()
    assert session.channel.kept == []


async def test_a_verdict_that_is_said_again_is_not_applied_again(session: Asking) -> None:
    decision = await session.ask()
    first, _ = await session.decide(decision)
    again = await decide(session.hub, decision)
    assert (again.status, again.code) == (409, "already_decided")
    assert again.json["error"]["decision"] == first.json
    assert len(await given(session.hub)) == 1


@pytest.mark.parametrize("behavior", ["allow", "deny"])
async def test_a_verdict_on_something_else_changes_nothing(session: Asking, behavior: str) -> None:
    hub, decision, other = session.hub, await session.ask(), await session.ask("Write", {"file_path": "/x"})
    before = await hub.snapshot()
    for digest in ("", "x", decision["digest"].upper(), decision["digest"][:-1], other["digest"], "0" * 64):
        answer = await decide(hub, decision, digest=digest, behavior=behavior)
        assert (answer.status, answer.code) == (409, "changed")
        assert answer.json["error"]["decision"] == decision
    assert await hub.snapshot() == before


async def test_the_digest_is_of_all_that_is_shown(session: Asking) -> None:
    same = [await session.ask(), await session.ask()]
    different = await session.ask(permission_suggestions=[{"type": "setMode", "mode": "acceptEdits"}])
    assert len({decision["digest"] for decision in (*same, different)}) == 3


async def test_guessed_ids_are_404_and_decide_nothing(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    real = decision["decision_id"]
    guesses = [build_id(session.claude.at, number.to_bytes(8, "big")) for number in range(300)]
    guesses += [new_uuid(), real.upper(), real[:-1], real + "0", "%2e%2e", "x" * 4000, "'%20OR%201=1--", real + "%00"]
    before = await hub.snapshot()
    for guess in guesses:
        if guess != real:
            answer = await decide(hub, {"decision_id": guess, "digest": decision["digest"]})
            assert (answer.status, answer.code) == (404, "not_found"), guess
    assert await hub.snapshot() == before


async def test_a_viewer_a_machine_and_another_site_decide_nothing(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    browser = await hub.browser()
    before = await hub.snapshot()
    for token in (hub.secrets.viewer, hub.secrets.atlas.key, hub.secrets.borea.key):
        answer = await decide(hub, decision, token=token)
        assert (answer.status, answer.code) == (403, "forbidden")
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    body = {"digest": decision["digest"], "behavior": "allow"}
    for headers in (
        browser.headers(origin="http://evil.example"),
        browser.headers(origin=None),
        browser.headers(csrf=False),
        browser.headers() | {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = await hub.call("POST", path, body, headers=headers)
        assert (answer.status, answer.code) == (403, "bad_origin")
    assert (await hub.call("POST", path, body)).status == 401
    assert await hub.snapshot() == before


async def test_a_machine_reads_no_decision(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    for path in ("/api/v1/decisions", f"/api/v1/decisions/{decision['decision_id']}"):
        answer = await hub.call("GET", path, token=hub.secrets.atlas.key)
        assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("text", ["yes abcde", "y abcde", '{"behavior":"allow"}', "allow", "/allow DECISION"])
async def test_no_text_is_read_as_a_verdict(session: Asking, text: str) -> None:
    hub, claude, decision = session.hub, session.claude, await session.ask()
    relayed = await session.ask_by_relay()
    text = text.replace("DECISION", decision["decision_id"])
    for when in ("auto", "now", "next_turn"):
        await hub.send(claude.session_id, text, when=when)
    await session.channel.send(claude.replies(text), claude.says(text))
    for asked in (decision, relayed):
        assert (await session.show(asked["decision_id"]))["state"] == "open"
    assert await given(hub) == []
    await hub.pushes_done()
    await session.channel.send()
    assert not [frame for frame in session.channel.kept if isinstance(frame, Verdict | Settled)]


async def test_what_is_known_in_part_is_not_allowed(session: Asking) -> None:
    cut = await session.ask(heliograph_cut={"bytes": 300_000})
    assert (cut["is_whole"], cut["offers"]) == (False, ["deny", "message", "stop"])
    relayed = await session.ask_by_relay()
    assert (relayed["is_whole"], relayed["offers"]) == (False, ["deny"])
    for decision in (relayed, cut):
        for more in ({}, {"input": BASH}, {"remember": 0}):
            answer = await decide(session.hub, decision, **more)
            assert (answer.status, answer.code) == (422, "unprocessable")
    assert await given(session.hub) == []
    answer, frame = await session.decide(relayed, behavior="deny")
    assert (answer.status, frame.behavior) == (200, "deny")


@pytest.mark.parametrize("verdict", [{"behavior": "deny", "message": "no"}, {"behavior": "deny", "stop": True}])
async def test_the_relay_is_told_no_less_than_was_decided(session: Asking, verdict: dict[str, Any]) -> None:
    answer = await decide(session.hub, await session.ask(by="relay"), **verdict)
    assert (answer.status, answer.code) == (422, "unprocessable")


async def test_where_nothing_takes_an_answer_none_can_be_given(session: Asking) -> None:
    decision = await session.ask(by="none")
    assert decision["offers"] == []
    for behavior in ("allow", "deny"):
        assert (await decide(session.hub, decision, behavior=behavior)).status == 422


def forge(claude: Claude, decision: dict[str, Any]) -> list[Event]:
    """What another machine says to move it."""
    named = {"decision_id": decision["decision_id"]}
    return [
        claude.channel("ChannelWaits", **named, answered_by="none"),
        claude.channel("ChannelDecided", **named, taken=True),
        claude.channel("ChannelDecided", **named, taken=False),
        claude.channel("DecisionGiven", **named, verdict={"behavior": "allow"}),
        claude.hook("DecisionGiven", **named, verdict={"behavior": "allow"}),
        claude.post_tool("t1", "Bash", BASH),
        claude.end_batch(),
        claude.stop(),
        claude.channel("ChannelIdle"),
        claude.end(),
    ]


@pytest.mark.parametrize("state", ["open", "sending"])
async def test_another_machine_moves_no_decision(session: Asking, state: str) -> None:
    hub, claude, decision = session.hub, session.claude, await session.ask()
    if state == "sending":
        answering = asyncio.ensure_future(decide(hub, decision))
        await session.take_nothing()
    before = await session.show(decision["decision_id"])
    liar = Claude(claude.session_id, pid=claude.pid, at=claude.at)
    own = Claude(pid=claude.pid, at=claude.at)
    for other in (liar, own):
        answer = await hub.post_events(other.start(), *forge(other, decision), key=hub.secrets.borea.key)
        assert answer.json["rejected"] == []
    assert await session.show(decision["decision_id"]) == before
    if state == "sending":
        await session.report(decision["decision_id"])
        assert (await answering).status == 200


async def test_a_machine_gives_no_verdict_on_its_own_sessions(session: Asking) -> None:
    decision = await session.ask()
    named = {"decision_id": decision["decision_id"]}
    given_by_itself = {"verdict": {"behavior": "allow"}, "author_id": "maya", "author": "maya", "where": "hub"}
    await session.channel.send(
        session.claude.channel("DecisionGiven", **named, **given_by_itself),
        session.claude.hook("DecisionGiven", **named, **given_by_itself),
        session.claude.channel("ChannelDecided", **named, taken=True),
    )
    now = await session.show(decision["decision_id"])
    assert (now["state"], now["decided"]) == ("open", None)


async def test_another_machine_is_told_nothing_of_it(session: Asking) -> None:
    hub, decision = session.hub, await session.ask()
    liar = Claude(session.claude.session_id, pid=session.claude.pid, at=session.claude.at)
    async with asking(hub, liar, key=hub.secrets.borea.key) as other:
        answer, _ = await session.decide(decision)
        assert answer.status == 200
        await hub.pushes_done()
        await other.channel.send()
        assert other.channel.kept == []


async def test_every_verdict_is_in_the_audit_log(session: Asking) -> None:
    decisions = [await session.ask(), await session.ask(), await session.ask()]
    await session.decide(decisions[0], input={"command": "echo secret"})
    await session.decide(decisions[1], behavior="deny", message="a secret")
    await session.decide(decisions[2], behavior="deny", stop=True, token=session.hub.secrets.owner)
    users = {row["name"]: row["user_id"] for row in await session.hub.rows("users")}
    lines = await verdict_lines(session.hub)
    ids = [decision["decision_id"] for decision in decisions]
    assert lines == [
        (users["member token"], f"{ids[0]} allow input from api", "127.0.0.1"),
        (users["member token"], f"{ids[1]} deny message from api", "127.0.0.1"),
        (users["owner token"], f"{ids[2]} deny stop from api", "127.0.0.1"),
    ]


async def test_a_verdict_that_can_not_be_audited_is_not_given(session: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = await session.ask()

    async def fail(*_: object) -> None:
        raise RuntimeError("the audit failed")

    with monkeypatch.context() as patch:
        patch.setattr("hub.actions.decisions.note_audit", fail)
        assert (await decide(session.hub, decision)).status == 500
    assert await session.show(decision["decision_id"]) == decision
    answer, _ = await session.decide(decision)
    assert answer.status == 200
