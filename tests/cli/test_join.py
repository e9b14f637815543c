"""`heliograph join`: a code for a key."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from channel.config import find_home
from cli.home import locate_home
from cli.hubclient import is_plain_and_remote
from cli.join import describe_system
from tests.cli.fake_hub import FakeHub
from tests.cli.world import World, mode_of


async def test_the_key_is_stored_for_its_owner_only_whatever_the_umask(world: World, hub: FakeHub) -> None:
    world.heliograph.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        done = await world.run_async("join", hub.url + "/", "--code", "ABCD-1234", "--name", "laptop")
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    assert "hgm_secret" not in done.out + done.err
    machine = world.heliograph / "machine.json"
    assert json.loads(machine.read_bytes()) == {
        "hub_url": hub.url,
        "machine_id": "m-1",
        "machine_name": "build-box",
        "key": "hgm_secret",
    }
    assert mode_of(machine) == 0o600
    assert mode_of(world.heliograph) == 0o700
    ((_, _, sent),) = hub.requests
    assert sent["code"] == "ABCD-1234"
    assert sent["name"] == "laptop"
    assert set(sent) == {"code", "name", "user", "os"}
    assert all(sent.values())


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((403, {"error": {"code": "bad_code", "message": "That code is wrong or used."}}), 4, "wrong or used"),
        ((429, {"error": {"code": "frozen", "message": "Too many wrong codes."}}), 4, "Too many"),
        ((500, {"error": {"code": "internal", "message": "Broken."}}), 1, "Broken"),
        ((200, {"machine_id": "m"}), 3, "no Heliograph hub"),
        ((200, "<html>hello</html>"), 3, "no Heliograph hub"),
        ((404, "nothing here"), 3, "no Heliograph hub"),
    ],
)
async def test_a_refusal_is_told_and_nothing_is_stored(
    world: World, hub: FakeHub, answer: tuple[int, Any], code: int, words: str
) -> None:
    hub.join_answer = answer
    done = await world.run_async("join", hub.url, "--code", "X")
    assert done.code == code
    assert words in done.err
    assert done.err.startswith("heliograph: ")
    assert not world.heliograph.exists()


async def test_a_paired_machine_is_not_paired_again_unless_told(world: World, hub: FakeHub) -> None:
    await world.run_async("join", hub.url, "--code", "A")
    hub.join_answer = (200, {"machine_id": "m-2", "machine_name": "two", "key": "hgm_other"})
    done = await world.run_async("join", hub.url, "--code", "B")
    assert done.code == 1
    assert "--replace" in done.err
    assert len(hub.requests) == 1
    assert (await world.run_async("join", hub.url, "--code", "B", "--replace")).code == 0
    assert b"hgm_other" in (world.heliograph / "machine.json").read_bytes()


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"error": {"code": "not_signed_in", "message": "Sign in, or send a token."}}),
        (404, {"error": {"code": "not_found", "message": "There is nothing here."}}),
        (404, "nothing here"),
    ],
)
async def test_an_address_below_the_hubs_is_told_from_the_hub(
    world: World, hub: FakeHub, answer: tuple[int, Any]
) -> None:
    hub.admin_answers["/wrong/path/api/v1/join"] = answer
    done = await world.run_async("join", f"{hub.url}/wrong/path", "--code", "A")
    assert done.code == 3
    assert "no Heliograph hub" in done.err
    assert f"give the hub's base URL, like {hub.url})" in done.err
    assert "token" not in done.err
    assert not world.heliograph.exists()


def test_the_channel_finds_the_same_home(tmp_path: Path) -> None:
    for environment in ({}, {"HELIOGRAPH_HOME": ""}, {"HELIOGRAPH_HOME": str(tmp_path)}):
        assert locate_home(environment).root == find_home(environment)


def test_without_a_terminal_a_missing_code_is_a_usage_error(world: World) -> None:
    done = world.run("join", "http://127.0.0.1:1")
    assert done.code == 2
    assert "--code" in done.err


def test_a_hub_that_is_not_there_is_unavailable(world: World) -> None:
    done = world.run("join", "http://127.0.0.1:1", "--code", "A")
    assert done.code == 3
    assert "nothing listens there" in done.err


@pytest.mark.parametrize(
    "url", ["hub.example.org", "ftp://x", "http://", "http://h:99999", "https://u:p@h", "http://h/?q", "http://a b"]
)
def test_what_is_no_hubs_url_is_a_usage_error(world: World, url: str) -> None:
    assert world.run("join", url, "--code", "A").code == 2


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://10.0.0.5:7878", True),
        ("http://hub.example.org", True),
        ("https://hub.example.org", False),
        ("http://127.0.0.1:7878", False),
        ("http://127.8.8.8:1", False),
        ("http://localhost:7878", False),
        ("http://[::1]:7878", False),
    ],
)
def test_plain_http_to_another_machine_is_warned_of(url: str, plain: bool) -> None:
    assert is_plain_and_remote(url) is plain


def test_a_relative_home_is_refused(world: World) -> None:
    world.env["HELIOGRAPH_HOME"] = "ours"
    done = world.run("join", "http://127.0.0.1:1", "--code", "A")
    assert done.code == 2
    assert "absolute" in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="reads os-release")
def test_the_system_is_named_in_two_words(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n')
    assert describe_system(release) == "Debian 12"
    assert describe_system(tmp_path / "none")
