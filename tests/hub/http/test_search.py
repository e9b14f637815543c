"""Search through the API: what is found, how it is shown, and that no query breaks anything."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from hub.core.search import QUERY_CHARS, QUERY_TERMS
from hub.db.engine import READERS
from hub.errors import Busy
from hub.http.searches import Searches
from hub.keys import SEARCHES
from tests.hub.claude import Claude
from tests.hub.kit import PATIENCE, Hub, until

HOSTILE = (
    '"',
    '""',
    '"unclosed words',
    "'; DROP TABLE search; --",
    "NEAR(a b, 2)",
    "words AND",
    "NOT words",
    "OR",
    "words : OR",
    "{scope} : words",
    "scope:kprompt",
    "-words",
    "^words",
    "words*",
    "*",
    "(",
    ")(",
    "a + b",
    "\\",
    "%",
    "a\0b",
    "\0",
    "\x01needle\x02",
    "→",
    "\u202e",
    "🙂" * QUERY_CHARS,
    "x" * QUERY_CHARS,
    ". " * QUERY_TERMS,
    "'" * QUERY_CHARS,
)


async def search(hub: Hub, query: str = "", **filters: Any) -> Any:
    """The answer, once everything is indexed."""
    await hub.indexed()
    named = "&".join(f"{name}={quote(str(value))}" for name, value in filters.items())
    return await hub.get(f"/api/v1/search?q={quote(query)}&{named}")


async def texts(hub: Hub, query: str, **filters: Any) -> list[str]:
    """The hits' excerpts."""
    return [hit["snippet"]["text"] for hit in (await search(hub, query, **filters))["hits"]]


def marked(hit: Any) -> list[str]:
    """What is marked in an excerpt."""
    return [hit["snippet"]["text"][begin:end] for begin, end in hit["snippet"]["marks"]]


@pytest.fixture
async def claude(hub: Hub) -> Claude:
    """A session with a bit of everything."""
    claude = Claude()
    await hub.post_events(claude.start(), *claude.turn("Fix the parser in `read_rows`", "The parser works again"))
    await hub.send(claude.session_id, "Thank you for the parser")
    await hub.post_events(claude.replies("Any time"))
    return claude


async def test_a_hit_says_where_it_is_and_shows_why(hub: Hub, claude: Claude) -> None:
    (hit,) = (await search(hub, "READ_ROWS"))["hits"]
    entry = (await hub.timeline(claude.session_id))[0]
    assert hit == {
        "session_id": claude.session_id,
        "session_title": "Fix the parser in read_rows",
        "entry_id": entry["entry_id"],
        "kind": "prompt",
        "position": entry["position"],
        "at": entry["at"],
        "snippet": {"text": "Fix the parser in `read_rows`", "marks": [[19, 28]]},
    }
    assert marked(hit) == ["read_rows"]


async def test_every_word_must_be_there_and_the_latest_comes_first(hub: Hub, claude: Claude) -> None:
    assert await texts(hub, "the parser") == [
        "Thank you for the parser",
        "The parser works again",
        "Fix the parser in `read_rows`",
    ]
    assert await texts(hub, "again parser") == ["The parser works again"]
    assert await texts(hub, "parser nowhere") == []


async def test_calls_are_found_by_input_and_output(hub: Hub, claude: Claude) -> None:
    use = {"tool_name": "Bash", "tool_input": {"command": "grep -rn strip src/rows/reader.py"}}
    events = [claude.pre_tool("t9", **use), claude.post_tool("t9", **use, tool_response={"stdout": "17: line.strip()"})]
    await hub.post_events(*events)
    for query in ("reader.py", "src/rows", '"line strip"', "17", "rows/rea"):
        (hit,) = (await search(hub, query))["hits"]
        assert hit["kind"] == "tool"
        assert marked(hit)


async def test_the_last_word_may_be_a_beginning(hub: Hub, claude: Claude) -> None:
    assert await texts(hub, "par") != []
    assert await texts(hub, "the par") != []
    assert await texts(hub, "par the") == []
    assert await texts(hub, '"par"') == []
    assert await texts(hub, "pa") == []


async def test_accents_and_case_do_not_count(hub: Hub, claude: Claude) -> None:
    await hub.post_events(claude.prompt("Das Übermaß im CAFÉ"))
    for query in ("ubermaß cafe", "ÜBERMASS".replace("SS", "ß"), "Café"):
        assert await texts(hub, query) == ["Das Übermaß im CAFÉ"]


async def test_words_in_quotes_stand_together(hub: Hub, claude: Claude) -> None:
    assert await texts(hub, '"parser works"') == ["The parser works again"]
    assert await texts(hub, '"works parser"') == []


async def test_filters(hub: Hub, claude: Claude) -> None:
    other = Claude(pid=9)
    await hub.post_events(other.start(), other.prompt("parser of another"), key=hub.secrets.borea.key)
    assert await texts(hub, "parser", session=other.session_id) == ["parser of another"]
    assert await texts(hub, "parser", machine=hub.secrets.borea.machine_id) == ["parser of another"]
    assert await texts(hub, "parser", kind="message") == ["Thank you for the parser"]
    assert await texts(hub, "parser", kind="prompt", session=claude.session_id) == ["Fix the parser in `read_rows`"]
    assert await texts(hub, "parser", session=other.session_id, machine=hub.secrets.atlas.machine_id) == []
    for nobody in ('"', "nothing", "x OR y", "%00", "*"):
        assert await texts(hub, "parser", session=nobody) == []
        assert await texts(hub, "parser", machine=nobody) == []


async def test_hits_page_without_loss_or_repetition(hub: Hub) -> None:
    claude = Claude()
    await hub.post_events(claude.start(), *(claude.prompt(f"needle {number}") for number in range(120)))
    whole = [f"needle {number}" for number in reversed(range(120))]
    for limit in (1, 7, 50, 1000):
        found, cursor = [], ""
        while cursor is not None:
            answer = await search(hub, "needle", limit=limit, cursor=cursor)
            assert len(answer["hits"]) <= min(limit, 50)
            found += [hit["snippet"]["text"] for hit in answer["hits"]]
            cursor = answer["next"]
        assert found == whole


async def test_an_excerpt_is_text_whose_marks_nobody_can_forge(hub: Hub) -> None:
    claude = Claude()
    text = "\x01forged\x02 <b>forged</b> [[0,3]]\n🙂 needle " + "filler " * 200
    await hub.post_events(claude.start(), claude.prompt(text))
    (hit,) = (await search(hub, "needle"))["hits"]
    assert marked(hit) == ["needle"]
    assert hit["snippet"]["text"].startswith(" forged  <b>forged</b> [[0,3]] 🙂 needle filler")
    assert len(hit["snippet"]["text"]) < len(text)


@pytest.mark.parametrize("query", HOSTILE)
async def test_a_query_is_data(hub: Hub, query: str) -> None:
    claude = Claude()
    await hub.post_events(claude.start(), claude.prompt(f"needle {query} words"), claude.prompt("unrelated"))
    answer = await search(hub, query)
    assert answer["next"] is None
    assert {hit["session_id"] for hit in answer["hits"]} <= {claude.session_id}
    assert "unrelated" not in [hit["snippet"]["text"] for hit in answer["hits"]]
    assert len(await texts(hub, "needle")) == 1


@pytest.mark.parametrize("raw", ["%ff", "%ED%A0%80", "%00", "%22%00", "%F0%9F%98%80", "", "%20%20"])
async def test_odd_bytes_find_nothing_and_break_nothing(hub: Hub, claude: Claude, raw: str) -> None:
    await hub.indexed()
    assert (await hub.get(f"/api/v1/search?q={raw}")) == {"hits": [], "next": None}
    assert (await hub.get(f"/api/v1/search?q=parser&session={raw or '%00'}"))["hits"] == []


async def test_without_words_nothing_is_found(hub: Hub, claude: Claude) -> None:
    assert await search(hub) == {"hits": [], "next": None}
    assert await texts(hub, "→ …", kind="prompt") == []


@pytest.mark.parametrize(
    "query",
    [
        "q=" + "x" * (QUERY_CHARS + 1),
        "q=" + "+".join("x" * (QUERY_TERMS + 1)),
        "q=x&kind=progress",
        "q=x&kind=%22",
        "q=x&limit=0",
        "q=x&limit=-1",
        "q=x&limit=many",
        "q=x&cursor=nonsense",
        "q=x&cursor=" + quote(base64.urlsafe_b64encode(json.dumps([2**70, ""]).encode()).decode()),
    ],
)
async def test_a_bad_query_is_422_in_words(hub: Hub, query: str) -> None:
    answer = await hub.call("GET", f"/api/v1/search?{query}", token=hub.secrets.viewer)
    assert (answer.status, answer.code) == (422, "unprocessable")


async def test_a_hit_has_the_fields_that_the_description_promises(hub: Hub, claude: Claude) -> None:
    schema = (await hub.get("/api/v1/openapi.json"))["components"]["schemas"]["Hit"]
    for hit in (await search(hub, "parser"))["hits"]:
        assert set(schema["properties"]) == set(schema["required"]) == set(hit)
        assert set(schema["properties"]["snippet"]["properties"]) == set(hit["snippet"])


async def test_a_search_that_takes_too_long_is_given_up_and_the_next_one_works(
    hub: Hub, claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.indexed()
    searches = hub.app[SEARCHES]
    with monkeypatch.context() as patch:
        patch.setattr("hub.db.driver.STEPS", 1)
        patch.setattr(searches, "seconds", 0)
        for _ in range(2 * READERS):
            answer = await hub.call("GET", "/api/v1/search?q=parser", token=hub.secrets.viewer)
            assert (answer.status, answer.code) == (422, "search_too_slow")
            assert "rarer words" in answer.json["error"]["message"]
    for _ in range(2 * READERS):
        assert len(await texts(hub, "parser")) == 3


async def test_a_search_waits_for_others_only_so_long(hub: Hub, claude: Claude) -> None:
    searches = hub.app[SEARCHES]
    async with searches.turn(), searches.turn():
        searches.seconds = 0
        answer = await hub.call("GET", "/api/v1/search?q=parser", token=hub.secrets.viewer)
        assert (answer.status, answer.code) == (503, "busy")
    searches.seconds = 10
    assert len(await texts(hub, "parser")) == 3


async def test_more_than_a_few_do_not_even_wait() -> None:
    searches = Searches(at_once=1, waiting=1, seconds=PATIENCE)

    async def search_once() -> bool:
        async with searches.turn():
            return True

    async with searches.turn():
        waits = asyncio.create_task(search_once())
        await until(lambda: searches.waiting, "one waits")
        with pytest.raises(Busy):
            await search_once()
    assert await waits
    assert await search_once()
