"""What is served beside the pages: whole, our own, and nothing that the pages don't use."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import web
from hub.pages import cards, decision_results, decisions, entries, receipts, render, sessions, tool_kinds, tool_parts

WEB = Path(web.__file__).parent
STATIC = WEB / "static"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
STYLES = sorted((STATIC / "css").glob("*.css"))
SCRIPTS = [STATIC / "sw.js", *sorted((STATIC / "js").rglob("*.js"))]
_MODULES = (cards, decision_results, decisions, entries, receipts, render, sessions, tool_kinds, tool_parts)
PRESENTERS = [Path(module.__file__) for module in _MODULES]


def list_icons() -> set[str]:
    return set(re.findall(r'<symbol id="([a-z0-9-]+)"', (STATIC / "icons.svg").read_text()))


def test_every_icon_in_use_is_in_the_sprite_and_no_other() -> None:
    text = "\n".join(path.read_text() for path in [*TEMPLATES, *PRESENTERS])
    assert set(re.findall(r'icon\("([a-z0-9-]+)"', text)) <= list_icons()
    unused = {name for name in list_icons() if f'"{name}"' not in text}
    assert unused == set()


def test_vendored_files_are_what_the_manifest_says() -> None:
    manifest = json.loads((STATIC / "vendor" / "manifest.json").read_text())
    listed = {"manifest.json"}
    for package in manifest:
        short = package["name"].rpartition("/")[2]
        assert (STATIC / "vendor" / f"{short}.LICENSE").stat().st_size > 500
        listed |= {f"{short}.LICENSE", *package["files"]}
        for name, digest in package["files"].items():
            assert hashlib.sha512((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest
    assert {path.name for path in (STATIC / "vendor").iterdir()} == listed


@pytest.mark.parametrize("path", [*TEMPLATES, *STYLES, *SCRIPTS], ids=lambda path: str(path.relative_to(WEB)))
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://", text)
    if path.suffix == ".html":
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?! type=\"module\" src=)", text)
    if path.suffix == ".js":
        assert "innerHTML" not in text
        for name in re.findall(r'from "([^"]+)"', text):
            assert (path.parent / name).is_file(), name


@pytest.mark.parametrize("path", [path for path in STYLES if path.name != "tokens.css"], ids=lambda path: path.name)
def test_components_use_meanings_not_colours(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"#[0-9a-f]{6}\b|rgb\(|--(stone|night|sky|sun|leaf|ember|dusk)-", text)
    tokens = (STATIC / "css" / "tokens.css").read_text()
    for name in set(re.findall(r"var\((--[a-z0-9-]+)", text)):
        assert f"{name}:" in tokens, name


def test_amber_is_used_only_for_what_needs_somebody() -> None:
    amber = re.compile(r"--call")
    allowed = re.compile(r"ask|needs|call|wait|logo|rail|g-halo|\.dec\b|#inbox-open")
    for path in STYLES:
        if path.name == "tokens.css":
            continue
        for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", path.read_text()):
            if amber.search(rule[1]):
                assert allowed.search(rule[0]), rule[0].strip()
