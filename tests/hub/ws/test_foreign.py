"""A session whose files were copied to another machine: a row of its own, that takes messages like any."""

from __future__ import annotations

from pathlib import Path

from hub.core.model import name_foreign
from tests.hub.claude import Claude
from tests.hub.kit import Channel, Hub, Secrets, run_hub, until


async def take_a_message(hub: Hub, channel: Channel, claude: Claude, row: str) -> None:
    """It is pushed under Claude's own id, and its steps are the row's."""

    async def is_reachable() -> bool:
        return bool((await hub.session(row))["delivery"] == "channel")

    await until(is_reachable, "a way to it")
    message_id = (await hub.send(row))["message_id"]
    push = await channel.next_push()
    assert (push.message_id, push.session_id) == (message_id, claude.session_id)
    await channel.send(claude.injected(message_id), claude.take(message_id), claude.stop())
    assert await hub.message_state(message_id) == "answered"


async def test_a_copy_is_linked_restarted_and_cleared_on_its_own(database: Path, secrets: Secrets) -> None:
    home = Claude(pid=11)
    away = Claude(home.session_id, pid=11)
    row = name_foreign(home.session_id, secrets.borea.machine_id)
    async with run_hub(database, secrets) as hub, hub.channel(home) as at_home:
        await at_home.send(home.start(), *home.turn("at home", "done"))
        async with hub.channel(away, secrets.borea.key) as channel:
            await channel.send(away.start("resume"), *away.turn("on the way", "done"))
            copy = await hub.session(row)
            assert (copy["foreign"], copy["state"], copy["machine"]["name"]) == (True, "idle", "borea")
            assert copy["lineage"] == {"previous": home.session_id, "relation": "resume"}
            await take_a_message(hub, channel, away, row)
            await take_a_message(hub, at_home, home, home.session_id)
    async with run_hub(database, secrets) as hub, hub.channel(away, secrets.borea.key) as channel:
        await take_a_message(hub, channel, away, row)
        await channel.send(*away.clear())
        assert (await hub.session(row))["state"] == "ended"
        after = await hub.session(away.session_id)
        assert (after["lineage"], after["foreign"]) == ({"previous": row, "relation": "clear"}, False)
        await take_a_message(hub, channel, away, away.session_id)
        prompts = [e["text"] for e in await hub.timeline(home.session_id) if e["kind"] == "prompt"]
        assert prompts == ["at home"]
