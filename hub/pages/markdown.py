"""Text to HTML that can be put on the page: Claude's markdown, and what people wrote.

Two gates, each enough alone: markdown-it with raw HTML off, then nh3 with an allowlist. Images
become their description: a remote picture would tell its server who reads what.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_by_name
from pygments.util import ClassNotFound

from hub.pages.outputs import cut_text
from hub.pages.text import say_size

HIGHLIGHT_CHARS = 20_000
"""Longer code stays plain: colouring it would hold up everyone else's page."""

MARKDOWN_CHARS = 16_000
"""What follows in a longer text is shown as it was written: markdown takes its time, and everybody waits."""

_LEXERS = 256
_COLOURED = 128

_SAID = re.compile(r"```[^\n`]*\n(.*?)(?:\n```|\Z)|`([^`\n]+)`", re.DOTALL)


class Prose:
    """A configured markdown renderer; make one and keep it. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._find_lexer = lru_cache(_LEXERS)(_find_lexer)
        self._color = lru_cache(_COLOURED)(self._color_code)
        self._formatter = HtmlFormatter(nowrap=True, classprefix="h-")
        self._markdown = MarkdownIt("commonmark", {"html": False, "highlight": self._highlight})
        self._markdown.enable(["table", "strikethrough"])
        self._markdown.core.ruler.push("headings", _level_headings)
        self._markdown.add_render_rule("image", _render_image)
        self._cleaner = nh3.Cleaner(
            tags={
                *("p", "br", "hr", "strong", "em", "s", "code", "pre", "span", "a", "blockquote", "ul", "ol"),
                *("li", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
            },
            clean_content_tags={"script", "style"},
            attributes={"span": {"class"}, "a": {"href", "title"}, "ol": {"start"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer",
            set_tag_attribute_values={"a": {"target": "_blank"}, "pre": {"tabindex": "0"}},
        )

    def render(self, text: str, *, streaming: bool = False) -> Markup:
        """Claude's markdown as safe HTML. While it streams, what is still open is closed provisionally."""
        text, left_out = cut_text(text)
        start, rest = _split_long(text)
        source = close_provisionally(start) if streaming and not rest else start
        clean = self._cleaner.clean(self._markdown.render(source))
        return Markup(clean) + _fold_rest(rest) + left_out_note(left_out)  # noqa: S704 - cleaned above

    def shows_all(self, text: str) -> bool:
        """Whether no letter of ``text`` is lost in ``render``, as in a link's title or definition, or a cell too many,
        or stands for another. In doubt it isn't.
        """
        environment: dict[str, Any] = {}
        shown = "".join(map(_say_shown, self._markdown.parse(text, environment)))
        return "references" not in environment and _count(shown) == _count(text)

    def _highlight(self, code: str, language: str, _attributes: str) -> str:
        if not language or len(code) > HIGHLIGHT_CHARS:
            return str(escape(code))
        return self._color(code, language)

    def _color_code(self, code: str, language: str) -> str:
        with self._lock:  # the first of its kind builds its class's tables
            kind = self._find_lexer(language)
            lexer = kind(stripnl=False) if kind else None
        return str(highlight(code, lexer, self._formatter) if lexer else escape(code))


def _say_shown(token: Token) -> str:
    """What a reader sees of it; where a link leads is part of that, and so is the language of code."""
    shown = ""
    match token.type:
        case "inline":
            shown = "".join(map(_say_shown, token.children or []))
        case "link_open" if token.info != "auto":
            address = str(token.attrs.get("href", ""))
            shown = "" if "%" in address or "xn--" in address else address  # which may have more letters than were said
        case "fence" if len(token.info.split()) < 2:
            shown = token.info + token.content
        case "text" | "code_inline" | "code_block":
            shown = token.content
        case "list_item_open":
            shown = token.info
    return shown


def _count(text: str) -> int:
    return sum(map(str.isalnum, text))


def _find_lexer(language: str) -> type[Lexer] | None:
    try:
        return find_lexer_class_by_name(language)
    except ClassNotFound:
        return None


def _split_long(text: str) -> tuple[str, str]:
    """What is rendered as markdown, and what is not, cut between paragraphs or lines if it can be."""
    if len(text) <= MARKDOWN_CHARS:
        return text, ""
    for gap in ("\n\n", "\n"):
        at = text.rfind(gap, MARKDOWN_CHARS // 2, MARKDOWN_CHARS)
        if at >= 0:
            return text[:at], text[at:].lstrip("\n")
    return text[:MARKDOWN_CHARS], text[MARKDOWN_CHARS:]


def _fold_rest(text: str) -> Markup:
    if not text:
        return Markup("")
    return Markup(
        '<details class="rest" data-key="rest"><summary><span class="rest-more">Show the rest</span>'
        '<span class="rest-less">Show less</span><span class="faint">{} more, as it was written</span></summary>'
        '<div class="typed">{}</div></details>'
    ).format(say_size(len(text.encode())), text)


def left_out_note(words: str) -> Markup:
    """The line that says what isn't in the page; empty for no words."""
    return Markup('<p class="left-out">{}</p>').format(words) if words else Markup("")


def render_said(text: str) -> Markup:
    """What a person wrote, as they wrote it; only code in backticks is set as code."""
    parts: list[str] = []
    at = 0
    for found in _SAID.finditer(text):
        parts.append(escape(text[at : found.start()]))
        block, inline = found.groups()
        if inline is not None:
            parts += ("<code>", escape(inline), "</code>")
        else:
            parts += ('<pre tabindex="0"><code>', escape(block), "</code></pre>")
        at = found.end()
    return Markup("".join([*parts, escape(text[at:])]))  # noqa: S704 - all that was given is escaped


def close_provisionally(text: str) -> str:
    """Text that may stop in the middle of a word, with its last paragraph's markers closed."""
    if text.count("```") % 2:
        return text  # an open fence runs to the end by itself
    last = text.rpartition("\n\n")[2]
    if last.count("`") % 2:
        return text + "`"
    if last.count("**") % 2:
        return text.rstrip("*") + "**" if last.endswith("*") else text.rstrip() + "**"
    return text


def _level_headings(state: Any) -> None:
    """Headings start below the page's own and never skip a level, whatever the text does."""
    tokens: list[Token] = state.tokens
    ranks = sorted({token.tag for token in tokens if token.type == "heading_open"})
    level = 1
    for token in tokens:
        if token.type == "heading_open":
            level = min(2 + ranks.index(token.tag), level + 1)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{level}"


def _render_image(
    _renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    _options: Any,
    _environment: MutableMapping[str, Any],
) -> str:
    return str(escape(f"[image: {tokens[index].content}]"))
