"""`heliograph sessions` and `say`: a person's commands, over the public API."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from cli import exits, show
from cli.called import name_command
from cli.errors import Failed, HubSaidNo, Usage
from cli.follow import Entry, follow, read_timeline
from cli.home import choose_token, locate_home
from cli.hubclient import HubClient
from cli.pairing import choose_hub_url

PAGE = 200
ANSWER_SECONDS, ANSWER_PAUSE = 5.0, 0.1
"""How long, and how often, to look for the text of an answer that is known to be there."""

_LOST = ("cancelled", "expired", "uncertain")


def sessions(arguments: argparse.Namespace) -> int:
    hub, _ = connect_as_person()
    found = list_sessions(hub, arguments.state)
    if arguments.machine:
        found = [session for session in found if arguments.machine in session["machine"].values()]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return exits.OK
    if not found:
        print("No sessions.")
        return exits.OK
    now = datetime.now(UTC)
    lines = show.table(
        ["SESSION", "STATE", "ACTIVE", "MACHINE", "TITLE", "FOLDER"],
        [build_row(session, now) for session in found],
        show.terminal_width(),
    )
    print("\n".join(lines))
    return exits.OK


def say(arguments: argparse.Namespace) -> int:
    hub, token = connect_as_person()
    text = sys.stdin.read() if arguments.text == ["-"] else " ".join(arguments.text)
    if not text.strip():
        raise Usage("the message is empty")
    session = find_session(hub, arguments.session)
    sent = hub.call(
        "POST",
        f"/api/v1/sessions/{quote(session['session_id'], safe='')}/messages",
        {"text": text, "client_id": str(uuid.uuid4()), "when": arguments.when},
    )
    # After /clear the hub gives it to the session that followed.
    target = sent.get("session_id", session["session_id"])
    heir = session if target == session["session_id"] else find_session(hub, target)
    if reason := explain_waiting(heir, name_command()):
        print(f"heliograph: {reason}", file=sys.stderr, flush=True)
    if arguments.wait:
        return _wait(hub, token, target, sent["message_id"], session["change_id"], arguments.json)
    print(json.dumps(sent) if arguments.json else f"{sent['state']}: message {sent['message_id']}")
    return exits.OK


def connect_as_person() -> tuple[HubClient, str]:
    """The hub and the token to use there."""
    home = locate_home(os.environ)
    token = choose_token(home, os.environ)
    return HubClient(choose_hub_url(home, os.environ), token), token


def list_sessions(hub: HubClient, state: str | None = None) -> list[dict[str, Any]]:
    """All sessions, the latest active first."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": PAGE, "state": state, "cursor": cursor}
        page = hub.call("GET", f"/api/v1/sessions?{urlencode({k: v for k, v in query.items() if v})}")
        found += page.get("sessions", [])
        cursor = page.get("next")
        if not cursor:
            return found


def find_session(hub: HubClient, named: str) -> dict[str, Any]:
    """The one session with that id, or whose id begins so."""
    try:
        return hub.call("GET", f"/api/v1/sessions/{quote(named, safe='')}")
    except HubSaidNo as error:
        if error.status != 404:
            raise
    matching = [session for session in list_sessions(hub) if session["session_id"].startswith(named)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise Failed(f"no session {named!r}; `{name_command()} sessions` lists them")
    some = ", ".join(session["session_id"] for session in matching[:5])
    raise Usage(f"{named!r} begins {len(matching)} session ids: {show.plain_line(some)}")


def build_row(session: dict[str, Any], now: datetime) -> list[str]:
    """One line of the table."""
    branch = f" ({session['branch']})" if session.get("branch") else ""
    return [
        show.plain_line(session["session_id"])[: show.SHORT_ID],
        session["state"],
        show.age(session["last_activity_at"], now),
        show.cut(show.plain_line(session["machine"]["name"]), 20),
        show.cut(show.plain_line(session["title"] or "-"), 40),
        show.plain_line(f"{session['cwd']}{branch}"),
    ]


def explain_waiting(session: dict[str, Any], us: str) -> str | None:
    """Why a message to that session waits, and what would help; None when it can go."""
    if session["delivery"] != "none":
        return None
    resume = f"{us} claude --resume {show.plain_line(session['session_id'])}"
    where = f"in {show.plain_line(session['cwd'])} on {show.plain_line(session['machine']['name'])}"
    if session["state"] == "ended":
        return f"that session has ended, so the message waits until somebody goes on with it: {resume}   ({where})"
    if session["state"] == "offline":
        return f"that session isn't connected, so the message waits until it is; `{us} doctor` there says what is wrong"
    return (
        "that session takes no messages now (started without the channel, or its channel has ended), so the message "
        f"waits; end it and go on with it: {resume}   ({where})"
    )


def find_answer(entries: list[Entry], message_id: str) -> Entry | None:
    """What answered the message: a reply to it, or else the last thing Claude said after it."""
    replies = [e for e in entries if e["kind"] == "reply" and e.get("message_id") == message_id]
    if replies:
        return replies[-1]
    position = next((e["position"] for e in entries if e.get("message_id") == message_id), None)
    said = [
        entry
        for entry in entries
        if entry["kind"] in ("reply", "assistant")
        and not entry.get("streaming")
        and position is not None
        and entry["position"] > position
    ]
    return said[-1] if said else None


def _wait(hub: HubClient, token: str, session_id: str, message_id: str, after: int, as_json: bool) -> int:
    state = "queued"
    for entries in follow(hub, token, session_id, after):
        for entry in entries:
            if entry["kind"] == "message" and entry.get("message_id") == message_id and entry["state"] != state:
                state = entry["state"]
                print(state, file=sys.stderr, flush=True)
        if state == "answered" or state in _LOST:
            break
    answer = _await_answer(hub, session_id, message_id) if state == "answered" else None
    if as_json:
        print(json.dumps({"message": hub.call("GET", f"/api/v1/messages/{quote(message_id)}"), "reply": answer}))
    elif answer is not None:
        print(show.plain(str(answer.get("text") or "")))
    return exits.OK if state == "answered" else exits.FAILED


def _await_answer(hub: HubClient, session_id: str, message_id: str) -> Entry | None:
    """The answer's text: hooks run side by side, so the turn's end may be told before its last words."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        answer = find_answer(read_timeline(hub, session_id), message_id)
        if answer is not None or time.monotonic() > deadline:
            return answer
        time.sleep(ANSWER_PAUSE)
