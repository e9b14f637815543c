"""`heliograph interrupt` and `stop`: what ends a turn, or a session, over the public API."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from cli import exits, show
from cli.consent import ask
from cli.hubclient import HubClient
from cli.sessions import connect_as_person, find_session


def interrupt(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    session = find_session(hub, arguments.session)
    _order(hub, session, "interrupt")
    print(f"{_name(session)} stops at its next step.")
    return exits.OK


def stop(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    session = find_session(hub, arguments.session)
    question = f"End Claude Code in {_name(session)}? What it is doing is cut off; `claude --resume` goes on with it."
    if not arguments.yes and not ask(question):
        print("Nothing was stopped.")
        return exits.FAILED
    _order(hub, session, "stop")
    print(f"{_name(session)} ends.")
    return exits.OK


def _order(hub: HubClient, session: dict[str, Any], what: str) -> None:
    hub.call("POST", f"/api/v1/sessions/{quote(session['session_id'], safe='')}/{what}")


def _name(session: dict[str, Any]) -> str:
    where = f"{session['cwd']} on {session['machine']['name']}"
    return f"{show.plain_line(session['session_id'])[: show.SHORT_ID]} ({show.plain_line(where)})"
