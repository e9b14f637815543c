"""A spool that fills up: what goes first, what goes last, and that all of it is counted."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from channel import spool
from hooks import heliograph_hook, heliograph_room
from tests.hooks.runner import EVENT, SESSION, Hook

MIB = 1024 * 1024
BOUND = heliograph_room.SPOOL_BYTES
BULKY = {**EVENT, "tool_response": {"stdout": "first " + "x" * 60_000 + " last"}}

TEXT, CUT, REST, FULL = (
    int(BOUND * share) + 1
    for share in (heliograph_room.TEXT_SHARE, heliograph_room.CUT_SHARE, heliograph_room.REST_SHARE, 1)
)


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {**EVENT, "hook_event_name": name, **fields}


def names(hook: Hook) -> list[str]:
    return [event["hook_event_name"] for event in hook.events()]


@pytest.mark.parametrize(
    ("taken", "kept"),
    [
        (0, ["MessageDisplay", "PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop"]),
        (TEXT, ["PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop"]),
        (CUT, ["PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop"]),
        (REST, ["UserPromptSubmit", "Stop"]),
        (FULL, []),
    ],
)
def test_what_is_cheapest_goes_first(hook: Hook, taken: int, kept: list[str]) -> None:
    hook.fill(taken)
    offered = ["MessageDisplay", "PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop"]
    for name in offered:
        hook.run(named(name))
    assert names(hook) == kept
    assert hook.counts() == b"d" * (len(offered) - len(kept))
    assert hook.log.count("NoRoom") == len(offered) - len(kept)


def test_the_bulk_of_tool_results_is_cut_before_any_other_event_is_dropped(hook: Hook) -> None:
    hook.fill(CUT)
    hook.run(BULKY)
    hook.run(named("PreToolUse", tool_input={"content": "y" * 60_000}))
    hook.run(named("PermissionRequest", tool_input={"content": "y" * 60_000}))
    result, call, question = hook.events()
    assert len(json.dumps(result)) < heliograph_room.SMALL_BYTES * 1.2
    assert "characters cut by Heliograph" in result["tool_response"]["stdout"]
    assert result["tool_response"]["stdout"].startswith("first")
    assert result["tool_response"]["stdout"].endswith("last")
    assert len(call["tool_input"]["content"]) == len(question["tool_input"]["content"]) == 60_000
    assert hook.counts() == b"c"


def test_once_there_is_room_all_goes_on_and_the_looking_ends(hook: Hook) -> None:
    mark = hook.spool.with_name("full")
    hook.fill(FULL)
    hook.run(named("MessageDisplay"))
    assert mark.exists()
    hook.fill(0)
    hook.run(named("MessageDisplay"))
    assert names(hook) == ["MessageDisplay"]
    assert not mark.exists()
    assert hook.counts() == b"d"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_an_event_is_told_by_its_own_name_not_by_one_in_its_tools_input(
    hook: Hook, separators: tuple[str, str]
) -> None:
    hook.fill(TEXT)
    sly = {**EVENT, "tool_input": {"hook_event_name": "MessageDisplay", "session_id": "other"}}
    hook.run(json.dumps(sly, separators=separators).encode())
    hook.run(json.dumps(named("MessageDisplay", delta="x"), separators=separators).encode())
    assert names(hook) == ["PostToolUse"]
    assert hook.counts() == b"d"


def test_each_session_of_a_process_has_its_own_count(hook: Hook) -> None:
    hook.fill(FULL)
    hook.run()
    hook.run({**EVENT, "session_id": "after-clear"})
    hook.run({**EVENT, "session_id": "../../escape"})
    assert (hook.counts(), hook.counts("after-clear")) == (b"d", b"d")
    assert sorted(path.suffix for path in hook.spool.parent.iterdir()) == ["", ".gap", ".gap", ".log"]


def test_an_event_too_large_to_look_into_is_counted(hook: Hook) -> None:
    hook.run(json.dumps({**EVENT, "tool_response": "x" * heliograph_hook.STDIN_BYTES}).encode())
    assert hook.events() == []
    assert hook.counts() == b"d"
    assert "is not kept" in hook.log


def test_the_bound_can_be_set(hook: Hook) -> None:
    hook.environment["HELIOGRAPH_SPOOL_MIB"] = "1"
    hook.fill(MIB + 1)
    hook.run(named("Stop"))
    assert hook.events() == []
    hook.environment["HELIOGRAPH_SPOOL_MIB"] = "nonsense"
    hook.run(named("Stop"))
    assert names(hook) == ["Stop"]


def test_hook_and_channel_have_the_same_bound() -> None:
    assert heliograph_room.SPOOL_BYTES == spool.SPOOL_BYTES


def test_on_a_full_disk_a_count_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, fd: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    body = json.dumps(EVENT).encode()
    heliograph_room.count(bytes(tmp_path), 7, body, heliograph_room.CUT)
    monkeypatch.setattr(heliograph_room, "posix", Full())
    heliograph_room.count(bytes(tmp_path), 7, body, heliograph_room.DROPPED)
    heliograph_room.count(bytes(tmp_path), 7, body, heliograph_room.DROPPED)
    (path,) = tmp_path.iterdir()
    assert (path.name, path.read_bytes()) == (f"7.{SESSION}.gap", b"c\0\0")


def _play_claude(home: bytes, pid: int) -> None:
    """Events of one process, as its hooks would keep them, until the spool takes not even the vital ones."""
    chance = random.Random(pid)
    patience = time.monotonic() + 60
    refused = 0
    while refused < 5:
        name = chance.choice(["PostToolUse", "PreToolUse", "MessageDisplay", "Stop"])
        body = json.dumps(named(name, tool_response="x" * chance.randrange(30_000))).encode()
        try:
            heliograph_hook.keep(home, pid, b"h %036d 1 %d" % (1, pid), body, len(body))
        except heliograph_room.NoRoom:
            refused += name == "Stop"
            heliograph_room.count(home + b"/spool", pid, body, heliograph_room.DROPPED)
        if heliograph_room.measure(home + b"/spool") > 34 * MIB or time.monotonic() > patience:
            os._exit(1)
    os._exit(0)


def test_fifty_processes_at_once_keep_to_one_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "heliograph_room", heliograph_room)
    monkeypatch.setitem(heliograph_room.posix.environ, b"HELIOGRAPH_SPOOL_MIB", b"32")
    home = bytes(tmp_path)
    (tmp_path / "spool").mkdir()
    fork = multiprocessing.get_context("fork")
    claudes = [fork.Process(target=_play_claude, args=(home, pid)) for pid in range(1000, 1050)]
    for claude in claudes:
        claude.start()
    for claude in claudes:
        claude.join()
    assert {claude.exitcode for claude in claudes} == {0}
    held = sum(path.stat().st_size for path in (tmp_path / "spool").iterdir())
    assert held > 30 * MIB  # it did fill up
    assert sum(path.read_bytes().count(b"c") for path in (tmp_path / "spool").glob("*.gap")) > 0
