"""Records in, HTML out: the only place that runs templates.

Knows no request and no database. What a page needs comes in as the records of ``hub.core.model``;
what everybody sees alike (streams) is rendered without a viewer, so that one text serves all sockets.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hub.core.model import Decision, Entry, Machine, Session
from hub.needs import Needs
from hub.pages.asks import build_ask, build_needs, build_past
from hub.pages.cards import (
    STATE_LABELS,
    build_card,
    build_group,
    count_states,
    group_cards,
    list_recent,
    pick_machine,
)
from hub.pages.decisions import build_decision, compare_plans
from hub.pages.entries import build_entry
from hub.pages.markdown import Prose
from hub.pages.rendered import Rendered
from hub.pages.sessions import build_control, build_facts, build_line, build_lineage
from hub.pages.text import build_initials, say_size

View = Literal["overview", "session", "inbox"]

PAGE_CHARS = 2_000_000
"""HTML of entries in one page; the newest have their place first."""


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks: their id and name, the token that their requests must carry, and what they may do."""

    user_id: str
    name: str
    csrf: str
    rights: tuple[str, ...] = ()

    @property
    def initials(self) -> str:
        """For the avatar."""
        return build_initials(self.name)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The decision that the inbox shows whole, and the last words before it."""

    decision: Decision
    session: Session
    machine: Machine
    words: Entry | None


class Pages:
    """Renders every page and every live update; threads may share it.

    ``clock`` gives the present in microseconds, ``command`` is how Heliograph is called on the hub's host.
    """

    def __init__(
        self,
        static: str,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        *,
        command: str = "heliograph",
    ) -> None:
        self._clock = clock
        self._prose = Prose()
        self._rendered = Rendered()
        self._command = command
        self._templates = Environment(
            loader=PackageLoader("web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["size"] = say_size
        self._templates.globals.update(static=static.rstrip("/"), state_labels=STATE_LABELS, on_hub=command)

    def overview(
        self,
        *,
        viewer: Viewer,
        sessions: Sequence[Session],
        machines: Iterable[Machine],
        nonce: str,
        change_id: int,
        public_url: str,
        counts: Mapping[Any, int] | None = None,
        needs: Needs | None = None,
    ) -> str:
        """All sessions by machine; before there is one, how to get there. ``counts``: see ``_shell``."""
        now = self._clock()
        by_id = {machine.machine_id: machine for machine in machines}
        return self._render(
            "overview.html",
            **self._shell(
                viewer,
                sessions,
                by_id,
                nonce=nonce,
                change_id=change_id,
                now=now,
                counts=counts,
                needs=needs,
                place="overview",
            ),
            groups=group_cards(sessions, by_id, now),
            paired=[machine.name for machine in by_id.values()],
            public_url=public_url.rstrip("/"),
            on_machine=self._command if is_here(public_url) else "heliograph",
        )

    def session(
        self,
        *,
        viewer: Viewer,
        session: Session,
        machine: Machine,
        entries: Sequence[Entry],
        sessions: Sequence[Session],
        machines: Iterable[Machine],
        nonce: str,
        change_id: int,
        related: Mapping[str, Session],
        counts: Mapping[Any, int] | None = None,
        needs: Needs | None = None,
        older: bool = False,
    ) -> str:
        """One session's chat; ``sessions`` are for the rail, ``related`` those its lineage names, by id.

        ``older``: there are entries before those given.
        """
        now = self._clock()
        by_id = {known.machine_id: known for known in machines}
        rows, all_fit = self._render_latest(entries, session, machine)
        return self._render(
            "session.html",
            **self._shell(
                viewer,
                sessions,
                by_id,
                nonce=nonce,
                change_id=change_id,
                now=now,
                counts=counts,
                needs=needs,
                current=session.session_id,
            ),
            **self._session_parts(session, machine, now),
            rows=rows,
            latest=0 if all_fit and not older else len(rows),
            lineage=build_lineage(session, related),
        )

    def sign_in(self, *, token: str | None, host: str, problem: str | None, nonce: str, public_url: str) -> str:
        """The card that turns a single-use link into a signed-in browser; ``problem`` says why one was refused."""
        host = host or urlsplit(public_url).netloc
        return self._render("sign_in.html", token=token, host=host, problem=problem, nonce=nonce)

    def error(
        self,
        *,
        status: int,
        title: str,
        text: str,
        nonce: str,
        viewer: Viewer | None = None,
        sessions: Sequence[Session] = (),
        machines: Iterable[Machine] = (),
        change_id: int = 0,
        counts: Mapping[Any, int] | None = None,
        needs: Needs | None = None,
    ) -> str:
        """What went wrong, in words; who is signed in keeps the rail."""
        now = self._clock()
        by_id = {machine.machine_id: machine for machine in machines}
        shell = self._shell(
            viewer, sessions, by_id, nonce=nonce, change_id=change_id, now=now, counts=counts, needs=needs
        )
        return self._render("error.html", **shell, status=status, title=title, text=text)

    def entry_stream(self, entry: Entry, session: Session, machine: Machine) -> str:
        """The live update that puts an entry into its session's chat; empty for kinds not shown."""
        row = self._render_entry(entry, session, machine)
        return self._render("streams/entry.html", row=row) if row else ""

    def inbox(
        self,
        *,
        viewer: Viewer,
        needs: Needs,
        past: Sequence[Decision],
        chosen: Chosen | None,
        sessions: Sequence[Session],
        machines: Iterable[Machine],
        nonce: str,
        change_id: int,
        counts: Mapping[Any, int] | None = None,
        is_named: bool = False,
    ) -> str:
        """All open decisions, those that were given lately (``past``), and one of them whole.

        ``sessions``: of the rail and of ``past``. ``is_named``: somebody asked for this very decision.
        """
        now = self._clock()
        by_id = {machine.machine_id: machine for machine in machines}
        known = {**{session.session_id: session for session in sessions}, **needs.sessions}
        place = [(d, known.get(d.session_id), pick_machine(by_id, d.machine_id)) for d in needs.decisions]
        closed = [(d, known.get(d.session_id), pick_machine(by_id, d.machine_id)) for d in past]
        return self._render(
            "inbox.html",
            **self._shell(
                viewer,
                sessions,
                by_id,
                nonce=nonce,
                change_id=change_id,
                now=now,
                counts=counts,
                needs=needs,
                place="inbox",
            ),
            rows=[build_ask(*each, now) for each in place],
            closed=[build_past(*each, now) for each in closed],
            **self._detail(chosen, now),
            is_named=is_named,
        )

    def inbox_detail(self, chosen: Chosen) -> str:
        """Only the part of the inbox that shows one decision."""
        return self._render("parts/inbox_detail.html", **self._detail(chosen, self._clock()))

    def plan_changes(self, decision: Decision, before: Decision | None) -> str:
        """What a plan's card loads when somebody compares it with the one before it."""
        diff = compare_plans(before, decision) if before else None
        return self._render("parts/plan_changes.html", decision_id=decision.decision_id, diff=diff)

    def inbox_streams(self, decision: Decision, session: Session | None, machine: Machine) -> str:
        """The live updates of the inbox's lists for a changed decision."""
        now = self._clock()
        is_open = decision.needs_you
        return self._render(
            "streams/inbox.html",
            ask=build_ask(decision, session, machine, now) if is_open else None,
            past=None if is_open else build_past(decision, session, machine, now),
        )

    def card_stream(self, decision: Decision, session: Session, machine: Machine) -> str:
        """The live update of a decision's card, wherever the page shows it."""
        view = build_decision(decision, session, machine, self._prose, self._clock())
        return self._render("streams/decision.html", d=view)

    def needs_stream(self, needs: Needs, machines: Mapping[str, Machine]) -> str:
        """The live update of the rail's list of what needs somebody."""
        view = build_needs(needs.decisions, needs.sessions, machines, self._clock())
        return self._render("streams/needs.html", needs=view)

    def session_streams(self, session: Session, machine: Machine, counts: Mapping[Any, int], view: View) -> str:
        """The live updates for a changed session.

        ``counts``: how many sessions there are in each state. ``view``: ``session`` for those who look
        at this very session, ``overview`` for everybody else.
        """
        now = self._clock()
        parts = self._session_parts(session, machine, now)
        return self._render(
            "streams/session.html",
            **parts,
            view=view,
            current=session.session_id if view == "session" else "",
            group=build_group(machine, [], [], now),
            counts=count_states(counts),
        )

    def _render_latest(self, entries: Sequence[Entry], session: Session, machine: Machine) -> tuple[list[Markup], bool]:
        """The newest entries that a page has room for, in order, and whether these are all."""
        rows: list[Markup] = []
        room = PAGE_CHARS
        for entry in sorted(entries, key=_by_position, reverse=True):
            row = self._render_entry(entry, session, machine)
            room -= len(row)
            if room < 0 and rows:
                return rows[::-1], False
            if row:
                rows.append(row)
        return rows[::-1], True

    def _render_entry(self, entry: Entry, session: Session, machine: Machine) -> Markup:
        """One entry, empty if its kind isn't shown. Everything that it depends on is in ``version``."""
        version: tuple[Any, ...] = (entry.change_id, session.cwd, machine.name, machine.user)
        if entry.kind == "decision":
            version += (session.offline_since, session.linked)
        html = self._rendered.find(entry.entry_id, version)
        if html is None:
            view = build_entry(entry, session, machine, self._prose, self._clock())
            html = Markup(self._render(f"entries/{view.kind}.html", e=view) if view else "")  # noqa: S704 - a template's
            if html:
                self._rendered.keep(entry.entry_id, version, html)
        return html

    def _detail(self, chosen: Chosen | None, now: int) -> dict[str, Any]:
        if chosen is None:
            return {"d": None, "card": None, "words": None}
        decision, session, machine = chosen.decision, chosen.session, chosen.machine
        words = chosen.words.data.get("text") if chosen.words else None
        return {
            "d": build_decision(decision, session, machine, self._prose, now),
            "card": build_card(session, machine, now),
            "words": self._prose.render(words) if isinstance(words, str) else None,
        }

    def _session_parts(self, session: Session, machine: Machine, now: int) -> dict[str, Any]:
        return {
            "card": build_card(session, machine, now),
            "facts": build_facts(session, machine, now),
            "line": build_line(session, machine, now),
            "control": build_control(session),
        }

    def _shell(
        self,
        viewer: Viewer | None,
        sessions: Sequence[Session],
        machines: Mapping[str, Machine],
        *,
        nonce: str,
        change_id: int,
        now: int,
        current: str = "",
        counts: Mapping[Any, int] | None,
        needs: Needs | None,
        place: str = "",
    ) -> dict[str, Any]:
        """What every page with a rail needs. ``counts``: sessions by state, if ``sessions`` aren't all."""
        cards = [build_card(session, pick_machine(machines, session.machine_id), now) for session in sessions]
        recent = list_recent(cards, current)
        needs = needs or Needs((), sessions)
        states = [card.state for card in cards]
        return {
            "viewer": viewer,
            "nonce": nonce,
            "change_id": change_id,
            "current": current,
            "place": place,
            "needs": build_needs(needs.decisions, needs.sessions, machines, now),
            "recent": recent,
            "counts": count_states(counts or Counter(states)),
        }

    def _render(self, name: str, **values: Any) -> str:
        html = self._templates.get_template(name).render(values)
        return html.encode(errors="replace").decode()  # half a surrogate pair must not fail a whole page


def is_here(public_url: str) -> bool:
    """Whether only this very host can reach the hub, so that every machine paired with it is this one."""
    host = urlsplit(public_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _by_position(entry: Entry) -> tuple[int, str]:
    return entry.position, entry.entry_id
