"""A real Claude Code in a terminal, offline: its own HOME, its own tmux server, a scripted model.

Nothing of the caller's environment reaches it: it starts from an empty one, with a made-up API
key and the model's address on loopback. It doesn't know the hub; what is started, and with
which settings, is the caller's business.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.processes import is_running
from tests.support.tools import find_tmux
from tests.support.waiting import wait_until

API_KEY = "sk-ant-api03-tests-key-00000000000"
COLUMNS, ROWS = 160, 50
TMUX_CONFIG = "set -g remain-on-exit on\nset -g status off\nset -g history-limit 5000\n"
DIALOGS = {
    "I am using this for local development": "Enter",
    "Use this MCP server": "Enter",
}
"""Full-screen questions at start-up whose marked answer is the one we want."""
TRUST = "Yes, I trust this folder"
"""Asked although :func:`trust` has said so, when a Claude Code that was ending just then wrote its file anew."""
POINTER = "\u276f"
"""Claude Code's prompt sign."""
RULE = "─{20,}"
PROMPT_BOX = re.compile(rf"^{RULE}\n{POINTER}", re.MULTILINE)
LAST_WORDS = "Resume this session with:"
"""What Claude Code prints when it ends; its last screen stays above it."""
FOOTER = re.compile(r"mode on|edits on|permissions on|for shortcuts")


def prepare_home(home: Path, *, channels: bool = True) -> None:
    """Claude Code's own files as after its first start, with tools allowed without asking.

    ``cachedGrowthBookFeatures`` stands in for what the service sends to an account that has
    the channels preview; without it Claude Code behaves as for people who don't.
    """
    home.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "hasSeenAutoDefaultNotice": True,
        "customApiKeyResponses": {"approved": [API_KEY[-20:]], "rejected": []},
        "projects": {},
    }
    if channels:
        config["cachedGrowthBookFeatures"] = {"tengu_harbor": True, "tengu_harbor_permissions": True}
    (home / ".claude.json").write_text(json.dumps(config, indent=2))
    settings = {"permissions": {"defaultMode": "default", "allow": ["Bash", "Edit", "Read", "Write"]}}
    (home / ".claude").mkdir(exist_ok=True)
    (home / ".claude" / "settings.json").write_text(json.dumps(settings, indent=2))


def prepare_project(home: Path, project: Path) -> Path:
    """A folder under git that this HOME's Claude Code trusts."""
    project.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(project)], check=True, env=base_environment(home))
    trust(home, project)
    return project


def trust(home: Path, project: Path) -> None:
    """Have this HOME's Claude Code trust the folder; again before a start, since one that runs writes the file anew."""
    path = home / ".claude.json"
    config = json.loads(path.read_text())
    trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    config["projects"].setdefault(str(project), {}).update(trusted)
    path.write_text(json.dumps(config, indent=2))


def base_environment(home: Path) -> dict[str, str]:
    """What a login shell of that HOME would have, and no more."""
    return {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "SHELL": "/bin/sh",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }


def model_environment(model_url: str) -> dict[str, str]:
    """What makes Claude Code talk to the scripted model, and to nobody else.

    The proxy is a port where nobody listens. CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC is no way:
    with it, "Channels are not currently available" (seen with 2.1.329).
    """
    return {
        "ANTHROPIC_BASE_URL": model_url,
        "ANTHROPIC_API_KEY": API_KEY,
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "127.0.0.1",
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",
    }


class Pane:
    """One program in one tmux pane. The pane stays readable after the program's end."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name
        self.pid = int(terminal.tmux("display-message", "-p", "-t", name, "#{pane_pid}"))

    def screen(self) -> str:
        """What stands on the screen, without empty lines and trailing blanks."""
        captured = self._terminal.tmux("capture-pane", "-p", "-J", "-t", self._name).replace("\xa0", " ")
        return "\n".join(line.rstrip() for line in captured.splitlines() if line.strip())

    def wait_for(self, pattern: str, *, timeout: float = 15.0) -> str:
        """The screen, once it matches."""
        return wait_until(
            lambda: screen if re.search(pattern, screen := self.screen(), re.MULTILINE) else None,
            f"{pattern!r} on the screen",
            timeout=timeout,
            describe=self.screen,
        )

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: ``Enter``, ``Escape``, ``C-c``."""
        self._terminal.tmux("send-keys", "-t", self._name, *keys)

    def write(self, text: str) -> None:
        """Type, and nothing more."""
        self._terminal.tmux("send-keys", "-t", self._name, "-l", text)

    def enter(self, line: str) -> None:
        """A line for a shell."""
        self.write(line)
        self.press("Enter")

    def type(self, text: str) -> None:
        """Type one line into Claude Code's prompt box and send it."""
        waiting = re.compile(rf"^{RULE}\n{POINTER} {re.escape(text)}$", re.MULTILINE)
        self.write(text)
        try:
            self.wait_for(rf"{waiting.pattern}|^{RULE}\n{POINTER} \S", timeout=5.0)
        except AssertionError:  # what is typed while the screen is being redrawn is sometimes swallowed
            self.write(text)
        self.wait_for(waiting.pattern)
        self._press_until_gone("Enter", waiting)

    def wait_until_ready(self, *, timeout: float = 40.0) -> None:
        """Confirm the questions of a start, until the prompt box is there."""

        def is_ready() -> bool:
            assert self.alive(), f"Claude Code ended:\n{self.screen()}"
            screen = self.screen()
            if TRUST in screen:
                self._choose(TRUST)
                return False
            for text, key in DIALOGS.items():
                if text in screen:
                    self._press_until_gone(key, re.compile(re.escape(text)))
                    return False
            return bool(PROMPT_BOX.search(screen) and FOOTER.search(screen))

        wait_until(is_ready, "Claude Code ready", timeout=timeout, describe=self.screen)

    def alive(self) -> bool:
        """Whether the program still runs."""
        return is_running(self.pid)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Signal the program."""
        os.kill(self.pid, how)

    def wait_until_ended(self, *, timeout: float = 10.0) -> None:
        """Until the program is gone."""
        wait_until(lambda: not self.alive(), "the program's end", timeout=timeout, describe=self.screen)

    def _choose(self, option: str) -> None:
        # A fresh menu is drawn more than once, with another option marked: only a mark that stays counts.
        marked = re.compile(rf"{POINTER} {re.escape(option)}")
        looks = {True: 0, False: 0}

        def is_marked() -> bool:
            found = bool(marked.search(self.screen()))
            looks[found], looks[not found] = looks[found] + 1, 0
            if looks[False] == 10:
                looks[False] = 0
                self.press("Down")
            return looks[True] == 20

        wait_until(is_marked, f"{option} marked", describe=self.screen)
        self._press_until_gone("Enter", re.compile(re.escape(option)))

    def _press_until_gone(self, key: str, pattern: re.Pattern[str]) -> None:
        # A key that arrives while the screen is being redrawn is sometimes swallowed.
        for _ in range(5):
            self.press(key)
            try:
                wait_until(lambda: not self._still_shows(pattern), "", timeout=2.0)
            except AssertionError:
                continue
            return
        raise AssertionError(f"{key} changes nothing:\n{self.screen()}")

    def _still_shows(self, pattern: re.Pattern[str]) -> bool:
        screen = self.screen()
        return self.alive() and bool(pattern.search(screen)) and LAST_WORDS not in screen


class Terminal:
    """A tmux server of its own, with as many panes as are opened. A context manager: nothing survives it."""

    def __init__(self) -> None:
        self._program = find_tmux()
        # Unix socket paths are short (107 bytes); pytest's folders are not.
        self._folder = Path(tempfile.mkdtemp(prefix="hg-tmux-"))
        (self._folder / "tmux.conf").write_text(TMUX_CONFIG)
        self._panes: list[Pane] = []

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        for pane in self._panes:
            if pane.alive():
                pane.kill()
                pane.wait_until_ended()
        if self._panes:
            server = int(self.tmux("display-message", "-p", "#{pid}"))
            self.tmux("kill-server")
            wait_until(lambda: not is_running(server), "the tmux server's end")
        shutil.rmtree(self._folder)

    def tmux(self, *words: str) -> str:
        """Run one tmux command and return what it prints."""
        command = [self._program, "-S", str(self._folder / "s"), "-f", str(self._folder / "tmux.conf"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=base_environment(Path("/")))
        assert done.returncode == 0, f"tmux {words[0]}: {done.stderr.strip()}"
        return done.stdout

    def open(self, command: list[str], *, environment: dict[str, str], folder: Path) -> Pane:
        """Run a program in a new pane; it is the pane's first process, no shell in between."""
        name = f"p{len(self._panes)}"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        variables = [f"{key}={value}" for key, value in environment.items()]
        whole = ["env", "-i", *variables, *command]
        self.tmux("new-session", "-d", "-s", name, *size, "-c", str(folder), *whole)
        pane = Pane(self, name)
        self._panes.append(pane)
        return pane
