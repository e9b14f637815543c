"""What is ours on this machine: the paths below HELIOGRAPH_HOME, and the person's token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli import files
from cli.called import name_command
from cli.errors import Failed, Refused, Usage

DEFAULT_URL = "http://127.0.0.1:7878"


@dataclass(frozen=True)
class Home:
    """The folder that holds everything of ours on this machine."""

    root: Path

    @property
    def machine_file(self) -> Path:
        return self.root / "machine.json"

    @property
    def token_file(self) -> Path:
        return self.root / "token"

    @property
    def hooks(self) -> Path:
        """The scripts that Claude Code runs at each event."""
        return self.root / "hooks"

    @property
    def statusline_script(self) -> Path:
        return self.root / "hooks" / "heliograph_statusline.py"

    @property
    def uploader_file(self) -> Path:
        """Names the interpreter with which a hook sends events where no channel runs."""
        return self.hooks / "uploader.path"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def install_record(self) -> Path:
        return self.root / "install.json"

    @property
    def admin_socket(self) -> Path:
        return self.root / "hub" / "hub.sock"


def locate_home(environment: Mapping[str, str]) -> Home:
    """HELIOGRAPH_HOME, or ``~/.heliograph``; raises Usage for a relative one.

    Hooks and channel run in other folders than this command: for them it would be another place.
    """
    named = environment.get("HELIOGRAPH_HOME")
    if not named:
        return Home(Path.home() / ".heliograph")
    if not named.startswith("/"):
        raise Usage(f"HELIOGRAPH_HOME must be an absolute path, not {named!r}")
    return Home(Path(named))


def choose_token(home: Home, environment: Mapping[str, str]) -> str:
    """The person's API token: HELIOGRAPH_TOKEN, or the token file; raises Refused with what to do."""
    named = environment.get("HELIOGRAPH_TOKEN", "").strip()
    if named:
        return named
    try:
        mode = home.token_file.stat().st_mode & 0o777
        token = (files.read_if_there(home.token_file) or b"").decode("utf-8").strip()
    except FileNotFoundError:
        token = ""
    except (OSError, UnicodeError) as error:
        raise Failed(f"{home.token_file} can't be read: {error}") from error
    else:
        if mode & 0o077:
            raise Failed(f"{home.token_file} can be read by others; run: chmod 600 {home.token_file}")
    if not token:
        raise Refused(
            f"you need a token to talk to the hub. On the hub's host run `{name_command()} token create NAME`, "
            f"then set HELIOGRAPH_TOKEN, or put it into {home.token_file} (chmod 600)"
        )
    return token
