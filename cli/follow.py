"""A session's entries, from now or from the beginning, then live, across broken connections.

Entries come as the API's objects; one may come again when it changed, or twice as it was. Resumes
after the last ``change_id``; what is too far behind for that is loaded anew from the timeline.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from cli.errors import CliError, HubRefused, HubSaidNo, HubUnreachable
from cli.hubclient import TIMEOUT, HubClient

Entry = dict[str, Any]

PAGE = 200
FRAME_BYTES = 32 * 1024 * 1024
"""A frame carries whole entries of one commit; tool output is cut at the source."""

CLOSE_SECONDS = 1.0
"""Nobody who ended a command waits for the hub's goodbye."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0


def read_timeline(hub: HubClient, session_id: str) -> list[Entry]:
    """All entries of a session, in order."""
    entries: list[Entry] = []
    cursor: str | None = None
    while True:
        query = urlencode({"limit": PAGE, **({"after": cursor} if cursor else {})})
        page = hub.call("GET", f"/api/v1/sessions/{quote(session_id, safe='')}/timeline?{query}")
        entries += page.get("entries", [])
        cursor = page.get("next")
        if not cursor:
            return entries


def follow(hub: HubClient, token: str, session_id: str, after: int | None) -> Iterator[list[Entry]]:
    """Batches of entries for ever; ``after`` is the change_id to go on from, None for the beginning.

    Raises HubRefused or HubSaidNo when the hub won't; a hub that is away is waited for.
    """
    pauses = build_pauses()
    while True:
        try:
            if after is None:
                entries = read_timeline(hub, session_id)
                after = max((int(entry["change_id"]) for entry in entries), default=0)
                yield entries
            for frame in _listen(hub, token, session_id, after):
                pauses = build_pauses()
                if frame.get("reload"):
                    after = None
                    break
                yield frame.get("entries", [])
                after = max(after, int(frame.get("change_id", 0)))
        except HubUnreachable:
            time.sleep(next(pauses))


def build_pauses() -> Iterator[float]:
    """Seconds between attempts: doubling, and jittered so that many don't come back at once."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, keeps no secret)
        pause = min(pause * 2, LONGEST_PAUSE)


def _listen(hub: HubClient, token: str, session_id: str, after: int) -> Iterator[dict[str, Any]]:
    """The frames of one connection; ends in HubUnreachable when it breaks."""
    scheme, _, rest = hub.url.partition("://")
    query = urlencode({"format": "json", "view": "session", "session": session_id, "after": after})
    url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/dashboard?{query}"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        # No proxy, as for every other call: both find the hub in the same place.
        with connect(
            url,
            additional_headers=headers,
            proxy=None,
            open_timeout=TIMEOUT,
            close_timeout=CLOSE_SECONDS,
            max_size=FRAME_BYTES,
        ) as socket:
            for text in socket:
                yield json.loads(text)
        raise HubUnreachable(hub.url, "broken", "the hub ended it")
    except InvalidStatus as error:
        raise _name_status(hub.url, error) from error
    except ConnectionClosed as error:
        raise HubUnreachable(hub.url, "broken") from error
    except (OSError, InvalidHandshake, ValueError) as error:
        raise HubUnreachable(hub.url, "broken", type(error).__name__) from error


def _name_status(where: str, error: InvalidStatus) -> CliError:
    status = error.response.status_code
    if status >= 500:
        return HubUnreachable(where, "broken", f"status {status}")
    try:
        said = json.loads(error.response.body or b"")["error"]
        code, message = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        code, message = str(status), "it refused the connection"
    kind = HubRefused if status in (401, 403, 429) else HubSaidNo
    return kind(status, code, message)
