"""Finding Claude Code and the hook events it knows, without running it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli import claude_code
from cli.claude_code import BASE_EVENTS, WANTED_EVENTS

KNOWN = ["PreToolUse", "PostToolUse", "Notification", "Stop", "SessionStart", "SessionEnd", "MessageDisplay"]


def make_code(path: Path, events: list[str], size: int = 2 * 1024 * 1024) -> Path:
    """Something as large as the real thing, with its list of events in the middle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = json.dumps(events, separators=(",", ":")).encode()
    # A short list of the kind that stands beside the real one, and an event's name in another role.
    noise = b'x=["PreToolUse","PostToolUse","Notification","Stop","SubagentStop","Setup"];y="Elicitation";'
    path.write_bytes(b"\x7fELF" + noise + b"\0" * (size // 2) + listed + b"\0" * (size // 2))
    path.chmod(0o755)
    return path


def make_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_event_list_of_the_code_decides_not_stray_names(tmp_path: Path) -> None:
    known = claude_code.read_events(make_code(tmp_path / "claude", KNOWN))
    assert known == frozenset(KNOWN)
    assert claude_code.choose_events(known) == [event for event in WANTED_EVENTS if event in KNOWN]


def test_where_the_list_looks_otherwise_the_quoted_names_are_searched(tmp_path: Path) -> None:
    code = make_script(tmp_path / "cli.js", 'e={"PreToolUse":1,"Stop":2,"CwdChanged":3}')
    assert claude_code.read_events(code) == frozenset({"PreToolUse", "Stop", "CwdChanged"})


@pytest.mark.parametrize("content", ["", "#!/bin/sh\necho no\n"])
def test_a_file_that_tells_nothing_means_unknown(tmp_path: Path, content: str) -> None:
    assert claude_code.read_events(make_script(tmp_path / "claude", content)) is None
    assert claude_code.choose_events(None) == [event for event in WANTED_EVENTS if event in BASE_EVENTS]


def test_the_code_is_found_behind_symlinks_and_launchers(tmp_path: Path) -> None:
    packages = tmp_path / "node_modules" / "@anthropic-ai"
    native = make_code(packages / "claude-code-linux-x64" / "claude", KNOWN)
    placeholder = make_script(packages / "claude-code" / "bin" / "claude.exe", "echo not installed\n")
    link = tmp_path / "node_modules" / ".bin" / "claude"
    link.parent.mkdir()
    link.symlink_to(placeholder)
    assert claude_code.find_code(link) == native
    wrapper = make_script(tmp_path / "claude", f'#!/bin/bash\nexec "{link}" "$@"\n')
    assert claude_code.find_code(wrapper) == native
    shim = make_script(tmp_path / "shim", '#!/bin/sh\nexec node "$basedir/node_modules/.bin/claude" "$@"\n')
    assert claude_code.find_code(shim) == native


def test_the_javascript_package_is_found_behind_its_node_script(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "node_modules" / "@anthropic-ai" / "claude-code"
    code = make_code(package / "cli.js", KNOWN)
    link = tmp_path / "bin" / "claude"
    link.parent.mkdir()
    link.symlink_to(code)
    assert claude_code.find_code(link) == code
    assert claude_code.find_code(make_script(package / "start.cjs", "#!/usr/bin/env node\n")) == code


def test_the_named_claude_wins_over_the_path(tmp_path: Path) -> None:
    on_path = make_script(tmp_path / "bin" / "claude", "#!/bin/sh\n")
    named = make_script(tmp_path / "mine", "#!/bin/sh\n")
    env = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    assert claude_code.find_claude(env) == on_path
    assert claude_code.find_claude({**env, "HELIOGRAPH_CLAUDE": str(named)}) == named
    assert claude_code.find_claude({**env, "HELIOGRAPH_CLAUDE": str(tmp_path / "none")}) is None
    local = make_script(tmp_path / ".local" / "bin" / "claude", "#!/bin/sh\n")
    assert claude_code.find_claude({**env, "PATH": "/nowhere"}) == local


def test_claude_codes_files_are_found_as_it_finds_them(tmp_path: Path) -> None:
    found = claude_code.locate_files({"HOME": str(tmp_path)})
    assert found == claude_code.ClaudeFiles(tmp_path / ".claude" / "settings.json", tmp_path / ".claude.json")
    moved = claude_code.locate_files({"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "c")})
    assert moved == claude_code.ClaudeFiles(tmp_path / "c" / "settings.json", tmp_path / "c" / ".claude.json")
    legacy = tmp_path / ".claude" / ".config.json"
    legacy.parent.mkdir()
    legacy.write_text("{}")
    assert claude_code.locate_files({"HOME": str(tmp_path)}).config == legacy


def test_the_newest_log_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "claude-cli-nodejs"
    for age, project in enumerate(("a", "b", "c")):
        log = folder / project / "mcp-logs-heliograph" / "x.jsonl"
        make_script(log, "{}")
        os.utime(log, (1000 - age, 1000 - age))
    make_script(folder / "a" / "mcp-logs-other" / "x.jsonl", "{}")
    logs = claude_code.locate_mcp_logs({"XDG_CACHE_HOME": str(tmp_path), "HOME": "/none"}, "linux", "heliograph")
    assert [log.parts[-3] for log in logs] == ["a", "b", "c"]
    mac = tmp_path / "Library" / "Caches"
    make_script(mac / "claude-cli-nodejs" / "p" / "mcp-logs-heliograph" / "y.jsonl", "{}")
    assert len(claude_code.locate_mcp_logs({"HOME": str(tmp_path)}, "darwin", "heliograph")) == 1
