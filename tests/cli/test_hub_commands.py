"""The commands on the hub's host, and the command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli import exits
from cli.hub_commands import build_extra_command
from cli.main import build_parser
from cli.show import cut, plain, plain_line, table
from tests.cli.fake_hub import FakeHub
from tests.cli.world import REPOSITORY, World

COMMANDS = [
    "hub", "migrate", "pair", "sign-in", "revoke", "token create", "join", "install", "uninstall", "doctor",
    "sessions", "say", "tail",
]  # fmt: skip


@pytest.mark.parametrize("words", [["pair"], ["sign-in"], ["token", "create", "ci"], ["revoke", "ci", "--yes"]])
def test_without_a_hub_here_it_says_so(world: World, words: list[str]) -> None:
    done = world.run(*words)
    assert done.code == 3
    assert done.err.startswith("heliograph: No hub is running here")
    assert done.out == ""


async def test_pair_prints_the_line_to_run_on_the_machine(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    answer = {"code": "ABCD-1234", "expires_at": "2026-11-21T07:00:00Z", "url": "https://hub.example.org"}
    hub.admin_answers["/pair"] = (200, answer)
    done = await world.run_async("pair")
    assert done.code == 0, done.err
    assert "heliograph join https://hub.example.org --code ABCD-1234\n" in done.out


async def test_token_create_prints_the_token_and_nothing_else(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/tokens"] = (200, {"token": "hgt_new"})
    done = await world.run_async("token", "create", "ci", "--role", "viewer")
    assert (done.code, done.out, done.err) == (0, "hgt_new\n", "")
    assert hub.requests == [("POST", "/tokens", {"name": "ci", "role": "viewer"})]
    await world.run_async("token", "create", "ci")
    assert hub.requests[-1][2]["role"] == "member"


async def test_revoke_shows_what_it_ended(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    revoked = [
        {"kind": "machine", "name": "build\x1b[2J-box", "id": "m-1"},
        {"kind": "person", "name": "ci", "id": "t-1"},
    ]
    hub.admin_answers["/revoke"] = (200, {"revoked": revoked})
    done = await world.run_async("revoke", "build-box", "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "Revoked the key of machine build\\x1b[2J-box (m-1).",
        "Revoked the token ci (t-1).",
    ]
    assert hub.requests == [("POST", "/revoke", {"name": "build-box"})]


@pytest.mark.parametrize(("answer", "code", "asked"), [("y\n", 0, 1), ("n\n", 1, 0), ("", 1, 0)])
async def test_revoke_asks_first(world: World, hub: FakeHub, answer: str, code: int, asked: int) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/revoke"] = (200, {"revoked": [{"kind": "person", "name": "ci", "id": "t-1"}]})
    done = await world.run_async("revoke", "ci", answer=answer)
    assert (done.code, len(hub.requests)) == (code, asked)
    assert "Revoke ci?" in done.out


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, {"code": "not_found", "message": "Nothing is named so."}),
        (409, {"code": "several", "message": "t-1, t-2"}),
    ],
)
async def test_revoke_tells_why_it_ended_nothing(
    world: World, hub: FakeHub, status: int, error: dict[str, str]
) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/revoke"] = (status, {"error": error})
    done = await world.run_async("revoke", "ci", "--yes")
    assert (done.code, done.out) == (1, "")
    assert error["message"] in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "99999"],
        ["--port", "-5"],
        ["--port", "x"],
        ["--host", ""],
        ["--host", "a b"],
        ["--public-url", ""],
        ["--public-url", "hub.example.org"],
        ["--public-url", "ftp://hub.example.org"],
        ["--public-url", "https://"],
        ["--public-url", "https://hub.example.org/under"],
        ["--public-url", "https://hub.example.org?x"],
        ["--public-url", "https://me@hub.example.org"],
        ["--public-url", "https://hub.example.org:99999"],
        ["--public-url", "https://hub example.org"],
    ],
)
def test_an_address_that_can_be_none_is_a_usage_error(world: World, words: list[str]) -> None:
    done = world.run("hub", *words)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert f"argument {words[0]}" in done.err
    assert not world.heliograph.exists()


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("HTTPS://Hub.Example.ORG:443/", "https://hub.example.org"),
        ("http://hub.example.org:80", "http://hub.example.org"),
        ("https://hub.example.org:8443", "https://hub.example.org:8443"),
        ("http://127.0.0.1:7878", "http://127.0.0.1:7878"),
        ("http://[::1]:7878/", "http://[::1]:7878"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_public_url_is_passed_on_as_browsers_write_it(url: str, read: str) -> None:
    assert build_parser().parse_args(["hub", "--public-url", url]).public_url == read


@pytest.mark.parametrize("host", ["push.example.org", "127.0.0.1:8080", "[::1]:8080"])
def test_push_services_are_named_by_host(host: str) -> None:
    arguments = build_parser().parse_args(["hub", "--push-host", host, "--push-host", "other.example.org"])
    assert arguments.push_host == [host, "other.example.org"]


@pytest.mark.parametrize(
    "word", ["", "https://push.example.org", "a@b", "push.example.org/x", "a b", "host:0", "host:x"]
)
def test_what_is_no_host_of_a_push_service_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["hub", "--push-host", word])
    assert "--push-host" in capsys.readouterr().err


def test_the_command_is_named_as_a_shell_here_finds_it(tmp_path: Path) -> None:
    place = tmp_path / "my venv" / "bin"
    place.mkdir(parents=True)
    script = place / "heliograph"
    script.write_text(f"#!{sys.executable}\nfrom cli.called import name_command\nprint(name_command())\n")
    script.chmod(0o755)
    links = tmp_path / "links"
    links.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (links / "heliograph").symlink_to(script)
    (other / "heliograph").write_text("#!/bin/sh\n")
    (other / "heliograph").chmod(0o755)

    def call(path: Path) -> str:
        env = {"PATH": str(path), "PYTHONPATH": str(REPOSITORY)}
        run = [sys.executable, "heliograph"]  # by a relative path
        return subprocess.run(run, cwd=place, env=env, capture_output=True, text=True, check=True).stdout

    assert call(place) == "heliograph\n"
    assert call(links) == "heliograph\n"
    assert call(tmp_path) == f"'{script}'\n"
    assert call(other) == f"'{script}'\n"


def test_what_is_printed_for_the_next_step_can_be_run_as_it_stands(world: World) -> None:
    ours = str(Path(sys.executable).with_name("heliograph"))
    if not Path(ours).exists():
        pytest.skip("this environment has no installed script")
    world.add_claude()
    assert f"`{ours} claude`" in world.run("install", "--yes").out
    assert f"{ours} token create" in world.run("sessions").err
    assert f"{ours} hub" in world.run("pair").err
    assert f"next: {ours} claude" in world.run("doctor").out
    assert f"{ours} join" in world.run("claude").err


async def test_sign_in_prints_the_link(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/sign-in"] = (200, {"url": "http://127.0.0.1:7878/sign-in?token=x"})
    assert (await world.run_async("sign-in")).out == "http://127.0.0.1:7878/sign-in?token=x\n"


async def test_what_the_hub_refuses_is_told(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/tokens"] = (422, {"error": {"code": "unprocessable", "message": "A name is needed."}})
    done = await world.run_async("token", "create", "")
    assert (done.code, done.out) == (1, "")
    assert "A name is needed." in done.err


@pytest.mark.parametrize(
    ("direct_url", "command"),
    [
        (None, "/venv/python -m pip install 'heliograph[hub]'"),
        ('{"url": "https://x.org/h.whl"}', "/venv/python -m pip install 'heliograph[hub]'"),
        ('{"url": "file:///src/my%20clone", "dir_info": {}}', "/venv/python -m pip install '/src/my clone[hub]'"),
        (
            '{"url": "file:///src/h", "dir_info": {"editable": true}}',
            "/venv/python -m pip install -e '/src/h[hub]'",
        ),
    ],
)
def test_the_missing_extra_is_named_with_the_command_that_adds_it(direct_url: str | None, command: str) -> None:
    assert build_extra_command(direct_url, "/venv/python") == command


def test_without_the_extra_the_hub_does_not_start(world: World) -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None; from cli.main import main; sys.exit(main(['hub', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=world.env, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "[hub]" in done.stderr
    assert "pip install" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_documents_itself_and_the_exit_codes(world: World, command: str) -> None:
    done = world.run(*command.split(), "--help")
    assert done.code == 0
    assert done.out.endswith(exits.EPILOG + "\n") or exits.EPILOG in done.out


@pytest.mark.parametrize("words", [[], ["nonsense"], ["say"], ["token", "create", "x", "--role", "king"]])
def test_a_wrong_command_line_is_a_usage_error(world: World, words: list[str]) -> None:
    done = world.run(*words)
    assert done.code == 2
    assert done.out == ""


def test_starting_claude_loads_next_to_nothing(world: World) -> None:
    code = "import sys, cli.launch; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=world.env, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    heavy = {"asyncio", "websockets", "msgspec", "ssl", "http.client", "aiohttp", "argparse", "json"}
    assert not heavy & set(done.stdout.split())


def test_text_from_outside_cannot_drive_the_terminal() -> None:
    assert (
        plain("a\tb\n\x1b[2J\x9b\u202e\u200b\u2028é\U000e0001")
        == "a\tb\n\\x1b[2J\\x9b\\u202e\\u200b\\u2028é\\U000e0001"
    )
    assert plain_line("a\n  b\tc") == "a b c"
    assert cut("abcdef", 4) == "abc…"
    assert table(["A", "B"], [["xx", "y"]], None) == ["A   B", "xx  y"]
