"""The hub as a process: what it prints, refuses, keeps and leaves behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from hub.db.migrate import prepare
from tests.hub.claude import Claude
from tests.hub.kit import CSRF, Channel, until
from tests.support.api import Client, Refused
from tests.support.waiting import wait_until
from wire.frames import Event, Welcome

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from pathlib import Path
from hub.serve import run
home, port, database, public_url = sys.argv[1:]
sys.exit(run(Path(home), "127.0.0.1", int(port), database or None, public_url or None))
"""
START_SECONDS = 20.0


class Process:
    """A hub process; its output goes to files, so that no pipe can fill."""

    def __init__(self, home: Path, folder: Path, port: int, database: str, public_url: str) -> None:
        self.home = home
        number = len(list(folder.glob("*.out")))
        self.stdout, self.stderr = folder / f"{number}.out", folder / f"{number}.err"
        with self.stdout.open("w") as out, self.stderr.open("w") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", RUN, str(home), str(port), database, public_url],
                cwd=ROOT,
                env={**os.environ, "HELIOGRAPH_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_for(self, pattern: str) -> re.Match[str]:
        """A line on stdout."""
        return wait_until(
            lambda: re.search(pattern, self.stdout.read_text(), re.MULTILINE),
            f"{pattern!r} on stdout",
            timeout=START_SECONDS,
            describe=lambda: self.stdout.read_text() + self.stderr.read_text(),
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.wait_for(r"^Listening on (\S+)$").group(1)

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Signal it; returns (exit code, seconds it took)."""
        started = time.monotonic()
        self.popen.send_signal(how)
        return self.popen.wait(timeout=15), time.monotonic() - started

    def refusal(self) -> str:
        """What it says when it exits 1 at once."""
        assert self.popen.wait(timeout=START_SECONDS) == 1, self.stderr.read_text()
        assert "Traceback" not in self.stderr.read_text()
        last = self.stderr.read_text().splitlines()[-1]
        assert last.startswith("heliograph: ")
        return last

    def admin(self, path: str, body: Any = None) -> Any:
        """A call on the admin socket, which is there once the hub listens."""
        assert self.url
        return call_admin(self.home, path, body)


def call_admin(home: Path, path: str, body: Any = None) -> Any:
    """A call on the admin socket of the hub in this home."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(home / "hub" / "hub.sock"))
        connection.request("POST", path, json.dumps(body or {}), {"Connection": "close"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise Refused("POST", path, response.status, answer)
        return answer
    finally:
        connection.close()


class Host:
    """Starts hubs; each ends with the test."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self.home = home
        self._processes: list[Process] = []

    def start(self, *, home: Path | None = None, port: int = 0, database: str = "", public_url: str = "") -> Process:
        """A hub process, not waited for."""
        process = Process(home or self.home, self._folder, port, database, public_url)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """Kill what is left."""
        for process in self._processes:
            if process.popen.poll() is None:
                process.end(signal.SIGKILL)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "output").mkdir()
    host = Host(tmp_path / "output", tmp_path / "home")
    yield host
    host.stop()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    yield
    os.umask(before)


def person(process: Process) -> Client:
    """Somebody with an owner's token."""
    token = process.admin("/tokens", {"name": "test", "role": "owner"})["token"]
    return Client(process.url, {"Authorization": f"Bearer {token}"})


def machine(process: Process, name: str = "atlas") -> Client:
    """A machine that joined."""
    code = process.admin("/pair")["code"]
    body = {"code": code, "name": name, "user": "maya", "os": "Debian 12"}
    return Client(process.url, {"Authorization": f"Bearer {Client(process.url).post('/api/v1/join', body)['key']}"})


def batch(*events: Event) -> Any:
    return json.loads(msgspec.json.encode({"events": events}))


def test_the_first_start_says_what_to_do_and_later_ones_do_not_repeat_it(host: Host) -> None:
    hub = host.start()
    link = hub.wait_for(r"^Sign in: (\S+)$").group(1)
    assert re.fullmatch(rf"{hub.url}/sign-in\?token=hgs_[\w-]+", link)
    join = hub.wait_for(r"heliograph join (\S+) --code ([A-Z0-9]{4}-[A-Z0-9]{4})")
    assert join.group(1) == hub.url
    assert not hub.url.endswith(":0")
    body = {"code": join.group(2), "name": "atlas", "user": "maya", "os": "Debian 12"}
    assert Client(hub.url).post("/api/v1/join", body)["key"].startswith("hgm_")
    assert hub.end()[0] == 0
    again = host.start()
    again.wait_for(r"^Sign in: ")  # nobody has signed in yet
    sign_in(again.url, again.admin("/sign-in")["url"])
    assert again.end()[0] == 0
    third = host.start()
    assert Client(third.url).get("/healthz") == {"ok": True}
    assert "Sign in:" not in third.stdout.read_text()
    assert "--code" not in third.stdout.read_text()


def sign_in(url: str, link: str) -> str:
    """Open the link and press its button; returns the cookie."""
    where = url.removeprefix("http://")
    connection = http.client.HTTPConnection(where, timeout=10)
    try:
        form = "token=" + link.partition("token=")[2]
        headers = {"Origin": url, "Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
        connection.request("POST", "/sign-in", form, headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 303
        return (response.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_soon(host: Host, how: signal.Signals) -> None:
    hub = host.start()
    client = person(hub)
    assert client.get("/api/v1/whoami")["role"] == "owner"
    code, seconds = hub.end(how)
    assert code == 0, hub.stderr.read_text()
    assert seconds < 5
    assert "hub stopped" in hub.stderr.read_text()
    assert not (host.home / "hub" / "hub.sock").exists()


async def test_open_sockets_do_not_hold_up_the_end(host: Host) -> None:
    hub = host.start()
    key, token = machine(hub).headers, person(hub).headers
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{hub.url}/ws/channel", headers=key) as link,
        client.ws_connect(f"{hub.url}/ws/dashboard?format=json", headers=token) as page,
    ):
        channel = Channel(link)
        await channel.say(Claude().hello())
        await channel.expect(Welcome)
        assert (await page.receive_json(timeout=10))["live"]
        transport = page._response.connection
        assert transport is not None
        assert transport.transport is not None
        transport.transport.pause_reading()  # type: ignore[attr-defined]
        hub.popen.send_signal(signal.SIGTERM)
        started = time.monotonic()
        await until(lambda: hub.popen.poll() is not None, "the end")
        assert hub.popen.returncode == 0, hub.stderr.read_text()
        assert time.monotonic() - started < 8
        transport.transport.resume_reading()  # type: ignore[attr-defined]


def test_what_was_acknowledged_survives_kill_9(host: Host) -> None:
    hub = host.start()
    atlas, somebody = machine(hub), person(hub)
    claude = Claude()
    committed: list[str] = atlas.post("/api/v1/events", batch(claude.start()))["committed"]
    sent: list[str] = []
    for number in range(10):
        committed += atlas.post("/api/v1/events", batch(*claude.turn(f"do {number}", "done")))["committed"]
        path = f"/api/v1/sessions/{claude.session_id}/messages"
        sent.append(somebody.post(path, {"text": f"message {number}"})["message_id"])
    timeline = somebody.get(f"/api/v1/sessions/{claude.session_id}/timeline")
    assert hub.end(signal.SIGKILL)[0] == -signal.SIGKILL
    again = host.start()
    somebody = Client(again.url, somebody.headers)
    assert somebody.get(f"/api/v1/sessions/{claude.session_id}/timeline") == timeline
    assert [somebody.get(f"/api/v1/messages/{i}")["state"] for i in sent] == ["queued"] * 10
    answer = Client(again.url, atlas.headers).post("/api/v1/events", batch(claude.prompt("after")))
    assert len(answer["committed"]) == 1
    assert len(committed) == 71


def test_a_second_hub_on_one_database_is_refused(host: Host, tmp_path: Path) -> None:
    database = tmp_path / "shared" / "hub.db"
    first = host.start(database=f"sqlite:///{database}")
    assert Client(first.url).get("/healthz") == {"ok": True}
    second = host.start(home=tmp_path / "other", database=f"sqlite:///{database}")
    assert f"{database} is in use by another hub" in second.refusal()
    (tmp_path / "link.db").symlink_to(database)
    third = host.start(home=tmp_path / "third", database=f"sqlite:///{tmp_path / 'link.db'}")
    assert "is in use by another hub" in third.refusal()
    assert Client(first.url).get("/healthz") == {"ok": True}


def test_a_second_hub_in_one_home_is_refused(host: Host, tmp_path: Path) -> None:
    first = host.start()
    assert Client(first.url).get("/healthz") == {"ok": True}
    second = host.start(database=f"sqlite:///{tmp_path}/own.db")
    assert "HELIOGRAPH_HOME" in second.refusal()
    assert first.admin("/pair")["url"] == first.url


def test_a_killed_hub_is_no_obstacle(host: Host) -> None:
    first = host.start()
    assert first.url
    first.wait_for("--code")
    first.end(signal.SIGKILL)
    assert (host.home / "hub" / "hub.sock").exists()
    second = host.start()
    assert Client(second.url).get("/healthz") == {"ok": True}
    assert second.admin("/pair")["url"] == second.url


class Refusals:
    """Starts that must fail, all in one process, since a process costs a second: what each said."""

    SCRIPT = """
import contextlib, io, json, sys
from pathlib import Path
from hub.serve import run
answers = []
for home, port, database in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = run(Path(home), "127.0.0.1", port, database or None, None)
    answers.append((code, said.getvalue()))
print(json.dumps(answers))
"""

    def __init__(self, cases: dict[str, tuple[Path, int, str]]) -> None:
        given = json.dumps([(str(home), port, database) for home, port, database in cases.values()])
        command = [sys.executable, "-c", self.SCRIPT]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
        self._answers = dict(zip(cases, json.loads(done.stdout), strict=True))

    def of(self, case: str) -> str:
        """One line in words, and exit code 1."""
        code, said = self._answers[case]
        assert (code, len(said.splitlines())) == (1, 1), said
        assert said.startswith("heliograph: ")
        return str(said)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    folder = tmp_path_factory.mktemp("refused")
    (folder / "notes.txt").write_text("my notes\n" * 1000)
    (folder / "file").touch()
    prepare(folder / "newer.db")
    with closing(sqlite3.connect(folder / "newer.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    (folder / "5" / "hub").mkdir(parents=True)
    (folder / "5" / "hub" / "vapid.pem").write_text("my notes")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cases = {
            "port": (folder / "1", taken.getsockname()[1], ""),
            "notes": (folder / "2", 0, f"sqlite:///{folder}/notes.txt"),
            "newer": (folder / "3", 0, f"sqlite:///{folder}/newer.db"),
            "no folder": (folder / "file" / "home", 0, ""),
            "key": (folder / "5", 0, ""),
            "too deep": (folder / ("deep" * 30), 0, ""),
            **{url: (folder / "4", 0, url) for url in UNKNOWN_DATABASES},
        }
        return Refusals(cases)


def test_a_key_that_is_none_is_named_and_left(refusals: Refusals) -> None:
    assert "vapid.pem" in refusals.of("key")


UNKNOWN_DATABASES = ("postgresql://db/heliograph", "nonsense", "sqlite://", "sqlite:///:memory:")


def test_a_port_in_use_is_named(refusals: Refusals) -> None:
    said = refusals.of("port")
    assert re.search(r"127\.0\.0\.1:\d+", said)
    assert "--port" in said
    assert "in use" in said.lower()


@pytest.mark.parametrize("url", UNKNOWN_DATABASES)
def test_a_database_it_does_not_know_is_refused(refusals: Refusals, url: str) -> None:
    assert "--database" in refusals.of(url)


def test_a_file_that_is_no_database_is_refused(refusals: Refusals) -> None:
    assert "notes.txt" in refusals.of("notes")


def test_a_newer_database_is_refused_in_words(refusals: Refusals) -> None:
    assert "9999" in refusals.of("newer")
    assert "newer version" in refusals.of("newer")


def test_a_home_that_can_not_be_made_is_named(refusals: Refusals) -> None:
    assert "/file" in refusals.of("no folder")


def test_a_home_too_deep_for_a_socket_is_named(refusals: Refusals) -> None:
    assert "HELIOGRAPH_HOME" in refusals.of("too deep")


def test_a_home_with_special_characters_is_just_a_folder(host: Host, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="h?%# ") as home:  # short, for the socket's sake
        hub = host.start(home=Path(home))
        assert Client(hub.url).get("/healthz") == {"ok": True}
        assert (Path(home) / "hub" / "heliograph.db").stat().st_size > 0
        assert hub.end()[0] == 0


def test_all_it_writes_is_for_its_owner_only(host: Host) -> None:
    with umask(0):
        hub = host.start()
    machine(hub)
    for path in [host.home, *host.home.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == wanted, path
    names = {path.name for path in (host.home / "hub").iterdir()}
    assert {"heliograph.db", "heliograph.db-wal", "heliograph.db.lock", "hub.sock", "lock"} <= names


def test_the_public_url_is_what_it_tells_and_answers_to(host: Host) -> None:
    hub = host.start(public_url="https://hub.example/")
    assert hub.wait_for(r"^Sign in: (\S+)/sign-in").group(1) == "https://hub.example"
    assert hub.admin("/pair")["url"] == "https://hub.example"


def test_the_admin_socket_refuses_what_it_does_not_know(host: Host) -> None:
    hub = host.start()
    for body in ({}, {"name": ""}, {"name": "x", "role": "admin"}, {"name": "x", "more": 1}, [1], "x"):
        with pytest.raises(Refused) as refused:
            hub.admin("/tokens", body)
        assert refused.value.status == 422, body
        assert refused.value.body["error"]["code"] == "unprocessable"


async def test_nothing_that_people_or_agents_say_is_logged(host: Host) -> None:
    """Canaries through every route; then they are looked for in all that the process wrote."""
    hub = host.start()
    greeting = hub.wait_for(r"Sign in: (?:.|\n)*--code \S+").group(0)
    atlas, somebody, cookie = machine(hub), person(hub), sign_in(hub.url, hub.admin("/sign-in")["url"])
    secrets = [cookie.partition("=")[2]]
    secrets += [client.headers["Authorization"].removeprefix("Bearer ") for client in (atlas, somebody)]
    said = [f"canary-{name}-7f3a" for name in ("prompt", "output", "message", "reply", "title", "odd", "path", "bad")]
    prompt, output, message, reply, title, odd, path, bad = said
    claude = Claude()
    async with aiohttp.ClientSession(headers={"Cookie": cookie, "Origin": hub.url}) as client:
        page = await (await client.get(hub.url)).text()
        csrf = CSRF.search(page)
        assert csrf is not None
        secrets.append(csrf.group(1))
        headers = {"X-CSRF-Token": csrf.group(1)}
        async with client.ws_connect(f"{hub.url}/ws/channel", headers=atlas.headers) as link:
            channel = Channel(link)
            await channel.say(claude.hello())
            await channel.expect(Welcome)
            await channel.send(
                claude.start(), claude.prompt(title), claude.stop(prompt), claude.hook("X", error={"message": odd})
            )
            sent = await client.post(
                f"{hub.url}/api/v1/sessions/{claude.session_id}/messages", json={"text": message}, headers=headers
            )
            assert sent.status == 202
            push = await channel.next_push()
            await channel.send(claude.injected(push.message_id), claude.take(push.message_id, message))
            await channel.send(claude.post_tool("t", tool_response=output), claude.replies(reply, push.message_id))
            await channel.say('{"type": "' + bad)
            await channel.hear()
        for target in ("/", f"/sessions/{claude.session_id}", f"/{path}", f"/api/v1/sessions?q={path}"):
            await (await client.get(hub.url + target)).read()
        for wrong in ("hgs_" + bad, bad):
            await (await client.post(f"{hub.url}/sign-in", data={"token": wrong})).read()
        for data in (bad, {"code": bad, "name": bad, "user": bad, "os": bad}, {"events": [{"body": bad}]}):
            for target in ("join", "events", f"sessions/{claude.session_id}/messages"):
                refused = await client.post(
                    f"{hub.url}/api/v1/{target}", json=data, headers={**headers, **atlas.headers}
                )
                assert refused.status >= 400
        await (await client.get(f"{hub.url}/api/v1/whoami", headers={"Authorization": f"Bearer {bad}"})).read()
        await (await client.post(f"{hub.url}/sign-out", headers=headers)).read()
    assert hub.end()[0] == 0
    written = hub.stdout.read_text().replace(greeting, "") + hub.stderr.read_text()
    assert "link up" in written
    assert [word for word in [*said, *secrets] if word in written] == []
    for line in hub.stderr.read_text().splitlines():
        assert json.loads(line)["level"] in ("info", "warning", "error"), line
