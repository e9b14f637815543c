"""The search index: filled from ``entries`` a little at a time, and asked.

An FTS5 table that keeps no text (``content=''``): 0.4 bytes for each of the text it indexes, where one with
its own copy takes 1.8. A row is taken out by the words it went in with, so these must be known exactly:

- ``search_reached.number``: every entry up to it has been looked at, none behind it is in the index;
- ``search_changed``: entries up to it that changed since they were looked at, with what they were then
  (a trigger on ``entries`` notes it in the transaction that changes them).

Both move in the transaction that writes the index, so it is right wherever a process ends.
What a row may be found by beside its words is in ``scope``: words of our own making, for filters that cost no
reading of the entries themselves.

No characters are added to those of words: ``read_rows`` and ``src/rows/reader.py`` are words that stand together,
found as a whole, by their beginning and by each part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from hashlib import blake2b
from time import perf_counter
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.core.search import VERSION, Excerpt, Term, blank_controls, cut_excerpt, read_words
from hub.db.driver import in_thread

ROWS = 200
SECONDS = 0.02
"""The most that one transaction takes in: few enough that an event which comes meanwhile hardly waits."""

TOKENIZER = "unicode61 remove_diacritics 2"
"""As in the migration that made the table."""

LAST_NUMBER = 2**63 - 1

_OPEN, _CLOSE = "\x01", "\x02"
"""What ``_MARK`` puts around matches, in text that has had its control characters taken out."""

_REACHED = "SELECT number, version FROM search_reached"
_REACH = "UPDATE search_reached SET number = ?, version = ?"
_CHANGED = "SELECT number FROM search_changed ORDER BY number LIMIT ?"
_LOOK = """
    SELECT session_id, machine_id, kind, data, before FROM search_changed
    JOIN entries USING (number) JOIN sessions USING (session_id) WHERE number = ?
"""
_DONE = "DELETE FROM search_changed WHERE number = ?"
_NEW = """
    SELECT number, session_id, machine_id, kind, data FROM entries JOIN sessions USING (session_id)
    WHERE number > ? ORDER BY number LIMIT ?
"""
_IS_MORE = """
    SELECT EXISTS (SELECT 1 FROM entries WHERE number > (SELECT number FROM search_reached))
        OR EXISTS (SELECT 1 FROM search_changed)
"""
_PUT = "INSERT INTO search (rowid, scope, words) VALUES (?, ?, ?)"
_TAKE_OUT = "INSERT INTO search (search, rowid, scope, words) VALUES ('delete', ?, ?, ?)"
_EMPTY = ("INSERT INTO search (search) VALUES ('delete-all')", "DELETE FROM search_changed")

_FIND = "SELECT rowid FROM search WHERE search MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
_SHOW = """
    SELECT number, entry_id, session_id, title, kind, position, at, data
    FROM entries JOIN sessions USING (session_id) WHERE number = ?
"""
_MARK = "SELECT rowid, highlight(shown, 0, char(1), char(2)) FROM shown WHERE shown MATCH ?"

_data: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; ``before``: only entries that came before this number."""

    terms: list[Term]
    session_id: str | None = None
    machine_id: str | None = None
    kind: str | None = None
    before: int = LAST_NUMBER


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that has all the words."""

    entry_id: str
    session_id: str
    session_title: str
    kind: str
    position: int
    at: int
    snippet: Excerpt


async def index_some(conn: AsyncConnection) -> bool:
    """Bring some of what is new or changed into the index; returns whether there is more."""
    return await in_thread(conn, _index_some)


async def find(conn: AsyncConnection, wanted: Wanted, limit: int, seconds: float) -> tuple[list[Hit], int | None]:
    """The latest entries that have the words, and the number to go on before, None at the end; raises TookTooLong.

    What has changed since it was indexed counts as it is now, so there may be fewer than there is room for.
    """
    if not wanted.terms:
        return [], None
    return await in_thread(conn, partial(_find, wanted=wanted, limit=limit), seconds=seconds)


def _index_some(driver: sqlite3.Connection) -> bool:
    until = perf_counter() + SECONDS
    reached, version = driver.execute(_REACHED).fetchone()
    if version != VERSION:
        for statement in _EMPTY:
            driver.execute(statement)
        reached = 0
    now_at, numbers = reached, [number for (number,) in driver.execute(_CHANGED, (ROWS,))]
    for number in numbers:
        _index_again(driver, number)
        if perf_counter() > until:
            break
    else:
        now_at = _index_new(driver, reached, ROWS - len(numbers), until)
    if now_at != reached or version != VERSION:
        driver.execute(_REACH, (now_at, VERSION))
    return bool(driver.execute(_IS_MORE).fetchone()[0])


def _index_again(driver: sqlite3.Connection, number: int) -> None:
    """It may have been open when it was looked at, and may be so again: then it has no words."""
    row = driver.execute(_LOOK, (number,)).fetchone()
    if row is not None:
        session_id, machine_id, kind, data, before = row
        scope = _build_scope(session_id, machine_id, kind)
        words_before, words = (read_words(kind, _data.decode(text)) for text in (before, data))
        if words_before and words_before != words:
            driver.execute(_TAKE_OUT, (number, scope, words_before))
        if words and words_before != words:
            driver.execute(_PUT, (number, scope, words))
    driver.execute(_DONE, (number,))


def _index_new(driver: sqlite3.Connection, reached: int, limit: int, until: float) -> int:
    """Go on from ``reached``; returns how far it went."""
    with closing(driver.execute(_NEW, (reached, limit))) as rows:
        for number, session_id, machine_id, kind, data in rows:
            words = read_words(kind, _data.decode(data))
            if words:
                driver.execute(_PUT, (number, _build_scope(session_id, machine_id, kind), words))
            reached = number
            if perf_counter() > until:
                break
    return reached


def _find(driver: sqlite3.Connection, wanted: Wanted, limit: int) -> tuple[list[Hit], int | None]:
    words = _match_words(wanted.terms)
    match = " AND ".join([*_match_scope(wanted), f"{{words}} : ({words})"])
    numbers = [number for (number,) in driver.execute(_FIND, (match, wanted.before, limit + 1))]
    found = [driver.execute(_SHOW, (number,)).fetchone() for number in numbers[:limit]]
    rows = {row[0]: row for row in found if row is not None}
    texts = {number: blank_controls(read_words(row[4], _data.decode(row[7]))) for number, row in rows.items()}
    marks = _mark(texts, words)
    hits = [
        Hit(
            entry_id=entry_id,
            session_id=session_id,
            session_title=title,
            kind=kind,
            position=position,
            at=at,
            snippet=cut_excerpt(texts[number], marks[number]),
        )
        for number, entry_id, session_id, title, kind, position, at, _ in rows.values()
        if number in marks
    ]
    return hits, numbers[limit - 1] if len(numbers) > limit else None


def _mark(texts: dict[int, str], words: str) -> dict[int, list[tuple[int, int]]]:
    """Where the matches are in those of these texts that match: by the same tokenizer, in a table of a moment."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as moment:
        moment.execute(f"CREATE VIRTUAL TABLE shown USING fts5 (words, tokenize = '{TOKENIZER}')")
        moment.executemany("INSERT INTO shown (rowid, words) VALUES (?, ?)", texts.items())
        return {number: _read_marks(marked) for number, marked in moment.execute(_MARK, (words,))}


def _read_marks(marked: str) -> list[tuple[int, int]]:
    before, *pieces = marked.split(_OPEN)
    marks, at = [], len(before)
    for piece in pieces:
        match, _, rest = piece.partition(_CLOSE)
        marks.append((at, at + len(match)))
        at += len(match) + len(rest)
    return marks


def _match_words(terms: Iterable[Term]) -> str:
    """Every term in quotes, in which nothing but a quote means anything."""
    return " ".join(_quote(term.text) + ("*" if term.is_prefix else "") for term in terms)


def _match_scope(wanted: Wanted) -> list[str]:
    names = _name_session(wanted.session_id), _name_machine(wanted.machine_id), _name_kind(wanted.kind)
    asked = [name for name in names if name]
    return [f"{{scope}} : ({' '.join(map(_quote, asked))})"] if asked else []


def _build_scope(session_id: str, machine_id: str, kind: str) -> str:
    return f"{_name_session(session_id)} {_name_machine(machine_id)} {_name_kind(kind)}"


def _name_session(session_id: str | None) -> str:
    return f"s{_digest(session_id)}" if session_id else ""


def _name_machine(machine_id: str | None) -> str:
    return f"m{_digest(machine_id)}" if machine_id else ""


def _name_kind(kind: str | None) -> str:
    return f"k{kind}" if kind else ""


def _digest(name: str) -> str:
    """One word, whatever the name looks like."""
    return blake2b(name.encode(errors="replace"), digest_size=8).hexdigest()


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
