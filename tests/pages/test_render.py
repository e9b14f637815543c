"""Whole pages and live updates: every template runs, and nothing from outside is more than text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any

import pytest

from hub.core.model import Ask, Entry, Machine, Preview, Session, Ways
from hub.pages import render as render_module
from hub.pages.entries import build_entry
from hub.pages.render import PAGE_CHARS, Pages, Viewer

MakeSession = Callable[..., Session]
MakeEntry = Callable[..., Entry]

EVIL = "</title></textarea></template><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b onclick=x>{{7*7}}"

TAGS = frozenset(
    {
        *(
            "!doctype",
            "html",
            "head",
            "meta",
            "title",
            "link",
            "script",
            "body",
            "div",
            "aside",
            "nav",
            "main",
            "section",
        ),
        *(
            "article",
            "header",
            "h1",
            "h2",
            "p",
            "a",
            "b",
            "i",
            "bdi",
            "span",
            "strong",
            "code",
            "pre",
            "mark",
            "kbd",
            "time",
        ),
        *("ul", "ol", "li", "dl", "dt", "dd", "details", "summary", "form", "input", "label", "button", "textarea"),
        *(
            "progress",
            "template",
            "turbo-stream",
            "turbo-frame",
            "fieldset",
            "legend",
            "select",
            "option",
            "footer",
            "h3",
            "del",
            "svg",
            "path",
            "circle",
            "rect",
            "use",
        ),
    }
)
VOID = frozenset({"meta", "link", "input"})


class Checker(HTMLParser):
    """Notes every way in which a page would be more than intended."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.faults.append(f"tag {tag}")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.faults.append(f"attribute {name}")
            is_ours = (value or "").startswith(("/", "#")) or tag == "turbo-stream"
            if name in ("href", "src", "action") and not is_ours and dict(attrs).get("rel") != "noopener noreferrer":
                self.faults.append(f"{name}={value}")
            if name == "id":
                self.ids.append(value or "")
        if tag == "script" and dict(attrs).get("src") is None:
            self.faults.append("inline script")
        self.headings += tag == "h1"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str, *, page: bool = True) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.faults == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids)), "an id stands twice"
    assert "49" not in checker.text
    if page:
        assert checker.headings == 1
    return checker


@pytest.fixture
def evil_machine() -> Machine:
    return Machine(machine_id="m1", name=EVIL, user=EVIL, os=EVIL)


@pytest.fixture
def evil_session(make_session: MakeSession) -> Callable[..., Session]:
    def make(**fields: object) -> Session:
        known = {
            "title": EVIL,
            "cwd": f"/{EVIL}",
            "branch": EVIL,
            "model": EVIL,
            "permission_mode": EVIL,
            "preview": Preview(kind="tool", text=EVIL, tool_name=EVIL),
        }
        return make_session(**{**known, **fields})

    return make


@pytest.fixture
def evil_entries(make_entry: MakeEntry, make_tool: Callable[..., Entry]) -> list[Entry]:
    patch = [
        {"oldStart": 1, "oldLines": 1, "newStart": 1, "newLines": 1, "lines": [f"-{EVIL}", f"+{EVIL} x", f" {EVIL}"]}
    ]
    lines = "\n".join([EVIL] * 60)
    entries = [
        make_entry("prompt", text=EVIL, by=EVIL),
        make_entry("prompt", text=lines, by=EVIL),
        make_entry("assistant", text=EVIL, streaming=False),
        make_entry("assistant", text=f"`{EVIL}", streaming=True),
        make_entry("reply", text=EVIL, to=EVIL, message_id=EVIL),
        make_entry("progress", percent=3, phase=EVIL, status=EVIL),
        make_entry("notice", code=EVIL, text=EVIL, level="error", session_id=None),
        make_entry("notice", code="api_error", text=EVIL, level="error", session_id=None),
        make_tool("Bash", {"command": lines, "description": EVIL}, response={"stdout": lines, "stderr": EVIL}),
        make_tool("Bash", {"command": EVIL}, state="failed", error=EVIL),
        make_tool("Edit", {"file_path": EVIL, "old_string": EVIL, "new_string": f"{EVIL}x"}, state="running"),
        make_tool("Edit", {"file_path": EVIL}, response={"structuredPatch": patch}),
        make_tool("Write", {"file_path": EVIL, "content": EVIL}, state="interrupted"),
        make_tool("Read", {"file_path": EVIL}, response={"file": {"content": EVIL, "numLines": 1}}),
        make_tool("Grep", {"pattern": EVIL}, response={"content": EVIL}, state="waiting"),
        make_tool(EVIL, {EVIL: EVIL, "n": {EVIL: EVIL}}, response={EVIL: EVIL}),
        make_tool(f"mcp__{EVIL}__{EVIL}", {}, response=[{"type": EVIL, "text": EVIL}]),
    ]
    for state in ("queued", "delivered", "seen", "answered", "cancelled", "expired", "uncertain"):
        receipts = {state: "2026-11-21T06:38:00.000Z", "queued": EVIL}
        entries.append(
            make_entry(
                "message", text=EVIL, author=EVIL, message_id=EVIL, client_id=EVIL, state=state, receipts=receipts
            )
        )
    for number, entry in enumerate(entries):
        entry.entry_id, entry.position = f"e{number}", number
    return entries


def each_state(make: Callable[..., Session], now: int) -> Iterator[Session]:
    yield make(session_id="s-idle")
    yield make(session_id="s-working", turn_started_at=now - 60_000_000)
    yield make(session_id="s-needs", waiting_for=[Ask(tool_name="Bash")])
    yield make(session_id="s-none", ways=Ways())
    yield make(session_id="s-offline", linked=False, offline_since=now)
    yield make(session_id="s-ended", ended=True)
    gone = {"ended": True, "next_session_id": "s-idle", "last_activity_at": 0}
    yield make(session_id="s-cleared", next_relation="clear", **gone)
    yield make(session_id="s-forked", next_relation="fork", **gone)


def test_a_hostile_overview_is_only_text(
    pages: Pages, evil_session: Callable[..., Session], evil_machine: Machine, now: int
) -> None:
    html = pages.overview(
        viewer=Viewer(user_id="u1", name=EVIL, csrf="c"),
        sessions=list(each_state(evil_session, now)),
        machines=[evil_machine],
        nonce="n",
        change_id=7,
        public_url="https://helio.example/",
    )
    assert EVIL in check(html).text


def test_a_hostile_session_is_only_text(
    pages: Pages, evil_session: Callable[..., Session], evil_machine: Machine, evil_entries: list[Entry], now: int
) -> None:
    for session in each_state(evil_session, now):
        session.previous_session_id = "s0"
        html = pages.session(
            viewer=Viewer(user_id="u1", name=EVIL, csrf="c"),
            session=session,
            machine=evil_machine,
            entries=evil_entries,
            sessions=[session],
            machines=[evil_machine],
            nonce="n",
            change_id=7,
            related={"s0": evil_session(session_id="s0"), "s-idle": evil_session(session_id="s-idle")},
        )
        checker = check(html)
        assert checker.text.count("alert(1)") > len(evil_entries)


def test_hostile_live_updates_are_only_text(
    pages: Pages, evil_session: Callable[..., Session], evil_machine: Machine, evil_entries: list[Entry], now: int
) -> None:
    for entry in evil_entries:
        check(pages.entry_stream(entry, evil_session(), evil_machine), page=False)
    for session in each_state(evil_session, now):
        check(pages.session_streams(session, evil_machine, {"idle": 3}, "overview"), page=False)
        streams = pages.session_streams(session, evil_machine, {"idle": 3}, "session")
        assert check(streams, page=False).headings == 1


def test_signing_in_and_errors_are_only_text(pages: Pages) -> None:
    for token, problem in ((EVIL, None), (None, None), (None, EVIL), (EVIL, EVIL)):
        check(pages.sign_in(token=token, host=EVIL, problem=problem, nonce="n", public_url=""))
    check(pages.error(status=404, title=EVIL, text=EVIL, nonce="n"))
    check(pages.error(status=404, title=EVIL, text=EVIL, nonce="n", viewer=Viewer(user_id="u1", name=EVIL, csrf=EVIL)))


def test_a_link_is_offered_only_while_it_may_work(pages: Pages) -> None:
    fresh = pages.sign_in(token="hgl_x", host="h", problem=None, nonce="n", public_url="")
    assert 'name="token" value="hgl_x"' in fresh
    used = pages.sign_in(token="hgl_x", host="h", problem="This link was used already.", nonce="n", public_url="")
    assert "This link was used already." in used
    assert "hgl_x" not in used
    assert "heliograph sign-in" in used


def test_the_first_run_leads_to_the_first_session(pages: Pages, viewer: Viewer, machine: Machine) -> None:
    common = {"viewer": viewer, "sessions": [], "nonce": "n", "change_id": 0, "public_url": "https://helio.example"}
    bare = pages.overview(machines=[], **common)
    assert "heliograph join https://helio.example --code CODE" in bare
    assert "Waiting for a machine." in bare
    paired = pages.overview(machines=[machine], **common)
    assert "<bdi>atlas</bdi> is connected" in paired
    assert "Waiting for the first session." in paired
    for html in (bare, paired):
        check(html)


def test_only_sessions_that_wait_light_the_rail(
    pages: Pages, viewer: Viewer, machine: Machine, make_session: MakeSession
) -> None:
    common = {"viewer": viewer, "machines": [machine], "nonce": "n", "change_id": 0, "public_url": ""}
    quiet = pages.overview(sessions=[make_session()], **common)
    assert "Nothing needs you" in quiet
    assert 'class="ask"' not in quiet
    lit = pages.overview(sessions=[make_session(waiting_for=[Ask(tool_name="Bash")])], **common)
    assert "Nothing needs you" not in lit
    assert 'id="ask-s1"' in lit
    assert "<title>(1) Overview · Heliograph</title>" in lit


def test_entries_stand_by_position(
    pages: Pages, viewer: Viewer, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    entries = [make_entry("prompt", f"p{n}", n * 1024, text="x", by="m") for n in (3, 1, 2)]
    html = pages.session(
        viewer=viewer,
        session=make_session(),
        machine=machine,
        entries=entries,
        sessions=[],
        machines=[machine],
        nonce="n",
        change_id=0,
        related={},
    )
    assert re.findall(r'id="entry-(\w+)"', html) == ["p1", "p2", "p3"]


def test_a_message_can_be_recognised_by_the_page_that_sent_it(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    entry = make_entry(
        "message", text="hi", author="Maya", message_id="m-1", client_id="c-1", state="queued", receipts={}
    )
    html = pages.entry_stream(entry, make_session(), machine)
    assert html.startswith('<turbo-stream action="upsert" target="timeline">')
    assert 'data-client-id="c-1"' in html
    assert 'data-message-id="m-1"' in html


def test_kinds_that_are_not_shown_send_nothing(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    assert pages.entry_stream(make_entry("subagent"), make_session(), machine) == ""


def test_half_a_surrogate_pair_does_not_fail_a_page(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    html = pages.entry_stream(make_entry("assistant", text="a\ud800b", streaming=False), make_session(), machine)
    assert html.encode()


def show_session(pages: Pages, machine: Machine, session: Session, entries: list[Entry], **more: bool) -> str:
    return pages.session(
        viewer=Viewer(user_id="u1", name="Maya", csrf="c"),
        session=session,
        machine=machine,
        entries=entries,
        sessions=[],
        machines=[machine],
        nonce="n",
        change_id=0,
        related={},
        **more,
    )


def test_a_page_takes_the_newest_entries_it_has_room_for_and_says_so(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    text = "word **word** \n\n" * 1000
    entries = [make_entry("assistant", f"p{n}", n, text=text, streaming=False) for n in range(200)]
    html = show_session(pages, machine, make_session(), entries)
    shown = re.findall(r'id="entry-p(\d+)"', html)
    assert 10 < len(shown) < 200
    assert shown == [str(n) for n in range(200 - len(shown), 200)]
    assert len(html) < PAGE_CHARS + 20_000
    assert f"Showing the latest {len(shown)} entries." in html
    check(html)


def test_a_page_says_that_there_are_older_entries(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry
) -> None:
    entries = [make_entry("prompt", text="x", by="m")]
    assert "Showing the latest 1 entry." in show_session(pages, machine, make_session(), entries, older=True)
    assert "Showing the latest" not in show_session(pages, machine, make_session(), entries)


def test_an_entry_is_shown_as_it_is_now(
    pages: Pages, machine: Machine, make_session: MakeSession, make_entry: MakeEntry, make_tool: MakeEntry
) -> None:
    entry = make_entry("assistant", text="one", streaming=True)
    tool = make_tool("Read", {"file_path": "/src/app/a.py"})
    tool.entry_id = "e2"
    for change_id, text in ((1, "one"), (2, "two"), (3, "three")):
        entry.change_id, entry.data = change_id, {"text": text, "streaming": False}
        assert text in pages.entry_stream(entry, make_session(), machine)
        assert text in show_session(pages, machine, make_session(), [entry])
    assert "<bdi>/src/app/a.py" in pages.entry_stream(tool, make_session(), machine)
    assert "<bdi>a.py" in pages.entry_stream(tool, make_session(cwd="/src/app"), machine)


def test_a_page_shown_again_renders_no_entry_again(
    pages: Pages,
    machine: Machine,
    make_session: MakeSession,
    make_entry: MakeEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "Some **bold** words.\n\n```python\nx = [1, 2]\n```\n\n" * 40
    entries = [make_entry("assistant", f"p{n}", n, text=text, streaming=False) for n in range(100)]
    built = []

    def build(entry: Entry, *others: Any) -> Any:
        built.append(entry.entry_id)
        return build_entry(entry, *others)

    monkeypatch.setattr(render_module, "build_entry", build)
    for _ in range(2):
        show_session(pages, machine, make_session(), entries)
    assert sorted(built) == sorted(entry.entry_id for entry in entries)


def test_threads_may_render_the_same_page_at_once(
    pages: Pages, machine: Machine, make_session: MakeSession, evil_entries: list[Entry]
) -> None:
    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(show_session, pages, machine, make_session(), evil_entries) for _ in range(8)]
        assert len({done.result(timeout=30) for done in work}) == 1


def test_commands_are_those_that_work_where_they_are_run(machine: Machine, viewer: Viewer) -> None:
    pages = Pages("/static/abc", command="/opt/helio/heliograph")
    assert "/opt/helio/heliograph sign-in" in pages.sign_in(
        token=None, host="h", problem=None, nonce="n", public_url=""
    )

    def first_run(machines: list[Machine], public_url: str) -> list[str]:
        html = pages.overview(
            viewer=viewer, sessions=[], machines=machines, nonce="n", change_id=0, public_url=public_url
        )
        return re.findall(r'<code data-copy-target="source">(\S+ \w+)', html)

    here = "/opt/helio/heliograph"
    assert first_run([], "http://127.0.0.1:7878") == [
        f"{here} {verb}" for verb in ("pair", "join", "install", "claude")
    ]
    assert first_run([machine], "http://localhost:7878") == [f"{here} install", f"{here} claude"]
    far = first_run([], "https://helio.example")
    assert far == [f"{here} pair", "heliograph join", "heliograph install", "heliograph claude"]
