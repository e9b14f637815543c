"""`heliograph join`: pairs this machine with a hub and stores its key."""

from __future__ import annotations

import argparse
import getpass
import os
import platform
import sys
from pathlib import Path
from typing import Any

from channel.config import Machine
from cli import exits, show
from cli.called import name_command
from cli.errors import Failed, HubSaidNo, HubUnreachable, Usage
from cli.home import Home, locate_home
from cli.hubclient import HubClient, is_plain_and_remote, parse_hub_url
from cli.pairing import UnusablePairing, read_pairing, write_pairing


def join(arguments: argparse.Namespace) -> int:
    home = locate_home(os.environ)
    client = HubClient(arguments.url)
    if not arguments.replace:
        _refuse_second_pairing(home)
    if is_plain_and_remote(client.url):
        print(
            f"heliograph: warning: {client.url} is plain http to another machine: the key, and everything Claude "
            "does here, can be read on the way. Use https.",
            file=sys.stderr,
        )
    code = arguments.code or _ask_code()
    answer = _pair(
        client,
        {
            "code": code.strip(),
            "name": arguments.name or platform.node() or "machine",
            "user": _user(),
            "os": describe_system(),
        },
    )
    try:
        machine = Machine(
            hub_url=client.url,
            machine_id=_text(answer["machine_id"]),
            machine_name=_text(answer["machine_name"]),
            key=_text(answer["key"]),
        )
    except (KeyError, TypeError) as error:
        raise HubUnreachable(client.url, "wrong_answer", "no machine key in it") from error
    try:
        write_pairing(home, machine)
    except OSError as error:
        raise Failed(f"{home.machine_file} can't be written: {error.strerror}. Pair again with a new code") from error
    print(f"This machine is paired with {client.url} as {show.plain_line(machine.machine_name)}.")
    us = name_command()
    print(f"Next: `{us} install`, then `{us} claude` in any folder.")
    return exits.OK


def _pair(client: HubClient, request: dict[str, str]) -> dict[str, Any]:
    """What the hub answers. Pairing needs no token and is always there: what asks for one or has none is no hub."""
    parts = parse_hub_url(client.url)
    hint = f"give the hub's base URL, like {parts.scheme}://{parts.netloc}" if parts.path else ""
    try:
        return client.call("POST", "/api/v1/join", request)
    except HubSaidNo as error:
        if error.status not in (401, 404, 405):
            raise
        raise HubUnreachable(client.url, "wrong_answer", hint) from error
    except HubUnreachable as error:
        if error.reason != "wrong_answer":
            raise
        raise HubUnreachable(client.url, "wrong_answer", hint or error.detail) from error


def describe_system(release: Path = Path("/etc/os-release")) -> str:
    """The operating system in two words: ``Debian 12``, ``macOS 15.1``."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}".strip()
    try:
        lines = release.read_text("utf-8", "replace").splitlines()
    except OSError:
        return f"{platform.system()} {platform.release()}".strip()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    name = fields.get("ID", platform.system()).strip("\"'").capitalize()
    return f"{name} {fields.get('VERSION_ID', '').strip(chr(34) + chr(39))}".strip()


def _refuse_second_pairing(home: Home) -> None:
    try:
        machine = read_pairing(home)
    except UnusablePairing as error:
        raise Failed(f"{error}. To pair anew: {name_command()} join --replace URL") from error
    if machine is not None:
        raise Failed(
            f"this machine is paired with {machine.hub_url} already ({home.machine_file}). "
            f"To pair it anew: {name_command()} join --replace URL"
        )


def _ask_code() -> str:
    if not sys.stdin.isatty():
        raise Usage(
            f"no code: give --code, or run this in a terminal (`{name_command()} pair` on the hub's host prints one)"
        )
    try:
        code = input(f"Pairing code (`{name_command()} pair` on the hub's host prints one): ").strip()
    except EOFError:
        code = ""
    if not code:
        raise Usage("no code given")
    return code


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(value)
    return value
