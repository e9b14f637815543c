"""What a session uses arrives at the hub, as its transcript grows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.channel.hub_double import HubDouble
from tests.channel.peer import NEXT_SESSION, SESSION, Claude
from tests.channel.test_statusline import LIMITS, SAVED
from tests.channel.test_usage import OPUS, build_line


class Book:
    """A session's transcript and its subagents'."""

    def __init__(self, folder: Path, session_id: str) -> None:
        self.session_id = session_id
        self.path = folder / f"{session_id}.jsonl"
        self._written = 0

    def write(self, count: int = 1, agent: str | None = None, **fields: Any) -> None:
        """So many requests more."""
        path = self.path.with_suffix("") / "subagents" / f"agent-{agent}.jsonl" if agent else self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            for _ in range(count):
                self._written += 1
                file.write(build_line(self._written, sessionId=self.session_id, **fields) + b"\n")


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "projects", SESSION)


def count_inputs(hub: HubDouble, session_id: str = SESSION) -> list[int]:
    """The input tokens that each report has told, as requests."""
    reports = [body["usage"] for body in hub.named("ChannelUsage") if body["session_id"] == session_id]
    return [sum(tokens["input"] for tokens in usage["totals"].values()) // 1200 for usage in reports]


async def test_it_grows_with_the_transcript(linked: Claude, hub: HubDouble, book: Book) -> None:
    book.write(3)
    await linked.hook("UserPromptSubmit", transcript_path=str(book.path))
    await hub.until(lambda: count_inputs(hub) == [3], "a report")
    book.write(2)
    book.write(4, agent="a1", isSidechain=True)
    await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: count_inputs(hub)[-1] == 9, "the subagent's, too")
    usage = hub.named("ChannelUsage")[-1]["usage"]
    assert (usage["model"], usage["context_used"], usage["context_window"]) == (OPUS, 6500, 1_000_000)
    assert list(usage["days"]) == ["2026-11-21"]


async def test_what_has_not_changed_is_not_said_again(linked: Claude, hub: HubDouble, book: Book) -> None:
    book.write()
    for _ in range(3):
        await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: count_inputs(hub), "a report")
    with book.path.open("ab") as file:
        file.write(b'{"type":"mode"}\n')
    book.write(agent="later")
    await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: len(count_inputs(hub)) > 1, "another report")
    assert count_inputs(hub) == [1, 2]


async def test_a_cleared_session_is_counted_anew(linked: Claude, hub: HubDouble, book: Book, tmp_path: Path) -> None:
    book.write(5)
    await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: count_inputs(hub) == [5], "a report")
    after = Book(tmp_path / "projects", NEXT_SESSION)
    after.write()
    await linked.hook("SessionStart", NEXT_SESSION, source="clear", transcript_path=str(after.path))
    await hub.until(lambda: count_inputs(hub, NEXT_SESSION) == [1], "the new session's")
    assert count_inputs(hub) == [5]


async def test_a_transcript_written_anew_is_counted_anew(linked: Claude, hub: HubDouble, book: Book) -> None:
    book.write(5)
    await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: count_inputs(hub) == [5], "a report")
    book.path.unlink()
    book.write(2)
    await hub.until(lambda: count_inputs(hub)[-1] == 2, "what stands there now")


async def test_a_session_that_ends_at_once_is_counted_all_the_same(linked: Claude, hub: HubDouble, book: Book) -> None:
    await linked.hook("UserPromptSubmit", transcript_path=str(book.path))
    await hub.until(lambda: hub.named("UserPromptSubmit"), "the prompt")
    book.write(7)
    await linked.close_stdin()
    await linked.ended()
    await hub.until(lambda: count_inputs(hub) == [7], "the last report")


async def test_a_transcript_of_many_megabytes_holds_nothing_up(linked: Claude, hub: HubDouble, book: Book) -> None:
    book.write()
    line = json.dumps({"type": "user", "message": {"content": "x" * 100_000}}).encode() + b"\n"
    with book.path.open("ab") as file:
        for _ in range(600):
            file.write(line)
    await linked.hook("UserPromptSubmit", transcript_path=str(book.path))
    await linked.hook("Stop", transcript_path=str(book.path))
    answer, is_error = await linked.call("reply", text="meanwhile")
    assert (answer, is_error) == ("Sent.", False)
    await hub.until(lambda: hub.named("ChannelReply") and count_inputs(hub) == [1], "both")


async def test_the_status_line_adds_cost_window_and_limits(linked: Claude, hub: HubDouble, book: Book) -> None:
    book.write()
    saved = linked.home / "run" / f"{os.getpid()}.status.json"
    saved.write_text(json.dumps({**SAVED, "session_id": SESSION}))
    await linked.hook("Stop", transcript_path=str(book.path))
    await hub.until(lambda: hub.named("ChannelUsage"), "a report")
    usage = hub.named("ChannelUsage")[-1]["usage"]
    assert (usage["cost_usd"], usage["context_window"], usage["limits"]) == (0.0083275, 300_000, LIMITS)
    beside = saved.with_suffix(".new")
    beside.write_text(json.dumps({**SAVED, "session_id": SESSION, "cost": {"total_cost_usd": 1.5}}))
    beside.replace(saved)
    await hub.until(lambda: hub.named("ChannelUsage")[-1]["usage"]["cost_usd"] == 1.5, "the new cost")
