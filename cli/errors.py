"""Everything that ends a command early, as one tree; ``cli.main`` is the one place that prints them.

Each error keeps its data and builds its sentence in ``__str__``; its class decides the exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from cli import exits
from cli.called import name_command


class CliError(Exception):
    """A command that can't go on. ``exit_code`` is what the process ends with."""

    exit_code: ClassVar[int] = exits.FAILED


class Failed(CliError):
    """Something went wrong that no other class names; carries the sentence."""


class Usage(CliError):
    """The command line can't mean anything."""

    exit_code = exits.USAGE


class Unavailable(CliError):
    """What the command needs isn't here."""

    exit_code = exits.UNAVAILABLE


class Refused(CliError):
    """Somebody we asked said no."""

    exit_code = exits.REFUSED


UnreachableReason = Literal["refused", "timeout", "no_address", "tls", "wrong_answer", "broken"]


class HubUnreachable(Unavailable):
    """No usable answer from the hub at ``where``; ``reason`` is for programs, ``detail`` for people."""

    _WORDS: ClassVar[dict[UnreachableReason, str]] = {
        "refused": "nothing listens there",
        "timeout": "no answer in time",
        "no_address": "its name has no address",
        "tls": "its certificate isn't accepted",
        "wrong_answer": "what answers there is no Heliograph hub",
        "broken": "the connection broke",
    }

    def __init__(self, where: str, reason: UnreachableReason, detail: str = "") -> None:
        super().__init__(where, reason, detail)
        self.where = where
        self.reason: UnreachableReason = reason
        self.detail = detail

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"the hub at {self.where} can't be reached: {self._WORDS[self.reason]}{detail}"


class NoHubHere(Unavailable):
    """The admin socket isn't there or nobody listens on it."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self.socket = socket

    def __str__(self) -> str:
        return (
            f"No hub is running here (nobody answers on {self.socket}). "
            f"Run this on the hub's host, as the hub's user, while `{name_command()} hub` runs."
        )


class HubSaidNo(CliError):
    """The hub's answer was an error: ``status``, ``code`` and ``message`` are the hub's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"the hub says: {self.message} ({self.code})"


class HubRefused(HubSaidNo, Refused):
    """401, 403 or 429: who we are, or what we may do."""

    exit_code = exits.REFUSED


class AlreadyDecided(HubSaidNo):
    """Somebody else was first, or nobody waits for the answer any more."""

    exit_code = exits.DECIDED


class Changed(HubSaidNo):
    """What is asked is not what was shown."""

    exit_code = exits.CHANGED


class BadSettings(CliError):
    """A file of Claude Code's that we don't understand, and so don't touch; line 0 stands for all of it."""

    def __init__(self, path: Path, line: int, column: int, problem: str) -> None:
        super().__init__(path, line, column, problem)
        self.path = path
        self.line = line
        self.column = column
        self.problem = problem

    def __str__(self) -> str:
        place = f", line {self.line}, column {self.column}" if self.line else ""
        return f"{self.path}{place}: {self.problem}. Nothing was changed."
