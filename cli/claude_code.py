"""Where Claude Code is, which hooks it knows, and where its files lie.

Reads the executable instead of running it: an event that the installed version doesn't know makes
older clients stop at start-up on a "Settings Warning" dialog, and one that doesn't know what a parked
hook is would wait for it.
"""

from __future__ import annotations

import mmap
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WANTED_EVENTS = (
    "SessionStart", "SessionEnd", "UserPromptSubmit", "MessageDisplay", "PreToolUse", "PermissionRequest",
    "PermissionDenied", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "Notification", "SubagentStart",
    "SubagentStop", "PreCompact", "PostCompact", "Stop", "StopFailure", "Elicitation", "ElicitationResult",
    "CwdChanged",
)  # fmt: skip
"""The events we listen to, in the order of a turn."""

BASE_EVENTS = (
    "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Notification",
    "SubagentStop", "PreCompact", "Stop",
)  # fmt: skip
"""Those that every version with hooks of our form knows."""

_LIST = re.compile(rb'\["PreToolUse"(?:,"[A-Za-z]{3,40}"){5,200}\]')
_LIST_START = b'["PreToolUse",'
_LIST_BYTES = 8192

_SCRIPT_BYTES = 1024 * 1024
"""A launcher that starts the real thing is smaller; the real thing, native or JavaScript, is larger."""

_LAUNCHED = re.compile(r'"?((?:\$\{?basedir\}?|\$HOME|~)?/[^"\s$]*?/?(?:claude[^"\s/$]*|cli\.m?js))"?')
_LAUNCHER_HOPS = 4


@dataclass(frozen=True)
class ClaudeFiles:
    """Claude Code's own files that concern us."""

    settings: Path
    config: Path


@dataclass(frozen=True)
class KnownHooks:
    """The events to install, whether a parked hook can wake this version, and whether it told (else we guess)."""

    events: tuple[str, ...]
    rewake: bool = False
    is_told: bool = False


def locate_files(environment: Mapping[str, str]) -> ClaudeFiles:
    """The user's settings and MCP configuration, as Claude Code itself finds them (2.1.329)."""
    home = Path(environment.get("HOME") or Path.home())
    named = environment.get("CLAUDE_CONFIG_DIR")
    folder = Path(named).absolute() if named else home / ".claude"
    legacy = folder / ".config.json"
    if legacy.is_file() and legacy.stat().st_size:
        return ClaudeFiles(folder / "settings.json", legacy)
    return ClaudeFiles(folder / "settings.json", (folder if named else home) / ".claude.json")


def locate_mcp_logs(environment: Mapping[str, str], platform: str, server: str) -> list[Path]:
    """The client's logs of our server, over all projects, newest first."""
    home = Path(environment.get("HOME") or Path.home())
    if platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    logs = cache.glob(f"claude-cli-nodejs/*/mcp-logs-{server}/*.jsonl")
    return sorted(logs, key=lambda log: log.stat().st_mtime, reverse=True)


def find_claude(environment: Mapping[str, str]) -> Path | None:
    """The command that starts Claude Code: HELIOGRAPH_CLAUDE, PATH, then where its installers put it."""
    named = environment.get("HELIOGRAPH_CLAUDE")
    if named:
        found = shutil.which(named, path=environment.get("PATH"))
        return Path(found).absolute() if found else None
    found = shutil.which("claude", path=environment.get("PATH", ""))
    if found:
        return Path(found).absolute()
    home = Path(environment.get("HOME") or Path.home())
    usual = (home / ".local/bin/claude", home / ".claude/local/claude", Path("/usr/local/bin/claude"))
    return next((place for place in usual if shutil.which(place)), None)


def find_code(command: Path) -> Path:
    """The file behind the command that holds Claude Code's own code: native binary or ``cli.js``.

    Follows symlinks, launcher scripts, and npm's placeholder (its real binary is a sibling package).
    Where nothing more is found, the last file seen.
    """
    here = command.resolve()
    for _ in range(_LAUNCHER_HOPS):
        if not here.is_file() or here.stat().st_size > _SCRIPT_BYTES:
            break
        following = next((place for place in _list_behind(here) if place.is_file()), None)
        if following is None or following == here:
            break
        here = following
    return here


def read_events(code: Path) -> frozenset[str] | None:
    """The hook events that this Claude Code knows, of those we want; None when it doesn't tell.

    Its own list of events is in there as a JavaScript array; where that changes its looks, the
    quoted names alone are searched for.
    """
    try:
        with code.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            known = max(_list_arrays(content), key=len, default=frozenset[str]())
            if not known:
                known = frozenset(event for event in WANTED_EVENTS if content.find(b'"%s"' % event.encode()) >= 0)
    except (OSError, ValueError):
        return None
    known &= frozenset(WANTED_EVENTS)
    return known if known.issuperset({"PreToolUse", "Stop"}) else None


def knows_rewake(code: Path) -> bool:
    """Whether this Claude Code can be woken by a hook that it runs in the background (from 2.1.69 to 2.1.81 on)."""
    try:
        with code.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"asyncRewake") >= 0
    except (OSError, ValueError):
        return False


def choose_events(known: frozenset[str] | None) -> list[str]:
    """What to install, in our order."""
    return [event for event in WANTED_EVENTS if event in (BASE_EVENTS if known is None else known)]


def read_hooks(command: Path | None) -> KnownHooks:
    """What to install for the Claude Code that ``command`` starts; the least for one that isn't there."""
    code = find_code(command) if command is not None else None
    known = read_events(code) if code is not None else None
    return KnownHooks(tuple(choose_events(known)), code is not None and knows_rewake(code), known is not None)


def _list_arrays(content: mmap.mmap) -> Iterator[frozenset[str]]:
    at = content.find(_LIST_START)
    while at >= 0:
        found = _LIST.match(content[at : at + _LIST_BYTES])
        if found:
            yield frozenset(re.findall("[A-Za-z]+", found.group().decode()))
        at = content.find(_LIST_START, at + 1)


def _list_behind(launcher: Path) -> Iterator[Path]:
    """Files that a small launcher may start, likeliest first."""
    package = launcher.parent.parent if launcher.parent.name == "bin" else launcher.parent
    for folder in (package.parent, package / "node_modules" / "@anthropic-ai"):
        yield from sorted(folder.glob("claude-code-*/claude"))
    yield package / "cli.js"
    text = launcher.read_bytes()
    if not text.startswith(b"#!"):
        return
    for word in _LAUNCHED.findall(text.decode("utf-8", "replace")):
        place = word.replace("${basedir}", str(launcher.parent)).replace("$basedir", str(launcher.parent))
        place = place.replace("$HOME", str(Path.home()))
        yield Path(place).expanduser().resolve()
