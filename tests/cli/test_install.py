"""`heliograph install` and `uninstall` against Claude Code's files in a temporary HOME."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from cli.claude_code import BASE_EVENTS, WANTED_EVENTS
from hooks import SCRIPTS
from tests.cli.world import REPOSITORY, World, mode_of
from tests.support.waiting import wait_until

FOREIGN_HOOK = {"matcher": "Bash", "hooks": [{"type": "command", "command": "/usr/local/bin/notify"}]}
FOREIGN = {
    "model": "opus",
    "hooks": {"Stop": [FOREIGN_HOOK], "PreToolUse": []},
    "permissions": {"allow": ["Bash(git status)"], "deny": ["Read(.env)"]},
    "zzz": 1,
}


def our_events(settings: Any) -> list[str]:
    return [
        event
        for event, groups in settings.get("hooks", {}).items()
        for group in groups
        for hook in group["hooks"]
        if "heliograph_hook" in " ".join(hook.get("args", []))
    ]


def test_a_fresh_machine_gets_hooks_server_and_permissions(world: World) -> None:
    world.add_claude()
    done = world.run("install", "--yes")
    assert done.code == 0, done.err
    settings = world.read_json(world.settings)
    assert our_events(settings) == list(WANTED_EVENTS)
    hook = settings["hooks"]["Stop"][0]["hooks"][0]
    assert hook["type"] == "command"
    assert hook["command"] == os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    assert hook["args"][:3] == ["-I", "-S", "-c"]
    assert hook["args"][-1] == str(world.heliograph)
    assert hook["timeout"] <= 10
    assert "async" not in hook
    assert settings["permissions"]["allow"] == ["mcp__heliograph__reply", "mcp__heliograph__progress"]
    assert world.read_json(world.config)["mcpServers"]["heliograph"] == {
        "type": "stdio",
        "command": sys.executable,
        "args": ["-I", "-m", "channel"],
        "env": {"HELIOGRAPH_HOME": str(world.heliograph)},
    }
    for script in SCRIPTS:
        assert (world.heliograph / "hooks" / script.name).read_bytes() == script.read_bytes()
    assert {path.name for path in REPOSITORY.glob("hooks/heliograph_*.py")} == {script.name for script in SCRIPTS}
    assert mode_of(world.heliograph) == 0o700
    assert mode_of(world.config) == 0o600


def test_the_hooks_are_told_which_interpreter_can_send_for_them(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    named = world.heliograph / "hooks" / "uploader.path"
    assert named.read_text() == sys.executable + "\n"
    assert mode_of(named) == 0o600
    world.write(named, "/gone/python\n")
    assert '"uploader"' in world.run("doctor", "--json").out
    assert world.run("install", "--yes").code == 0
    assert named.read_text() == sys.executable + "\n"
    world.run("uninstall", "--yes")
    assert not named.exists()


def test_an_installed_hook_runs_and_says_nothing(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    hook = world.read_json(world.settings)["hooks"]["Stop"][0]["hooks"][0]
    event = json.dumps({"hook_event_name": "Stop", "session_id": "s"})
    done = subprocess.run(
        [hook["command"], *hook["args"]], input=event, env=world.env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert b'"session_id": "s"' in b"".join(path.read_bytes() for path in world.heliograph.glob("spool/*"))


def test_what_was_there_stays_as_it_was(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps(FOREIGN, indent=4))
    world.write(world.config, '{"numStartups":3,"mcpServers":{"other":{"command":"x"}},"projects":{}}')
    assert world.run("install", "--yes").code == 0
    settings = world.read_json(world.settings)
    assert settings["hooks"]["Stop"][0] == FOREIGN_HOOK
    assert len(settings["hooks"]["Stop"]) == 2
    assert settings["permissions"]["deny"] == ["Read(.env)"]
    assert settings["permissions"]["allow"][0] == "Bash(git status)"
    assert list(settings) == list(FOREIGN)
    assert world.config.read_text().startswith('{"numStartups":3,"mcpServers":{"other":{"command":"x"},"heliograph":{')
    assert world.config.read_text().endswith('}},"projects":{}}')


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FOREIGN),
        json.dumps(FOREIGN, indent=4),
        json.dumps(FOREIGN, indent="\t") + "\n",
        json.dumps(FOREIGN, indent=1).replace("\n", "\r\n"),
        json.dumps(FOREIGN, separators=(",", ":")) + "\n\n",
        '{ "hooks":{ },\n       "permissions" : {"allow":[ ]} , "x":[1,\n2]}',
        "{}",
        "{\n}\n",
        "\ufeff" + json.dumps(FOREIGN, indent=2, ensure_ascii=False) + "\n",
    ],
)
def test_uninstall_gives_every_byte_back(world: World, text: str) -> None:
    world.add_claude()
    world.write(world.settings, text)
    world.write(world.config, text)
    before = world.list_files()
    assert world.run("install", "--yes").code == 0
    assert world.list_files() != before
    done = world.run("uninstall", "--yes")
    assert done.code == 0, done.err
    assert world.list_files() == before
    assert not (world.heliograph / "hooks").exists()


def test_uninstall_removes_files_that_install_made(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    assert world.run("uninstall", "--yes").code == 0
    assert list(world.home.iterdir()) == []


def test_uninstall_after_a_foreign_edit_removes_just_ours(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps(FOREIGN, indent=2))
    world.write(world.config, json.dumps({"numStartups": 1}, indent=2))
    world.run("install", "--yes")
    settings, config = world.read_json(world.settings), world.read_json(world.config)
    settings["model"] = "haiku"
    settings["hooks"]["Stop"].append(FOREIGN_HOOK)
    config["numStartups"] = 2
    world.write(world.settings, json.dumps(settings, indent=2))
    world.write(world.config, json.dumps(config, indent=2))
    assert world.run("uninstall", "--yes").code == 0
    expected = json.loads(json.dumps(FOREIGN))
    expected["model"] = "haiku"
    expected["hooks"]["Stop"].append(FOREIGN_HOOK)
    assert world.settings.read_text() == json.dumps(expected, indent=2)
    assert world.config.read_text() == json.dumps({"numStartups": 2}, indent=2)


def test_uninstall_without_its_record_still_removes_ours(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps({"model": "opus"}, indent=2))
    world.run("install", "--yes")
    shutil.rmtree(world.heliograph)
    assert world.run("uninstall", "--yes").code == 0
    assert world.read_json(world.settings) == {"model": "opus"}
    assert world.read_json(world.config) == {}


def test_a_second_install_changes_nothing(world: World) -> None:
    world.add_claude()
    world.write(world.settings, json.dumps(FOREIGN))
    world.run("install", "--yes")
    before = world.list_files()
    done = world.run("install")
    assert done.code == 0
    assert "nothing to change" in done.out
    assert world.list_files() == before


def test_a_newer_client_gets_the_new_events_and_uninstall_still_gives_every_byte_back(world: World) -> None:
    original = world.write(world.settings, json.dumps(FOREIGN, indent=2)).read_bytes()
    known = tuple(event for event in WANTED_EVENTS if event != "MessageDisplay")
    world.add_claude(known)
    done = world.run("install", "--yes")
    assert "MessageDisplay" in done.out
    assert set(our_events(world.read_json(world.settings))) == set(known)
    world.add_claude()
    assert world.run("install", "--yes").code == 0
    assert set(our_events(world.read_json(world.settings))) == set(WANTED_EVENTS)
    world.run("uninstall", "--yes")
    assert world.settings.read_bytes() == original


def test_an_older_client_loses_the_events_it_does_not_know(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    known = (*BASE_EVENTS, "PostCompact")
    world.add_claude(known)
    assert world.run("install", "--yes").code == 0
    assert set(our_events(world.read_json(world.settings))) == set(known)
    assert set(world.read_json(world.settings)["hooks"]) == set(known)


def wake_hooks(settings: Any) -> dict[str, Any]:
    return {
        event: hook
        for event, groups in settings.get("hooks", {}).items()
        for group in groups
        for hook in group["hooks"]
        if "heliograph_wake" in " ".join(hook.get("args", []))
    }


def test_the_hook_that_wakes_claude_is_parked_in_the_background(world: World) -> None:
    original = world.write(world.settings, json.dumps(FOREIGN, indent=2)).read_bytes()
    world.add_claude(rewake=True)
    assert world.run("install", "--yes").code == 0
    hooks = wake_hooks(world.read_json(world.settings))
    assert set(hooks) == {"SessionStart", "Stop"}
    for hook in hooks.values():
        assert (hook["async"], hook["asyncRewake"]) == (True, True)
        assert 24 * 3600 < hook["timeout"] < 2**31 / 1000  # the client's timers have 31 bits of milliseconds
    assert (world.heliograph / "hooks" / "heliograph_wake.py").exists()
    assert "nothing to change" in world.run("install").out
    world.run("uninstall", "--yes")
    assert world.settings.read_bytes() == original
    assert not (world.heliograph / "hooks").exists()


def hook_seconds(settings: Any) -> dict[str, int]:
    """How long Claude Code waits for our hook, by event."""
    return {event: groups[0]["hooks"][0]["timeout"] for event, groups in settings["hooks"].items()}


def test_where_claude_asks_the_hook_may_wait_for_days(world: World) -> None:
    original = world.write(world.settings, json.dumps(FOREIGN, indent=2)).read_bytes()
    world.add_claude()
    world.run("install", "--yes")
    settings = world.settings.read_text()
    seconds = hook_seconds({"hooks": {key: [value[-1]] for key, value in json.loads(settings)["hooks"].items()}})
    long = {event for event, timeout in seconds.items() if timeout > 10}
    assert long == {"PermissionRequest", "Elicitation"}
    assert all(24 * 3600 < seconds[event] < 2**31 / 1000 for event in long)
    older = re.sub(r'("timeout": )1209600\b', r"\g<1>5", settings)
    assert older != settings
    world.write(world.settings, older)
    assert '"hooks_stale"' in world.run("doctor", "--json").out
    assert world.run("install", "--yes").code == 0
    assert world.settings.read_text() == settings
    assert "nothing to change" in world.run("install").out
    world.run("uninstall", "--yes")
    assert world.settings.read_bytes() == original


def test_a_client_that_would_wait_for_a_parked_hook_gets_none(world: World) -> None:
    world.add_claude(rewake=True)
    world.run("install", "--yes")
    world.add_claude()
    done = world.run("install", "--yes")
    assert done.code == 0
    assert "can't be woken" in done.out
    settings = world.read_json(world.settings)
    assert not wake_hooks(settings)
    assert our_events(settings) == list(WANTED_EVENTS)


def test_without_claude_code_only_the_base_events_are_installed_and_it_says_so(world: World) -> None:
    world.env["PATH"] = str(world.bin)
    done = world.run("install", "--yes")
    assert done.code == 0
    assert "was not found" in done.out
    assert set(our_events(world.read_json(world.settings))) == set(BASE_EVENTS)


def test_hooks_of_another_place_are_replaced_where_they_stand(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    settings = world.read_json(world.settings)
    settings["hooks"]["Stop"][0]["hooks"][0]["command"] = "/old/python"
    settings["hooks"]["Stop"].append({"hooks": [dict(settings["hooks"]["Stop"][0]["hooks"][0])]})
    world.write(world.settings, json.dumps(settings, indent=2))
    assert world.run("install", "--yes").code == 0
    groups = world.read_json(world.settings)["hooks"]["Stop"]
    assert len(groups) == 1
    assert groups[0]["hooks"][0]["command"] != "/old/python"


@pytest.mark.parametrize("name", ["settings", "config"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{\n  "hooks": {},\n  oops\n}', "line 3, column 3"),
        (b"", "line 1, column 1"),
        (b"[]", "line 1, column 1"),
        (b'{"a": "\xff"}', "line 1, column 8"),
    ],
)
def test_a_file_that_does_not_parse_is_named_and_nothing_changes(
    world: World, name: str, content: bytes, place: str
) -> None:
    world.add_claude()
    other = world.config if name == "settings" else world.settings
    broken = world.settings if name == "settings" else world.config
    world.write(other, "{}")
    world.write(broken, content)
    before = world.list_files()
    for command in ("install", "uninstall"):
        done = world.run(command, "--yes")
        assert done.code == 1
        assert str(broken) in done.err
        assert place in done.err
        assert world.list_files() == before
    assert not world.heliograph.exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "hooks": []}', "line 2, column 11"),
        ('{"hooks": {"Stop": {}}}', "line 1, column 20"),
        ('{"permissions": 1}', "line 1, column 17"),
        ('{"permissions": {"allow": "all"}}', "line 1, column 27"),
    ],
)
def test_a_shape_we_do_not_expect_is_refused_with_its_place(world: World, text: str, place: str) -> None:
    world.add_claude()
    world.write(world.settings, text)
    done = world.run("install", "--yes")
    assert done.code == 1
    assert place in done.err
    assert world.list_files() == {".claude/settings.json": text.encode()}


def test_a_dry_run_shows_the_change_and_makes_none(world: World) -> None:
    world.add_claude()
    world.write(world.settings, '{\n  "model": "opus"\n}\n')
    before = world.list_files()
    done = world.run("install", "--dry-run")
    assert done.code == 0
    assert f"+++ {world.settings}" in done.out
    assert '-  "model": "opus"' in done.out
    assert '+  "model": "opus",' in done.out
    assert world.list_files() == before
    assert not world.heliograph.exists()


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_without_a_yes_nothing_changes(world: World, answer: str) -> None:
    world.add_claude()
    done = world.run("install", answer=answer)
    assert done.code == 1
    assert world.list_files() == {}
    assert not world.heliograph.exists()


def test_a_symlinked_settings_file_is_changed_at_its_target(world: World) -> None:
    world.add_claude()
    target = world.write(world.home / "dotfiles" / "claude.json", "{}\n")
    target.chmod(0o640)
    world.settings.parent.mkdir()
    world.settings.symlink_to("../dotfiles/claude.json")
    world.run("install", "--yes")
    assert world.settings.is_symlink()
    assert our_events(world.read_json(target))
    assert mode_of(target) == 0o640
    world.run("uninstall", "--yes")
    assert world.settings.is_symlink()
    assert target.read_bytes() == b"{}\n"
    assert mode_of(target) == 0o640


def test_claude_config_dir_is_honoured_and_remembered(world: World) -> None:
    world.add_claude()
    moved = world.home / "moved"
    world.env["CLAUDE_CONFIG_DIR"] = str(moved)
    world.run("install", "--yes")
    assert our_events(world.read_json(moved / "settings.json"))
    assert "heliograph" in world.read_json(moved / ".claude.json")["mcpServers"]
    assert not world.settings.exists()
    del world.env["CLAUDE_CONFIG_DIR"]
    world.run("uninstall", "--yes")
    assert not list(moved.glob("*.json"))


def test_a_change_between_the_question_and_the_answer_is_kept(world: World) -> None:
    world.add_claude()
    world.write(world.config, '{\n  "numStartups": 1,\n  "theme": "dark"\n}\n')
    with start_install(world) as install:
        read_until(install, "Make this change?")
        world.write(world.config, '{\n  "numStartups": 2,\n  "theme": "dark"\n}\n')
        out, _ = install.communicate("y\n", timeout=20)
    assert install.returncode == 0
    assert "starting over" in out
    config = world.read_json(world.config)
    assert config["numStartups"] == 2
    assert "heliograph" in config["mcpServers"]
    world.run("uninstall", "--yes")
    assert world.config.read_text() == '{\n  "numStartups": 2,\n  "theme": "dark"\n}\n'


def test_a_change_that_makes_another_diff_is_asked_about_again(world: World) -> None:
    world.add_claude()
    world.write(world.config, '{\n  "numStartups": 1\n}\n')
    with start_install(world) as install:
        read_until(install, " removed, in ")
        read_until(install, "Make this change?")
        world.write(world.config, '{\n  "mcpServers": {}\n}\n')
        out, _ = install.communicate("y\nn\n", timeout=20)
    assert install.returncode == 1
    assert out.count("Make this change?") == 1
    assert world.config.read_text() == '{\n  "mcpServers": {}\n}\n'
    assert not world.settings.exists()


def test_it_waits_for_claude_code_to_finish_writing(world: World) -> None:
    world.add_claude()
    lock = world.config.with_name(".claude.json.lock")
    lock.mkdir()
    with start_install(world, "--yes") as install:
        wait_until((world.heliograph / "install.json").exists, "install waits for the lock")
        assert not world.config.exists()
        lock.rmdir()
        install.communicate(timeout=20)
    assert install.returncode == 0
    assert world.config.exists()
    assert not lock.exists()


def test_a_forgotten_lock_is_no_obstacle(world: World) -> None:
    world.add_claude()
    lock = world.config.with_name(".claude.json.lock")
    lock.mkdir()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    assert world.run("install", "--yes").code == 0


def test_a_read_only_folder_leaves_everything_as_it_was(world: World) -> None:
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root writes everywhere, and setpriv isn't here to take that away")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")
    world.add_claude()
    world.write(world.settings, "{}\n")
    world.write(world.config, "{}\n")
    before = world.list_files()
    world.settings.parent.chmod(0o500)
    done = world.run("install", "--yes", prefix=prefix)
    world.settings.parent.chmod(0o700)
    assert done.code == 1
    assert "Nothing was changed" in done.err
    assert world.list_files() == before
    assert not (world.heliograph / "install.json").exists()


def test_backups_are_kept_privately(world: World) -> None:
    world.add_claude()
    world.write(world.settings, '{"a": 1}')
    world.run("install", "--yes")
    (backup,) = (world.heliograph / "backups").iterdir()
    assert backup.read_text() == '{"a": 1}'
    assert mode_of(backup) == 0o600


def test_uninstall_keeps_the_pairing_unless_told_to_forget(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    machine = world.write(world.heliograph / "machine.json", "{}")
    world.write(world.heliograph / "run" / "17.sock", "")
    assert world.run("uninstall", "--yes").code == 0
    assert machine.exists()
    assert not (world.heliograph / "run").exists()
    assert world.run("uninstall", "--yes", "--forget").code == 0
    assert not world.heliograph.exists()


@pytest.mark.parametrize(
    "foreign",
    [
        {"type": "command", "command": "echo heliograph_hook"},
        {"type": "command", "command": "echo", "args": ["heliograph_hook"]},
        {"type": "command", "command": "python3", "args": ["-c", "print('heliograph_hook')", "/home/me"]},
        {"type": "command", "command": "python3", "args": ["-c", "# import heliograph_hook\nmain()", "/home/me"]},
        {"type": "command", "command": "grep", "args": ["-c", "heliograph_hook", "/var/log/x"]},
    ],
)
def test_somebodys_own_hook_that_names_ours_stays(world: World, foreign: dict[str, Any]) -> None:
    world.add_claude()
    group = {"hooks": [foreign]}
    world.write(world.settings, json.dumps({"hooks": {"Stop": [group]}}))
    world.run("install", "--yes")
    settings = world.read_json(world.settings)
    assert settings["hooks"]["Stop"][0] == group
    assert len(settings["hooks"]["Stop"]) == 2
    world.write(world.settings, json.dumps(settings, indent=1))  # so that no backup is given back
    assert world.run("uninstall", "--yes").code == 0
    assert world.read_json(world.settings)["hooks"] == {"Stop": [group]}


@pytest.mark.parametrize(
    "loader",
    [
        "import sys\nsys.path.insert(0,sys.argv[1]+'/hooks')\nimport heliograph_hook as h\nh.main(sys.argv[1])",
        "import sys;sys.path.insert(0,sys.argv[1]+'/hooks');from heliograph_hook import main;main(sys.argv[1])",
    ],
)
def test_an_older_loader_of_ours_is_replaced_and_removed(world: World, loader: str) -> None:
    world.add_claude()
    older = {"type": "command", "command": "/old/python", "args": ["-I", "-c", loader, "/old/home"]}
    text = json.dumps({"hooks": {"Stop": [{"hooks": [older]}]}})
    world.write(world.settings, text)
    world.run("install", "--yes")
    assert "/old/home" not in world.settings.read_text()
    world.write(world.settings, text)
    world.run("uninstall", "--yes")
    assert "heliograph_hook" not in world.settings.read_text()


@pytest.mark.parametrize("name", ["settings", "config"])
@pytest.mark.parametrize(
    ("kind", "words"), [("loop", "can't be read"), ("pipe", "no regular file"), ("folder", "no regular file")]
)
def test_what_is_no_file_is_refused_at_once(world: World, name: str, kind: str, words: str) -> None:
    world.add_claude()
    path = world.settings if name == "settings" else world.config
    path.parent.mkdir(exist_ok=True)
    match kind:
        case "loop":
            path.symlink_to(path.name)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    for command in (["install", "--yes"], ["uninstall", "--yes"], ["doctor"]):
        done = world.run(*command)
        said = done.out if command == ["doctor"] else done.err
        assert done.code == 1
        assert str(path) in said
        assert words in said
        assert "Traceback" not in done.err
    assert not world.heliograph.exists()


def test_a_running_session_is_named_before_everything_is_forgotten(world: World) -> None:
    world.add_claude()
    world.run("install", "--yes")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bell:
        (world.heliograph / "run").mkdir()
        with contextlib.chdir(world.heliograph / "run"):
            bell.bind(f"{os.getpid()}.sock")
        bell.listen()
        refused = world.run("uninstall", "--forget")
        assert refused.code == 1
        assert f"process {os.getpid()}" in refused.err
        assert "Nothing was changed" in refused.err
        assert our_events(world.read_json(world.settings))
        done = world.run("uninstall", "--forget", "--yes")
    assert done.code == 0
    assert f"process {os.getpid()}" in done.err
    assert not world.heliograph.exists()


def test_control_characters_in_the_settings_do_not_reach_the_terminal(world: World) -> None:
    world.add_claude()
    world.write(world.settings, '{\n  "model": "\u202eevil\u0007"\n}'.replace("\u0007", "\x7f"))
    done = world.run("install", "--dry-run")
    assert "\\u202e" in done.out
    assert "\x7f" not in done.out


def start_install(world: World, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "cli.main", "install", *words],
        env=world.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    seen = ""
    while words not in seen:
        character = process.stdout.read(1)
        assert character, f"ended before {words!r}: {seen}"
        seen += character
