"""The commands on the hub's host, and the command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli import exits
from cli.hub_commands import build_extra_command
from cli.show import cut, plain, plain_line, table
from tests.cli.fake_hub import FakeHub
from tests.cli.world import REPOSITORY, World

COMMANDS = [
    "hub", "migrate", "pair", "sign-in", "token create", "join", "install", "uninstall", "doctor", "sessions", "say",
    "tail",
]  # fmt: skip


@pytest.mark.parametrize("words", [["pair"], ["sign-in"], ["token", "create", "ci"]])
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
    assert "  heliograph join https://hub.example.org --code ABCD-1234\n" in done.out


async def test_token_create_prints_the_token_and_nothing_else(world: World, hub: FakeHub) -> None:
    await hub.listen_on(world.heliograph / "hub" / "hub.sock")
    hub.admin_answers["/tokens"] = (200, {"token": "hgt_new"})
    done = await world.run_async("token", "create", "ci", "--role", "viewer")
    assert (done.code, done.out, done.err) == (0, "hgt_new\n", "")
    assert hub.requests == [("POST", "/tokens", {"name": "ci", "role": "viewer"})]
    await world.run_async("token", "create", "ci")
    assert hub.requests[-1][2]["role"] == "member"


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
