"""Shell commands, read twice as carefully as a rule needs: too narrowly to allow one, too widely to deny one. Pure.

Nobody can tell for certain what a shell makes of a text. So what is allowed is a whole command of the plainest form,
and what is denied is whatever could be meant, in any part of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from wire.text import UNSEEN

_CHAINING = frozenset(";&|<>`$(){}")
"""With these a command can hold another one."""

_BREAK = re.compile(r"([;&|<>`(){}\n\r]+)")
_QUOTES = re.compile(r"\\\n|[\"'\\]")
_BACKTICKS = re.compile(r"`([^`]*)`")
_ASSIGNMENT = re.compile(r"\w+(\[[^\]]*\])?\+?=.*")
_PASSED = re.compile(r"-.*|\w+=.*|\d[\d.]*[smhd]?")
_UNKNOWN = re.compile(r"[$*?\[]")
"""A word with one of these may become any other."""

OPTIONS = 64
"""Words between those of a prefix; where there are more, it could begin so."""

_KEYWORDS = frozenset({"!", "if", "then", "elif", "else", "while", "until", "do", "coproc", "[", "[["})
"""What stands before a command without being one; after a test there may be one behind its end."""

_RUNNERS = frozenset(
    [
        *("sudo", "doas", "su", "env", "nohup", "setsid", "time", "timeout", "nice", "ionice", "chrt"),
        *("taskset", "stdbuf", "unbuffer", "script", "watch", "flock", "caffeinate", "arch", "strace"),
        *("ltrace", "chroot", "unshare", "nsenter", "exec", "command", "builtin", "eval"),
        *("trap", "xargs", "parallel", "find", "fd", "ssh", "sh", "bash", "zsh", "dash", "ksh", "mksh", "ash"),
        *("fish", "busybox", "toybox"),
    ]
)
"""Commands that run what they are given: anything in their line could be a command."""


def is_plain(command: str) -> bool:
    """Whether this is one command with its words, and nothing in it can chain, substitute, or hide."""
    return not any(character in _CHAINING or _is_hidden(character) for character in command)


def begins_with(command: str, prefix: str) -> bool:
    """Whether a plain command is ``prefix`` itself, or that and further words."""
    return is_plain(command) and (command == prefix or command.startswith(f"{prefix} "))


def could_mean(command: str, wanted: str, *, is_prefix: bool) -> bool:
    """Whether some part of a command, as any shell might read it, is ``wanted``, or begins with it."""
    if command.strip() == wanted:
        return True
    words = _read_words(wanted)
    candidates = _list_candidates(command, len(words) + OPTIONS)
    return any(_fits(given, words, is_prefix=is_prefix, is_first=is_first) for given, is_first in candidates)


def has_unseen(text: str) -> bool:
    """Whether there is a character that nobody sees, or that is no more than it seems."""
    return any(_is_hidden(character) for character in text)


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character)[0] in "CZ" or UNSEEN.match(character) is not None


def _list_candidates(command: str, size: int) -> Iterator[tuple[list[str], bool]]:
    """The next ``size`` words from every place on at which a command could begin; and whether one does there, rather
    than that a command somewhere in the line takes what it is given for one.
    """
    for part, is_loose in _list_parts(command):
        start = next((i for i, word in enumerate(part) if not _is_before_command(word)), len(part))
        yield part[start : start + size], True
        if not is_loose and _name_program(part[start : start + 1]) not in _RUNNERS:
            continue
        is_first, is_value = True, False
        for i in range(start + 1, len(part)):
            yield part[i : i + size], is_first
            is_first = is_first and (is_value or _is_passed(part[i]))
            is_value = part[i].startswith("-")


def _list_parts(command: str) -> Iterator[tuple[list[str], bool]]:
    """The simple parts in words; loose ones follow a redirection, whose target's end nobody knows."""
    seen = _BACKTICKS.sub(r"$(\1)", "".join(c for c in command if c in "\n\r\t" or not _is_hidden(c)))
    if "{" in seen:
        seen = seen.replace(",", " ")  # {rm,-rf,x} is three words
    pieces = _BREAK.split(_QUOTES.sub("", seen))
    for index in range(0, len(pieces), 2):
        separator = pieces[index - 1] if index else ""
        yield _read_words(pieces[index]), "<" in separator or ">" in separator


def _read_words(text: str) -> list[str]:
    """Case doesn't count: it doesn't on every file system."""
    return _QUOTES.sub("", text).casefold().split()


def _is_before_command(word: str) -> bool:
    return word in _KEYWORDS or _ASSIGNMENT.fullmatch(word) is not None


def _is_passed(word: str) -> bool:
    """Whether what a command is given to run may come after this."""
    return _PASSED.fullmatch(word) is not None or word in _KEYWORDS or _name_program([word]) in _RUNNERS


def _name_program(words: list[str]) -> str:
    return words[0].rpartition("/")[2] if words else ""


def _fits(words: list[str], wanted: list[str], *, is_prefix: bool, is_first: bool) -> bool:
    if not words or not wanted:
        return False
    if is_first and _UNKNOWN.search(words[0]):
        return True
    if (words[0] if "/" in wanted[0] else _name_program(words)) != wanted[0]:
        return False
    return _follow(words[1:], wanted[1:]) if is_prefix else words[1:] == wanted[1:]


def _follow(words: list[str], wanted: list[str]) -> bool:
    """Options may stand between the words of a prefix, with a value each: ``git -C folder push`` is a ``git push``."""
    is_value = False
    for given in words:
        if not wanted:
            return True
        if given == wanted[0]:
            wanted, is_value = wanted[1:], False
        elif given.startswith("-") or is_value:
            is_value = given.startswith("-")
        else:
            return _UNKNOWN.search(given) is not None
    return not wanted or len(words) >= OPTIONS
