"""`heliograph install` and `uninstall`: the shell around the pure edits.

Shows the exact change, asks, and makes it in one go; starts over when Claude Code writes meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hooks
from cli import claude_code, exits, files, install_record, json_text, settings_edit, statusline_edit
from cli.called import name_command
from cli.claude_code import ClaudeFiles, KnownHooks
from cli.consent import ask
from cli.edit_files import Change, ChangedMeanwhile, FileText, apply_changes, naming, read_file, render_diff
from cli.errors import Failed
from cli.home import Home, locate_home
from cli.running import list_running

ATTEMPTS = 10
"""How often we start over: Claude Code writes its configuration a few times at a start, then rarely."""


@dataclass(frozen=True)
class Wiring:
    """What is to stand in Claude Code's files: our hooks on each event, and the server."""

    hooks: dict[str, list[dict[str, Any]]]
    server: dict[str, Any]
    statusline: tuple[str, str, str]
    """Of the wrapper around the user's status line: interpreter, loader, home."""


def build_wiring(home: Home, known: KnownHooks) -> Wiring:
    """For this interpreter. Hooks need only the standard library, so they get the one behind the
    environment: it outlives it. The channel needs our packages, so it gets the environment's own."""
    base = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    hook = settings_edit.build_hook(base, hooks.LOADER, str(home.root))
    wake = settings_edit.build_wake_hook(base, hooks.WAKE_LOADER, str(home.root))
    ask = settings_edit.build_ask_hook(base, hooks.LOADER, str(home.root))
    wakes_on = hooks.WAKE_EVENTS if known.rewake else ()
    ours = {event: [ask if event in hooks.ASK_EVENTS else hook] for event in known.events}
    return Wiring(
        hooks={event: [*found, wake] if event in wakes_on else found for event, found in ours.items()},
        server=settings_edit.build_server(sys.executable, str(home.root)),
        statusline=(base, hooks.STATUSLINE_LOADER, str(home.root)),
    )


def build_our_files(home: Home) -> dict[Path, bytes]:
    """What hooks and status line need of ours: the scripts, and the interpreter that can run the uploader."""
    scripts = {home.hooks / script.name: script.read_bytes() for script in hooks.SCRIPTS}
    return {**scripts, home.uploader_file: os.fsencode(sys.executable) + b"\n"}


def install(arguments: argparse.Namespace) -> int:
    home = locate_home(os.environ)
    claude = claude_code.locate_files(os.environ)
    wiring = build_wiring(home, _detect_hooks())
    ours = build_our_files(home)

    before = install_record.read_record(home)

    def plan() -> list[Change]:
        settings, config = read_file(claude.settings), read_file(claude.config)
        with naming(claude.settings):
            new_settings = settings_edit.add_to_settings(settings.text, wiring.hooks)
            new_settings = _edit_statusline(new_settings, wiring, arguments.statusline)
        with naming(claude.config):
            new_config = settings_edit.add_to_config(config.text, wiring.server)
        return [_edit(config, new_config), _edit(settings, new_settings)]

    def prepare(changes: Sequence[Change]) -> None:
        _write_ours(home, ours)
        record = dict(before)  # not what an attempt left that was overtaken
        for change in changes:
            path = str(change.file.path)
            if change.is_change and change.after is not None:
                values = (json_text.parse(change.file.text), json_text.parse(_decode(change.after)))
                record[path] = install_record.extend_record(
                    home, record.get(path), change.file.path, change.file.content, change.after, values
                )
        install_record.write_record(home, record)

    are_written = all(files.read_if_there(path) == content for path, content in ours.items())
    if are_written and not any(change.is_change for change in plan()):
        print("Heliograph is installed already: nothing to change.")
        return exits.OK
    print(f"The hook's scripts go to {home.hooks}; backups go to {home.backups}.")
    try:
        changed = _carry_out(plan, prepare, claude, arguments)
    except BaseException:
        install_record.write_record(home, before)
        raise
    if not changed:
        return exits.OK if arguments.dry_run else exits.FAILED
    us = name_command()
    print(f"Installed. Claude Code takes it up at its next start; `{us} claude` starts it with the channel on.")
    if not home.machine_file.exists():
        print(f"This machine isn't paired yet: run `{us} join URL`.")
    return exits.OK


def uninstall(arguments: argparse.Namespace) -> int:
    home = locate_home(os.environ)
    claude = claude_code.locate_files(os.environ)
    if arguments.forget and not arguments.dry_run:
        _mind_running(home, is_agreed=arguments.yes)
    record = install_record.read_record(home)
    settings = {claude.settings, *(Path(p) for p in record if Path(p).name == claude.settings.name)}
    configs = {claude.config, *(Path(p) for p in record if Path(p).name != claude.settings.name)}

    def plan() -> list[Change]:
        return [
            *(_take_out(path, record, _remove_from_settings) for path in sorted(settings)),
            *(_take_out(path, record, settings_edit.remove_from_config) for path in sorted(configs)),
        ]

    if any(change.is_change for change in plan()):
        if not _carry_out(plan, lambda _: None, claude, arguments):
            return exits.OK if arguments.dry_run else exits.FAILED
    elif arguments.dry_run:
        print("Claude Code's files hold nothing of ours.")
        return exits.OK
    else:
        print("Claude Code's files hold nothing of ours: nothing to change there.")
    if str(claude.settings) in record and not record[str(claude.settings)].existed:
        with contextlib.suppress(OSError):
            claude.settings.parent.rmdir()  # refused unless empty
    install_record.write_record(home, {})
    _remove_ours(home, arguments.forget)
    print("Uninstalled.")
    if home.machine_file.exists():
        us = name_command()
        print(f"This machine stays paired ({home.machine_file}); `{us} uninstall --forget` removes that too.")
    return exits.OK


def _detect_hooks() -> KnownHooks:
    command = claude_code.find_claude(os.environ)
    known = claude_code.read_hooks(command)
    if command is None:
        print(
            "Claude Code was not found (PATH, HELIOGRAPH_CLAUDE): only the events that every version knows "
            f"are installed. Run `{name_command()} install` again once it is there."
        )
    elif not known.is_told:
        print(f"{command} doesn't tell which events it knows: only those that every version knows are installed.")
    elif missing := [event for event in claude_code.WANTED_EVENTS if event not in known.events]:
        print(f"This Claude Code doesn't know {', '.join(missing)}: left out.")
    if command is not None and not known.rewake:
        print("This Claude Code can't be woken by a hook: without the channel flag messages wait for the next prompt.")
    return known


def _edit_statusline(text: str, wiring: Wiring, wanted: bool | None) -> str:
    """The settings with the status line wrapped or not; None: as it is, brought to this version."""
    if wanted is None:
        wanted = statusline_edit.find_wrapper(json_text.parse(text)) is not None
    return statusline_edit.wrap(text, *wiring.statusline) if wanted else statusline_edit.unwrap(text)


def _remove_from_settings(text: str, created: Sequence[json_text.Path] | None) -> str:
    return statusline_edit.unwrap(settings_edit.remove_from_settings(text, created))


def _edit(file: FileText, new_text: str) -> Change:
    is_same = new_text == file.text and file.content is not None
    return Change(file, file.content if is_same else file.encode(new_text))


def _take_out(
    path: Path,
    record: install_record.Record,
    remove: Callable[[str, Sequence[json_text.Path] | None], str],
) -> Change:
    """The original if nobody else changed the file, or else the file without just ours."""
    file = read_file(path)
    if file.content is None:
        return Change(file, None)
    known = record.get(str(path))
    if known is not None:
        is_untouched, original = install_record.find_original(known, file.content)
        if is_untouched:
            return Change(file, original)
    with naming(path):
        new_text = remove(file.text, known.created if known else None)
        is_empty = json_text.parse(new_text) == {}
    if known is not None and not known.existed and is_empty:
        return Change(file, None)
    return _edit(file, new_text)


def _carry_out(
    plan: Callable[[], list[Change]],
    prepare: Callable[[Sequence[Change]], None],
    claude: ClaudeFiles,
    arguments: argparse.Namespace,
) -> bool:
    """Show, ask, change; False when it was only shown or declined."""
    agreed: list[str] | None = None
    for _ in range(ATTEMPTS):
        changes = plan()
        diff = render_diff(changes)
        # The same lines in a file that moved on around them need no second question.
        gist = [line for line in diff if line.startswith(("+", "-"))]
        if gist != agreed:
            print("\n".join(diff))
            if arguments.dry_run:
                return False
            print(_sum_up(changes, diff))
            if not arguments.yes and not ask("Make this change?"):
                print("Nothing was changed.")
                return False
            agreed = gist
        try:
            prepare(changes)
            apply_changes(changes, claude.config)
        except ChangedMeanwhile as error:
            print(f"{error.path} changed meanwhile; starting over.")
            continue
        return True
    raise ChangedMeanwhile(claude.settings)


def _sum_up(changes: Sequence[Change], diff: Sequence[str]) -> str:
    """The question stands below more lines than a screen has."""
    files = " and ".join(str(change.file.path) for change in changes if change.is_change)
    added, removed = (sum(line.startswith(sign) and line[:3] != sign * 3 for line in diff) for sign in "+-")
    return f"Lines: {added} added, {removed} removed, in {files}."


def _write_ours(home: Home, ours: Mapping[Path, bytes]) -> None:
    for path, content in ours.items():
        try:
            files.make_private_folder(home.root)
            files.make_private_folder(path.parent)
            files.write_whole(path, content)
        except OSError as error:
            raise Failed(f"{path} can't be written: {error.strerror}. Nothing was changed") from error


def _mind_running(home: Home, *, is_agreed: bool) -> None:
    """A channel that runs writes its log and spool again after we removed them."""
    pids = ", ".join(str(one.pid) for one in list_running(home) if one.is_heard)
    if not pids:
        return
    problem = f"Claude Code runs with our channel (process {pids}), which writes into {home.root} until it ends"
    if not is_agreed:
        raise Failed(f"{problem}. End it first, or use --yes. Nothing was changed")
    print(f"heliograph: warning: {problem}: end it, then run this again.", file=sys.stderr)


def _remove_ours(home: Home, forget: bool) -> None:
    shutil.rmtree(home.hooks, ignore_errors=True)
    shutil.rmtree(home.run, ignore_errors=True)
    if forget:
        for name in ("spool", "log", "backups"):
            shutil.rmtree(home.root / name, ignore_errors=True)
        for name in ("machine.json", "token", "injected.log"):
            (home.root / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        home.root.rmdir()  # refused unless empty: a hub's database may be in there


def _decode(content: bytes) -> str:
    return content.decode("utf-8").removeprefix("\ufeff")
