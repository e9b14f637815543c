"""The part of the books that a batch of events may touch: loaded before folding, written after it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.core.model import DayUsage, Decision, Entry, Machine, Message, Process, Receipt, Session


@dataclass
class World:
    """Rows by their keys. Folding changes them in place and notes here what it changed."""

    machines: dict[str, Machine] = field(default_factory=dict)
    processes: dict[tuple[str, int], Process] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    entries: dict[tuple[str, int], Entry] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)

    changed_processes: set[tuple[str, int]] = field(default_factory=set)
    changed_sessions: set[str] = field(default_factory=set)
    changed_entries: dict[tuple[str, int], None] = field(default_factory=dict)
    changed_messages: set[str] = field(default_factory=set)
    changed_decisions: set[str] = field(default_factory=set)
    receipts: list[Receipt] = field(default_factory=list)
    days: dict[tuple[str, str, str], DayUsage] = field(default_factory=dict)

    def process(self, machine_id: str, pid: int) -> Process:
        """That machine's process, noted as changed."""
        key = (machine_id, pid)
        self.changed_processes.add(key)
        return self.processes.setdefault(key, Process(machine_id=machine_id, pid=pid))

    def touch(self, session_id: str) -> Session | None:
        """That session, noted as changed, if it exists."""
        session = self.sessions.get(session_id)
        if session is not None:
            self.changed_sessions.add(session_id)
        return session

    def put(self, entry: Entry) -> None:
        """A new or changed entry."""
        key = (entry.session_id, entry.position)
        self.entries[key] = entry
        self.changed_entries[key] = None
