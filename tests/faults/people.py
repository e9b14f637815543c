"""People: those who send, on a bad line, what isn't answered again under its ``client_id``; and one who watches."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.support.api import Client, Refused

RETRY = 0.2
PATIENCE = 180.0


def insist(call: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The answer, from a hub that may be away, killed or without a store for a while."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return call()
        except (OSError, Refused) as error:
            is_final = isinstance(error, Refused) and error.status < 500
            if is_final or time.monotonic() > deadline:
                raise
        except Exception as error:  # http.client's: the answer was cut off
            if time.monotonic() > deadline:
                raise AssertionError("the hub never answered") from error
        time.sleep(RETRY)


class People:
    """Some senders at once, each in a thread; ``sent`` has what the hub has answered for."""

    def __init__(self, client: Callable[[], Client], seed: int) -> None:
        self._client = client
        self._dice = random.Random(seed)
        self._count = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self.sent: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.troubles: list[str] = []

    def send(self, session_id: str, text: str | None = None) -> str:
        """One message, however long it takes; its id."""
        with self._lock:
            self._count += 1
            client_id = f"{self._count}"
            again = self._dice.random() < 0.2
        body = {"text": text or f"please do {client_id}", "client_id": f"test-{client_id}"}
        path = f"/api/v1/sessions/{session_id}/messages"
        message_id = str(insist(lambda: self._client().post(path, body))["message_id"])
        self.sent[message_id] = session_id
        if again and (other := insist(lambda: self._client().post(path, body))["message_id"]) != message_id:
            self.troubles.append(f"client_id {client_id} gave {message_id} and {other}")
        return message_id

    def cancel(self, message_id: str) -> bool:
        """Take it back; False if it was too late."""
        try:
            insist(lambda: self._client().call("DELETE", f"/api/v1/messages/{message_id}"))
        except Refused as refused:
            if refused.status != 409:
                self.troubles.append(f"cancelling {message_id}: {refused}")
            return False
        self.cancelled.add(message_id)
        return True

    def start(self, list_sessions: Callable[[], list[str]], pace: float, senders: int = 2) -> None:
        """Send to any of these sessions, about so many seconds apart, until ``rest``."""
        self._stopped.clear()
        for _ in range(senders):
            dice = random.Random(self._dice.random())
            thread = threading.Thread(target=self._keep_sending, args=(list_sessions, pace, dice))
            self._threads.append(thread)
            thread.start()

    def stop_soon(self) -> None:
        self._stopped.set()

    def rest(self) -> None:
        """Finish what is under way."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _send_some(self, session_id: str, dice: random.Random) -> None:
        try:
            message_id = self.send(session_id)
        except Refused as refused:
            if refused.status != 404:  # a session that nobody could see yet: its first event is still on its way
                raise
            return
        if dice.random() < 0.1:
            self.cancel(message_id)

    def _keep_sending(self, list_sessions: Callable[[], list[str]], pace: float, dice: random.Random) -> None:
        try:
            while not self._stopped.wait(pace * (0.5 + dice.random())):
                sessions = list_sessions()
                if sessions:
                    self._send_some(dice.choice(sessions), dice)
        except Exception as error:  # noqa: BLE001  a thread has nobody above it
            self.troubles.append(f"a sender gave up: {error!r}")


class Follower:
    """A dashboard that watches all the time, and comes back when it is cut off."""

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower")
        self.last = 0
        self.frames = 0
        self.troubles: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop_soon(self) -> None:
        self._stopped.set()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        client = self._client()
        while not self._stopped.is_set():
            url = f"{client.url.replace('http', 'ws', 1)}/ws/dashboard?format=json&after={self.last}"
            try:
                with connect(
                    url, additional_headers=client.headers, proxy=None, open_timeout=2, close_timeout=1
                ) as page:
                    since = self.last
                    while not self._stopped.is_set():
                        with contextlib.suppress(TimeoutError):
                            change_id = json.loads(page.recv(timeout=0.2))["change_id"]
                            if change_id < since:
                                self.troubles.append(f"a page heard of change {change_id} after {since}")
                            since = self.last = change_id
                            self.frames += 1
            except (OSError, WebSocketException, TimeoutError):
                self._stopped.wait(0.2)
