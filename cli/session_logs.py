"""Which of Claude Code's logs of our server belong to the sessions that run now.

A log is one process's: its name is the time of the connection, each line bears a session's id and
folder. The client (2.1.329) notes each process's session in ``sessions/<pid>.json``, undocumented;
without that, the newest log of the process's folder is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import claude_code, files
from wire.messages import SERVER_NAME

LOGS = 50
"""Looked through for a session, newest first."""

LOG_BYTES = 4 * 1024 * 1024


def choose_logs(environment: Mapping[str, str], platform: str, pids: Sequence[int]) -> list[tuple[int | None, Path]]:
    """The log of each process that has one; where none has, the newest of all, which is nobody's."""
    logs = claude_code.locate_mcp_logs(environment, platform, SERVER_NAME)
    sessions = claude_code.locate_files(environment).settings.with_name("sessions")
    found = {pid: _find_log(logs[:LOGS], pid, sessions / f"{pid}.json") for pid in pids}
    chosen: list[tuple[int | None, Path]] = [(pid, log) for pid, log in found.items() if log is not None]
    return chosen or [(None, log) for log in logs[:1]]


def read_lines(path: Path) -> list[str]:
    """The beginning of a log; empty when it is gone."""
    try:
        with path.open("rb") as file:
            return file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _find_log(logs: Sequence[Path], pid: int, noted: Path) -> Path | None:
    note = _read_note(noted)
    session_id = note.get("sessionId")
    folder = note.get("cwd") or _read_folder(pid)
    return _find(logs, "sessionId", session_id) or _find(logs, "cwd", folder)


def _find(logs: Sequence[Path], field: str, value: object) -> Path | None:
    if not isinstance(value, str) or not value:
        return None
    return next((log for log in logs if any(seen == value for seen in _read_field(log, field))), None)


def _read_field(log: Path, field: str) -> Iterator[object]:
    for line in read_lines(log):
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict):
            yield fields.get(field)


def _read_note(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(files.read_if_there(path) or b"{}")
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _read_folder(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return None
