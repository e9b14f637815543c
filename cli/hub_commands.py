"""The commands for the hub's host: run the hub, migrate its database, and ask the running one.

`pair`, `token create`, `revoke` and `sign-in` speak to the admin socket: whoever may open it owns the hub.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from cli import exits, show
from cli.called import NAME, name_command
from cli.consent import ask
from cli.errors import HubUnreachable, Unavailable
from cli.home import locate_home
from cli.hubclient import AdminClient


def hub(arguments: argparse.Namespace) -> int:
    home = locate_home(os.environ)
    status: int = _import_serve().run(
        home.root,
        arguments.host,
        arguments.port,
        arguments.database,
        arguments.public_url,
        arguments.push_host,
    )
    return status


def migrate(arguments: argparse.Namespace) -> int:
    status: int = _import_serve().migrate(locate_home(os.environ).root, arguments.database)
    return status


def pair(_: argparse.Namespace) -> int:
    answer = _ask_hub("/pair", {})
    code, url = _field(answer, "code"), _field(answer, "url")
    print(f"Pairing code: {code}   (once, until {show.plain_line(str(answer.get('expires_at', 'soon')))})")
    us = name_command()
    print("On the machine to pair, run:")
    print(f"  {us} join {url} --code {code}")
    if us != NAME:
        print(f"(that is where {NAME} is on this machine; on another one it may be just `{NAME}`)")
    return exits.OK


def create_token(arguments: argparse.Namespace) -> int:
    print(_field(_ask_hub("/tokens", {"name": arguments.name, "role": arguments.role}), "token"))
    return exits.OK


def sign_in(_: argparse.Namespace) -> int:
    print(_field(_ask_hub("/sign-in", {}), "url"))
    return exits.OK


def revoke(arguments: argparse.Namespace) -> int:
    question = f"Revoke {show.plain_line(arguments.name)}? What uses that key or token is cut off at once."
    if not arguments.yes and not ask(question):
        print("Nothing was revoked.")
        return exits.FAILED
    revoked = _ask_hub("/revoke", {"name": arguments.name}).get("revoked")
    if not isinstance(revoked, list) or not all(isinstance(item, dict) for item in revoked):
        raise HubUnreachable(str(Path("hub.sock")), "wrong_answer", "no revoked in it")
    for item in revoked:
        what = "the key of machine" if item.get("kind") == "machine" else "the token"
        print(f"Revoked {what} {_field(item, 'name')} ({_field(item, 'id')}).")
    return exits.OK


def build_extra_command(direct_url: str | None, interpreter: str) -> str:
    """The command that adds the [hub] extra to the environment we run in, however we got into it.

    ``direct_url`` is the distribution's direct_url.json (PEP 610): it says when we came from a clone.
    """
    target = "'heliograph[hub]'"
    source = json.loads(direct_url) if direct_url else {}
    if urlsplit(source.get("url", "")).scheme == "file":
        editable = "-e " if source.get("dir_info", {}).get("editable") else ""
        target = f"{editable}'{unquote(urlsplit(source['url']).path)}[hub]'"
    return f"{interpreter} -m pip install {target}"


def _import_serve() -> ModuleType:
    try:
        import hub.serve  # noqa: PLC0415 (the hub's packages are an extra; no other command needs them)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("hub", "wire"):
            raise
        command = build_extra_command(_direct_url(), sys.executable)
        raise Unavailable(f"the hub's packages aren't installed ({error.name} is missing). Run: {command}") from error
    return hub.serve


def _direct_url() -> str | None:
    try:
        return importlib.metadata.distribution("heliograph").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None


def _ask_hub(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return AdminClient(locate_home(os.environ).admin_socket).call("POST", path, body)


def _field(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise HubUnreachable(str(Path("hub.sock")), "wrong_answer", f"no {name} in it")
    return show.plain_line(value)
