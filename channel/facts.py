"""The branch a folder is on, read from git's files: running git would cost Claude's machine a process."""

from __future__ import annotations

from pathlib import Path

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
