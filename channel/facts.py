"""What other programs' files tell: git's of the branch, since running git would cost Claude's machine a
process; Claude Code's of the session's status.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from channel.status import STATUS_BYTES, Status, read_status
from channel.watched import WatchedFile

HEAD_BYTES = 4096
BRANCH_CHARS = 200
SHORT_HASH = 7


def read_branch(folder: str) -> str | None:
    """The branch, a short hash if HEAD is detached, None outside a repository; never raises."""
    try:
        git = _find_git(Path(folder))
        head = _read(git / "HEAD") if git is not None else ""
    except (OSError, ValueError):
        return None
    if head.startswith("ref: "):
        return head.removeprefix("ref: ").removeprefix("refs/heads/")[:BRANCH_CHARS]
    return head[:SHORT_HASH] or None


class StatusFile(WatchedFile[Status]):
    """Claude Code's ``sessions/<pid>.json``; undocumented, so whatever is odd about it is no status."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        named = environment.get("CLAUDE_CONFIG_DIR", "")
        folder = Path(named) if named.startswith("/") else Path.home() / ".claude"
        super().__init__(folder / "sessions" / f"{pid}.json", STATUS_BYTES, read_status)


def _find_git(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # a worktree or a submodule: the file says where
            return parent / _read(git).removeprefix("gitdir: ")
    return None


def _read(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(HEAD_BYTES).strip()
