"""`heliograph claude`: becomes Claude Code, with the channel on.

Deciding is pure (`build_arguments`, `build_environment`); the rest is one exec, same pid.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from cli import claude_code, exits, show
from cli.called import name_command
from cli.errors import Unavailable
from cli.files import read_if_there
from cli.home import Home, locate_home
from wire.launch import CHANNEL_FLAGS, names_channel
from wire.messages import SERVER_NAME

FLAG = CHANNEL_FLAGS[0]
ENTRY = f"server:{SERVER_NAME}"

_SUBCOMMANDS = frozenset((
    "agents", "attach", "auth", "auto-mode", "config", "daemon", "doctor", "gateway", "import",
    "install", "logs", "mcp", "migrate-installer", "plugin", "plugins", "purge", "remote-control", "rc",
    "respawn", "rm", "kill", "setup-token", "stop", "ultrareview", "update", "upgrade",
))  # fmt: skip
"""Words that, as first word, make Claude Code do something else than a session (2.1.329 and older)."""

_NO_SESSION = frozenset(
    ["-p", "--print", "-v", "--version", "-h", "--help", "--cloud", "--desktop", "--teleport", "--safe-mode"]
)
"""Options with which no channel listens: one-shot, elsewhere, or without MCP servers."""

_TAKES_ONE = frozenset((
    "--agent", "--agents", "--append-system-prompt", "--autocompact", "--debug-file", "--effort",
    "--environment", "--fallback-model", "--input-format", "--json-schema", "--max-budget-usd",
    "--model", "--name", "-n", "--output-format", "--permission-mode", "--permission-prompts",
    "--plugin-dir", "--plugin-url", "--remote-control-session-name-prefix", "--session-id",
    "--setting-sources", "--settings", "--system-prompt", "--system-prompt-snapshot",
    "--append-system-prompt-file", "--system-prompt-file", "--permission-prompt-tool", "--max-turns",
))  # fmt: skip
"""Options whose next word is a value, whatever it looks like."""

_TAKES_MANY = frozenset((
    "--add-dir", "--allowedTools", "--allowed-tools", "--betas", "--channels", "--disallowedTools",
    "--disallowed-tools", "--file", "--mcp-config", "--tools", FLAG,
))  # fmt: skip
"""Options that swallow every following word up to the next option."""

_LETTERS_WITH_VALUE = "dnrw"

_KEPT_PREFIXES = (
    "CLAUDE_CODE_USE_", "CLAUDE_CODE_SKIP_", "CLAUDE_CODE_DISABLE_", "CLAUDE_CODE_ENABLE_", "CLAUDE_CODE_MAX_",
    "CLAUDE_CODE_OAUTH_", "CLAUDE_CODE_API_KEY_", "CLAUDE_CODE_CLIENT_", "CLAUDE_CODE_SHELL",
    "CLAUDE_CODE_SUBAGENT_MODEL", "CLAUDE_CODE_EFFORT_LEVEL", "CLAUDE_CODE_AUTO_", "CLAUDE_CODE_PROXY_",
    "CLAUDE_CODE_CERT_STORE", "CLAUDE_CODE_GIT_BASH_PATH", "CLAUDE_CODE_TMPDIR", "CLAUDE_CODE_IDE_",
)  # fmt: skip
"""What a person sets to configure Claude Code; all other CLAUDE_CODE_* belong to one session."""

_OUTER_SESSION = ("CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_ENTRYPOINT")


def launch(arguments: Sequence[str]) -> int:
    """Never returns once Claude Code is found."""
    command = claude_code.find_claude(os.environ)
    if command is None:
        raise Unavailable(
            "Claude Code was not found (PATH, HELIOGRAPH_CLAUDE). "
            "Install it, e.g. npm install -g @anthropic-ai/claude-code"
        )
    if _is_session(arguments) and (missing := _list_missing(locate_home(os.environ))):
        print(f"heliograph: {' and '.join(missing)}; starting Claude Code all the same", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    argv = [str(command), *build_arguments(arguments)]
    try:
        os.execve(command, argv, build_environment(os.environ))  # noqa: S606 (no shell is what we want)
    except OSError as error:
        print(f"heliograph: {show.plain(str(command))} can't be started: {error.strerror}", file=sys.stderr)
    return exits.UNAVAILABLE


def build_arguments(arguments: Sequence[str]) -> list[str]:
    """Claude Code's arguments with the channel flag, where it has a meaning and isn't there yet.

    It goes first, as one word: with a space it would swallow a prompt that follows, and at the end it
    would come to stand behind a ``--``. (Seen with 2.1.329 and 2.1.197.)
    """
    if not _is_session(arguments) or names_channel(arguments):
        return list(arguments)
    return [f"{FLAG}={ENTRY}", *arguments]


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what an outer Claude Code put there for its own children; a person's settings stay."""
    if not any(name in environment for name in _OUTER_SESSION):
        return dict(environment)
    return {
        name: value
        for name, value in environment.items()
        if name != "CLAUDECODE"
        and (not name.startswith("CLAUDE_CODE_") or name.startswith(_KEPT_PREFIXES))
        and name not in ("CLAUDE_PROJECT_DIR", "CLAUDE_ENV_FILE")
    }


def _is_session(arguments: Sequence[str]) -> bool:
    """Whether these arguments start an interactive session here."""
    words = iter(arguments)
    swallowing = False
    may_be_command = True
    for word in words:
        if word == "--":
            break
        if not word.startswith("-"):
            if not swallowing and may_be_command:
                if word in _SUBCOMMANDS:
                    return False
                may_be_command = False
            continue
        name = word.partition("=")[0]
        if name in _NO_SESSION or _cluster_ends_session(word):
            return False
        swallowing = name in _TAKES_MANY and "=" not in word
        if name in _TAKES_ONE and "=" not in word:
            next(words, None)
    return True


def _cluster_ends_session(word: str) -> bool:
    """``-cp``: short options in one word; a letter that takes a value ends the cluster."""
    if word.startswith("--"):
        return False
    for letter in word[1:]:
        if letter in "pvh":
            return True
        if letter in _LETTERS_WITH_VALUE:
            return False
    return False


def _list_missing(home: Home) -> list[str]:
    """What keeps this session off the page; a look at the files, not a check (that is `doctor`)."""
    missing = []
    if not home.machine_file.exists():
        missing.append(f"this machine isn't paired ({name_command()} join URL)")
    paths = claude_code.locate_files(os.environ)
    try:
        settings, config = read_if_there(paths.settings) or b"", read_if_there(paths.config) or b""
        is_installed = b"heliograph_hook" in settings and f'"{SERVER_NAME}"'.encode() in config
    except OSError:
        is_installed = False
    if not is_installed:
        missing.append(f"the hooks aren't installed ({name_command()} install)")
    return missing
