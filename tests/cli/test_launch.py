"""`heliograph claude`: which arguments and environment Claude Code gets."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from cli.launch import build_arguments, build_environment
from tests.cli.world import World

FLAG = "--dangerously-load-development-channels"
OURS = f"{FLAG}=server:heliograph"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fix the tests"],
        ["--", "-p is a prompt here"],
        ["--resume", "abc", "--model", "opus"],
        ["-c"],
        ["-rabc"],
        ["-n", "mcp", "hello"],
        ["--model", "update"],
        ["--add-dir", "mcp", "plugin"],
        ["hello", "mcp"],
        [FLAG, "server:other", "--model", "opus"],
        [f"{FLAG}=server:other"],
        ["--append-system-prompt", "--print"],
        ["--", FLAG, "server:heliograph"],
        ["-nphone"],
    ],
)
def test_a_session_gets_the_channel_first_and_keeps_its_arguments(words: list[str]) -> None:
    assert build_arguments(words) == [OURS, *words]


@pytest.mark.parametrize(
    "words",
    [
        ["-p", "hi"],
        ["hi", "--print"],
        ["-cp", "hi"],
        ["--version"],
        ["-v"],
        ["--help"],
        ["mcp", "list"],
        ["--model", "opus", "mcp", "list"],
        ["config"],
        ["doctor"],
        ["update"],
        ["install"],
        ["plugin", "list"],
        ["--cloud"],
        [OURS],
        [FLAG, "server:heliograph"],
        [FLAG, "server:other", "server:heliograph", "--model", "opus"],
        ["--channels", "plugin:heliograph@market"],
    ],
)
def test_anything_else_is_passed_on_as_it_is(words: list[str]) -> None:
    assert build_arguments(words) == words


def test_an_outer_sessions_variables_stay_outside_and_a_persons_settings_go_in() -> None:
    inner = build_environment(
        {
            "CLAUDECODE": "1",
            "CLAUDE_CODE_SESSION_ID": "x",
            "CLAUDE_CODE_MESSAGING_TOKEN": "x",
            "CLAUDE_CODE_SOMETHING_NEW": "x",
            "CLAUDE_PROJECT_DIR": "/x",
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "CLAUDE_CODE_OAUTH_TOKEN": "t",
            "CLAUDE_CONFIG_DIR": "/c",
            "PATH": "/bin",
        }
    )
    assert inner == {
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "CLAUDE_CONFIG_DIR": "/c",
        "PATH": "/bin",
    }


def test_without_an_outer_session_the_environment_is_left_alone() -> None:
    environment = {"CLAUDE_CODE_SOMETHING_NEW": "mine", "PATH": "/bin"}
    assert build_environment(environment) == environment


async def test_it_becomes_claude_code_with_the_same_pid(world: World) -> None:
    world.add_claude()
    world.env["CLAUDECODE"] = "1"
    process = await world.start("claude", "hello", "--model", "opus")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    seen = json.loads(out)
    assert seen["pid"] == process.pid
    assert seen["argv"] == [OURS, "hello", "--model", "opus"]
    assert "CLAUDECODE" not in seen["env"]
    assert seen["env"]["HELIOGRAPH_HOME"] == str(world.heliograph)
    assert err.decode().count("\n") == 1
    assert "heliograph join" in err.decode()
    assert "heliograph install" in err.decode()


def test_a_machine_that_is_ready_starts_without_a_word(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    world.write(world.heliograph / "machine.json", "{}")
    assert world.run("claude").err == ""


def test_a_pipe_in_place_of_the_settings_keeps_nobody_waiting(world: World) -> None:
    world.add_claude()
    world.settings.parent.mkdir()
    os.mkfifo(world.settings)
    assert "aren't installed" in world.run("claude").err


def test_help_and_version_are_claude_codes_own(world: World) -> None:
    world.add_claude()
    assert json.loads(world.run("claude", "--help").out)["argv"] == ["--help"]
    done = world.run("claude", "--version")
    assert (done.out.strip(), done.err) == ("9.9.9 (Claude Code)", "")


def test_without_claude_code_it_says_so(world: World) -> None:
    done = world.run("claude")
    assert done.code == 3
    assert done.err.startswith("heliograph: Claude Code was not found")
