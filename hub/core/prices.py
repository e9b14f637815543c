"""List prices of models, for an estimate where Claude Code's own figure isn't known. Pure.

US dollars for a million tokens, as Claude Code 2.1.329 counts them; a cache write is taken as one of five
minutes. A model that isn't listed has no estimate, which is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from hub.core.model import Tokens

MILLION = 1_000_000


class Price(NamedTuple):
    """What a million tokens of each kind cost."""

    input: float
    output: float
    cache_write: float
    cache_read: float


_SONNET = Price(3, 15, 3.75, 0.3)
_OPUS = Price(5, 25, 6.25, 0.5)
_OLD_OPUS = Price(15, 75, 18.75, 1.5)
_FABLE = Price(10, 50, 12.5, 1)
_FABLE_1 = Price(10, 50, 12.5, 0.25)
_FABLE_2 = Price(8, 40, 10, 0.2)

PRICES = {
    "claude-3-5-haiku": Price(0.8, 4, 1, 0.08),
    "claude-haiku-4-5": Price(1, 5, 1.25, 0.1),
    "claude-haiku-5-5": Price(0.1, 0.5, 0.125, 0.01),
    "claude-3-5-sonnet": _SONNET,
    "claude-3-7-sonnet": _SONNET,
    "claude-sonnet-4": _SONNET,
    "claude-sonnet-4-0": _SONNET,
    "claude-sonnet-4-5": _SONNET,
    "claude-sonnet-4-6": _SONNET,
    "claude-sonnet-5": Price(2, 10, 2.5, 0.2),
    "claude-sonnet-5-5": Price(2, 10, 2.5, 0.1),
    "claude-opus-4": _OLD_OPUS,
    "claude-opus-4-0": _OLD_OPUS,
    "claude-opus-4-1": _OLD_OPUS,
    "claude-opus-4-5": _OPUS,
    "claude-opus-4-6": _OPUS,
    "claude-opus-4-7": _OPUS,
    "claude-opus-4-8": _OPUS,
    "claude-opus-5": _OPUS,
    "claude-opus-5-5": Price(4, 20, 5, 0.2),
    "claude-fable-5": _FABLE,
    "claude-fable-5-1": _FABLE_1,
    "claude-fable-5-2": _FABLE_2,
    "claude-mythos-5": _FABLE,
    "claude-mythos-5-1": _FABLE_1,
    "claude-mythos-5-2": _FABLE_2,
}

_DRESSING = re.compile(r"^.*?(?=claude-)|[-@]\d{8}.*$|\[1m\]$|-v\d+(:\d+)?$")
"""What providers and dates put around a model's name."""


def estimate(model: str, tokens: Tokens) -> float | None:
    """What so many tokens cost at list price; None if the model isn't known."""
    price = PRICES.get(_DRESSING.sub("", model))
    if price is None:
        return None
    costs = (
        tokens.input * price.input,
        tokens.output * price.output,
        tokens.cache_write * price.cache_write,
        tokens.cache_read * price.cache_read,
    )
    return sum(costs) / MILLION


def estimate_all(totals: Iterable[tuple[str, Tokens]]) -> float | None:
    """The sum; None if a model isn't known, or if there is nothing."""
    costs = [estimate(model, tokens) for model, tokens in totals]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None
