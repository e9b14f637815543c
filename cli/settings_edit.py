"""What we put into Claude Code's settings and MCP configuration, and how we find it there again.

Pure: text in, text out. A hook is ours when it runs our loader, this or an older one; a server when it bears our
name; the two permissions are ours by name. Everything else in the files is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cli import json_text
from cli.json_text import NotUnderstood, Path
from wire.messages import SERVER_NAME

_LOADS = re.compile(r"^[^#\n]*\b(?:from\s+(heliograph_\w+)\s+import\b|import\s+(heliograph_\w+)\b)", re.MULTILINE)
_CALLS = re.compile(r"\bmain\(")

SCRIPTS = ("heliograph_hook", "heliograph_wake")

PERMISSIONS = (f"mcp__{SERVER_NAME}__reply", f"mcp__{SERVER_NAME}__progress")
"""Without these Claude asks before each reply to the hub."""

HOOK_SECONDS = 5
"""After this Claude Code goes on without a hook of ours; it takes milliseconds."""

PARK_SECONDS = 14 * 24 * 3600
"""How long a hook may be parked beside an idle Claude. The client's timers end at 24 days."""

ASK_SECONDS = 14 * 24 * 3600
"""How long a hook may wait for somebody's answer."""

WAKE_SUMMARY = "Message from Heliograph"
WAKE_MESSAGE = "Somebody wrote to this session on its Heliograph page:"
"""What the terminal shows, and what Claude reads before the text (2.1.197 and later; else "Stop hook feedback")."""

_KINDS: dict[type, str] = {dict: "an object", list: "an array"}


def build_hook(interpreter: str, loader: str, home: str) -> dict[str, Any]:
    """The hook, the same for every event, in exec form: no shell, and the parent is Claude Code."""
    return {
        "type": "command",
        "command": interpreter,
        "args": ["-I", "-S", "-c", loader, home],
        "timeout": HOOK_SECONDS,
    }


def build_ask_hook(interpreter: str, loader: str, home: str) -> dict[str, Any]:
    """The same, where it waits for an answer."""
    return {**build_hook(interpreter, loader, home), "timeout": ASK_SECONDS}


def build_wake_hook(interpreter: str, loader: str, home: str) -> dict[str, Any]:
    """The hook that is parked to wake an idle Claude: in the background, even where ``asyncRewake`` means nothing."""
    return {
        **build_hook(interpreter, loader, home),
        "timeout": PARK_SECONDS,
        "async": True,
        "asyncRewake": True,
        "rewakeSummary": WAKE_SUMMARY,
        "rewakeMessage": WAKE_MESSAGE,
    }


def build_server(interpreter: str, home: str) -> dict[str, Any]:
    """The channel. ``-I``, so that a project's own folder ``channel`` is never imported instead."""
    return {
        "type": "stdio",
        "command": interpreter,
        "args": ["-I", "-m", "channel"],
        "env": {"HELIOGRAPH_HOME": home},
    }


def add_to_settings(text: str, hooks: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """The settings with exactly these hooks of ours on each event, and our permissions; raises NotUnderstood."""
    settings = _read_object(text)
    wanted = {(event, name_script(hook)) for event, ours in hooks.items() for hook in ours}
    outdated = [place for place in find_hooks(settings) if (place[1], _name_script_at(settings, place)) not in wanted]
    text = _drop_hooks(text, outdated)
    # Not even an empty list: the name alone makes a client that doesn't know it complain.
    text = _drop_empty(text, sorted({place[:2] for place in outdated}, key=str), None)
    text = _ensure(text, ("hooks",), {})
    for event, ours in hooks.items():
        text = _ensure(text, ("hooks", event), [])
        for hook in ours:
            text = _add_hook(text, event, hook)
    text = _ensure(text, ("permissions",), {})
    text = _ensure(text, ("permissions", "allow"), [])
    for permission in PERMISSIONS:
        if permission not in json_text.get_value(json_text.parse(text), ("permissions", "allow")):
            text = json_text.append_item(text, ("permissions", "allow"), permission)
    return text


def _add_hook(text: str, event: str, hook: dict[str, Any]) -> str:
    """``hook`` on ``event``, once; in the place of one that runs the same script."""
    settings = json_text.parse(text)
    script = name_script(hook)
    places = [p for p in find_hooks(settings) if p[1] == event and _name_script_at(settings, p) == script]
    if not places:
        return json_text.append_item(text, ("hooks", event), {"hooks": [hook]})
    text = _drop_hooks(text, places[1:])
    if json_text.get_value(json_text.parse(text), places[0]) != hook:
        text = json_text.set_value(text, places[0], hook)
    return text


def remove_from_settings(text: str, created: Sequence[Path] | None) -> str:
    """The settings without anything of ours.

    A container that this empties goes too if it is in ``created`` (None: we don't know any more, so
    it goes); one that was there before us stays.
    """
    settings = _read_object(text)
    places = find_hooks(settings)
    text = _drop_hooks(text, places)
    allow = settings.get("permissions", {})
    allow = allow.get("allow", []) if isinstance(allow, dict) else []
    if isinstance(allow, list):
        for index in reversed(range(len(allow))):
            if allow[index] in PERMISSIONS:
                text = json_text.remove(text, ("permissions", "allow", index))
    events = sorted({place[1] for place in places}, key=str)
    emptied: list[Path] = [("hooks", event) for event in events]
    emptied += [("hooks",), ("permissions", "allow"), ("permissions",)]
    return _drop_empty(text, emptied, created)


def add_to_config(text: str, server: dict[str, Any]) -> str:
    """Claude Code's configuration with our server; raises NotUnderstood."""
    _read_object(text)
    text = _ensure(text, ("mcpServers",), {})
    if json_text.get_value(json_text.parse(text), ("mcpServers",)).get(SERVER_NAME) == server:
        return text
    return json_text.set_value(text, ("mcpServers", SERVER_NAME), server)


def remove_from_config(text: str, created: Sequence[Path] | None) -> str:
    """The configuration without our server."""
    servers = _read_object(text).get("mcpServers")
    if isinstance(servers, dict) and SERVER_NAME in servers:
        text = json_text.remove(text, ("mcpServers", SERVER_NAME))
    return _drop_empty(text, [("mcpServers",)], created)


def find_hooks(settings: Any) -> list[Path]:
    """Where our hooks stand; whatever has another shape than a hook isn't ours."""
    hooks = settings.get("hooks") if isinstance(settings, dict) else None
    return [
        ("hooks", event, group, "hooks", index)
        for event, groups in (hooks.items() if isinstance(hooks, dict) else ())
        for group, entry in enumerate(groups if isinstance(groups, list) else ())
        for index, hook in enumerate(_hooks_of(entry))
        if is_ours(hook)
    ]


def is_ours(hook: Any) -> bool:
    """Whether a hook runs a script of ours: ``-c``, a text that imports and calls it, and a home, in exec form.

    Every loader we ever wrote has this form. A command that only names the script is somebody else's.
    """
    return name_script(hook) is not None


def name_script(hook: Any) -> str | None:
    """Which of our scripts a hook runs; None if it is somebody else's."""
    args = hook.get("args") if isinstance(hook, dict) else None
    if not isinstance(args, list) or not all(isinstance(word, str) for word in args) or args[-3:-2] != ["-c"]:
        return None
    loader, home = args[-2:]
    found = _LOADS.search(loader)
    if found is None or not home.startswith("/") or not _CALLS.search(loader):
        return None
    script = found[1] or found[2]
    return script if script in SCRIPTS else None


def _name_script_at(settings: Any, place: Path) -> str | None:
    return name_script(json_text.get_value(settings, place))


def list_containers(value: Any) -> list[Path]:
    """The containers that we may have to create, of those that are there."""
    if not isinstance(value, dict):
        return []
    hooks = value.get("hooks")
    paths: list[Path] = [("hooks",), ("permissions",), ("permissions", "allow"), ("mcpServers",)]
    paths += [("hooks", event) for event in (hooks if isinstance(hooks, dict) else ())]
    return [path for path in paths if _has(value, path)]


def _hooks_of(entry: Any) -> list[Any]:
    hooks = entry.get("hooks") if isinstance(entry, dict) else None
    return hooks if isinstance(hooks, list) else []


def _read_object(text: str) -> dict[str, Any]:
    value = json_text.parse(text)
    if not isinstance(value, dict):
        raise NotUnderstood(text, json_text.locate(text, ()), "an object was expected here")
    return value


def _ensure(text: str, path: Path, empty: dict[str, Any] | list[Any]) -> str:
    """The container at ``path`` exists and is of that kind, or NotUnderstood says where it isn't."""
    value = _read_object(text)
    if not _has(value, path):
        return json_text.set_value(text, path, empty)
    json_text.find_container(text, path[:-1])
    if not isinstance(json_text.get_value(value, path), type(empty)):
        problem = f"{_KINDS[type(empty)]} was expected as {'.'.join(map(str, path))}"
        raise NotUnderstood(text, json_text.locate(text, path), problem)
    return text


def _drop_hooks(text: str, places: Sequence[Path]) -> str:
    """Remove hooks of ours, and a group that held nothing else; from the back, so places stay true."""
    for place in reversed(places):
        group = place[:3]
        alone = len(json_text.get_value(json_text.parse(text), (*group, "hooks"))) == 1
        text = json_text.remove(text, group if alone else place)
    return text


def _drop_empty(text: str, paths: Sequence[Path], created: Sequence[Path] | None) -> str:
    for path in paths:
        value = json_text.parse(text)
        ours = created is None or path in created
        if ours and _has(value, path) and json_text.get_value(value, path) in ({}, []):
            text = json_text.remove(text, path)
    return text


def _has(value: Any, path: Path) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
