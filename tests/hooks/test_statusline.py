"""The wrapped status line as Claude Code runs it: the user's own, as if we weren't there, whatever it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channel.statusline import read_status_line
from cli.statusline_edit import build_command, parse_command
from hooks import STATUSLINE_LOADER, heliograph_statusline
from tests.support.waiting import wait_until

TOLD = {
    "session_id": "6cca265d-88ab-463e-a1d9-93f3f807605c",
    "transcript_path": "/home/maya/.claude/projects/x/6cca265d.jsonl",
    "cwd": "/home/maya/x",
    "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
    "cost": {"total_cost_usd": 0.0083275},
    "context_window": {"total_input_tokens": 6500, "context_window_size": 1_000_000},
    "rate_limits": {"five_hour": {"used_percentage": 42.2, "resets_at": 1795276413}},
}
STDIN = json.dumps(TOLD).encode() + b"\n"
INTERPRETER = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
CLAUDE_PID = 12345


class Wrapper:
    """The wrapper of one HELIOGRAPH_HOME, and what it saves."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"PATH": "/usr/bin:/bin", "CLAUDE_PID": str(CLAUDE_PID)}
        self.interpreter = INTERPRETER
        (home / "hooks").mkdir(parents=True)
        shutil.copy(heliograph_statusline.__file__, home / "hooks")

    @property
    def saved(self) -> Path:
        return self.home / "run" / f"{CLAUDE_PID}.status.json"

    def build(self, command: str | None) -> str:
        return build_command(self.interpreter, STATUSLINE_LOADER, str(self.home), command)

    def run(self, command: str | None, stdin: bytes = STDIN) -> subprocess.CompletedProcess[bytes]:
        return self.run_plain(self.build(command), stdin)

    def run_plain(self, command: str, stdin: bytes = STDIN) -> subprocess.CompletedProcess[bytes]:
        """As Claude Code runs a status line."""
        words = ["/bin/sh", "-c", command]
        return subprocess.run(words, input=stdin, env=self.environment, capture_output=True, timeout=30, check=False)

    def wait_for_saved(self) -> dict[str, Any]:
        wait_until(self.saved.exists, "what was saved")
        told: dict[str, Any] = json.loads(self.saved.read_bytes())
        return told


@pytest.fixture
def wrapper(tmp_path: Path) -> Wrapper:
    return Wrapper(tmp_path / "it's ours")


COMMANDS = [
    "cat",
    "printf '\\033[31mred\\033[0m\\nsecond\\tline'",
    "echo oops >&2; exit 7",
    "kill -9 $$",
    "exec /bin/cat",
    "true",
    "no-such-command",
    "syntax error (",
    "echo \"it's\" $((1 + 1)) '\"' `echo x` \\\\ # and a comment",
    "cat <<END\nhere\nEND",
    "echo a;\necho b",
    "yes | head -n 1",
    "cat | wc -c; echo $# $0 $1",
    "env | sort | grep -v -e ^PWD -e ^_=",
    "echo $PPID",
    "head -c 5; exit 3",
    "printf 'no end of line'",
    "trap '' PIPE; cat",
    "set -- a b; echo $2",
    "",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_users_own_command_runs_as_if_alone(wrapper: Wrapper, command: str) -> None:
    with_us, alone = wrapper.run(command), wrapper.run_plain(command)
    assert (with_us.returncode, with_us.stdout) == (alone.returncode, alone.stdout)
    assert with_us.stderr == alone.stderr
    assert wrapper.wait_for_saved()["session_id"] == TOLD["session_id"]


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C"}, {"LC_CTYPE": "C"}, {"LANG": "de_DE.UTF-8"}])
def test_its_environment_is_what_it_would_have_been(wrapper: Wrapper, variables: dict[str, str]) -> None:
    wrapper.environment |= variables
    command = "env | sort | grep -v -e ^PWD -e ^_= ; grep -e ^SigIgn -e ^SigBlk /proc/self/status"
    assert wrapper.run(command).stdout == wrapper.run_plain(command).stdout


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_its_stdin_is_whole(wrapper: Wrapper, size: int) -> None:
    stdin = os.urandom(size)
    assert wrapper.run("cat", stdin).stdout == stdin
    assert wrapper.run("exit 5", stdin).returncode == 5


@pytest.mark.parametrize("broken", ["script", "folder", "interpreter", "garbage"])
def test_it_runs_whatever_became_of_us(wrapper: Wrapper, broken: str) -> None:
    script = wrapper.home / "hooks" / "heliograph_statusline.py"
    if broken == "script":
        script.unlink()
    elif broken == "folder":
        shutil.rmtree(wrapper.home)
    elif broken == "interpreter":
        wrapper.interpreter = "/gone/python3"
    else:
        script.write_text("import sys; sys.exit(2)")
    done = wrapper.run("cat; exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, STDIN, b"")
    assert wrapper.run(None).returncode == 0


def test_a_folder_that_can_not_be_written_is_no_obstacle(wrapper: Wrapper) -> None:
    (wrapper.home / "run").write_text("in the way")
    assert wrapper.run("cat").stdout == STDIN


def test_without_a_status_line_of_the_users_nothing_is_shown(wrapper: Wrapper) -> None:
    done = wrapper.run(None)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert wrapper.wait_for_saved()


def test_only_what_the_channel_reads_is_saved_and_privately(wrapper: Wrapper) -> None:
    wrapper.run("cat")
    saved = wrapper.wait_for_saved()
    assert saved == {key: value for key, value in TOLD.items() if key not in ("transcript_path", "cwd")}
    assert stat.S_IMODE(wrapper.saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(wrapper.saved.parent.stat().st_mode) == 0o700
    assert list(wrapper.saved.parent.iterdir()) == [wrapper.saved]
    line = read_status_line(wrapper.saved.read_bytes())
    assert line is not None
    assert (line.cost_usd, line.context_window) == (0.0083275, 1_000_000)


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"{}", b"nonsense", b'{"model": "' + b"x" * 20_000 + b'"}'])
def test_what_is_odd_or_too_much_is_not_saved(wrapper: Wrapper, stdin: bytes) -> None:
    wrapper.run("cat")
    before = wrapper.wait_for_saved()
    assert wrapper.run("cat", stdin).stdout == stdin
    wrapper.run("cat", STDIN.replace(b"0.0083275", b"1.5"))
    wait_until(lambda: wrapper.wait_for_saved() != before, "the next one")
    assert wrapper.wait_for_saved()["cost"] == {"total_cost_usd": 1.5}


def test_a_version_that_does_not_tell_its_pid_is_our_parent(wrapper: Wrapper) -> None:
    del wrapper.environment["CLAUDE_PID"]
    wrapper.run("cat")
    wait_until((wrapper.home / "run" / f"{os.getpid()}.status.json").exists, "what was saved")


def test_a_slow_command_is_saved_for_at_once_and_stopped_as_ever(wrapper: Wrapper) -> None:
    command = wrapper.build("trap 'echo stopped; exit 9' TERM; echo begun; while :; do sleep 0.05; done")
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        env=wrapper.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(STDIN)
        process.stdin.close()
        assert process.stdout.readline() == b"begun\n"
        wrapper.wait_for_saved()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"stopped\n"
        assert process.wait(10) == 9


def test_nobody_waits_for_the_saving(wrapper: Wrapper) -> None:
    """Claude Code takes a status line for done when its output is closed."""
    script = wrapper.home / "hooks" / "heliograph_statusline.py"
    gate = wrapper.home / "gate"
    os.mkfifo(gate)
    slow = f"\n\ndef save(folder, pid, data):\n    posix.close(posix.open({str(gate)!r}, posix.O_RDONLY))\n"
    script.write_text(script.read_text() + slow)
    assert wrapper.run("cat").stdout == STDIN  # the saver still waits at its gate
    os.close(os.open(gate, os.O_WRONLY))


def test_it_costs_little(wrapper: Wrapper) -> None:
    wrapper.run("cat")
    took = []
    for _ in range(10):
        begun = time.perf_counter()
        wrapper.run("true")
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.3  # about 0.02 on an idle machine


@given(st.text().filter(lambda text: "\0" not in text))
@example(";")
@example("exec")
@example("")
def test_every_command_is_found_again(command: str) -> None:
    for original in (command, None):
        found = parse_command(build_command("/usr/bin/py thon", STATUSLINE_LOADER, "/home/o'hara/.h", original))
        assert found is not None
        assert (found.interpreter, found.original) == ("/usr/bin/py thon", original)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "cat",
        "set -- x",
        "set -- ",
        "set -- 'x\nfrom heliograph_statusline import main'",
        "set -- 'x' ; echo from heliograph_statusline import main",
        "set -- 'x",
        None,
        1,
        ["x"],
    ],
)
def test_other_commands_are_not_ours(foreign: Any) -> None:
    assert parse_command(foreign) is None
