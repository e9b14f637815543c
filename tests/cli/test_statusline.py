"""`heliograph install --statusline`: the user's status line wrapped, and given back as it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.statusline_edit import parse_command
from tests.cli.world import REPOSITORY, World

OWN = {"type": "command", "command": "~/.claude/line.sh --colour 'a b' # mine", "padding": 0}
SETTINGS = {"model": "opus", "statusLine": OWN, "zzz": 1}


def command_of(world: World) -> str:
    command: str = world.read_json(world.settings)["statusLine"]["command"]
    return command


def original_of(world: World) -> str | None:
    found = parse_command(command_of(world))
    assert found is not None
    return found.original


@pytest.fixture
def wrapped(world: World) -> World:
    """A machine whose own status line we have wrapped."""
    world.add_claude()
    world.write(world.settings, json.dumps(SETTINGS, indent=2))
    done = world.run("install", "--yes", "--statusline")
    assert done.code == 0, done.err
    return world


def find_codes(world: World) -> dict[str, str]:
    findings = json.loads(world.run("doctor", "--json").out)["findings"]
    return {finding["code"]: finding["level"] for finding in findings if finding["code"].startswith("statusline")}


def test_without_being_asked_the_status_line_stays_as_it_is(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps(SETTINGS, indent=2))
    world.run("install", "--yes")
    assert world.read_json(world.settings)["statusLine"] == OWN
    assert find_codes(world) == {"statusline_none": "ok"}


def test_the_users_own_is_inside_and_all_else_about_it_stays(wrapped: World) -> None:
    assert original_of(wrapped) == OWN["command"]
    line = wrapped.read_json(wrapped.settings)["statusLine"]
    assert {**line, "command": OWN["command"]} == OWN
    copy = wrapped.heliograph / "hooks" / "heliograph_statusline.py"
    assert copy.read_bytes() == (REPOSITORY / "hooks" / "heliograph_statusline.py").read_bytes()
    assert find_codes(wrapped) == {"statusline": "ok"}


def test_what_was_installed_runs(wrapped: World) -> None:
    script = wrapped.write(wrapped.home / ".claude" / "line.sh", '#!/bin/sh\ncat; echo "$2"; exit 3\n')
    script.chmod(0o755)
    words = ["/bin/sh", "-c", command_of(wrapped)]
    stdin = b'{"session_id": "s"}\n'
    done = subprocess.run(words, env=wrapped.env, input=stdin, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, stdin + b"a b\n")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SETTINGS),
        json.dumps(SETTINGS, indent=4) + "\n",
        json.dumps({"model": "opus"}, indent=2),
        '{"statusLine":{ "command" : "x" ,"type":"command"}}',
        "{}\n",
    ],
)
def test_uninstall_gives_every_byte_back(world: World, text: str) -> None:
    world.add_claude()
    world.write(world.settings, text)
    assert world.run("install", "--yes", "--statusline").code == 0
    assert "heliograph_statusline" in world.settings.read_text()
    assert world.run("uninstall", "--yes").code == 0
    assert world.settings.read_text() == text


@pytest.mark.parametrize("has_record", [True, False])
def test_uninstall_keeps_what_the_user_has_changed_since(wrapped: World, has_record: bool) -> None:
    settings = wrapped.read_json(wrapped.settings)
    settings["statusLine"]["padding"] = 2
    settings["statusLine"]["command"] = settings["statusLine"]["command"].replace("--colour", "--mono")
    wrapped.write(wrapped.settings, json.dumps(settings, indent=2))
    if not has_record:
        (wrapped.heliograph / "install.json").unlink()
    wrapped.run("uninstall", "--yes")
    expected = {**OWN, "padding": 2, "command": "~/.claude/line.sh --mono 'a b' # mine"}
    assert wrapped.read_json(wrapped.settings) == {**SETTINGS, "statusLine": expected}


def test_uninstall_leaves_a_status_line_alone_that_replaced_ours(wrapped: World) -> None:
    settings = wrapped.read_json(wrapped.settings)
    settings["statusLine"] = {"type": "command", "command": "new"}
    wrapped.write(wrapped.settings, json.dumps(settings, indent=2))
    wrapped.run("uninstall", "--yes")
    assert wrapped.read_json(wrapped.settings)["statusLine"] == {"type": "command", "command": "new"}


def test_where_there_was_none_there_is_none_again(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps({"model": "opus"}, indent=2))
    world.run("install", "--yes", "--statusline")
    assert original_of(world) is None
    world.write(world.settings, json.dumps({**world.read_json(world.settings), "theme": "dark"}, indent=2))
    world.run("uninstall", "--yes")
    assert world.read_json(world.settings) == {"model": "opus", "theme": "dark"}


def test_it_can_be_taken_off_alone(wrapped: World) -> None:
    assert wrapped.run("install", "--yes", "--no-statusline").code == 0
    settings = wrapped.read_json(wrapped.settings)
    assert settings["statusLine"] == OWN
    assert settings["hooks"]
    wrapped.run("uninstall", "--yes")
    assert wrapped.settings.read_text() == json.dumps(SETTINGS, indent=2)


@pytest.mark.parametrize("flags", [(), ("--statusline",)])
def test_a_second_install_changes_nothing(wrapped: World, flags: tuple[str, ...]) -> None:
    before = wrapped.list_files()
    done = wrapped.run("install", *flags)
    assert "nothing to change" in done.out
    assert wrapped.list_files() == before


def test_an_old_wrapper_is_brought_to_this_version_by_any_install(wrapped: World) -> None:
    settings = wrapped.read_json(wrapped.settings)
    wanted = settings["statusLine"]["command"]
    settings["statusLine"]["command"] = wanted.replace(str(wrapped.heliograph), "/old/place")
    wrapped.write(wrapped.settings, json.dumps(settings, indent=2))
    assert find_codes(wrapped) == {"statusline_broken": "note"}
    wrapped.run("install", "--yes")
    assert command_of(wrapped) == wanted


def test_a_dry_run_shows_the_change_and_makes_none(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps(SETTINGS, indent=2))
    before = world.list_files()
    done = world.run("install", "--dry-run", "--statusline")
    assert '-    "command": "~/.claude/line.sh' in done.out
    assert '+    "command": "set -- ' in done.out
    assert world.list_files() == before


@pytest.mark.parametrize("odd", [[], "x", {"type": "command"}, {"type": "new", "command": "x"}, {"command": ["x"]}])
def test_a_status_line_of_another_kind_is_refused(world: World, odd: Any) -> None:
    world.add_claude()
    text = json.dumps({"statusLine": odd})
    world.write(world.settings, text)
    done = world.run("install", "--yes", "--statusline")
    assert done.code == 1
    assert "line 1, column 16" in done.err
    assert world.settings.read_text() == text
    assert world.run("install", "--yes").code == 0


@pytest.mark.parametrize("missing", ["heliograph_statusline.py", "interpreter"])
def test_doctor_tells_what_is_wrong_with_it(wrapped: World, missing: str) -> None:
    if missing == "interpreter":
        gone = command_of(wrapped).replace("/python3", "/gone3")
        settings = wrapped.read_json(wrapped.settings)
        settings["statusLine"]["command"] = gone
        wrapped.write(wrapped.settings, json.dumps(settings))
    else:
        Path(wrapped.heliograph / "hooks" / missing).unlink()
    assert find_codes(wrapped) == {"statusline_broken": "note"}
