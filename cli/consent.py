"""Asks before something is done; no answer is no."""

from __future__ import annotations


def ask(question: str) -> bool:
    """Whether the person says yes."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
