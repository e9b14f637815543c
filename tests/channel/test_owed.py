"""What goes first when the disk has been full for long."""

from __future__ import annotations

from typing import Any

import pytest

from channel.owed import OWED, Owed


def paid(owed: Owed) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    owed.pay(found.append)
    return found


def a_report(name: str, number: int = 0) -> dict[str, Any]:
    return {"hook_event_name": name, "number": number}


def test_they_are_paid_in_order_and_once() -> None:
    owed = Owed()
    owed.add(a_report("ChannelIdle"))
    owed.add(a_report("ChannelInjected"))
    assert paid(owed) == [a_report("ChannelIdle"), a_report("ChannelInjected")]
    assert paid(owed) == []


def test_what_is_not_taken_stays() -> None:
    owed = Owed()
    owed.add(a_report("ChannelIdle"))

    def fail(_: dict[str, Any]) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="space"):
        owed.pay(fail)
    assert paid(owed) == [a_report("ChannelIdle")]


@pytest.mark.parametrize("name", ["ChannelInjected", "ChannelSeen"])
def test_receipts_outlast_everything_else(name: str) -> None:
    owed = Owed()
    owed.add(a_report(name))
    for number in range(OWED * 2):
        owed.add(a_report("ChannelWays", number))
    newest = range(OWED + 1, OWED * 2)
    assert paid(owed) == [a_report(name), *(a_report("ChannelWays", number) for number in newest)]


def test_of_too_many_receipts_the_oldest_goes() -> None:
    owed = Owed()
    for number in range(OWED + 1):
        owed.add(a_report("ChannelInjected", number))
    assert [body["number"] for body in paid(owed)] == list(range(1, OWED + 1))
