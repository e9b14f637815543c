"""A message's tag: what the channel writes is what the hub finds again, and nothing else is."""

from __future__ import annotations

from wire.messages import build_meta, find_message_ids


def test_the_id_of_a_message_is_found_in_the_prompt_the_client_reports() -> None:
    prompt = '<channel source="heliograph" message_id="m1" from="O&apos;Neil">\nhello\n</channel>'
    assert find_message_ids(prompt) == ["m1"]


def test_several_messages_in_one_prompt_are_all_found() -> None:
    tag = '<channel source="plugin:x:heliograph" message_id="{}" from="a">\nhi\n</channel>'
    assert find_message_ids(tag.format("m1") + "\n" + tag.format("m2")) == ["m1", "m2"]


def test_other_servers_tags_are_not_ours() -> None:
    assert find_message_ids('<channel source="telegram" message_id="m1">') == []
    assert find_message_ids('<channel message_id="m1">') == []


def test_a_second_source_attribute_does_not_help() -> None:
    assert find_message_ids('<channel source="telegram" message_id="m1" source="heliograph">') == []


def test_meta_has_only_strings_and_no_source() -> None:
    meta = build_meta("m1", 'the "boss"')
    assert meta == {"message_id": "m1", "from": "the 'boss'"}
