"""Ids sort by time, and are UUIDs of version 7 to everybody else."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from wire.ids import build_id, to_rfc3339

times = st.integers(0, 2**48 * 1000 - 1)
eight = st.binary(min_size=8, max_size=8)


@given(times, eight)
def test_an_id_is_a_version_7_uuid_of_its_time(at: int, random: bytes) -> None:
    built = uuid.UUID(build_id(at, random))
    assert (built.version, built.variant) == (7, uuid.RFC_4122)
    assert built.int >> 80 == at // 1000


@given(times, times, eight, eight)
def test_ids_sort_by_time(one: int, other: int, random: bytes, more: bytes) -> None:
    if one < other:
        assert build_id(one, random) < build_id(other, more)


def test_times_are_rfc_3339_with_milliseconds() -> None:
    assert to_rfc3339(1_795_243_093_545_999) == "2026-11-21T06:38:13.545Z"
