"""Runs in an environment that has only the official ``mcp`` SDK: its client against our channel.

Prints what it saw as JSON. Knows nothing of Heliograph.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters  # type: ignore[import-not-found, unused-ignore]
from mcp.client.stdio import stdio_client  # type: ignore[import-not-found, unused-ignore]


async def main() -> None:
    parameters = StdioServerParameters(command=sys.argv[1], args=["-I", "-m", "channel"], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        welcome = await session.initialize()
        tools = await session.list_tools()
        reply = await session.call_tool("reply", {"text": "from the SDK"})
        bad = await session.call_tool("reply", {})
        await session.send_ping()
        dump = welcome.model_dump(mode="json", by_alias=True)
        print(json.dumps({
            "protocol": dump["protocolVersion"],
            "server": dump["serverInfo"]["name"],
            "channel": dump["capabilities"]["experimental"],
            "tools": [tool.name for tool in tools.tools],
            "meta": [tool.meta for tool in tools.tools],
            "reply": reply.model_dump(mode="json", by_alias=True),
            "bad": bad.model_dump(mode="json", by_alias=True),
        }))  # fmt: skip


asyncio.run(main())
