"""Text to HTML that can be put on the page: Claude's markdown, and what people wrote.

Two gates, each enough alone: markdown-it with raw HTML off, then nh3 with an allowlist. Images
become their description: a remote picture would tell its server who reads what.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from hub.pages.outputs import cut_text

HIGHLIGHT_CHARS = 20_000
"""Longer code stays plain: colouring it would hold up everyone else's page."""

_SAID = re.compile(r"```[^\n`]*\n(.*?)(?:\n```|\Z)|`([^`\n]+)`", re.DOTALL)


class Prose:
    """A configured markdown renderer; make one and keep it."""

    def __init__(self) -> None:
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
        source = close_provisionally(text) if streaming else text
        clean = self._cleaner.clean(self._markdown.render(source))
        return Markup(clean) + left_out_note(left_out)  # noqa: S704 - cleaned above

    def _highlight(self, code: str, language: str, _attributes: str) -> str:
        if not language or len(code) > HIGHLIGHT_CHARS:
            return str(escape(code))
        try:
            lexer = get_lexer_by_name(language, stripnl=False)
        except ClassNotFound:
            return str(escape(code))
        return str(highlight(code, lexer, self._formatter))


def left_out_note(words: str) -> Markup:
    """The line that says what isn't in the page; empty for no words."""
    return Markup('<p class="left-out">{}</p>').format(words) if words else Markup("")


def render_said(text: str) -> Markup:
    """What a person wrote, as they wrote it; only code in backticks is set as code."""
    html = Markup("")
    at = 0
    for found in _SAID.finditer(text):
        html += escape(text[at : found.start()])
        block, inline = found.groups()
        if inline is not None:
            html += Markup("<code>{}</code>").format(inline)
        else:
            html += Markup('<pre tabindex="0"><code>{}</code></pre>').format(block)
        at = found.end()
    return html + escape(text[at:])


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
