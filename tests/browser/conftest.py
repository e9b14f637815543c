"""A hub, a machine that says what the tests tell it, and people with browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import Visitor, run_chromium
from tests.support.peer import Peer, PeerSession
from tests.support.stack import Hub, run_hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a file; every visitor has a fresh profile in it.

    Not longer: while Playwright's own loop runs in this thread, no test can run another one.
    """
    with run_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that somebody can sign in to."""
    with run_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def peer(hub: Hub) -> Peer:
    """A paired machine."""
    return Peer.join(hub, "builder")


@pytest.fixture
def session(peer: Peer, request: pytest.FixtureRequest) -> PeerSession:
    """A session nobody knows yet, in a folder named after the test."""
    return PeerSession(peer, f"/src/{request.node.name}")


@pytest.fixture
def visit(browser: Browser, hub: Hub) -> Iterator[Callable[..., Visitor]]:
    """People with fresh profiles; at the end none of their pages has done what it must not."""
    with ExitStack() as stack:

        def build(*, phone: bool = False) -> Visitor:
            visitor = Visitor(browser, hub.url, phone)
            stack.callback(visitor.close)
            return visitor

        yield build


@pytest.fixture
def visitor(visit: Callable[..., Visitor], hub: Hub) -> Visitor:
    """Somebody with a wide screen, signed in."""
    person = visit()
    person.sign_in(hub.create_sign_in_url()).close()
    return person


@pytest.fixture
def phone(visit: Callable[..., Visitor], hub: Hub) -> Visitor:
    """Somebody with a phone, signed in."""
    person = visit(phone=True)
    person.sign_in(hub.create_sign_in_url()).close()
    return person
