"""What `install` did to Claude Code's files, so that `uninstall` can give back every byte.

HELIOGRAPH_HOME/install.json: for each file the digest of what we wrote, where the original is kept,
and which containers weren't there before. Losing it loses no safety: then just ours is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cli import files, settings_edit
from cli.home import Home
from cli.json_text import Path as JsonPath


@dataclass(frozen=True)
class FileRecord:
    """One file's: ``original`` is the backup's path, None if there was no file or it was lost track of.

    ``digest`` is the SHA-256 of what install wrote. ``existed`` says whether there was a file before us.
    """

    existed: bool
    original: str | None
    digest: str
    created: tuple[JsonPath, ...]


Record = dict[str, FileRecord]
"""By the file's path, as Claude Code names it."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_record(home: Home) -> Record:
    """The record, empty when there is none or it is damaged."""
    content = files.read_if_there(home.install_record)
    try:
        return {path: _read_file_record(fields) for path, fields in json.loads(content or b"{}").items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_record(home: Home, record: Record) -> None:
    """Store it, or remove it when nothing is installed any more."""
    if not record:
        home.install_record.unlink(missing_ok=True)
        return
    files.make_private_folder(home.root)
    fields = {path: asdict(file_record) for path, file_record in record.items()}
    files.write_whole(home.install_record, (json.dumps(fields, indent=2) + "\n").encode())


def extend_record(
    home: Home, known: FileRecord | None, path: Path, before: bytes | None, after: bytes, values: tuple[Any, Any]
) -> FileRecord:
    """The record of a file that goes from ``before`` to ``after``; keeps a backup of ``before``.

    A second install over a file that only we changed keeps the first one's original. ``values`` are
    the parsed contents before and after.
    """
    new = set(settings_edit.list_containers(values[1])) - set(settings_edit.list_containers(values[0]))
    if known is not None and before is not None:
        is_only_ours = digest(before) == known.digest
        created = tuple(sorted(new | set(known.created)))
        if is_only_ours:
            return replace(known, digest=digest(after), created=created)
        _keep_backup(home, path, before)
        return FileRecord(existed=known.existed, original=None, digest=digest(after), created=created)
    original = None if before is None else str(_keep_backup(home, path, before))
    return FileRecord(before is not None, original, digest(after), tuple(sorted(new)))


def find_original(record: FileRecord, content: bytes) -> tuple[bool, bytes | None]:
    """Whether the original can be given back for ``content``, and what it is (None: there was no file)."""
    if digest(content) != record.digest:
        return False, None
    if not record.existed:
        return True, None
    if record.original is None:
        return False, None
    original = files.read_if_there(Path(record.original))
    return original is not None, original


def _keep_backup(home: Home, path: Path, content: bytes) -> Path:
    files.make_private_folder(home.root)
    files.make_private_folder(home.backups)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backup = home.backups / f"{stamp}-{os.getpid()}-{path.name.lstrip('.')}"
    files.write_whole(backup, content)
    return backup


def _read_file_record(fields: dict[str, Any]) -> FileRecord:
    return FileRecord(
        existed=bool(fields["existed"]),
        original=fields["original"],
        digest=str(fields["digest"]),
        created=tuple(tuple(path) for path in fields["created"]),
    )
