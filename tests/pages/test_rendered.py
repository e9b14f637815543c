"""The store of rendered entries: the right version, within its bounds."""

from __future__ import annotations

from markupsafe import Markup

from hub.pages.rendered import Rendered


def test_only_the_version_asked_for_is_given() -> None:
    rendered = Rendered()
    assert rendered.find("e1", 1) is None
    rendered.keep("e1", 1, Markup("one"))
    rendered.keep("e1", 2, Markup("two"))
    assert rendered.find("e1", 1) is None
    assert rendered.find("e1", 2) == "two"


def test_what_was_not_used_for_longest_goes_first() -> None:
    rendered = Rendered(kept_bytes=10_000)
    for name in ("a", "b", "c"):
        rendered.keep(name, 1, Markup("x" * 3000))
    rendered.find("a", 1)
    rendered.keep("d", 1, Markup("x" * 3000))
    assert [name for name in "abcd" if rendered.find(name, 1)] == ["a", "c", "d"]


def test_new_versions_take_no_more_room() -> None:
    rendered = Rendered(kept_bytes=10_000)
    rendered.keep("a", 1, Markup("x" * 3000))
    for version in range(100):
        rendered.keep("b", version, Markup("x" * 3000))
    assert rendered.find("a", 1)


def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    rendered = Rendered(kept_bytes=10_000)
    rendered.keep("a", 1, Markup("x" * 20_000))
    assert rendered.find("a", 1) is None
    rendered.keep("b", 1, Markup("x"))
    assert rendered.find("b", 1)
