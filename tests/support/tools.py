"""The programs the whole run needs: the pinned Claude Code, tmux, Chromium (put there by scripts/test_tools.sh)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CLAUDE_VERSION = Path(__file__).with_name("claude-version").read_text().strip()
"""The Claude Code that the tests are written against."""


class ToolMissing(Exception):
    """A program the tests need is not on this machine."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} is missing: `make test` installs it, `make test-fast` does without"


def find_claude() -> Path:
    """The pinned Claude Code: $CLAUDE_BIN, or the one in the cache."""
    named = os.environ.get("CLAUDE_BIN")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    packages = cache / "heliograph-test" / f"claude-{CLAUDE_VERSION}" / "node_modules" / "@anthropic-ai"
    for binary in sorted(packages.glob("claude-code-*/claude")):
        if os.access(binary, os.X_OK):
            return binary
    raise ToolMissing(f"Claude Code {CLAUDE_VERSION}")


def find_tmux() -> str:
    """tmux's path."""
    found = shutil.which("tmux")
    if found is None:
        raise ToolMissing("tmux")
    return found


def find_chromium() -> str:
    """Chromium's path: $CHROMIUM, or the first usual name on PATH."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise ToolMissing("Chromium")
