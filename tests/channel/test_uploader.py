"""Claude Code's last words: its SessionEnd hooks run when its channel has already gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from channel.config import Machine
from channel.mark import Mark
from channel.outbox import Outbox
from channel.spool import Record, append, build_line
from channel.uploader import AWAY_SECONDS, LONGEST_DELAY, Patience, Sessions, serve
from tests.channel.hub_double import HubDouble
from tests.channel.peer import SESSION, Claude, eventually
from tests.support.processes import list_with_home_below
from tests.support.waiting import wait_until
from wire.ids import build_id

NOBODY = 999_999_999
"""No process has this pid: Claude Code has ended."""


class Hub(ThreadingHTTPServer):
    """Takes events, or redirects."""

    daemon_threads = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Answering)
        self.redirects = False
        self.rejects: set[str] = set()
        self.answer: bytes | None = None  # instead of a hub's
        self.requests: list[tuple[str | None, list[dict[str, Any]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, events in self.requests for event in events]

    @property
    def event_ids(self) -> list[str]:
        return [event["event_id"] for event in self.events]

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        yield
        self.shutdown()
        thread.join()


class Answering(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.headers["Authorization"], body["events"]))
        self.send_response(307 if self.server.redirects else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        ids = [event["event_id"] for event in body["events"]]
        rejected = [{"event_id": i, "code": "malformed"} for i in ids if i in self.server.rejects]
        committed = [i for i in ids if i not in self.server.rejects]
        answer = json.dumps({"committed": committed, "rejected": rejected}).encode()
        self.wfile.write(answer if self.server.answer is None else self.server.answer)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def hub_over_http() -> Iterator[Hub]:
    with Hub() as hub, hub.serving():
        yield hub


def leave_event(home: Path, name: str, pid: int = NOBODY) -> Path:
    (home / "spool").mkdir(parents=True, exist_ok=True)
    path = home / "spool" / f"{pid}.log"
    body = json.dumps({"session_id": SESSION, "hook_event_name": name}).encode()
    append(path, build_line(Record("h", build_id(1, b"12345678"), 1, pid, body)))
    return path


def leave_many(home: Path, name: str, numbers: range) -> list[str]:
    """Events in a file of a process that is gone; their ids, in order."""
    path = home / "spool" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pid, ids = int(name.partition(".")[0]), []
    body = json.dumps({"session_id": SESSION, "hook_event_name": "Stop", "pad": "x" * 1000}).encode()
    for number in numbers:
        ids.append(build_id(number, pid.to_bytes(8, "big")))
        append(path, build_line(Record("h", ids[-1], number, pid, body)))
    return ids


def run(home: Path, url: str, pid: int = NOBODY) -> None:
    outbox = Outbox(home / "spool", pid, lambda _: None)
    try:
        serve(home, pid, Machine(url, "m", "desk", "hgm_x"), outbox)
    finally:
        outbox.close()


def test_the_end_of_the_session_is_posted_and_the_file_deleted(home: Path, hub_over_http: Hub) -> None:
    path = leave_event(home, "SessionEnd")
    run(home, hub_over_http.url)
    ((authorization, events),) = hub_over_http.requests
    assert authorization == "Bearer hgm_x"
    assert events[0]["body"] == {"session_id": SESSION, "hook_event_name": "SessionEnd"}
    assert not path.exists()


def test_with_nothing_left_it_ends_with_the_process(home: Path, hub_over_http: Hub) -> None:
    run(home, hub_over_http.url)
    assert hub_over_http.requests == []


def gone(hub: Hub) -> list[str]:
    """The sessions that were told to be gone."""
    bodies = [event["body"] for event in hub.events]
    return [body["session_id"] for body in bodies if body["hook_event_name"] == "ChannelGone"]


def test_a_process_that_was_killed_is_told_once_behind_its_events(home: Path, hub_over_http: Hub) -> None:
    leave_event(home, "UserPromptSubmit")
    path = leave_event(home, "PreToolUse")
    run(home, hub_over_http.url)
    run(home, hub_over_http.url)
    names = [event["body"]["hook_event_name"] for event in hub_over_http.events]
    assert names == ["UserPromptSubmit", "PreToolUse", "ChannelGone"]
    assert gone(hub_over_http) == [SESSION]
    assert {(event["pid"], event["source"]) for event in hub_over_http.events[2:]} == {(NOBODY, "channel")}
    assert not path.exists()


def test_a_process_that_is_killed_while_its_events_are_sent_is_told(home: Path, hub_over_http: Hub) -> None:
    with subprocess.Popen(["sleep", "60"]) as claude:
        leave_event(home, "UserPromptSubmit", claude.pid)
        with uploading(home, hub_over_http.url, claude.pid):
            wait_until(lambda: hub_over_http.events, "the prompt")
            claude.kill()
            claude.wait()
            wait_until(lambda: gone(hub_over_http), "its death")
    assert gone(hub_over_http) == [SESSION]


def test_a_process_that_lives_on_is_not_told_to_be_gone(home: Path, hub_over_http: Hub) -> None:
    leave_event(home, "UserPromptSubmit", os.getpid())
    run(home, hub_over_http.url, os.getpid())
    assert [event["body"]["hook_event_name"] for event in hub_over_http.events] == ["UserPromptSubmit"]


@pytest.mark.parametrize(
    ("events", "last"),
    [
        ((), None),
        (("a Stop",), "a"),
        (("a Stop", "a SessionEnd"), None),
        (("a SessionEnd", "a SubagentStop"), None),
        (("a SessionEnd", "b SessionStart"), "b"),
        (("a SessionEnd", "b SessionStart", "a SubagentStop", "b SessionEnd"), None),
        (("a SessionEnd", "b SessionStart", "b SessionEnd", "a SessionStart"), "a"),
    ],
)
def test_only_a_last_session_whose_end_nobody_told_is_gone(events: tuple[str, ...], last: str | None) -> None:
    sessions = Sessions()
    for event in events:
        session_id, _, name = event.partition(" ")
        sessions.see({"session_id": session_id, "hook_event_name": name})
    assert sessions.take_open() == last
    assert sessions.take_open() is None


def test_the_key_follows_no_redirect(home: Path, hub_over_http: Hub) -> None:
    path = leave_event(home, "SessionEnd")
    hub_over_http.redirects = True
    with pytest.raises(OSError, match="307"):
        run(home, hub_over_http.url)
    assert len(hub_over_http.requests) == 1
    assert path.exists()


async def test_a_channel_told_to_stop_leaves_one_uploader_that_ends(linked: Claude, hub: HubDouble) -> None:
    assert linked.process is not None
    linked.process.terminate()
    await linked.ended()
    left = await eventually(lambda: list_with_home_below(linked.home), "the uploader")
    assert ["channel.uploader" in process.command for process in left] == [True]
    await eventually(lambda: not list_with_home_below(linked.home), "the uploader gone")


async def test_a_killed_channel_is_stood_in_for_until_a_new_one_comes(
    linked: Claude, hub: HubDouble, hub_over_http: Hub
) -> None:
    assert linked.process is not None
    linked.pair(hub_over_http.url)
    (linked.home / "hooks" / "uploader.path").write_text(f"{sys.executable}\n")
    linked.process.kill()
    await linked.ended()
    mark = linked.home / "run" / f"{os.getpid()}.up"

    def names() -> set[str]:
        return {event["body"]["hook_event_name"] for _, events in hub_over_http.requests for event in events}

    await linked.hook("UserPromptSubmit")
    await eventually(lambda: "UserPromptSubmit" in names(), "the prompt")
    (first,) = list_with_home_below(linked.home)
    await linked.hook("PreToolUse")
    await eventually(lambda: "PreToolUse" in names(), "the tool")
    assert list_with_home_below(linked.home) == {first}

    os.kill(first.pid, signal.SIGKILL)
    await eventually(lambda: not list_with_home_below(linked.home), "the uploader gone")
    os.utime(mark, (1, 1))  # five seconds later
    await linked.hook("PostToolUse")
    await eventually(lambda: "PostToolUse" in names(), "what came after it was killed")
    await eventually(lambda: not list_with_home_below(linked.home), "the uploader's end")
    assert not mark.exists()
    await linked.hook("Stop")
    await eventually(lambda: "Stop" in names(), "the turn's end")

    linked.pair(hub.url)
    await linked.start()
    await linked.greet()
    await hub.until(lambda: len(hub.hellos) == 2, "a second link")
    channel = linked.process.pid
    await eventually(lambda: [p.pid for p in list_with_home_below(linked.home)] == [channel], "the channel alone")


def test_one_uploader_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "run" / "1.up"
    first = Mark.take(path)
    assert first is not None
    assert Mark.take(path) is None
    first.remove()
    assert not path.exists()
    second = Mark.take(path)
    assert second is not None
    second.leave()
    assert path.exists()


def test_dropped_events_are_reported_for_the_session_that_goes_on(home: Path, hub_over_http: Hub) -> None:
    path = leave_event(home, "SessionEnd")
    path.with_suffix(f".{SESSION}.gap").write_bytes(b"dcd")
    run(home, hub_over_http.url)
    bodies = [event["body"] for _, events in hub_over_http.requests for event in events]
    assert bodies[1:] == [{"hook_event_name": "ChannelGap", "session_id": SESSION, "dropped": 2, "cut": 1}]
    assert list(path.parent.iterdir()) == []


async def test_a_new_channel_relieves_the_uploader(linked: Claude, hub: HubDouble) -> None:
    assert linked.process is not None
    linked.process.terminate()
    await linked.ended()
    await linked.start()
    await linked.greet()
    await hub.until(lambda: len(hub.hellos) == 2, "a second link")
    await linked.hook("UserPromptSubmit", prompt="for the new one")
    await hub.until(lambda: hub.named("UserPromptSubmit"), "the event, through the new channel")


@pytest.fixture
def closed_port() -> int:
    """Of a hub that is away."""
    with Hub() as hub:
        return hub.server_port


@contextmanager
def uploading(home: Path, url: str, pid: int) -> Iterator[threading.Thread]:
    """An uploader that waits for the hub; its mark is taken away at the end, if it still waits."""
    thread = threading.Thread(target=run, args=(home, url, pid))
    thread.start()
    try:
        yield thread
    finally:
        (home / "run" / f"{pid}.up").unlink(missing_ok=True)
        thread.join(10)
        assert not thread.is_alive()


def test_after_a_day_offline_everything_arrives_once_and_in_order(home: Path, hub_over_http: Hub) -> None:
    ids = {pid: leave_many(home, f"{pid}.5.old", range(300)) for pid in range(NOBODY - 4, NOBODY + 1)}
    for pid in ids:
        ids[pid] += leave_many(home, f"{pid}.log", range(300, 1500))
        (home / "spool" / f"{pid}.{SESSION}.gap").write_bytes(b"dd")
    run(home, hub_over_http.url)
    posted = hub_over_http.event_ids
    assert len(posted) == len(set(posted)) == 5 * 1501 + 1  # and that its own process was killed
    for found in ids.values():
        wanted = set(found)
        assert [event_id for event_id in posted if event_id in wanted] == found
    assert list((home / "spool").iterdir()) == []


def test_uploaders_at_once_send_no_file_twice(home: Path, hub_over_http: Hub) -> None:
    pids = range(NOBODY - 8, NOBODY + 1)
    ids = [event_id for pid in pids for event_id in leave_many(home, f"{pid}.log", range(pid, pid + 100))]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pid: run(home, hub_over_http.url, pid), pids))
    assert sorted(event["event_id"] for event in hub_over_http.events if event["source"] == "hook") == sorted(ids)
    assert list((home / "spool").iterdir()) == []


def test_a_hub_that_is_away_is_tried_until_it_is_back(home: Path, closed_port: int) -> None:
    path = leave_event(home, "SessionEnd")
    with uploading(home, f"http://127.0.0.1:{closed_port}", NOBODY):
        wait_until((home / "run" / "waiting").exists, "the uploader to wait")
        with Hub(closed_port) as hub, hub.serving():
            wait_until(lambda: hub.requests, "the event")
            wait_until(lambda: not path.exists(), "the file gone")
    assert list((home / "run").iterdir()) == []


def test_of_many_that_are_left_behind_one_waits(home: Path, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    for pid in (NOBODY, NOBODY + 1):
        leave_event(home, "SessionEnd", pid)
    with uploading(home, url, NOBODY):
        wait_until((home / "run" / "waiting").exists, "the first to wait")
        run(home, url, NOBODY + 1)  # comes back
        with Hub(closed_port) as hub, hub.serving():
            wait_until(lambda: len(hub.requests) == 2, "both files, from the first")
            wait_until(lambda: list((home / "spool").iterdir()) == [], "the files gone")


def test_an_uploader_whose_mark_is_removed_goes_away(home: Path, closed_port: int) -> None:
    leave_event(home, "Stop")
    with uploading(home, f"http://127.0.0.1:{closed_port}", NOBODY):
        wait_until((home / "run" / "waiting").exists, "the uploader to wait")
        shutil.rmtree(home / "run")  # uninstalled
    assert not (home / "run").exists()
    assert (home / "spool" / f"{NOBODY}.log").exists()


def test_patience_tries_ever_more_rarely_and_ends() -> None:
    patience, now, tries = Patience(), 0.0, [0.0]
    while patience.fail(now, 0.99):
        assert patience.is_tried
        while not patience.is_due(now):
            now += 0.1
        tries.append(now)
    waits = [after - before for before, after in pairwise(tries)]
    assert waits[0] < 1.2
    assert max(waits) < LONGEST_DELAY + 0.2
    assert AWAY_SECONDS <= now < AWAY_SECONDS + LONGEST_DELAY
    assert len(tries) < 30


def test_a_rejected_event_costs_no_other(home: Path, hub_over_http: Hub) -> None:
    ids = leave_many(home, f"{NOBODY}.log", range(20))
    hub_over_http.rejects = {ids[7]}
    run(home, hub_over_http.url)
    assert hub_over_http.event_ids[:-1] == ids  # the last one tells of the process's death
    assert list((home / "spool").iterdir()) == []


@pytest.mark.parametrize("answer", [b"<html>Sign in to the hotel</html>", b"{}", b'{"committed": [], "rejected": []}'])
def test_only_a_hubs_word_lets_the_spool_go(home: Path, hub_over_http: Hub, answer: bytes) -> None:
    path = leave_event(home, "Stop")
    hub_over_http.answer = answer
    with uploading(home, hub_over_http.url, NOBODY):
        wait_until((home / "run" / "waiting").exists, "the uploader to wait")
        assert path.exists()
        hub_over_http.answer = None
        wait_until(lambda: not path.exists(), "the file gone")
