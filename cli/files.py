"""Files that are either the old one or the new one, whole, whatever happens in between."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

OWNER_ONLY = 0o600


class Staged:
    """New content for ``target``, already on disk beside it; ``commit`` puts it in place.

    The temporary file lies in the target's folder (a rename must not cross file systems) and is
    fsynced first, so that a crash leaves one of the two whole.
    """

    def __init__(self, target: Path, content: bytes, mode: int) -> None:
        import tempfile  # noqa: PLC0415 (who only reads, as `heliograph claude` does, needn't wait for it)

        self._target = target
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".heliograph", dir=target.parent)
        self._temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        except OSError:
            self.discard()
            raise

    def commit(self) -> None:
        """Put it in place."""
        self._temporary.replace(self._target)
        sync_folder(self._target.parent)

    def discard(self) -> None:
        """Forget it; no harm if it was committed."""
        self._temporary.unlink(missing_ok=True)


def write_whole(target: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """Write ``target`` atomically, with exactly ``mode``, whatever the umask says."""
    staged = Staged(target, content, mode)
    try:
        staged.commit()
    except OSError:
        staged.discard()
        raise


def make_private_folder(folder: Path) -> None:
    """A folder that only its owner enters. One that exists is tightened: we only pass ours."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o777 != 0o700:
        folder.chmod(0o700)


def read_if_there(path: Path) -> bytes | None:
    """The bytes, or None when there is no such file; raises OSError, also for what is no regular file."""
    try:
        # Never waits for the other end of a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in it durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
