"""What was given out can be taken back, and whatever is open with it closes."""

from __future__ import annotations

import pytest

from hub.actions.identity import do_create_token, do_revoke
from hub.errors import Conflict, NotFound
from hub.keys import DB, LINKS, PRINCIPALS
from tests.hub.claude import Claude
from tests.hub.kit import Hub
from wire.frames import Error


async def revoke(hub: Hub, name: str) -> list[str]:
    """As the admin socket does."""
    revoked = await do_revoke(hub.app[DB], name)
    hub.app[PRINCIPALS].forget()
    for item in revoked:
        await hub.app[LINKS].close_token(item.token_id)
    return [item.kind for item in revoked]


async def test_a_revoked_machine_is_told_and_can_do_nothing_more(hub: Hub) -> None:
    claude = Claude()
    async with hub.channel(claude) as channel:
        assert await revoke(hub, hub.secrets.atlas.name) == ["machine"]
        assert (await channel.expect(Error)).code == "revoked"
    assert (await hub.post_events(claude.start())).status == 401


async def test_a_revoked_token_counts_no_more(hub: Hub) -> None:
    token = await do_create_token(hub.app[DB], "robot", "viewer")
    assert (await hub.call("GET", "/api/v1/sessions", token=token)).status == 200
    assert await revoke(hub, "robot") == ["person"]
    assert (await hub.call("GET", "/api/v1/sessions", token=token)).status == 401


async def test_a_name_of_several_needs_the_id(hub: Hub) -> None:
    for _ in range(2):
        await do_create_token(hub.app[DB], "twin", "viewer")
    with pytest.raises(Conflict) as caught:
        await do_revoke(hub.app[DB], "twin")
    one = caught.value.message.split(": ")[1].split(",")[0]
    assert [item.id for item in await do_revoke(hub.app[DB], one)] == [one]


async def test_nothing_by_that_name(hub: Hub) -> None:
    with pytest.raises(NotFound):
        await do_revoke(hub.app[DB], "nobody")
