"""Turning notifications on, and what the service worker shows. Pushes come through DevTools: there is no service."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Page, Worker, expect

from tests.support.chromium import Visitor
from tests.support.peer import Peer, PeerSession
from tests.support.stack import Hub
from tests.support.waiting import wait_until

CLOSED_PORT = "127.0.0.1:9"

SUBSCRIBES = """
const keys = KEYS
let current = null
PushManager.prototype.getSubscription = async () => current
PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
  if (!userVisibleOnly || !applicationServerKey) throw new TypeError("not as the hub asks")
  const unsubscribe = async () => ((current = null), true)
  const toJSON = () => ({ endpoint: "http://127.0.0.1:9/push/x", expirationTime: null, keys })
  return (current = { toJSON, unsubscribe })
}
"""
HAS_NO_SERVICE = """
PushManager.prototype.subscribe = async () => { throw new DOMException("no push service", "AbortError") }
self.shown = 0
if (self.ServiceWorkerRegistration) {
  const show = ServiceWorkerRegistration.prototype.showNotification
  ServiceWorkerRegistration.prototype.showNotification = function (...words) {
    return show.apply(this, words).finally(() => self.shown++)
  }
}
"""

ACTIVATES = """async () => {
  await navigator.serviceWorker.register("/sw.js")
  const { active } = await navigator.serviceWorker.ready
  while (active.state !== "activated") await new Promise((done) => active.addEventListener("statechange", done))
}"""

COUNTS = """() => {
  const before = take
  self.taken = 0
  take = (push) => before(push).finally(() => self.taken++)
}"""
"""Until a push is taken nobody may look: Chromium, asked what it shows, forgets what it is about to show."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with a session, whose only push service is a port where nobody listens."""
    running = Hub(tmp_path_factory.mktemp("hub"), arguments=["--push-host", CLOSED_PORT])
    running.start()
    try:
        PeerSession(Peer.join(running, "builder"), "/src/first").start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def peer(hub: Hub) -> Peer:
    """Another machine."""
    return Peer.join(hub, "other")


@pytest.fixture
def allowed(visitor: Visitor, hub: Hub) -> Visitor:
    """Somebody whose browser lets the page notify."""
    visitor.context.grant_permissions(["notifications"], origin=hub.url)
    return visitor


def build_keys() -> str:
    """What a browser would send."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = (point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), secrets.token_bytes(16))
    p256dh, auth = (urlsafe_b64encode(data).rstrip(b"=").decode() for data in raw)
    return json.dumps({"p256dh": p256dh, "auth": auth})


def look(page: Page) -> Any:
    """Open the menu."""
    page.get_by_title("Notifications", exact=True).click()
    return page.locator(".notices")


def test_it_is_turned_on_and_off_in_this_browser(allowed: Visitor) -> None:
    allowed.context.add_init_script(SUBSCRIBES.replace("KEYS", build_keys()))
    allowed.expect("502")
    page = allowed.open("/")
    notices = look(page)
    expect(notices).to_have_attribute("data-state", "off")
    notices.get_by_role("button", name="Turn on").click()
    expect(notices).to_have_attribute("data-state", "on")
    notices.get_by_role("button", name="Test").click()
    expect(notices.get_by_role("status")).to_contain_text("didn't take it")
    notices.get_by_role("button", name="Turn off").click()
    expect(notices).to_have_attribute("data-state", "off")
    expect(notices.get_by_role("button", name="Test")).to_be_hidden()


def test_a_browser_that_forbids_it_says_so(visitor: Visitor) -> None:
    visitor.context.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    notices = look(visitor.open("/"))
    expect(notices).to_have_attribute("data-state", "blocked")
    expect(notices.get_by_role("status")).to_contain_text("blocked")


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("delete window.Notification", "unsupported"),
        ("Object.defineProperty(window, 'isSecureContext', { value: false })", "insecure"),
    ],
)
def test_where_there_are_none_it_says_why(visitor: Visitor, script: str, state: str) -> None:
    visitor.context.add_init_script(script)
    notices = look(visitor.open("/"))
    expect(notices).to_have_attribute("data-state", state)
    expect(notices.get_by_role("button")).to_have_count(0)


def test_without_a_push_service_the_page_itself_notifies(allowed: Visitor, session: PeerSession) -> None:
    allowed.context.add_init_script(HAS_NO_SERVICE)
    page = allowed.open("/")
    page.clock.install()
    notices = look(page)
    notices.get_by_role("button", name="Turn on").click()
    expect(notices).to_have_attribute("data-state", "page")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")

    session.start()
    with session.link():
        session.prompt("Push it")
        session.tell("PermissionRequest", tool_name="Bash", tool_input={"command": "git push"})
        expect(page.locator("#needs > *")).to_have_count(1)
        page.clock.fast_forward(9_000)
        assert list_notifications(page) == []
        page.clock.fast_forward(1_500)
        wait_until(lambda: page.evaluate("self.shown"), "a notification")
        assert list_notifications(page)
        session.stop("Pushed.")
        wait_until(lambda: not list_notifications(page), "it withdrawn")


@pytest.fixture
def worker(allowed: Visitor) -> tuple[Page, Callable[[Any], None], Worker]:
    """A page with the worker, and a way to push to it."""
    page = allowed.open("/")
    devtools = allowed.context.new_cdp_session(page)
    registrations: list[str] = []
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(r["registrationId"] for r in event["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    with allowed.context.expect_event("serviceworker") as started:
        page.evaluate(ACTIVATES)

    script: Worker = started.value
    script.evaluate(COUNTS)
    pushed = 0

    def push(payload: Any) -> None:
        nonlocal pushed
        fields = {"origin": page.url.rstrip("/"), "registrationId": registrations[-1], "data": json.dumps(payload)}
        devtools.send("ServiceWorker.deliverPushMessage", fields)
        pushed += 1
        wait_until(lambda: script.evaluate("self.taken") == pushed, "the push taken")

    return page, push, script


def list_notifications(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(
        """async () => {
          const registration = await navigator.serviceWorker.getRegistration("/")
          return (await registration?.getNotifications() ?? []).map(({ title, body, tag }) => [title, body, tag])
        }"""
    )
    return found


def answer_with(worker: Worker, decision: Any) -> None:
    """What the hub says of the decision."""
    worker.evaluate("decision => { self.fetch = async () => new Response(JSON.stringify(decision)) }", decision)


def test_a_push_shows_what_the_hub_says_of_it(worker: Any) -> None:
    page, push, script = worker
    asks = {"state": "open", "kind": "permission", "tool_name": "Bash", "session_title": "Tidy up"}
    answer_with(script, {**asks, "input": {"command": "rm\u202e -rf\n  build"}})
    push({"decision_id": "d1", "session_id": "s1", "n": 2})
    shown = wait_until(lambda: list_notifications(page), "the notification")
    assert shown == [["Tidy up", "Claude asks to use Bash: rm� -rf build\n2 things wait for you", "d1"]]

    push({"closed": "d1"})
    wait_until(lambda: not list_notifications(page), "it withdrawn")


def test_what_it_shows_the_worker_asks_the_hub(worker: Any, hub: Hub, session: PeerSession) -> None:
    page, push, _ = worker
    session.start()
    with session.link():
        session.prompt("Ship it")
        session.tell("PermissionRequest", tool_name="Bash", tool_input={"command": "git push"})
        [decision] = hub.api.client.get("/api/v1/decisions", session=session.session_id)["decisions"]
        push({"decision_id": decision["decision_id"], "session_id": session.session_id, "n": 1})
        shown = wait_until(lambda: list_notifications(page), "the notification")
        assert shown == [["Ship it", "Claude asks to use Bash: git push", decision["decision_id"]]]


def test_what_the_hub_cannot_tell_is_shown_without_it(worker: Any, allowed: Visitor) -> None:
    allowed.expect("404")
    page, push, _ = worker
    push({"decision_id": "nobody-knows", "session_id": "s1", "n": 1})
    shown = wait_until(lambda: list_notifications(page), "the notification")
    assert shown == [["A session needs you", "", "nobody-knows"]]


def test_what_is_answered_already_is_not_shown(worker: Any) -> None:
    page, push, script = worker
    answer_with(script, {"state": "decided", "kind": "plan", "session_title": "Old"})
    push({"decision_id": "d2", "session_id": "s1", "n": 1})
    push({"test": True})
    wait_until(lambda: [tag for _, _, tag in list_notifications(page)] == ["test"], "nothing but the one after it")


def test_a_click_brings_an_open_page_to_it(worker: Any) -> None:
    page, _, script = worker
    script.evaluate("bring('/inbox')")  # no script can click a notification
    page.wait_for_url("**/inbox")
