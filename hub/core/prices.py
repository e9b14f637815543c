"""List prices of models, for an estimate where Claude Code's own figure isn't known. Pure.

US dollars for a million tokens, as far as they were known when this version was made; a cache read costs a tenth
of input, a cache write 1.25 of it. A model that isn't listed has no estimate, which is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.core.model import Tokens

MILLION = 1_000_000
CACHE_READ = 0.1
CACHE_WRITE = 1.25

PRICES: tuple[tuple[str, float, float], ...] = (
    ("claude-opus-4-1", 15.0, 75.0),
    ("claude-opus-4-2025", 15.0, 75.0),
    ("claude-opus-", 5.0, 25.0),
    ("claude-sonnet-", 3.0, 15.0),
    ("claude-3-5-haiku", 0.8, 4.0),
    ("claude-haiku-", 1.0, 5.0),
)
"""(how the model's name begins, input, output): the first that fits."""


def estimate(model: str, tokens: Tokens) -> float | None:
    """What so many tokens cost at list price; None if the model isn't known."""
    for prefix, price_in, price_out in PRICES:
        if model.startswith(prefix):
            read = tokens.input + CACHE_READ * tokens.cache_read + CACHE_WRITE * tokens.cache_write
            return (read * price_in + tokens.output * price_out) / MILLION
    return None


def estimate_all(totals: Iterable[tuple[str, Tokens]]) -> float | None:
    """The sum; None if a model isn't known, or if there is nothing."""
    costs = [estimate(model, tokens) for model, tokens in totals]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None
