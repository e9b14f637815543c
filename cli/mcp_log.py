"""What Claude Code's own log of our server says about the channel. Pure.

The banner on the screen says "Channels (experimental)" even when no push can arrive; this log tells
the truth. The sentences are 2.1.329's; those about provider, policy and allowlist were read in the client, not seen in
a log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "registered",  # pushes arrive
    "no_flag",  # started without the channel flag
    "no_preview",  # the channels preview isn't enabled for this account
    "no_provider",  # Bedrock, Vertex, Foundry
    "no_policy",  # switched off by the organisation
    "not_allowlisted",  # --channels instead of the development flag
    "modern",  # server/discover was accepted: no pushes on that protocol
    "no_capability",  # the server didn't declare claude/channel
    "skipped",  # another reason, in its own words
    "failed",  # the connection itself
    "silent",  # connected, nothing said about channels
]

_GOOD = "Channel notifications registered"
_SKIPPED = "Channel notifications skipped: "
_REASONS: tuple[tuple[str, Outcome], ...] = (
    ("not in --channels list", "no_flag"),
    ("channels feature is not currently available", "no_preview"),
    ("third-party providers", "no_provider"),
    ("org policy", "no_policy"),
    ("approved channels allowlist", "not_allowlisted"),
    ("modern protocol revision", "modern"),
    ("did not declare claude/channel", "no_capability"),
)
_FAILED = re.compile(r"Connection failed")


@dataclass(frozen=True)
class LogVerdict:
    """The last word of one log: ``detail`` is the client's sentence, ``at`` its time (RFC 3339)."""

    outcome: Outcome
    detail: str = ""
    at: str = ""
    cwd: str = ""


def read_log(lines: Iterable[str]) -> LogVerdict:
    """The newest verdict in a log; lines that aren't what we know are passed over."""
    verdict = LogVerdict("silent")
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if not isinstance(fields, dict):
            continue
        said = fields.get("debug") or fields.get("error")
        if not isinstance(said, str):
            continue
        outcome = _judge(said)
        if outcome is not None or not verdict.at:
            at, cwd = str(fields.get("timestamp", "")), str(fields.get("cwd", ""))
            verdict = LogVerdict(outcome or "silent", said.removeprefix(_SKIPPED) if outcome else "", at, cwd)
    return verdict


def _judge(said: str) -> Outcome | None:
    if said.startswith(_GOOD):
        return "registered"
    if said.startswith(_SKIPPED):
        return next((outcome for words, outcome in _REASONS if words in said), "skipped")
    return "failed" if _FAILED.match(said) else None
