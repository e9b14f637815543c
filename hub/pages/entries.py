"""Timeline entries as views: what each kind's template needs, and nothing it would have to work out."""

from __future__ import annotations

from typing import Any

import msgspec
from markupsafe import Markup

from hub.core.model import Entry, Machine, Session
from hub.pages.decisions import DecisionView, build_decision, read_decision
from hub.pages.markdown import Prose, left_out_note, render_said
from hub.pages.outputs import cut_text
from hub.pages.receipts import Receipt, build_receipt
from hub.pages.text import build_initials
from hub.pages.times import Moment, build_moment
from hub.pages.tools import ToolView, build_tool

PROMPT_LINES = 8
"""A longer text of a person is folded to SHOWN_LINES."""

PROMPT_CHARS = 1200
"""So is one of fewer, but long lines."""

SHOWN_LINES = 3
SHOWN_CHARS = 300

_NOTICE_WORDS = {
    "resumed": "Resumed",
    "cleared": "Cleared",
    "forked": "Forked",
    "compacted": "Context compacted",
    "ended": "Session ended",
    "offline": "Went offline",
    "online": "Back online",
    "api_error": "API error",
    "gap": "The spool was full",
    "foreign": "Another machine has a session of this id",
    "interrupt": "Interrupt requested",
    "stop": "Stop requested",
}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A person's text: ``start`` is what shows of a long one (empty if it isn't), ``fold`` how much there is."""

    html: Markup
    start: str
    fold: str


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """The frame around every entry; ``shown`` is its kind's own part."""

    entry_id: str
    session_id: str
    kind: str
    position: int
    time: Moment
    machine_name: str
    shown: PromptShown | MessageShown | TextShown | ToolView | DecisionView | ProgressShown | NoticeShown


class PromptShown(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt typed at the terminal."""

    by: str
    said: Said


class MessageShown(msgspec.Struct, frozen=True, kw_only=True):
    """A message from the hub and how far it got."""

    message_id: str
    client_id: str
    author: str
    author_id: str
    initials: str
    said: Said
    receipt: Receipt


class TextShown(msgspec.Struct, frozen=True, kw_only=True):
    """Claude's text or its reply; ``to`` is whom a reply answers, ``to_id`` their id."""

    html: Markup
    streaming: bool = False
    to: str = ""
    to_id: str = ""


class ProgressShown(msgspec.Struct, frozen=True, kw_only=True):
    """What Claude said of its progress; ``percent`` is None if it didn't say how much."""

    phase: str
    status: str
    percent: int | None


class NoticeShown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the session; ``session_id`` is another session it points to, or empty."""

    words: str
    text: str
    error: bool
    session_id: str
    link_text: str


def build_entry(entry: Entry, session: Session, machine: Machine, prose: Prose, now: int) -> EntryView | None:
    """The view of an entry of this session; None for a kind that this page doesn't show."""
    data = entry.data
    shown: PromptShown | MessageShown | TextShown | ToolView | DecisionView | ProgressShown | NoticeShown
    match entry.kind:
        case "prompt":
            shown = PromptShown(by=_text(data, "by") or machine.user, said=fold_said(_text(data, "text")))
        case "message":
            shown = _build_message(data, machine, now)
        case "assistant":
            streaming = bool(data.get("streaming"))
            html = prose.render(_text(data, "text"), streaming=streaming)
            shown = TextShown(html=html, streaming=streaming)
        case "reply":
            html = prose.render(_text(data, "text"))
            shown = TextShown(html=html, to=_text(data, "to"), to_id=_text(data, "to_id"))
        case "tool":
            shown = build_tool(data, session.cwd)
        case "decision":
            shown = build_decision(read_decision(data, entry.session_id), session, machine, prose, now)
        case "progress":
            shown = _build_progress(data)
        case "notice":
            shown = _build_notice(data)
        case _:
            return None
    return EntryView(
        entry_id=entry.entry_id,
        session_id=entry.session_id,
        kind=entry.kind,
        position=entry.position,
        time=build_moment(entry.at, now, "clock"),
        machine_name=machine.name,
        shown=shown,
    )


def fold_said(text: str) -> Said:
    """A person's text, folded if it is long."""
    text, left_out = cut_text(text.strip("\n"))
    html = render_said(text) + left_out_note(left_out)
    lines = text.split("\n")
    if len(lines) > PROMPT_LINES:
        return Said(
            html=html,
            start="\n".join(lines[:SHOWN_LINES])[:SHOWN_CHARS],
            fold=f"Show all {len(lines):,} lines",
        )
    if len(text) > PROMPT_CHARS:
        fold = f"Show all {len(text):,} characters"
        return Said(html=html, start=text[:SHOWN_CHARS], fold=fold)
    return Said(html=html, start="", fold="")


def _build_message(data: dict[str, Any], machine: Machine, now: int) -> MessageShown:
    author = _text(data, "author")
    return MessageShown(
        message_id=_text(data, "message_id"),
        client_id=_text(data, "client_id"),
        author=author,
        author_id=_text(data, "author_id"),
        initials=build_initials(author),
        said=fold_said(_text(data, "text")),
        receipt=build_receipt(data, machine, now),
    )


def _build_progress(data: dict[str, Any]) -> ProgressShown:
    percent = data.get("percent")
    return ProgressShown(
        phase=_text(data, "phase") or "Progress",
        status=_text(data, "status"),
        percent=max(0, min(100, round(percent))) if isinstance(percent, int | float) else None,
    )


def _build_notice(data: dict[str, Any]) -> NoticeShown:
    code, text = _text(data, "code"), _text(data, "text")
    words = _NOTICE_WORDS.get(code, "")
    if not words:
        words, text = text or code, ""
    return NoticeShown(
        words=words,
        text=text,
        error=_text(data, "level") == "error",
        session_id=_text(data, "session_id"),
        link_text="continues in the next session" if code == "cleared" else "open the other session",
    )


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""
