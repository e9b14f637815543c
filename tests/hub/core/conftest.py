"""A world in memory, and a Claude Code in it that has started and whose channel is connected."""

from __future__ import annotations

import pytest

from tests.hub.claude import Claude
from tests.hub.core.books import Books


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def claude(books: Books) -> Claude:
    claude = Claude()
    books.take(claude.start())
    books.link_up(claude)
    return claude
