"""Hook bodies as Claude Code 2.1.329 sends them, in the order of a turn, 1.3 KB each on average.

A turn: a prompt, STEPS times (words, a call, its result), last words, Stop. Everything a page can show carries a
marker (``mk`` and eight hex digits), so that a dashboard's frame tells which events it shows.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from wire.frames import LEVEL, Event, Events, Hello, Process, encode
from wire.ids import build_id

MARKER = re.compile(rb"mk[0-9a-f]{8}")

STEPS = 5
PIECES = 3

WORDS = (
    "The parser drops the last row because `read_rows` stops at the first empty line, so I will look at "
    "how the tests feed it before changing anything. "
)
LINE = "src/rows/reader.py:{0}:    if not line.strip(): continue  # keep going, the file may have gaps\n"
CODE = "{0:>6}\t    rows.append(Row(number={0}, text=line.rstrip(), tags=frozenset(find_tags(line))))\n"


@dataclass(frozen=True)
class Made:
    """An event ready to send; ``marker`` is what a page shows of it, empty where it shows nothing new."""

    event: Event
    marker: bytes


class Session:
    """One Claude Code session's hooks."""

    def __init__(self, pid: int) -> None:
        self.session_id = str(uuid.uuid4())
        self.pid = pid
        self.last_marker = b""
        self._cwd = "/home/maya/projects/rows"

    def start(self, source: str = "startup") -> Made:
        """SessionStart."""
        model = {"model": "claude-opus-5-5"} if source == "startup" else {}
        return self._hook("SessionStart", source=source, **model)

    def turn(self) -> Iterator[Made]:
        """A whole turn."""
        marker = self._mark()
        text = f"{marker} The import loses the last row of every file that has a gap in it. " + WORDS
        yield self._hook("UserPromptSubmit", marker, permission_mode="default", prompt=text)
        for step in range(STEPS):
            yield from self._says()
            yield from self._call(step)
        last = ""
        for made, piece in self._says_pieces():
            last += piece
            yield made
        yield self._hook(
            "Stop",
            permission_mode="default",
            stop_hook_active=False,
            last_assistant_message=last,
            background_tasks=[],
        )

    def _says(self) -> Iterator[Made]:
        for made, _ in self._says_pieces():
            yield made

    def _says_pieces(self) -> Iterator[tuple[Made, str]]:
        message_id, turn_id = str(uuid.uuid4()), str(uuid.uuid4())
        for index in range(PIECES):
            marker = self._mark()
            piece = f"{marker} {WORDS}{WORDS}\n"
            made = self._hook(
                "MessageDisplay",
                marker,
                turn_id=turn_id,
                message_id=message_id,
                index=index,
                final=index == PIECES - 1,
                delta=piece,
            )
            yield made, piece

    def _call(self, step: int) -> Iterator[Made]:
        before, after = self._mark(), self._mark()
        use = f"toolu_{os.urandom(12).hex()}"
        name, tool_input, response = _tool(step, before, after)
        common = {
            "permission_mode": "default",
            "effort": {"level": "medium"},
            "tool_name": name,
            "tool_input": tool_input,
            "tool_use_id": use,
        }
        yield self._hook("PreToolUse", before, **common)
        yield self._hook("PostToolUse", after, **common, tool_response=response, duration_ms=39)

    def _mark(self) -> str:
        return f"mk{os.urandom(4).hex()}"

    def _hook(self, name: str, marker: str = "", **fields: object) -> Made:
        body = {
            "session_id": self.session_id,
            "transcript_path": f"/home/maya/.claude/projects/-home-maya-projects-rows/{self.session_id}.jsonl",
            "cwd": self._cwd,
            "prompt_id": "0b8f3a62-4f55-4b3e-9f3b-3f1c2f7f6f10",
            "hook_event_name": name,
            **fields,
        }
        if marker:
            self.last_marker = marker.encode()
        at = time.time_ns() // 1000
        raw = msgspec.Raw(msgspec.json.encode(body))
        event = Event(event_id=build_id(at, os.urandom(8)), at=at, source="hook", pid=self.pid, body=raw)
        return Made(event, marker.encode())


def _tool(step: int, before: str, after: str) -> tuple[str, dict[str, object], dict[str, object]]:
    """A call and its result: a command, a file read, an edit, in turn."""
    path = f"/home/maya/projects/rows/src/rows/{before}.py"
    if step % 3 == 0:
        out = f"{after}\n" + "".join(LINE.format(number) for number in range(46))
        said: dict[str, object] = {
            "command": f"echo {before}; grep -rn 'strip()' src/rows | head -40",
            "description": f"{before} look",
        }
        return "Bash", said, {"stdout": out, "stderr": "", "interrupted": False, "isImage": False}
    if step % 3 == 1:
        content = f"{after}\n" + "".join(CODE.format(number) for number in range(42))
        file = {"filePath": path, "content": content, "numLines": 43, "startLine": 1, "totalLines": 43}
        return "Read", {"file_path": path}, {"type": "text", "file": file}
    old = "".join(f"    rows.append(line)  # {number}\n" for number in range(9))
    new = f"    # {after}\n" + "".join(f"    rows.append(Row(line))  # {number}\n" for number in range(9))
    lines = ["-" + line for line in old.splitlines()] + ["+" + line for line in new.splitlines()]
    hunk = {"oldStart": 10, "oldLines": 9, "newStart": 10, "newLines": 10, "lines": lines}
    edit: dict[str, object] = {"file_path": path, "old_string": old, "new_string": new, "replace_all": False}
    return "Edit", edit, {"filePath": path, "oldString": old, "newString": new, "structuredPatch": [hunk]}


class Carrier:
    """One process with one link: its sessions take turns, as somebody goes back and forth with /resume."""

    def __init__(self, pid: int, sessions: int) -> None:
        self.pid = pid
        self.sessions = [Session(pid) for _ in range(sessions)]
        self.seq = 0
        self._turns = 0
        self._stream = self._endless()

    @property
    def last_session(self) -> Session:
        """The session of the latest turn."""
        return self.sessions[(self._turns - 1) % len(self.sessions)]

    def hello(self) -> bytes:
        """Its first frame."""
        return encode(
            Hello(
                level=LEVEL,
                features=[],
                version="0.1.0",
                process=Process(pid=self.pid, started_at=1_795_243_093_630_000),
                session_id=self.sessions[0].session_id,
                cwd="/home/maya/projects/rows",
                push=True,
            )
        ).encode()

    def take(self, count: int) -> list[Made]:
        """The next events."""
        return list(islice(self._stream, count))

    def take_turns(self, at_least: int) -> list[Made]:
        """So many events, and on to the end of a turn."""
        found: list[Made] = []
        while len(found) < at_least or not _is_stop(found[-1]):
            found.append(next(self._stream))
        return found

    def build_batch(self, made: list[Made]) -> bytes:
        """Their frame."""
        self.seq += 1
        return encode(Events(seq=self.seq, events=[item.event for item in made])).encode()

    def _endless(self) -> Iterator[Made]:
        while True:
            session = self.sessions[self._turns % len(self.sessions)]
            if self._turns < len(self.sessions):
                yield session.start()
            elif len(self.sessions) > 1:
                yield session.start("resume")
            self._turns += 1
            yield from session.turn()


def _is_stop(made: Made) -> bool:
    return b'"hook_event_name":"Stop"' in bytes(made.event.body)
