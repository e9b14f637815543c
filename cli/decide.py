"""`heliograph decide`: what sessions wait for, and the answer to it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from cli import exits, show
from cli.called import name_command
from cli.decide_ask import ask_verdict
from cli.decision_text import HEADER, build_row, describe, say_state
from cli.errors import AlreadyDecided, Changed, Failed, HubSaidNo, Usage
from cli.hubclient import HubClient
from cli.sessions import PAGE, connect_as_person
from cli.verdict import Given, build_verdict

Decision = dict[str, Any]

PAUSE = 0.2
"""Seconds between two looks at a verdict that is on its way."""

_CONFLICTS = {"already_decided": AlreadyDecided, "changed": Changed}


def decide(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    given = _read_options(arguments)
    if arguments.id is None:
        if given != Given() or arguments.wait:
            raise Usage(f"an answer to what? `{name_command()} decide` lists what is open")
        return _list(hub, arguments.json)
    decision = find_decision(hub, arguments.id)
    verdict = build_verdict(decision, given)
    if not arguments.json:
        print("\n".join(describe(decision, datetime.now(UTC))), flush=True)
    if verdict is None:
        if arguments.json:
            print(json.dumps(decision, indent=2))
        if arguments.json or not decision["offers"] or not sys.stdin.isatty() or not sys.stdout.isatty():
            return exits.OK
        verdict = ask_verdict(decision)
    if verdict is None:
        print("Nothing was decided.")
        return exits.FAILED
    return _give(hub, decision, verdict, wait=arguments.wait, as_json=arguments.json)


def list_open(hub: HubClient) -> list[Decision]:
    """Every decision that is open, the oldest first."""
    found: list[Decision] = []
    cursor: str | None = None
    while True:
        query = {"state": "open", "limit": PAGE, **({"cursor": cursor} if cursor else {})}
        page = hub.call("GET", f"/api/v1/decisions?{urlencode(query)}")
        found += page.get("decisions", [])
        cursor = page.get("next")
        if not cursor:
            return found


def find_decision(hub: HubClient, named: str) -> Decision:
    """The decision with that id, or the one open decision whose id, or whose session's id, begins so."""
    if not named:
        raise Usage("the decision's id is empty")
    try:
        return hub.call("GET", f"/api/v1/decisions/{quote(named, safe='')}")
    except HubSaidNo as error:
        if error.status != 404:
            raise
    matching = [d for d in list_open(hub) if d["decision_id"].startswith(named) or d["session_id"].startswith(named)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise Failed(f"no open decision {named!r}; `{name_command()} decide` lists them")
    some = ", ".join(decision["decision_id"] for decision in matching[:5])
    raise Usage(f"{named!r} names {len(matching)} open decisions: {show.plain_line(some)}")


def _list(hub: HubClient, as_json: bool) -> int:
    found = list_open(hub)
    if as_json:
        print(json.dumps(found, indent=2))
        return exits.OK
    if not found:
        print("Nothing waits for an answer.")
        return exits.OK
    now = datetime.now(UTC)
    ids = [decision["decision_id"] for decision in found]
    print("\n".join(show.table(HEADER, [build_row(d, ids, now) for d in found], show.terminal_width())))
    return exits.OK


def _give(hub: HubClient, decision: Decision, verdict: dict[str, Any], *, wait: bool, as_json: bool) -> int:
    """Answer what was shown, and say what became of it."""
    path = f"/api/v1/decisions/{quote(decision['decision_id'], safe='')}"
    try:
        now = hub.call("POST", f"{path}/verdict", {"digest": decision["digest"], **verdict})
    except HubSaidNo as error:
        kind = _CONFLICTS.get(error.code, type(error))
        raise kind(error.status, error.code, error.message) from error
    while wait and now["state"] == "sending":
        time.sleep(PAUSE)
        now = hub.call("GET", path)
    print(json.dumps(now, indent=2) if as_json else _say_end(now))
    return {"decided": exits.OK, "sending": exits.UNCONFIRMED, "open": exits.FAILED}.get(now["state"], exits.DECIDED)


def _say_end(decision: Decision) -> str:
    if decision["state"] == "open":
        return "Nothing on that machine took the answer: answer it in its terminal."
    return say_state(decision)


def _read_options(arguments: argparse.Namespace) -> Given:
    text = arguments.input
    if text is not None and text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise Usage(f"{text[1:]} can't be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}") from error
    return Given(
        allow=arguments.allow,
        deny=arguments.deny,
        stop=arguments.stop,
        message=arguments.message,
        always=arguments.always,
        input=text,
        mode=arguments.mode,
        answers=arguments.answer,
        fields=arguments.field,
    )
