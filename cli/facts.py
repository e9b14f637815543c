"""What `doctor` examines and what it says: facts about this machine, and findings. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cli.errors import UnreachableReason
from cli.mcp_log import LogVerdict

Level = Literal["ok", "note", "blocker"]


@dataclass(frozen=True)
class Finding:
    """One thing found: ``code`` is for programs; ``next_step`` is empty when all is well."""

    code: str
    level: Level
    what: str
    next_step: str = ""


@dataclass(frozen=True)
class ClaudeFacts:
    """The Claude Code that would be started: None fields were not found out. ``rewake``: a hook can wake it."""

    command: str | None = None
    version: str | None = None
    wanted_events: tuple[str, ...] = ()
    rewake: bool = False


@dataclass(frozen=True)
class PairingFacts:
    """machine.json and the hub: ``problem`` is why the file can't be used."""

    state: Literal["paired", "missing", "loose", "unusable"] = "missing"
    path: str = ""
    problem: str = ""
    hub_url: str = ""
    hub: UnreachableReason | Literal["ok", "unchecked"] = "unchecked"
    hub_detail: str = ""
    key: Literal["ok", "refused", "unchecked"] = "unchecked"


@dataclass(frozen=True)
class InstallFacts:
    """Our part of Claude Code's files. ``problem`` names a file that doesn't parse.

    ``statusline`` is our wrapper's state: not asked for, well, or what is wrong (another version's command, its
    script, its interpreter).
    """

    problem: str = ""
    events: tuple[str, ...] = ()
    stale_events: tuple[str, ...] = ()
    hooks_disabled: bool = False
    script: Literal["ok", "missing", "old"] = "ok"
    uploader: Literal["ok", "missing", "old"] = "ok"
    statusline: Literal["none", "ok", "stale", "script", "interpreter"] = "none"
    interpreter: str | None = None
    interpreter_there: bool = True
    server: Literal["ok", "missing", "stale"] = "missing"
    server_command: str | None = None
    server_command_there: bool = True
    permissions_missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carrier:
    """A running Claude Code with our channel in it; ``is_heard`` says whether that channel still lives."""

    pid: int
    has_flag: bool
    is_heard: bool = True


@dataclass(frozen=True)
class SessionLog:
    """What Claude Code's log says: of the process ``pid``, or the newest of all, of a session that has ended.

    ``is_old``: it was written before the last install.
    """

    verdict: LogVerdict
    path: str = ""
    pid: int | None = None
    is_old: bool = False


@dataclass(frozen=True)
class Reach:
    """How a message reaches a session of this machine now, and why no better way leads there, as the hub says."""

    title: str
    delivery: str
    reason: str = ""


@dataclass(frozen=True)
class Facts:
    """All that `gather_facts` found; ``command`` is how our own program is called here."""

    claude: ClaudeFacts = field(default_factory=ClaudeFacts)
    pairing: PairingFacts = field(default_factory=PairingFacts)
    install: InstallFacts = field(default_factory=InstallFacts)
    carriers: tuple[Carrier, ...] = ()
    logs: tuple[SessionLog, ...] = ()
    reaches: tuple[Reach, ...] = ()
    command: str = "heliograph"
