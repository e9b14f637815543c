"""What `heliograph doctor` concludes from what it finds, and how it finds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import examine, has_blocker
from cli.facts import Carrier, ClaudeFacts, Facts, InstallFacts, PairingFacts, Reach, SessionLog
from cli.mcp_log import LogVerdict, Outcome, read_log
from hooks import SCRIPTS
from tests.cli.fake_hub import FakeHub
from tests.cli.world import World

EVENTS = ("SessionStart", "Stop")
FLAG = "--dangerously-load-development-channels=server:heliograph"
GOOD = Facts(
    claude=ClaudeFacts("/bin/claude", "2.1.329", EVENTS),
    pairing=PairingFacts(state="paired", path="/h/machine.json", hub_url="http://hub", hub="ok", key="ok"),
    install=InstallFacts(events=EVENTS, server="ok", interpreter="/bin/python"),
    carriers=(Carrier(17, has_flag=True),),
    logs=(SessionLog(LogVerdict("registered", "", "2026-11-21T06:38:13.738Z"), "/log", 17),),
)


def with_pairing(**fields: Any) -> Facts:
    return replace(GOOD, pairing=replace(GOOD.pairing, **fields))


def with_install(**fields: Any) -> Facts:
    return replace(GOOD, install=replace(GOOD.install, **fields))


def with_log(outcome: Outcome, *, pid: int | None = None, is_old: bool = False, **fields: Any) -> Facts:
    verdict = LogVerdict(outcome, "as it said", "2026-11-21T06:38:13.738Z")
    return replace(GOOD, logs=(SessionLog(verdict, "/log", pid, is_old),), **fields)


def test_a_machine_where_all_is_well_has_no_blocker() -> None:
    findings = examine(GOOD)
    assert {finding.level for finding in findings} == {"ok"}
    assert not has_blocker(findings)


@pytest.mark.parametrize(
    ("facts", "code", "step"),
    [
        (replace(GOOD, claude=ClaudeFacts()), "claude_not_found", "Install it"),
        (with_pairing(state="missing"), "not_paired", "heliograph pair"),
        (with_pairing(state="loose"), "machine_file_readable", "chmod 600"),
        (with_pairing(state="unusable", problem="broken"), "machine_file_unusable", "--replace"),
        (with_pairing(hub="refused", key="unchecked"), "hub_refused", "heliograph hub"),
        (with_pairing(hub="timeout", key="unchecked"), "hub_timeout", "firewalls"),
        (with_pairing(hub="no_address", key="unchecked"), "hub_no_address", "name"),
        (with_pairing(hub="tls", key="unchecked"), "hub_tls", "certificate"),
        (with_pairing(hub="wrong_answer", key="unchecked"), "hub_wrong_answer", "address"),
        (with_pairing(key="refused"), "key_refused", "--replace"),
        (with_install(problem="settings.json, line 3"), "settings_unreadable", "Mend that file"),
        (with_install(events=()), "hooks_missing", "heliograph install"),
        (with_install(events=("Stop",)), "hooks_partly", "heliograph install"),
        (with_install(stale_events=("Stop",)), "hooks_stale", "heliograph install"),
        (with_install(interpreter_there=False), "interpreter_missing", "heliograph install"),
        (with_install(script="missing"), "hook_script", "heliograph install"),
        (with_install(script="old"), "hook_script", "heliograph install"),
        (with_install(hooks_disabled=True), "hooks_disabled", "Remove"),
        (with_install(server="missing"), "server_missing", "heliograph install"),
        (with_install(server="stale"), "server_stale", "heliograph install"),
        (with_install(server_command_there=False), "server_interpreter_missing", "heliograph install"),
        (replace(GOOD, carriers=(Carrier(17, has_flag=False),)), "channel_flag_missing", "heliograph claude"),
        (with_log("no_flag", carriers=()), "channel_flag_missing", "heliograph claude"),
        (replace(GOOD, carriers=(Carrier(17, has_flag=True, is_heard=False),)), "channel_died", "/mcp reconnect"),
        (
            replace(GOOD, carriers=(*GOOD.carriers, Carrier(18, has_flag=True, is_heard=False))),
            "channel_died",
            "restart",
        ),
        (with_log("not_allowlisted", pid=17), "flag_wrong", "heliograph claude"),
        (
            replace(GOOD, logs=(*GOOD.logs, SessionLog(LogVerdict("modern", "x", "2026-11-21T06:38:13Z"), "/l", 18))),
            "handshake_refused",
            "Update",
        ),
        (with_log("no_preview"), "preview_unavailable", "Sign in"),
        (with_log("no_provider"), "provider_without_channels", "Anthropic"),
        (with_log("no_policy"), "channels_off_by_policy", "administrator"),
        (with_log("not_allowlisted", carriers=()), "flag_wrong", "heliograph claude"),
        (with_log("modern"), "handshake_refused", "Update"),
        (with_log("no_capability"), "handshake_refused", "heliograph install"),
        (with_log("skipped"), "channel_skipped", "Update"),
        (with_log("failed"), "handshake_failed", "channel.log"),
    ],
)
def test_each_blocker_is_named_with_its_next_step(facts: Facts, code: str, step: str) -> None:
    findings = examine(facts)
    (blocker,) = [finding for finding in findings if finding.level == "blocker"]
    assert blocker.code == code
    assert step in blocker.next_step
    assert has_blocker(findings)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(GOOD, carriers=()), "no_session"),
        (
            replace(GOOD, carriers=(Carrier(1, has_flag=True), Carrier(2, has_flag=False))),
            "channel_flag_missing_in_some",
        ),
        (replace(GOOD, logs=()), "handshake_unknown"),
        (with_log("silent"), "handshake_unknown"),
        (with_log("no_preview", is_old=True), "preview_unavailable"),
        (with_log("no_flag"), "channel_flag_missing"),
        (with_install(uploader="missing"), "uploader"),
        (with_install(statusline="stale"), "statusline_broken"),
        (with_install(statusline="script"), "statusline_broken"),
        (with_install(statusline="interpreter"), "statusline_broken"),
        (with_install(permissions_missing=("mcp__heliograph__reply",)), "permissions_missing"),
    ],
)
def test_what_keeps_nobody_off_is_only_noted(facts: Facts, code: str) -> None:
    findings = examine(facts)
    assert [finding.code for finding in findings if finding.level == "note"] == [code]
    assert not has_blocker(findings)


@pytest.mark.parametrize("outcome", ["no_flag", "no_preview", "no_provider", "no_policy", "not_allowlisted"])
def test_where_a_hook_wakes_claude_no_missing_channel_is_a_blocker(outcome: Outcome) -> None:
    facts = with_log(outcome, carriers=(Carrier(17, has_flag=outcome != "no_flag"),))
    facts = replace(facts, claude=replace(facts.claude, rewake=True))
    assert not has_blocker(examine(facts))
    assert [finding for finding in examine(facts) if finding.level == "note"]


def test_how_messages_reach_the_running_sessions_is_told_and_why_no_better_way() -> None:
    reaches = (
        Reach("Fix the tests", "channel"),
        Reach("Write \x1b docs", "wake", "Started without the flag."),
        Reach("Sum up", "next_turn", "Print mode."),
    )
    notes = [finding for finding in examine(replace(GOOD, reaches=reaches)) if finding.level == "note"]
    assert [note.code for note in notes] == ["delivery_wake", "delivery_next_turn"]
    assert notes[0].what.endswith("a parked hook wakes it with a message. Started without the flag.")
    assert "\x1b" not in notes[0].what


def test_a_missing_flag_is_told_once() -> None:
    codes = [f.code for f in examine(with_log("no_flag", carriers=(Carrier(1, has_flag=False),))) if f.next_step]
    assert codes == ["channel_flag_missing"]


def test_next_steps_name_the_command_as_it_is_called_here() -> None:
    facts = replace(with_install(events=()), carriers=(), command="/src/.venv/bin/heliograph")
    steps = {finding.code: finding.next_step for finding in examine(facts)}
    assert steps["hooks_missing"] == "/src/.venv/bin/heliograph install"
    assert steps["no_session"] == "/src/.venv/bin/heliograph claude"
    assert "\0" not in "".join(steps.values())


def test_findings_come_in_the_order_in_which_to_mend_them() -> None:
    facts = Facts(pairing=PairingFacts(), install=InstallFacts(), logs=(SessionLog(LogVerdict("no_flag")),))
    blockers = [finding.code for finding in examine(facts) if finding.level == "blocker"]
    assert blockers == ["claude_not_found", "not_paired", "hooks_missing", "server_missing", "channel_flag_missing"]


# As 2.1.329 wrote them; the start is the same in all.
START = [
    {"debug": "Starting connection with timeout of 30000ms"},
    {"debug": "Successfully connected (transport: stdio) in 150ms"},
    {"debug": 'Connection established with capabilities: {"hasTools":true,"protocolEra":"legacy"}'},
]
SKIPPED = "Channel notifications skipped: "


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"debug": "Channel notifications registered"}, "registered"),
        ({"debug": SKIPPED + "channels feature is not currently available"}, "no_preview"),
        ({"debug": SKIPPED + "server heliograph not in --channels list for this session"}, "no_flag"),
        (
            {
                "debug": SKIPPED
                + "connection negotiated a modern protocol revision with no unsolicited notification path"
            },
            "modern",
        ),
        ({"debug": SKIPPED + "server did not declare claude/channel capability"}, "no_capability"),
        ({"debug": SKIPPED + "channels are not available on third-party providers"}, "no_provider"),
        (
            {"debug": SKIPPED + "channels not enabled by org policy (set channelsEnabled: true in managed settings)"},
            "no_policy",
        ),
        (
            {"debug": SKIPPED + "server heliograph is not on the approved channels allowlist (use … for local dev)"},
            "not_allowlisted",
        ),
        ({"debug": SKIPPED + "some new reason"}, "skipped"),
        ({"error": "Connection failed (ENOENT): ENOENT: no such file or directory, posix_spawn '/x'"}, "failed"),
        ({"debug": "Sending SIGINT to MCP server process"}, "silent"),
    ],
)
def test_the_clients_log_is_read(said: dict[str, str], outcome: str) -> None:
    time = {"timestamp": "2026-11-21T06:38:13.545Z", "cwd": "/p"}
    lines = [json.dumps({**fields, **time}) for fields in [*START, said]]
    verdict = read_log(["not json", "[]", "{}", *lines, '{"debug": 1}'])
    assert verdict.outcome == outcome
    assert verdict.cwd == "/p"
    assert verdict.at


def test_the_last_word_of_a_log_counts() -> None:
    words = [SKIPPED + "channels feature is not currently available", "Channel notifications registered"]
    assert read_log(json.dumps({"debug": said}) for said in words).outcome == "registered"


async def test_a_whole_machine_is_examined(world: World, hub: FakeHub) -> None:
    world.add_claude()
    await world.run_async("join", hub.url, "--code", "A")
    await world.run_async("install", "--yes")
    log = world.home / ".cache/claude-cli-nodejs/-p/mcp-logs-heliograph/1.jsonl"
    time = "2999-11-21T06:38:13.545Z"
    world.write(log, json.dumps({"debug": "Channel notifications registered", "timestamp": time}))
    async with Sleeper(world, FLAG):
        done = await world.run_async("doctor", "--json")
    answer = json.loads(done.out)
    assert [f["code"] for f in answer["findings"]] == [
        "claude", "paired", "hub", "key", "hooks", "server", "statusline_none", "carriers", "handshake",
    ]  # fmt: skip
    assert (answer["ok"], done.code) == (True, 0)
    assert "9.9.9" in answer["findings"][0]["what"]


async def test_a_session_without_the_flag_and_a_refused_key_are_found(world: World, hub: FakeHub) -> None:
    world.add_claude()
    hub.join_answer = (200, {"machine_id": "m", "machine_name": "n", "key": "hgm_revoked"})
    await world.run_async("join", hub.url, "--code", "A")
    async with Sleeper(world, "--model", "opus") as pid:
        done = await world.run_async("doctor")
    assert done.code == 1
    assert "refuses this machine's key" in done.out
    assert f"process {pid}" in done.out
    assert "heliograph install" in done.out


def test_a_hub_that_is_gone_and_a_readable_key_are_found(world: World) -> None:
    world.add_claude()
    machine = {"hub_url": "http://127.0.0.1:1", "machine_id": "m", "machine_name": "n", "key": "hgm_x"}
    path = world.write(world.heliograph / "machine.json", json.dumps(machine))
    path.chmod(0o644)
    assert "machine_file_readable" in world.run("doctor", "--json").out
    path.chmod(0o600)
    assert "hub_refused" in world.run("doctor", "--json").out


def test_a_script_of_another_version_is_found(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    for script in SCRIPTS[:-1]:  # the last is the status line's, which nobody has wrapped here
        world.write(world.heliograph / "hooks" / script.name, "# an older one\n")
        assert '"hook_script"' in world.run("doctor", "--json").out
        assert world.run("install", "--yes").code == 0
        assert '"hook_script"' not in world.run("doctor", "--json").out


def test_damage_to_an_installation_is_found(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    world.write(world.settings, world.settings.read_text().replace('"command": "/', '"command": "/gone/', 1))
    (world.heliograph / "hooks" / "heliograph_hook.py").unlink()
    config = world.read_json(world.config)
    config["mcpServers"]["heliograph"]["command"] = "/gone/python"
    world.write(world.config, json.dumps(config))
    codes = [finding["code"] for finding in json.loads(world.run("doctor", "--json").out)["findings"]]
    assert {"hooks_stale", "interpreter_missing", "hook_script", "server_interpreter_missing"} <= set(codes)
    world.write(world.settings, "{oops")
    done = world.run("doctor")
    assert f"{world.settings}, line 1, column 2" in done.out


class Sleeper:
    """A process with a Claude Code's arguments, and the socket that our channel in it holds, until it is killed."""

    def __init__(self, world: World, *words: str) -> None:
        self._run = world.heliograph / "run"
        self._words = words
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    async def __aenter__(self) -> int:
        code = "import sys; sys.stdin.read()"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *self._words, stdin=asyncio.subprocess.PIPE
        )
        self._run.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(self._run):
            self._bell.bind(f"{self._process.pid}.sock")
        self._bell.listen()
        return self._process.pid

    def kill_channel(self) -> None:
        """Nobody removes the socket of a channel that was killed."""
        self._bell.close()

    async def __aexit__(self, *_: object) -> None:
        self._bell.close()
        await self._process.communicate(b"")  # ends with its stdin


async def test_a_channel_that_was_killed_is_told_from_one_that_runs(world: World) -> None:
    sleeper = Sleeper(world, FLAG)
    async with sleeper as pid:
        assert "channel_died" not in (await world.run_async("doctor", "--json")).out
        sleeper.kill_channel()
        done = await world.run_async("doctor", "--json")
    (died,) = [finding for finding in json.loads(done.out)["findings"] if finding["code"] == "channel_died"]
    assert died["level"] == "blocker"
    assert str(pid) in died["what"]
    assert "/mcp reconnect" in died["next_step"]
    assert '"carriers"' not in done.out


async def test_a_socket_whose_process_id_went_to_another_program_counts_for_nothing(world: World) -> None:
    sleeper = Sleeper(world, FLAG)
    async with sleeper as pid:
        sleeper.kill_channel()
        os.utime(world.heliograph / "run" / f"{pid}.sock", (0, 0))
        assert "channel_died" not in (await world.run_async("doctor", "--json")).out


async def test_a_later_run_without_the_channel_hides_no_session_that_is_registered(world: World) -> None:
    logs = world.home / ".cache/claude-cli-nodejs/-p/mcp-logs-heliograph"
    write_log(world, logs / "1.jsonl", "Channel notifications registered", "s-ours", "/p")
    write_log(world, logs / "2.jsonl", SKIPPED + "channels feature is not currently available", "s-other", "/p")
    async with Sleeper(world, FLAG) as pid:
        note = {"pid": pid, "sessionId": "s-ours", "cwd": "/p"}
        world.write(world.home / ".claude" / "sessions" / f"{pid}.json", json.dumps(note))
        done = await world.run_async("doctor", "--json")
    findings = {finding["code"]: finding["what"] for finding in json.loads(done.out)["findings"]}
    assert f"Process {pid}" in findings["handshake"]
    assert "preview_unavailable" not in findings
    assert "preview_unavailable" in (await world.run_async("doctor", "--json")).out  # now the newest is all there is


@pytest.mark.skipif(sys.platform != "linux", reason="a process's folder is read from /proc")
async def test_a_session_that_the_client_noted_nowhere_is_judged_by_its_folders_newest_log(world: World) -> None:
    logs = world.home / ".cache/claude-cli-nodejs"
    write_log(world, logs / "a/mcp-logs-heliograph/1.jsonl", "Channel notifications registered", "s-1", str(Path.cwd()))
    write_log(world, logs / "b/mcp-logs-heliograph/2.jsonl", SKIPPED + "some new reason", "s-2", "/elsewhere")
    async with Sleeper(world, FLAG):
        done = await world.run_async("doctor", "--json")
    codes = [finding["code"] for finding in json.loads(done.out)["findings"]]
    assert "handshake" in codes
    assert "channel_skipped" not in codes


async def test_a_key_that_fits_in_no_header_is_an_unusable_pairing(world: World, hub: FakeHub) -> None:
    for key in ("hgm_a\nb", "hgm_é"):
        machine = {"hub_url": hub.url, "machine_id": "m", "machine_name": "n", "key": key}
        world.write(world.heliograph / "machine.json", json.dumps(machine)).chmod(0o600)
        done = await world.run_async("doctor", "--json")
        assert "machine_file_unusable" in done.out
        assert done.err == ""


def write_log(world: World, path: Path, said: str, session_id: str, cwd: str) -> None:
    """A log as 2.1.329 writes it; a higher number in its name is newer."""
    fields = {"debug": said, "timestamp": "2026-11-21T06:38:13.545Z", "sessionId": session_id, "cwd": cwd}
    world.write(path, json.dumps(fields) + "\n")
    os.utime(path, (int(path.stem), int(path.stem)))


def test_sockets_of_processes_that_ended_count_for_nothing(world: World) -> None:
    world.add_claude()
    world.write(world.heliograph / "run" / "4194999.sock", "")
    assert "no_session" in world.run("doctor", "--json").out
