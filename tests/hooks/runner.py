"""Runs the hook as Claude Code does, and looks at what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from channel.spool import parse
from hooks import LOADER, SCRIPTS

SESSION = "6cca265d-88ab-463e-a1d9-93f3f807605c"

EVENT = {
    "session_id": SESSION,
    "transcript_path": "/home/maya/.claude/projects/x/6cca265d.jsonl",
    "cwd": "/home/maya/x",
    "hook_event_name": "PostToolUse",
    "tool_name": "Bash",
    "tool_use_id": "toolu_1",
    "tool_input": {"command": "ls"},
    "tool_response": {"stdout": "hi", "stderr": "", "interrupted": False},
}


class Hook:
    """The hook of one HELIOGRAPH_HOME; its parent, so its Claude Code, is this test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment: dict[str, str] = {}
        self.command = [sys.executable, "-I", "-S", "-c", LOADER, str(home)]
        (home / "hooks").mkdir(parents=True)
        for script in SCRIPTS:
            shutil.copy(script, home / "hooks")

    def run(self, event: dict[str, Any] | bytes = EVENT, **options: Any) -> None:
        """Run it; it must exit 0 and say nothing, as every hook of ours must where nobody left it a word."""
        assert self.answer(event, **options) == b""

    def answer(self, event: dict[str, Any] | bytes = EVENT, **options: Any) -> bytes:
        """Run it; it must exit 0. What it says."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        done = subprocess.run(
            self.command, input=body, env=self.environment, capture_output=True, timeout=30, check=False, **options
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return bytes(done.stdout)

    @property
    def spool(self) -> Path:
        return self.home / "spool" / f"{os.getpid()}.log"

    @property
    def mark(self) -> Path:
        return self.home / "run" / f"{os.getpid()}.up"

    def counts(self, session_id: str = SESSION) -> bytes:
        """A byte for each event of that session that is missing or cut."""
        path = self.spool.with_suffix(f".{session_id}.gap")
        return path.read_bytes() if path.exists() else b""

    def fill(self, size: int) -> None:
        """Make another process's file so large: the spool holds ``size`` bytes beside what is ours."""
        self.spool.parent.mkdir(mode=0o700, exist_ok=True)
        with (self.spool.parent / "1.log").open("wb") as file:
            file.truncate(size)  # all of it a hole

    @property
    def log(self) -> str:
        path = self.home / "log" / "hook.log"
        return path.read_text() if path.exists() else ""

    def events(self) -> list[dict[str, Any]]:
        if not self.spool.exists():
            return []
        page = parse(self.spool.read_bytes(), max_records=10**6, max_bytes=10**9)
        assert page.torn == 0
        assert {record.source for record in page.records} <= {"h"}
        assert {record.pid for record in page.records} <= {os.getpid()}
        return [json.loads(record.body) for record in page.records]
