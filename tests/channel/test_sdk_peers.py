"""The official SDK's clients, old and new, as independent judges of our MCP."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from channel.spool import parse
from tests.channel.hub_double import HubDouble
from tests.channel.peer import Claude

CACHE = Path(__file__).parents[2] / ".cache"

PINS = {"mcp-1": "mcp==1.30.0", "mcp-2": "mcp==2.3.0"}

SDK_SECONDS = 60.0


@pytest.fixture(scope="session", params=sorted(PINS))
def sdk_python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with that SDK; made on first use, kept in ``.cache``."""
    name: str = request.param
    folder = CACHE / name
    python, stamp = folder / "bin" / "python", folder / "pin"
    pin = PINS[name]
    if not stamp.exists() or stamp.read_text() != pin:
        print(f"installing {pin} into {folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pin]
        subprocess.run(pip, check=True, timeout=300)
        stamp.write_text(pin)
    return python


@pytest.mark.timeout(400)
async def test_the_official_client_shakes_hands_lists_and_calls(
    sdk_python: Path, claude: Claude, hub: HubDouble
) -> None:
    claude.pair(hub.url)
    client = await asyncio.create_subprocess_exec(
        str(sdk_python), str(Path(__file__).with_name("sdk_client.py")), sys.executable,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={
            "HOME": str(claude.home), "PATH": os.environ["PATH"],
            "HELIOGRAPH_HOME": str(claude.home), "CLAUDE_CODE_SESSION_ID": "sdk",
        },
    )  # fmt: skip
    async with asyncio.timeout(SDK_SECONDS):
        out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    assert (seen["protocol"], seen["server"]) == ("2025-11-25", "heliograph")
    assert seen["channel"] == {"claude/channel": {}, "claude/channel/permission": {}}
    assert seen["tools"] == ["reply", "progress"]
    assert seen["meta"] == [{"anthropic/alwaysLoad": True}] * 2
    assert seen["reply"]["isError"] is False
    assert seen["bad"]["isError"] is True
    # sent before the client left, or kept for the next channel: never neither
    kept = [body for body in spooled(claude) if body["hook_event_name"] == "ChannelReply"]
    assert {body["text"] for body in [*kept, *hub.named("ChannelReply")]} == {"from the SDK"}


def spooled(claude: Claude) -> list[dict[str, Any]]:
    found = []
    for path in (claude.home / "spool").iterdir():
        found += [json.loads(record.body) for record in parse(path.read_bytes()).records]
    return found
