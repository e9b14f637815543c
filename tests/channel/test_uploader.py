"""Claude Code's last words: its SessionEnd hooks run when its channel has already gone."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from channel.config import Machine
from channel.outbox import Outbox
from channel.spool import Record, append, build_line
from channel.uploader import Mark, serve
from tests.channel.hub_double import HubDouble
from tests.channel.peer import SESSION, Claude, eventually
from tests.support.processes import list_with_home_below
from wire.ids import build_id

NOBODY = 999_999_999
"""No process has this pid: Claude Code has ended."""


class Hub(ThreadingHTTPServer):
    """Takes events, or redirects."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.redirects = False
        self.requests: list[tuple[str | None, list[dict[str, Any]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.headers["Authorization"], body["events"]))
        self.send_response(307 if self.server.redirects else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        ids = [event["event_id"] for event in body["events"]]
        self.wfile.write(json.dumps({"committed": ids, "rejected": []}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def hub_over_http() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


def leave_event(home: Path, name: str, pid: int = NOBODY) -> Path:
    (home / "spool").mkdir(parents=True, exist_ok=True)
    path = home / "spool" / f"{pid}.log"
    body = json.dumps({"session_id": SESSION, "hook_event_name": name}).encode()
    append(path, build_line(Record("h", build_id(1, b"12345678"), 1, pid, body)))
    return path


def run(home: Path, hub: Hub, pid: int = NOBODY) -> None:
    outbox = Outbox(home / "spool", pid, lambda _: None)
    try:
        serve(home, pid, Machine(hub.url, "m", "desk", "hgm_x"), outbox)
    finally:
        outbox.close()


def test_the_end_of_the_session_is_posted_and_the_file_deleted(home: Path, hub_over_http: Hub) -> None:
    path = leave_event(home, "SessionEnd")
    run(home, hub_over_http)
    ((authorization, events),) = hub_over_http.requests
    assert authorization == "Bearer hgm_x"
    assert events[0]["body"] == {"session_id": SESSION, "hook_event_name": "SessionEnd"}
    assert not path.exists()


def test_with_nothing_left_it_ends_with_the_process(home: Path, hub_over_http: Hub) -> None:
    run(home, hub_over_http)
    assert hub_over_http.requests == []


def test_the_key_follows_no_redirect(home: Path, hub_over_http: Hub) -> None:
    path = leave_event(home, "SessionEnd")
    hub_over_http.redirects = True
    with pytest.raises(OSError, match="307"):
        run(home, hub_over_http)
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
    path.with_suffix(".dropped").write_bytes(b"..")
    run(home, hub_over_http)
    bodies = [event["body"] for _, events in hub_over_http.requests for event in events]
    assert bodies[1:] == [{"hook_event_name": "ChannelGap", "session_id": SESSION, "dropped": 2}]
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
