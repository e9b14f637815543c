"""Changes to Claude Code's files, shown first, then made all or not at all.

Knows nothing of what the changes mean. Claude Code writes the same files while it runs: its own
lock on the configuration is held meanwhile, and a file that changed since it was read is never
overwritten; the caller starts over.
"""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli import files, json_text, show
from cli.errors import BadSettings, CliError, Failed

LOCK_STALE = 10.0
"""Seconds after which Claude Code itself takes such a lock for forgotten (proper-lockfile's default)."""

LOCK_WAIT = 5.0
"""Seconds we wait for Claude Code to finish writing; it takes milliseconds."""

DIFF_LINE = 400
"""Characters shown of a line: a configuration on one line is not to flood the terminal."""

_BOM = "\ufeff"


class ChangedMeanwhile(CliError):
    """Somebody wrote the file between our reading and our writing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} keeps changing while we look; nothing was changed. Try again"


@dataclass(frozen=True)
class FileText:
    """A file as it was read: ``path`` as Claude Code names it, ``target`` where symlinks lead."""

    path: Path
    target: Path
    content: bytes | None

    @property
    def text(self) -> str:
        """What is edited: the text without a byte order mark; a missing file reads as empty object."""
        return "{}\n" if self.content is None else self.content.decode("utf-8").removeprefix(_BOM)

    def encode(self, text: str) -> bytes:
        """The bytes for an edited text, with the mark it had."""
        had_mark = self.content is not None and self.content.decode("utf-8").startswith(_BOM)
        return ((_BOM if had_mark else "") + text).encode()


@dataclass(frozen=True)
class Change:
    """One file's new content; None deletes it."""

    file: FileText
    after: bytes | None

    @property
    def is_change(self) -> bool:
        return self.file.content != self.after


def read_file(path: Path) -> FileText:
    """Read it through symlinks; raises BadSettings when it is no UTF-8 text or unreadable."""
    try:
        target = path.resolve()
        content = files.read_if_there(target)
    except OSError as error:
        raise BadSettings(path, 0, 0, f"it can't be read: {error.strerror}") from error
    except RuntimeError as error:  # Python 3.11 and 3.12, of symlinks in a circle
        raise BadSettings(path, 0, 0, "it can't be read: its symlinks lead in a circle") from error
    try:
        (content or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line_start = before.rfind(b"\n") + 1
        raise BadSettings(path, before.count(b"\n") + 1, error.start - line_start + 1, "it isn't UTF-8 text") from error
    return FileText(path, target, content)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what the editing of a text refuses into an error that names its file."""
    try:
        yield
    except json_text.NotUnderstood as error:
        raise BadSettings(path, error.line, error.column, error.problem) from error


def render_diff(changes: Sequence[Change]) -> list[str]:
    """A unified diff of all changes, safe to print."""
    lines: list[str] = []
    for change in changes:
        before = (change.file.content or b"").decode("utf-8").splitlines()
        after = (change.after or b"").decode("utf-8").splitlines()
        old = "/dev/null" if change.file.content is None else str(change.file.path)
        new = "/dev/null" if change.after is None else str(change.file.path)
        lines += difflib.unified_diff(before, after, old, new, lineterm="")
    return [show.cut(show.plain(line), DIFF_LINE) for line in lines]


def apply_changes(changes: Sequence[Change], locked: Path) -> None:
    """Make them all, or none; ``locked`` is the file that Claude Code locks while it writes it.

    Raises ChangedMeanwhile, or Failed with the reason.
    """
    changes = [change for change in changes if change.is_change]
    done: list[Change] = []
    try:
        with hold_claude_lock(locked), contextlib.ExitStack() as temporaries:
            staged = {change.file.target: _stage(change, temporaries) for change in changes}
            for change in changes:
                _check_unchanged(change)
            for change in changes:
                _check_unchanged(change)
                new = staged[change.file.target]
                if new is None:
                    change.file.target.unlink()
                else:
                    new.commit()
                done.append(change)
    except OSError as error:
        _undo(done)
        where = show.plain(str(error.filename or locked))
        raise Failed(f"{where} can't be written: {error.strerror}. Nothing was changed") from error
    except ChangedMeanwhile:
        _undo(done)
        raise


@contextlib.contextmanager
def hold_claude_lock(path: Path) -> Iterator[None]:
    """Hold the lock that Claude Code (2.1.329: proper-lockfile, a folder ``<file>.lock``) takes to write."""
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if _age(lock) > LOCK_STALE:
                with contextlib.suppress(OSError):
                    lock.rmdir()
            elif time.monotonic() > deadline:
                raise Failed(f"Claude Code is writing {path} ({lock} is held). Try again") from None
            time.sleep(0.05)
        except FileNotFoundError:
            # No folder yet, so nobody writes there.
            yield
            return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.rmdir()


def _stage(change: Change, temporaries: contextlib.ExitStack) -> files.Staged | None:
    """The new content beside its target, discarded with ``temporaries`` unless it was committed."""
    if change.after is None:
        return None
    target = change.file.target
    mode = files.OWNER_ONLY
    if change.file.content is None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        mode = target.stat().st_mode & 0o7777
    staged = files.Staged(target, change.after, mode)
    temporaries.callback(staged.discard)
    return staged


def _check_unchanged(change: Change) -> None:
    if files.read_if_there(change.file.target) != change.file.content:
        raise ChangedMeanwhile(change.file.path)


def _undo(done: Sequence[Change]) -> None:
    """Put back what we had written already, unless somebody has written since."""
    for change in reversed(done):
        target = change.file.target
        with contextlib.suppress(OSError):
            if files.read_if_there(target) != change.after:
                continue
            if change.file.content is None:
                target.unlink()
            else:
                mode = target.stat().st_mode & 0o7777 if target.exists() else files.OWNER_ONLY
                files.write_whole(target, change.file.content, mode)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
