"""What a hook costs Claude Code: wall time from spawn to end, beside what Python itself costs.

    python bench/hook.py [ROUNDS]

All commands take turns in one run, so that a noisy machine is noisy for all of them. Prints figures
and fails on none. Aims: at most 1.15 times the floor, less than ``python3 -c pass``; under 15 ms with
everything of ours hung.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hooks import LOADER, SCRIPTS

PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))

EVENT = (
    b'{"session_id":"6cca265d-88ab-463e-a1d9-93f3f807605c","cwd":"/home/maya/x","hook_event_name":"PostToolUse",'
    b'"tool_name":"Bash","tool_use_id":"toolu_1","tool_input":{"command":"ls"},"tool_response":{"stdout":"'
    + b"line of output\\n" * 100
    + b'"}}'
)

SESSIONS = 8

Times = dict[str, list[float]]


def run(command: list[str], event: Path) -> float:
    """Milliseconds from spawn to end, with ``event`` on stdin."""
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, str(event), os.O_RDONLY, 0)])
    os.waitpid(pid, 0)
    return (time.perf_counter() - began) * 1000


@contextlib.contextmanager
def bell(home: Path, *, stopped: bool) -> Iterator[None]:
    """A channel's socket in a process of its own: one that takes every ring, or one that hangs (SIGSTOP)."""
    path = home / "run" / f"{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(128 if not stopped else 1)
        code = "import socket, sys\ns = socket.socket(fileno=int(sys.argv[1]))\nprint(flush=True)\nwhile 1: s.accept()"
        channel = subprocess.Popen(
            [sys.executable, "-c", code, str(listener.fileno())], pass_fds=[listener.fileno()], stdout=subprocess.PIPE
        )
        assert channel.stdout is not None
        channel.stdout.readline()
        if stopped:
            channel.send_signal(signal.SIGSTOP)
        yield
        channel.kill()
        channel.communicate()
    path.unlink()


def show(title: str, times: Times, floor: float) -> None:
    """Median, p90 and the ratio to the floor of the same run."""
    print(title)
    for name, found in times.items():
        median = statistics.median(found)
        p90 = sorted(found)[len(found) * 9 // 10]
        print(f"  {name:34}{median:7.2f} ms   p90 {p90:7.2f} ms   {median / floor:5.2f} x floor")


def in_turn(commands: dict[str, list[str]], event: Path, rounds: int) -> Times:
    """Every command once a round."""
    times: Times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(run(command, event))
    return times


def at_once(command: list[str], event: Path, rounds: int) -> list[float]:
    """``SESSIONS`` of them together, each round."""
    with ThreadPoolExecutor(SESSIONS) as pool:
        return [found for _ in range(rounds) for found in pool.map(lambda _: run(command, event), range(SESSIONS))]


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        home, event = Path(folder) / "home", Path(folder) / "event.json"
        (home / "run").mkdir(parents=True)
        (home / "hooks").mkdir()
        for source in SCRIPTS:
            shutil.copy(source, home / "hooks")
        event.write_bytes(EVENT)
        hook = [PYTHON, "-I", "-S", "-c", LOADER, str(home)]
        script = [PYTHON, "-I", "-S", str(home / "run.py"), str(home)]
        (home / "run.py").write_text(
            (home / "hooks" / "heliograph_hook.py").read_text()
            + "\nimport sys\nsys.path.insert(0,sys.argv[1]+'/hooks')\nmain(sys.argv[1])\n"
        )
        bare = [PYTHON, "-I", "-S", "-c", "pass"]
        commands = {
            "python3 -I -S -c pass (floor)": bare,
            "hook": hook,
            "hook, as a script (not cached)": script,
            "python3 -c pass": [PYTHON, "-c", "pass"],
        }
        print(f"{PYTHON}, {rounds} rounds, {len(EVENT)} bytes an event")
        with bell(home, stopped=False):
            times = in_turn(commands, event, rounds)
            show("one session, channel running", times, statistics.median(times["python3 -I -S -c pass (floor)"]))
        with bell(home, stopped=True):
            times = in_turn({"floor": bare, "hook": hook}, event, rounds)
            show("channel hung (SIGSTOP), its queue full", times, statistics.median(times["floor"]))
        times = in_turn({"floor": bare, "hook": hook}, event, rounds)
        show("no channel", times, statistics.median(times["floor"]))
        few = max(1, rounds // SESSIONS)
        with bell(home, stopped=False):
            together = {"floor": at_once(bare, event, few), "hook": at_once(hook, event, few)}
            show(f"{SESSIONS} sessions at once", together, statistics.median(together["floor"]))


if __name__ == "__main__":
    main()
