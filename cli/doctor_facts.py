"""Finds out what `doctor` examines: files, processes, the hub. Judges nothing, changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from cli import claude_code, files, json_text, session_logs, settings_edit, statusline_edit
from cli.called import name_command
from cli.claude_code import KnownHooks
from cli.edit_files import naming, read_file
from cli.errors import CliError, HubRefused, HubSaidNo, HubUnreachable
from cli.facts import Carrier, ClaudeFacts, Facts, InstallFacts, PairingFacts, Reach, SessionLog
from cli.home import Home, choose_token
from cli.hubclient import HubClient
from cli.install import Wiring, build_our_files, build_wiring
from cli.mcp_log import LogVerdict, read_log
from cli.pairing import read_pairing
from cli.running import list_running
from wire.messages import SERVER_NAME

HUB_SECONDS = 5.0
SESSIONS = 50
VERSION_SECONDS = 10.0


def gather_facts(home: Home, environment: Mapping[str, str]) -> Facts:
    """Everything, at once; takes as long as the hub does to answer, at most."""
    claude, known = _look_at_claude(environment)
    running = list_running(home)
    return Facts(
        claude=claude,
        pairing=_look_at_pairing(home),
        install=_look_at_install(home, environment, build_wiring(home, known)),
        carriers=tuple(Carrier(one.pid, one.has_flag, one.is_heard) for one in running),
        logs=tuple(_look_at_logs(home, environment, [one.pid for one in running if one.is_heard])),
        reaches=tuple(_ask_reaches(home, environment)),
        command=name_command(),
    )


def _ask_reaches(home: Home, environment: Mapping[str, str]) -> Iterator[Reach]:
    """Of this machine's running sessions; none without a person's token, since the machine's key can't see them."""
    try:
        machine = read_pairing(home)
        if machine is None:
            return
        hub = HubClient(machine.hub_url, choose_token(home, environment), timeout=HUB_SECONDS)
        machine_id = quote(machine.machine_id, safe="")
        sessions = hub.call("GET", f"/api/v1/sessions?machine={machine_id}&limit={SESSIONS}")["sessions"]
        for session in sessions:
            if session["state"] not in ("ended", "offline"):
                reason = session.get("delivery_reason") or {}
                yield Reach(str(session["title"]), str(session["delivery"]), str(reason.get("text", "")))
    except (CliError, OSError, KeyError, TypeError, AttributeError):
        return  # what keeps us from the hub is found elsewhere


def _look_at_claude(environment: Mapping[str, str]) -> tuple[ClaudeFacts, KnownHooks]:
    command = claude_code.find_claude(environment)
    known = claude_code.read_hooks(command)
    if command is None:
        return ClaudeFacts(), known
    return ClaudeFacts(str(command), _ask_version(command), known.events, known.rewake), known


def _ask_version(command: Path) -> str | None:
    try:
        done = subprocess.run(
            [command, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    return done.stdout.split(maxsplit=1)[0] if done.stdout.strip() else None


def _look_at_pairing(home: Home) -> PairingFacts:
    path = str(home.machine_file)
    try:
        # Told apart from other damage: the next step is another.
        if home.machine_file.stat().st_mode & 0o077:
            return PairingFacts(state="loose", path=path)
        machine = read_pairing(home)
    except FileNotFoundError:
        return PairingFacts(state="missing", path=path)
    except (CliError, OSError) as error:
        return PairingFacts(state="unusable", path=path, problem=str(error))
    if machine is None:
        return PairingFacts(state="missing", path=path)
    return _ask_hub(PairingFacts(state="paired", path=path, hub_url=machine.hub_url), machine.key)


def _ask_hub(paired: PairingFacts, key: str) -> PairingFacts:
    try:
        HubClient(paired.hub_url, key, timeout=HUB_SECONDS).call("GET", "/api/v1/whoami")
    except HubRefused:
        return replace(paired, hub="ok", key="refused")
    except HubUnreachable as error:
        return replace(paired, hub=error.reason, hub_detail=error.detail)
    except HubSaidNo as error:
        return replace(paired, hub="wrong_answer", hub_detail=error.message)
    except CliError as error:
        return replace(paired, state="unusable", problem=f"{paired.path}: {error}")
    return replace(paired, hub="ok", key="ok")


def _look_at_install(home: Home, environment: Mapping[str, str], wiring: Wiring) -> InstallFacts:
    paths = claude_code.locate_files(environment)
    try:
        settings, config = _read_json(paths.settings), _read_json(paths.config)
    except CliError as error:
        return InstallFacts(problem=str(error))
    places = settings_edit.find_hooks(settings)
    ours: dict[str, list[Any]] = {}
    for place in places:
        ours.setdefault(str(place[1]), []).append(json_text.get_value(settings, place))
    interpreter = next((str(found[0].get("command")) for found in ours.values()), None)
    server = _get(config, "mcpServers", SERVER_NAME)
    server_command = str(server.get("command")) if isinstance(server, dict) else None
    allowed = _get(settings, "permissions", "allow")
    states = {path: _compare(path, content) for path, content in build_our_files(home).items()}
    uploader = states.pop(home.uploader_file)
    statusline = states[home.statusline_script]
    scripts = set(states.values())
    return InstallFacts(
        events=tuple(ours),
        stale_events=tuple(
            event
            for event, found in ours.items()
            if sorted(found, key=str) != sorted(wiring.hooks.get(event, []), key=str)
        ),
        hooks_disabled=_get(settings, "disableAllHooks") is True,
        script="missing" if "missing" in scripts else "old" if "old" in scripts else "ok",
        uploader=uploader,
        statusline=_look_at_statusline(settings, wiring, is_script_ok=statusline == "ok"),
        interpreter=interpreter,
        interpreter_there=interpreter is None or os.access(interpreter, os.X_OK),
        server="missing" if server is None else "ok" if server == wiring.server else "stale",
        server_command=server_command,
        server_command_there=server_command is None or os.access(server_command, os.X_OK),
        permissions_missing=tuple(
            permission for permission in settings_edit.PERMISSIONS if permission not in (allowed or [])
        ),
    )


def _look_at_statusline(
    settings: Any, wiring: Wiring, *, is_script_ok: bool
) -> Literal["none", "ok", "stale", "script", "interpreter"]:
    wrapper = statusline_edit.find_wrapper(settings)
    if wrapper is None:
        return "none"
    if not os.access(wrapper.interpreter, os.X_OK):
        return "interpreter"
    if not is_script_ok:
        return "script"
    current = statusline_edit.build_command(*wiring.statusline, wrapper.original)
    return "ok" if _get(settings, statusline_edit.KEY, "command") == current else "stale"


def _compare(path: Path, current: bytes) -> Literal["ok", "missing", "old"]:
    content = files.read_if_there(path)
    return "missing" if content is None else "ok" if content == current else "old"


def _read_json(path: Path) -> Any:
    with naming(path):
        return json_text.parse(read_file(path).text)


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _look_at_logs(home: Home, environment: Mapping[str, str], pids: Sequence[int]) -> Iterator[SessionLog]:
    for pid, path in session_logs.choose_logs(environment, sys.platform, pids):
        verdict = read_log(session_logs.read_lines(path))
        yield SessionLog(verdict, str(path), pid, _is_older(verdict, home.install_record))


def _is_older(verdict: LogVerdict, record: Path) -> bool:
    try:
        return datetime.fromisoformat(verdict.at).timestamp() < record.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return False
