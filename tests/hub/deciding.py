"""Something a session waits for, in a running hub, and those who answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.hub.claude import Claude
from tests.hub.kit import Answer, Channel, Hub
from wire.frames import LEVEL, AnsweredBy, Event, Verdict

BASH = {"command": "git push && npm test", "description": "Push"}

RULE = {"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "git push *"}], "behavior": "allow"}

FORM = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


class Asking:
    """A session whose channel takes verdicts."""

    def __init__(self, hub: Hub, claude: Claude, channel: Channel) -> None:
        self.hub = hub
        self.claude = claude
        self.channel = channel

    async def ask(
        self, tool_name: str = "Bash", tool_input: Any = None, by: AnsweredBy = "hook", **fields: Any
    ) -> dict[str, Any]:
        """A dialog about a call, and a hook that waits; returns the decision."""
        event = self.claude.asks(tool_name, tool_input or BASH, **fields)
        return await self._open(event, by)

    async def ask_form(self, by: AnsweredBy = "hook", **fields: Any) -> dict[str, Any]:
        """An MCP server asks for something."""
        fields = {"mode": "form", "requested_schema": FORM, **fields}
        return await self._open(self.claude.hook("Elicitation", mcp_server_name="people", message="Who?", **fields), by)

    async def ask_by_relay(self) -> dict[str, Any]:
        """Only the relay told of a dialog."""
        fields = {"tool_name": "Bash", "description": "Push", "input_preview": '{ "command": "git pu⋯'}
        event = self.claude.channel("ChannelAsked", request_id="abcde", **fields)
        await self.channel.send(event)
        return await self.show(event.event_id)

    async def _open(self, event: Event, by: AnsweredBy) -> dict[str, Any]:
        waits = self.claude.channel("ChannelWaits", decision_id=event.event_id, answered_by=by)
        await self.channel.send(event, waits)
        return await self.show(event.event_id)

    async def show(self, decision_id: str) -> dict[str, Any]:
        """The decision as it is now."""
        decision: dict[str, Any] = await self.hub.get(f"/api/v1/decisions/{decision_id}")
        return decision

    async def take(self, *, taken: bool = True) -> Verdict:
        """The next verdict reaches the channel, which hands it over, or has nobody to."""
        verdict = await self.channel.expect(Verdict)
        await self.report(verdict.decision_id, taken=taken)
        return verdict

    async def take_nothing(self) -> Verdict:
        """The next verdict reaches the channel, which says nothing yet."""
        return await self.channel.expect(Verdict)

    async def report(self, decision_id: str, *, taken: bool = True) -> None:
        """``ChannelDecided``."""
        await self.channel.send(self.claude.channel("ChannelDecided", decision_id=decision_id, taken=taken))

    async def decide(self, decision: dict[str, Any], *, taken: bool = True, **verdict: Any) -> tuple[Answer, Verdict]:
        """Give a verdict that the channel answers; returns both sides."""
        answer, frame = await asyncio.gather(decide(self.hub, decision, **verdict), self.take(taken=taken))
        return answer, frame


@asynccontextmanager
async def asking(
    hub: Hub, claude: Claude | None = None, *, key: str | None = None, level: int = LEVEL
) -> AsyncIterator[Asking]:
    """A session in a turn, on a link."""
    claude = claude or Claude()
    async with hub.channel(claude, key, level=level) as channel:
        await channel.send(claude.start(), claude.prompt("go"))
        yield Asking(hub, claude, channel)


async def decide(hub: Hub, decision: dict[str, Any], *, token: str | None = None, **verdict: Any) -> Answer:
    """Give a verdict on what the decision says, as the member."""
    path = f"/api/v1/decisions/{decision['decision_id']}/verdict"
    body = {"digest": decision["digest"], "behavior": "allow", **verdict}
    return await hub.call("POST", path, body, token=token or hub.secrets.member)


def read_answer(verdict: Verdict) -> Any:
    """What the hook is to print."""
    return msgspec.json.decode(verdict.answer)["hookSpecificOutput"]
