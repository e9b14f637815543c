"""`heliograph rule list`, `add` and `remove`: what is answered without a person."""

from __future__ import annotations

import argparse
import json
from typing import Any
from urllib.parse import quote

from cli import exits, show
from cli.called import name_command
from cli.errors import Failed, Usage
from cli.hubclient import HubClient
from cli.sessions import connect_as_person, list_sessions

Rule = dict[str, Any]


def list_rules(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    found = _read_rules(hub)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return exits.OK
    if not found:
        print("No rules: every permission is asked for.")
        return exits.OK
    names = _name_machines(hub) if any(rule["machine"] for rule in found) else {}
    ids = [rule["rule_id"] for rule in found]
    rows = [_build_row(rule, ids, names) for rule in found]
    header = ["RULE", "ANSWER", "MACHINE", "PROJECT", "HOURS", "TOOLS"]
    print("\n".join(show.table(header, rows, show.terminal_width())))
    return exits.OK


def add_rule(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    body = {
        "behavior": arguments.behavior,
        "tools": arguments.tools,
        "machine": _find_machine(hub, arguments.machine) if arguments.machine else None,
        "project": arguments.project,
        "hours": _read_hours(arguments.hours, arguments.zone),
        "message": arguments.message,
    }
    rule = hub.call("POST", "/api/v1/rules", body)
    print(f"Rule {show.plain_line(rule['rule_id'])}: {_say(rule)}.")
    return exits.OK


def remove_rule(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    if not arguments.rule:
        raise Usage("the rule's id is empty")
    matching = [rule for rule in _read_rules(hub) if rule["rule_id"].startswith(arguments.rule)]
    if not matching:
        raise Failed(f"no rule {arguments.rule!r}; `{name_command()} rule list` lists them")
    if len(matching) > 1:
        raise Usage(f"{arguments.rule!r} begins the ids of {len(matching)} rules")
    hub.call("DELETE", f"/api/v1/rules/{quote(matching[0]['rule_id'], safe='')}")
    print(f"Removed: {_say(matching[0])}.")
    return exits.OK


def _read_rules(hub: HubClient) -> list[Rule]:
    rules: list[Rule] = hub.call("GET", "/api/v1/rules").get("rules", [])
    return rules


def _build_row(rule: Rule, ids: list[str], names: dict[str, str]) -> list[str]:
    machine = str(rule["machine"] or "every")
    return [
        show.plain_line(show.shorten_id(rule["rule_id"], ids)),
        rule["behavior"],
        show.cut(show.plain_line(names.get(machine, machine)), 20),
        show.plain_line(rule["project"] or "every"),
        _say_hours(rule["hours"]),
        show.plain_line(", ".join(rule["tools"])),
    ]


def _say(rule: Rule) -> str:
    return f"{rule['behavior']} {show.plain_line(', '.join(rule['tools']))}"


def _say_hours(hours: dict[str, str] | None) -> str:
    return show.plain_line(f"{hours['from']}-{hours['to']} {hours['zone']}") if hours else "all"


def _name_machines(hub: HubClient) -> dict[str, str]:
    """The machines that have sessions, by id."""
    return {session["machine"]["id"]: session["machine"]["name"] for session in list_sessions(hub)}


def _find_machine(hub: HubClient, named: str) -> str:
    """The id of the machine with that name; the hub knows whether it is an id."""
    found = [machine_id for machine_id, name in _name_machines(hub).items() if named == name]
    if len(found) > 1:
        raise Usage(f"{named!r} names several machines: {show.plain_line(', '.join(found))}. Use one of these ids.")
    return found[0] if found else named


def _read_hours(hours: str | None, zone: str | None) -> dict[str, str] | None:
    if hours is None and zone is None:
        return None
    begin, sign, end = (hours or "").partition("-")
    if not sign or not zone:
        raise Usage("hours are given as --hours 18:00-08:00 --zone Europe/Berlin")
    return {"from": begin, "to": end, "zone": zone}
