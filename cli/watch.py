"""`heliograph tail`: a session's timeline, then what happens, until interrupted."""

from __future__ import annotations

import argparse
import json

from cli.follow import follow
from cli.sessions import connect_as_person, find_session
from cli.timeline_text import TimelineText


def tail(arguments: argparse.Namespace) -> int:
    hub, token = connect_as_person()
    session_id = find_session(hub, arguments.session)["session_id"]
    text = TimelineText()
    printed: dict[str, int] = {}
    for entries in follow(hub, token, session_id, None):
        if not arguments.json:
            for line in text.feed(entries):
                print(line, flush=True)
            continue
        for entry in entries:
            if printed.get(entry["entry_id"]) != entry["change_id"]:
                printed[entry["entry_id"]] = entry["change_id"]
                print(json.dumps(entry), flush=True)
    raise AssertionError("following a session ends only by an exception")
