"""The address people use: what it may be, and how browsers write it."""

from __future__ import annotations

import pytest

from hub.config import normalise_url


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("https://Hub.example/", "https://hub.example"),
        ("https://hub.example:443", "https://hub.example"),
        ("http://hub.example:80", "http://hub.example"),
        ("http://[::1]:7878", "http://[::1]:7878"),
    ],
)
def test_written_as_browsers_write_it(typed: str, meant: str) -> None:
    assert normalise_url(typed) == meant


@pytest.mark.parametrize(
    "typed", ["hub.example", "ftp://hub.example", "https://", "https://h/x", "https://u@h", "http://h:x"]
)
def test_what_is_no_address_of_a_hub_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normalise_url(typed)
