"""Which Claude Code command lines load our channel."""

from __future__ import annotations

import pytest

from wire.launch import names_channel


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("claude --dangerously-load-development-channels server:heliograph", True),
        ("claude --dangerously-load-development-channels=server:heliograph", True),
        ("claude -c --dangerously-load-development-channels server:other server:heliograph --model x", True),
        ("claude --channels plugin:heliograph@market", True),
        ("claude --channels plugin:other@market,plugin:heliograph@market", True),
        ("claude --channels plugin:other@market", False),
        ("claude --channels plugin:heliographer@market", False),
        ("claude --model x server:heliograph", False),
        ("claude --channels plugin:other@m --model server:heliograph", False),
        ("claude --channels=server:heliograph,server:other", True),
        ("claude --dangerously-load-development-channels=server:other server:heliograph", False),  # that is a prompt
        ("claude --dangerously-load-development-channels -- server:heliograph", False),
        ("claude -- --channels=server:heliograph", False),
        ("--channels server:heliograph", True),
        ("claude", False),
    ],
)
def test_the_channel_flag_is_recognised(line: str, ours: bool) -> None:
    assert names_channel(line.split()) is ours
