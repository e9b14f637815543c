"""What an entry is found by, what a query asks for, and how a match is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.search import (
    EXCERPT_CHARS,
    INPUT_CHARS,
    OUTPUT_CHARS,
    TEXT_CHARS,
    VALUES,
    Term,
    blank_controls,
    cut_excerpt,
    read_words,
    split_query,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def tool(name: str = "Bash", state: str = "done", **data: Any) -> dict[str, Any]:
    """A tool entry's data."""
    return {"tool_name": name, "input": {}, "state": state, "response": None, "error": None, **data}


def found_by(**data: Any) -> list[str]:
    """The texts of a tool entry that is done."""
    return read_words("tool", tool(**data)).split("\n")


@pytest.mark.parametrize("kind", ["prompt", "message", "reply", "notice"])
def test_texts_are_found_by_what_they_say(kind: str) -> None:
    assert read_words(kind, {"text": "the parser", "message_id": "m1", "code": "gap"}) == "the parser"


def test_a_notice_without_words_is_not_found() -> None:
    assert read_words("notice", {"code": "compacted", "text": None}) == ""


@pytest.mark.parametrize("kind", ["progress", "decision", "subagent", "something new"])
def test_other_kinds_are_not_found(kind: str) -> None:
    assert read_words(kind, {"text": "the parser"}) == ""


def test_what_streams_has_no_words_yet() -> None:
    assert read_words("assistant", {"text": "half a sen", "streaming": True}) == ""
    assert read_words("assistant", {"text": "half a sentence", "streaming": False}) == "half a sentence"


@pytest.mark.parametrize("state", ["running", "waiting"])
def test_a_call_under_way_has_no_words_yet(state: str) -> None:
    assert read_words("tool", tool(state=state, input={"command": "ls"})) == ""


@pytest.mark.parametrize("state", ["done", "failed", "interrupted"])
def test_a_call_is_found_by_its_tool_its_input_and_its_output(state: str) -> None:
    data = tool(state=state, input={"command": "ls", "timeout": 5}, response={"stdout": "a.txt", "isImage": False})
    assert read_words("tool", data) == "Bash\nls\na.txt"


def test_nested_values_come_in_order() -> None:
    value = {"a": ["1", {"b": "2"}, [["3"]]], "c": "4"}
    assert found_by(input=value, response=value) == ["Bash", *"1234", *"1234"]


def test_errors_are_found() -> None:
    assert found_by(state="failed", error="no such file") == ["Bash", "no such file"]


def test_an_edit_is_found_by_what_it_changes_not_by_the_whole_file() -> None:
    data = {"input": {"file_path": "a.py", "new_string": "x"}, "response": {"originalFile": "everything else"}}
    assert found_by(name="Edit", **data) == ["Edit", "a.py", "x"]


def test_pictures_are_not_words() -> None:
    assert found_by(response={"content": [{"data": "iVBORw0KGgo/" * 1000}, {"text": "seen"}]}) == ["Bash", "seen"]


def test_long_texts_are_found_by_their_beginning() -> None:
    long = "word " * 100_000
    assert len(read_words("prompt", {"text": long})) == TEXT_CHARS
    whole = len(read_words("tool", tool(input={"a": long, "b": long}, response=[long, long])))
    assert whole == len("Bash\n\n") + INPUT_CHARS + OUTPUT_CHARS


def test_countless_values_are_not_all_looked_at() -> None:
    assert found_by(response=[0] * VALUES + ["behind"]) == ["Bash"]
    assert found_by(response=["x"] * 10 * VALUES).count("x") < VALUES


@given(value=anything)
def test_whatever_a_tool_got_or_gave_has_words_of_a_bounded_length(value: Any) -> None:
    words = read_words("tool", tool(input=value, response=value))
    assert len(words) <= len("Bash") + INPUT_CHARS + OUTPUT_CHARS + 2 * VALUES


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", []),
        ("  \t ", []),
        ('"" " " "', []),
        ("lost rows", [Term("lost"), Term("rows", is_prefix=True)]),
        ('"lost rows"', [Term("lost rows")]),
        ('a "b c" defg', [Term("a"), Term("b c"), Term("defg", is_prefix=True)]),
        ('defg "b', [Term("defg"), Term("b")]),
        ("io", [Term("io")]),
        ("src/rows/rea", [Term("src/rows/rea", is_prefix=True)]),
        ("reader.p", [Term("reader.p")]),
        ("read_r", [Term("read_r")]),
        ("read_rows", [Term("read_rows", is_prefix=True)]),
        ("NOT AND OR NEAR(a)", [Term("NOT"), Term("AND"), Term("OR"), Term("NEAR(a)")]),
        ("a\0bcd", [Term("a"), Term("bcd", is_prefix=True)]),
    ],
)
def test_a_query_is_words_and_quoted_words(query: str, terms: list[Term]) -> None:
    assert split_query(query) == terms


@given(query=st.text(alphabet=st.characters()))
def test_no_query_has_a_quote_or_a_control_character_left(query: str) -> None:
    said = "".join(term.text for term in split_query(query))
    assert '"' not in said
    assert blank_controls(said) == said


def test_an_excerpt_shows_the_first_match_and_what_is_around_it() -> None:
    text = "before " * 100 + "match\nafter " + "behind " * 100
    at = text.index("match")
    excerpt = cut_excerpt(text, [(at, at + 5), (len(text) - 7, len(text) - 1)])
    assert excerpt.text.startswith("…before before")
    assert "match after" in excerpt.text
    assert excerpt.text.endswith("…")
    assert [excerpt.text[slice(*mark)] for mark in excerpt.marks] == ["match"]


def test_a_short_text_is_shown_whole() -> None:
    excerpt = cut_excerpt("one two", [(0, 3), (4, 7)])
    assert (excerpt.text, excerpt.marks) == ("one two", [(0, 3), (4, 7)])


@given(text=st.text(max_size=600), places=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 300)), max_size=5))
def test_marks_stay_inside_of_the_excerpt_and_on_the_same_text(text: str, places: list[tuple[int, int]]) -> None:
    at, marks = 0, []
    for gap, length in places:
        begin, end = at + gap, at + gap + length
        if end > len(text):
            break
        marks.append((begin, end))
        at = end
    excerpt = cut_excerpt(text, marks)
    assert len(excerpt.text) <= EXCERPT_CHARS + 2
    for (begin, end), (shown_begin, shown_end) in zip(marks, excerpt.marks, strict=False):
        shown = excerpt.text[shown_begin:shown_end]
        assert 0 < len(shown) <= end - begin
        assert blank_controls(text[begin:end]).startswith(shown)
    assert bool(marks) == bool(excerpt.marks)
