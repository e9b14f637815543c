"""The codec: what is encoded decodes to the same, and nothing that arrives makes it raise but MalformedFrame."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.frames import (
    Ack,
    Bye,
    Declined,
    Error,
    Event,
    Events,
    Hello,
    MalformedFrame,
    Process,
    Push,
    Rejected,
    Welcome,
    decode_from_channel,
    decode_from_hub,
    encode,
)

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
events = st.builds(
    Event,
    event_id=text,
    at=st.integers(0, 2**53),
    source=st.sampled_from(["hook", "channel"]),
    pid=st.integers(1, 2**22),
    body=st.dictionaries(text, json_values, max_size=3).map(lambda body: msgspec.Raw(msgspec.json.encode(body))),
)
channel_frames = st.one_of(
    st.builds(
        Hello,
        level=st.integers(0, 9),
        features=st.lists(text, max_size=3),
        version=text,
        process=st.builds(Process, pid=st.integers(1, 2**22), started_at=st.integers(0, 2**53)),
        session_id=st.none() | text,
        cwd=text,
        push=st.booleans(),
        branch=st.none() | text,
    ),
    st.builds(Events, seq=st.integers(1, 2**31), events=st.lists(events, max_size=3)),
    st.builds(Declined, message_id=text, reason=st.sampled_from(["busy", "elsewhere"])),
    st.builds(Bye, reason=st.sampled_from(["stopped", "parent_gone"])),
)
hub_frames = st.one_of(
    st.builds(Welcome, level=st.integers(0, 9), features=st.lists(text), link_id=text, hub_version=text),
    st.builds(Ack, seq=st.integers(1, 2**31), rejected=st.lists(st.builds(Rejected, event_id=text, code=text))),
    st.builds(Push, message_id=text, session_id=text, text=text, author=text),
    st.builds(Error, code=text, message=text),
)


@given(channel_frames)
def test_what_a_channel_sends_arrives_as_it_was(frame: Hello | Events | Declined | Bye) -> None:
    arrived = decode_from_channel(encode(frame))
    assert encode(arrived) == encode(frame)
    assert type(arrived) is type(frame)


@given(hub_frames)
def test_what_the_hub_sends_arrives_as_it_was(frame: Welcome | Ack | Push | Error) -> None:
    assert decode_from_hub(encode(frame)) == frame


@given(st.binary() | text | st.recursive(json_values, st.lists).map(msgspec.json.encode))
def test_arbitrary_data_is_malformed_at_worst(data: str | bytes) -> None:
    for decode in (decode_from_channel, decode_from_hub):
        with pytest.raises(MalformedFrame):
            decode(data)


@pytest.mark.parametrize("data", ["[" * 100_000, '{"type":"events","seq":1,"events":' + "[" * 100_000])
def test_deep_nesting_is_malformed(data: str) -> None:
    with pytest.raises(MalformedFrame):
        decode_from_channel(data)


def test_fields_unknown_to_us_are_ignored_on_arrival() -> None:
    data = '{"type":"bye","reason":"stopped","since":"level 2"}'
    assert decode_from_channel(data) == Bye(reason="stopped")


def test_a_frame_of_the_other_side_is_malformed() -> None:
    with pytest.raises(MalformedFrame):
        decode_from_channel(encode(Ack(seq=1)))


def test_the_error_shows_no_content() -> None:
    with pytest.raises(MalformedFrame) as caught:
        decode_from_hub('{"type":"push","message_id":"m","session_id":"s","author":"a","text":["hunter2"]}')
    assert "hunter2" not in str(caught.value)
