"""Messages through the API: sent once, cancelled in time, to the session that is there now."""

from __future__ import annotations

import asyncio

import pytest

from hub.actions import messages as messages_module
from tests.hub.claude import Claude
from tests.hub.kit import Hub
from wire.frames import Withdraw
from wire.messages import TEXT_BYTES


@pytest.fixture
async def claude(hub: Hub) -> Claude:
    """A session."""
    claude = Claude()
    await hub.post_events(claude.start())
    return claude


async def test_a_message_is_queued_and_shown(hub: Hub, claude: Claude) -> None:
    sent = await hub.send(claude.session_id, "please look", when="next_turn")
    assert sent == {"message_id": sent["message_id"], "session_id": claude.session_id, "state": "queued"}
    message = await hub.get(f"/api/v1/messages/{sent['message_id']}")
    assert (message["text"], message["author"], message["state"]) == ("please look", "member token", "queued")
    (entry,) = await hub.timeline(claude.session_id)
    assert (entry["kind"], entry["text"], entry["author"]) == ("message", "please look", "member token")


async def test_receipts_are_in_the_order_of_the_ladder(hub: Hub, claude: Claude) -> None:
    sent = await hub.send(claude.session_id)
    message_id = sent["message_id"]
    await hub.post_events(claude.injected(message_id), claude.replies("hi", message_id))
    message = await hub.get(f"/api/v1/messages/{message_id}")
    assert [receipt["state"] for receipt in message["receipts"]] == ["queued", "delivered", "seen", "answered"]
    assert all(receipt["at"].endswith("Z") and receipt["evidence"] for receipt in message["receipts"])


async def test_the_same_client_id_is_the_same_message(hub: Hub, claude: Claude) -> None:
    first = await hub.send(claude.session_id, "one", client_id="c1")
    assert await hub.send(claude.session_id, "one", client_id="c1") == first
    assert (await hub.send(claude.session_id, "one", client_id="c2"))["message_id"] != first["message_id"]
    assert len(await hub.timeline(claude.session_id)) == 2


async def test_another_persons_client_id_is_another_message(hub: Hub, claude: Claude) -> None:
    first = await hub.send(claude.session_id, client_id="c1")
    other = await hub.send(claude.session_id, client_id="c1", token=hub.secrets.owner)
    assert first["message_id"] != other["message_id"]


async def test_twenty_at_once_with_one_client_id_are_one_message(hub: Hub, claude: Claude) -> None:
    sent = await asyncio.gather(*(hub.send(claude.session_id, "once", client_id="c1") for _ in range(20)))
    assert len({answer["message_id"] for answer in sent}) == 1
    assert len(await hub.timeline(claude.session_id)) == 1
    assert len(await hub.rows("messages")) == 1


async def test_the_same_client_id_tells_how_far_the_message_got(hub: Hub, claude: Claude) -> None:
    sent = await hub.send(claude.session_id, client_id="c1")
    await hub.post_events(claude.injected(sent["message_id"]))
    assert (await hub.send(claude.session_id, client_id="c1"))["state"] == "delivered"


async def test_a_queued_message_can_be_cancelled_once(hub: Hub, claude: Claude) -> None:
    path = f"/api/v1/messages/{(await hub.send(claude.session_id))['message_id']}"
    answer = await hub.call("DELETE", path, token=hub.secrets.member)
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert (await hub.get(path))["state"] == "cancelled"
    again = await hub.call("DELETE", path, token=hub.secrets.member)
    assert (again.status, again.code) == (409, "conflict")
    assert (await hub.timeline(claude.session_id))[0]["state"] == "cancelled"


@pytest.mark.parametrize("state", ["delivered", "seen", "answered"])
async def test_what_is_on_its_way_can_not_be_cancelled(hub: Hub, claude: Claude, state: str) -> None:
    message_id = (await hub.send(claude.session_id))["message_id"]
    steps = [claude.injected(message_id), claude.take(message_id), claude.stop()]
    await hub.post_events(*steps[: ["delivered", "seen", "answered"].index(state) + 1])
    answer = await hub.call("DELETE", f"/api/v1/messages/{message_id}", token=hub.secrets.member)
    assert (answer.status, answer.code) == (409, "conflict")
    assert await hub.message_state(message_id) == state


async def test_a_message_to_a_cleared_session_reaches_the_one_after_it(hub: Hub, claude: Claude) -> None:
    first = claude.session_id
    await hub.post_events(*claude.clear(), *claude.clear())
    sent = await hub.send(first, "still there?")
    assert sent["session_id"] == claude.session_id
    assert [entry["kind"] for entry in await hub.timeline(claude.session_id)][-1] == "message"
    assert "message" not in [entry["kind"] for entry in await hub.timeline(first)]


async def test_a_message_to_a_session_that_was_left_for_another_stays_with_it(hub: Hub, claude: Claude) -> None:
    first, other = claude.session_id, Claude(pid=9)
    await hub.post_events(other.start())
    claude.session_id = other.session_id
    await hub.post_events(claude.start("resume"))
    assert (await hub.send(first))["session_id"] == first


async def test_a_cleared_session_that_was_resumed_gets_its_own_messages_again(hub: Hub, claude: Claude) -> None:
    first = claude.session_id
    await hub.post_events(*claude.clear())
    again = Claude(first, pid=9, at=claude.at)
    await hub.post_events(again.start("resume"))
    assert (await hub.send(first))["session_id"] == first


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "x" * (TEXT_BYTES + 1), "é" * (TEXT_BYTES // 2 + 1), "x" * 400_000],
    ids=["empty", "blank", "one byte too many", "two bytes a character", "far too long"],
)
async def test_an_empty_or_long_message_is_422_and_nothing_is_stored(hub: Hub, claude: Claude, text: str) -> None:
    before = await hub.snapshot()
    path = f"/api/v1/sessions/{claude.session_id}/messages"
    answer = await hub.call("POST", path, {"text": text}, token=hub.secrets.member)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert await hub.snapshot() == before


@pytest.mark.parametrize("text", ["x" * TEXT_BYTES, "\x01" * TEXT_BYTES, "é" * (TEXT_BYTES // 2), "a\x00b"])
async def test_a_message_of_64_kib_is_taken_whole(hub: Hub, claude: Claude, text: str) -> None:
    sent = await hub.send(claude.session_id, text)
    assert (await hub.get(f"/api/v1/messages/{sent['message_id']}"))["text"] == text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": 7},
        {"text": "x", "unknown": 1},
        {"text": "x", "when": "later"},
        {"text": "x", "client_id": ""},
        {"text": "x", "client_id": "c" * 129},
        {"text": "x", "client_id": 7},
        {"text": None},
        [],
        "text",
    ],
    ids=repr,
)
async def test_a_body_of_another_shape_is_422(hub: Hub, claude: Claude, body: object) -> None:
    before = await hub.snapshot()
    path = f"/api/v1/sessions/{claude.session_id}/messages"
    answer = await hub.call("POST", path, body, token=hub.secrets.member)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert await hub.snapshot() == before


@pytest.mark.parametrize("field", ["text", "client_id"])
async def test_half_a_surrogate_pair_is_refused(hub: Hub, claude: Claude, field: str) -> None:
    body = {"text": "x", "client_id": "c", field: "\ud800"}
    path = f"/api/v1/sessions/{claude.session_id}/messages"
    answer = await hub.call("POST", path, body, token=hub.secrets.member)
    assert answer.status in (400, 422)
    assert await hub.rows("messages") == []


async def test_a_message_to_nobody_is_404(hub: Hub) -> None:
    answer = await hub.call("POST", "/api/v1/sessions/nobody/messages", {"text": "x"}, token=hub.secrets.member)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_message_is_404(hub: Hub, method: str) -> None:
    answer = await hub.call(method, "/api/v1/messages/nothing", token=hub.secrets.member)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_change_that_was_undone_leaves_the_message_as_it_was(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for who brings it to its session: the rows in memory are no place for what never happened."""
    claude = Claude()
    await hub.post_events(claude.start())
    sent = await hub.send(claude.session_id)

    async def fail(*_: object) -> None:
        raise RuntimeError("the audit failed")

    with monkeypatch.context() as patch:
        patch.setattr(messages_module, "note_audit", fail)
        answer = await hub.call("DELETE", f"/api/v1/messages/{sent['message_id']}", token=hub.secrets.member)
    assert answer.status == 500
    assert await hub.message_state(sent["message_id"]) == "queued"
    async with hub.channel(claude) as channel:
        assert (await channel.next_push()).message_id == sent["message_id"]


async def test_an_uncertain_message_is_sent_again_once_as_it_was(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude) as channel:
        await channel.send(claude.start())
        sent = await hub.send(claude.session_id, "look", when="now")
        await channel.send(claude.injected(sent["message_id"]))
        path = f"/api/v1/messages/{sent['message_id']}/resend"
        assert (await hub.call("POST", path, token=hub.secrets.member)).status == 409
        await channel.send(claude.prompt("typed"), claude.stop())
        assert await hub.message_state(sent["message_id"]) == "uncertain"
        answers = await asyncio.gather(*(hub.call("POST", path, token=hub.secrets.member) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409, 409]
    (again,) = [answer.json for answer in answers if answer.status == 202]
    message = await hub.get(f"/api/v1/messages/{again['message_id']}")
    assert (message["text"], message["when"], message["again"]) == ("look", "now", sent["message_id"])
    assert await hub.message_state(sent["message_id"]) == "cancelled"


async def test_an_uncertain_message_is_dropped(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude) as channel:
        await channel.send(claude.start())
        sent = await hub.send(claude.session_id)
        await channel.send(claude.injected(sent["message_id"]), claude.prompt("typed"), claude.stop())
        answer = await hub.call("DELETE", f"/api/v1/messages/{sent['message_id']}", token=hub.secrets.member)
        assert (answer.status, answer.json["state"]) == (200, "cancelled")
        message = await hub.get(f"/api/v1/messages/{sent['message_id']}")
    assert [receipt["state"] for receipt in message["receipts"]][-1] == "cancelled"
    assert message["receipts"][-1]["evidence"] == "dropped"


async def test_queued_messages_change_places(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start())
    ids = [(await hub.send(claude.session_id, text))["message_id"] for text in ("one", "two", "three")]
    answer = await hub.call("POST", f"/api/v1/messages/{ids[2]}/move", {"before": ids[0]}, token=hub.secrets.member)
    assert answer.status == 200
    assert (await hub.session(claude.session_id))["queue"] == [ids[2], ids[0], ids[1]]
    elsewhere = await hub.call(
        "POST", f"/api/v1/messages/{ids[2]}/move", {"before": "nowhere"}, token=hub.secrets.member
    )
    assert elsewhere.status == 409
    async with hub.channel(claude) as channel:
        assert (await channel.next_push()).text == "three"


async def test_what_is_taken_back_on_its_way_is_withdrawn(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude, level=2) as channel:
        await channel.send(claude.start())
        sent = await hub.send(claude.session_id)
        assert (await channel.next_push()).message_id == sent["message_id"]
        await hub.call("DELETE", f"/api/v1/messages/{sent['message_id']}", token=hub.secrets.member)
        assert (await channel.expect(Withdraw)).message_id == sent["message_id"]


async def test_a_channel_of_level_1_is_sent_no_frame_that_it_does_not_know(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude, level=1) as channel:
        await channel.send(claude.start())
        waiting = await hub.send(claude.session_id, "later", when="next_turn")
        sent = await hub.send(claude.session_id)
        assert (await channel.next_push()).message_id == sent["message_id"]
        await hub.call("DELETE", f"/api/v1/messages/{sent['message_id']}", token=hub.secrets.member)
        assert await channel.send(claude.prompt("go")) == []  # its answer is the next frame
        assert await hub.message_state(waiting["message_id"]) == "queued"
