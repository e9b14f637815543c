"""`heliograph doctor`: gathers, examines, prints."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os

from cli import exits, show
from cli.doctor import examine, has_blocker
from cli.doctor_facts import gather_facts
from cli.facts import Level
from cli.home import locate_home

_MARKS: dict[Level, str] = {"ok": "ok", "note": "note", "blocker": "STOP"}


def doctor(arguments: argparse.Namespace) -> int:
    findings = examine(gather_facts(locate_home(os.environ), os.environ))
    blocked = has_blocker(findings)
    if arguments.json:
        print(json.dumps({"ok": not blocked, "findings": [dataclasses.asdict(f) for f in findings]}, indent=2))
        return exits.FAILED if blocked else exits.OK
    for finding in findings:
        print(f"{_MARKS[finding.level]:<4}  {show.plain_line(finding.what)}")
        if finding.next_step:
            print(f"      next: {show.plain_line(finding.next_step)}")
    return exits.FAILED if blocked else exits.OK
