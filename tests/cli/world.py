"""A machine of its own for each test: HOME, HELIOGRAPH_HOME, a fake ``claude``; the command line as a subprocess."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.claude_code import WANTED_EVENTS

SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class World:
    """The machine: ``env`` is all that a command sees of the environment."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.bin = self.root / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.heliograph = self.root / "ours"
        self.env |= {
            "HOME": str(self.home),
            "HELIOGRAPH_HOME": str(self.heliograph),
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        }

    @property
    def settings(self) -> Path:
        return self.home / ".claude" / "settings.json"

    @property
    def config(self) -> Path:
        return self.home / ".claude.json"

    def write(self, path: Path, content: str | bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def add_claude(self, events: tuple[str, ...] = WANTED_EVENTS, *, rewake: bool = False) -> Path:
        """A ``claude`` that prints its arguments, environment and pid, knows ``events``, and if a hook wakes it."""
        listed = json.dumps(list(events), separators=(",", ":"))
        script = self.write(
            self.bin / "claude",
            f"#!{sys.executable} -IS\n# {listed} {'asyncRewake' if rewake else ''}\nimport json, os, sys\n"
            "print('9.9.9 (Claude Code)' if '--version' in sys.argv[1:] else "
            "json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ), 'pid': os.getpid()}))\n",
        )
        script.chmod(0o755)
        return script

    def run(self, *words: str, answer: str | None = None, prefix: tuple[str, ...] = ()) -> Outcome:
        """Run ``heliograph …`` to its end; ``answer`` is its stdin."""
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "cli.main", *words],
            env=self.env,
            input=answer if answer is not None else "",
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=REPOSITORY,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    async def run_async(self, *words: str, answer: str = "") -> Outcome:
        """The same beside a server on this loop."""
        process = await self.start(*words)
        out, err = await asyncio.wait_for(process.communicate(answer.encode()), SECONDS)
        return Outcome(process.returncode or 0, out.decode(), err.decode())

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli.main",
            *words,
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=REPOSITORY,
        )

    def read_json(self, path: Path) -> Any:
        return json.loads(path.read_bytes())

    def list_files(self) -> dict[str, bytes]:
        """Everything below HOME, by relative path."""
        return {str(path.relative_to(self.home)): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


REPOSITORY = Path(__file__).parents[2]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777
