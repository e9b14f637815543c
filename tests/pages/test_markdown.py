"""Claude's markdown and people's text, as HTML that can do no harm."""

from __future__ import annotations

import re
import time

import pytest

from hub.pages.markdown import MARKDOWN_CHARS, Prose, close_provisionally, render_said
from hub.pages.outputs import PAGE_BYTES

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](https://e.example 'onmouseover=alert(1)')",
    '[x](https://e.example "\\" onmouseover=\\"alert(1)")',
    "<svg/onload=alert(1)>",
    "<style>*{display:none}</style>",
    "<iframe src=//evil.example></iframe>",
    "```<script>\nx\n```",
    '```"onmouseover=alert(1)\nx\n```',
    "`<b onclick=alert(1)>`",
    "<div style='position:fixed'>x</div>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!--><script>alert(1)</script>-->",
    "|<img src=x onerror=alert(1)>|\n|-|\n|[y](vbscript:x)|",
    "# <form action=//evil.example><input>",
    "<https://e.example/?<script>>",
    "[ref]\n\n[ref]: javascript:alert(1)",
]

ALLOWED = re.compile(
    r"</?(p|br|hr|strong|em|s|code|pre|span|a|blockquote|ul|ol|li|h[2-6]|table|thead|tbody|tr|th|td)"
    r'( (href|title|class|start|target|rel|tabindex)="[^"<>]*")*\s*/?>'
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("streaming", [False, True])
def test_only_harmless_tags_come_out(text: str, streaming: bool) -> None:
    html = Prose().render(text, streaming=streaming)
    assert all(ALLOWED.fullmatch(tag) for tag in re.findall(r"<[^>]*>", html)), html
    assert not re.search(r'href="(?!https?:|mailto:)', html)
    assert "<img" not in html


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_wrote_stays_text(text: str) -> None:
    tags = set(re.findall(r"<[^>]*>", render_said(text)))
    assert tags <= {"<code>", "</code>", '<pre tabindex="0">', "</pre>"}


def test_links_open_elsewhere_and_tell_nothing() -> None:
    assert Prose().render("[k](https://e.org)") == (
        '<p><a href="https://e.org" target="_blank" rel="noopener noreferrer">k</a></p>\n'
    )


def test_images_are_named_and_not_loaded() -> None:
    assert Prose().render("![a chart](https://e.org/x.png)") == "<p>[image: a chart]</p>\n"


def test_code_is_coloured_by_classes() -> None:
    html = Prose().render("```python\ndef f(): ...\n```")
    assert '<span class="h-k">def</span>' in html
    assert "style=" not in html


def test_code_in_an_unknown_language_is_plain() -> None:
    assert "<code>x &lt; 1\n</code>" in Prose().render("```nonsense\nx < 1\n```")


def test_headings_stay_below_the_pages_own_and_skip_no_level() -> None:
    html = Prose().render("### a\n\n# b\n\n##### c\n\n# d")
    assert re.findall(r"<h(\d)>", html) == ["2", "2", "3", "2"]


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("half **bo", "half **bo**"),
        ("some `co", "some `co`"),
        ("done **b** and `c`", "done **b** and `c`"),
        ("```py\nx **", "```py\nx **"),
        ("old `one\n\nnew", "old `one\n\nnew"),
    ],
)
def test_while_it_streams_what_is_open_is_closed(text: str, closed: str) -> None:
    assert close_provisionally(text) == closed


def test_people_get_code_but_no_markdown() -> None:
    assert render_said("# `x` **y**\n```sh\nls\n```") == (
        '# <code>x</code> **y**\n<pre tabindex="0"><code>ls</code></pre>'
    )


def test_a_huge_text_is_cut_and_says_so() -> None:
    html = Prose().render("word " * 40_000)
    assert len(html) < PAGE_BYTES + 1000
    assert '<p class="left-out">134 kB left out here</p>' in html


def test_the_rest_of_a_long_text_is_folded_and_plain() -> None:
    html = Prose().render("**a** \n\n" * 4000)
    start, fold, rest = html.partition('<details class="rest"')
    assert fold
    assert start.count("<strong>a</strong>") == html.count("<strong>") <= MARKDOWN_CHARS / 8
    assert rest.count("**a**") + start.count("<strong>") == 4000
    assert "<details" not in Prose().render("**a** \n\n" * 1000)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_rest_of_a_long_text_is_only_text(text: str) -> None:
    rest = Prose().render("x" * MARKDOWN_CHARS + text * 3).partition("</summary>")[2]
    assert set(re.findall(r"<[^>]*>", rest)) == {'<div class="typed">', "</div>", "</details>"}


HANG = 20.0
"""Seconds of processor time that nothing here needs a tenth of, on the slowest machine; without bounds, minutes."""


def test_no_text_holds_the_hub_up() -> None:
    for text in ("[" * 70_000, "a|b\n-|-\n" + "x|y\n" * 20_000, "[a](" * 20_000):
        started = time.process_time()
        Prose().render(text)
        assert time.process_time() - started < HANG
    started = time.process_time()
    render_said("`x`" * 20_000)
    assert time.process_time() - started < HANG
