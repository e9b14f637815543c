"""What a channel costs beside each session, and the parked hook: spawn to ``initialize`` answered, and memory.

    python bench/channel.py [ROUNDS]

Compared with the official SDK's stdio server, if the tests have made its environments (.cache/mcp-*).
Prints figures and fails on none. Aims: 100 ms, 30 MB.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hooks import SCRIPTS, WAKE_LOADER

ROOT = Path(__file__).parents[1]

SDK_SERVERS = {
    "mcp 1.x (FastMCP)": (".cache/mcp-1", "from mcp.server.fastmcp import FastMCP as S"),
    "mcp 2.x (MCPServer)": (".cache/mcp-2", "from mcp.server import MCPServer as S"),
}

GREETING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "0"},
}


def measure(command: list[str], home: str) -> tuple[float, float]:
    """Milliseconds until ``initialize`` is answered, and MB of memory once the tools are listed."""
    began = time.perf_counter()
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"HELIOGRAPH_HOME": home, "HOME": home, "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(number: int, method: str, params: object) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        server.stdin.write(line.encode() + b"\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]
        server.stdout.readline()  # type: ignore[union-attr]

    ask(0, "initialize", GREETING)
    took = (time.perf_counter() - began) * 1000
    server.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    ask(1, "tools/list", {})
    time.sleep(0.5)  # the link's imports come after the tools
    memory = read_memory(server.pid)
    server.stdin.close()
    server.kill()
    server.wait()
    server.stdout.close()
    return took, memory


def read_memory(pid: int) -> float:
    """Resident MB."""
    out = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(out or 0) / 1024


def measure_parked(home: str) -> tuple[float, float]:
    """Milliseconds until the parked hook stands at its channel's socket, and MB of memory then."""
    with socket.socket(socket.AF_UNIX) as channel:
        path = Path(home, "run", f"{os.getpid()}.sock")
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)  # a killed channel's
        channel.bind(str(path))
        channel.listen()
        base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        began = time.perf_counter()
        hook = subprocess.Popen(
            [base, "-I", "-S", "-c", WAKE_LOADER, home], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"CLAUDE_CODE_ENTRYPOINT": "cli"},
        )  # fmt: skip
        parked, _ = channel.accept()
        parked.recv(16)
        took = (time.perf_counter() - began) * 1000
        memory = read_memory(hook.pid)
        parked.close()
        hook.communicate()
        path.unlink()
    return took, memory


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    servers = {"channel": [sys.executable, "-I", "-m", "channel"]}
    for name, (folder, line) in SDK_SERVERS.items():
        python = ROOT / folder / "bin" / "python"
        if python.exists():
            tool = "s = S('x')\n@s.tool()\ndef reply(text: str) -> str:\n    return text\ns.run('stdio')\n"
            servers[name] = [str(python), "-c", f"{line}\n{tool}"]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    with tempfile.TemporaryDirectory() as home:
        machine = Path(home, "machine.json")
        machine.touch(mode=0o600)  # paired with a hub that is down: the link is imported and tries
        pairing = {"hub_url": "http://127.0.0.1:9", "machine_id": "m", "machine_name": "bench", "key": "k"}
        machine.write_text(json.dumps(pairing))
        Path(home, "hooks").mkdir()
        for script in SCRIPTS:
            shutil.copy(script, Path(home, "hooks"))
        for _ in range(rounds):
            for name, command in servers.items():
                found[name].append(measure(command, home))
            found.setdefault("parked hook", []).append(measure_parked(home))
    print(f"spawn to initialize answered (parked hook: to parked), memory after tools/list; medians of {rounds}")
    for name, figures in found.items():
        took, memory = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"  {name:24}{took:7.1f} ms   {memory:6.1f} MB")


if __name__ == "__main__":
    main()
