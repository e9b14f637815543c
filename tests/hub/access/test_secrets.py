"""Secrets are shown once and stored hashed; answers carry the headers that keep pages apart."""

from __future__ import annotations

import re

import pytest

from hub.access.secrets import build_code, build_token, hash_code, matches_code, normalise_code
from hub.actions.identity import do_create_code, do_create_sign_in, do_create_token
from hub.http.admin import build_sign_in_url
from tests.hub.claude import Claude
from tests.hub.kit import Hub


async def test_no_secret_is_in_the_database(hub: Hub) -> None:
    browser = await hub.browser()
    link, code = await do_create_sign_in(hub.db), (await do_create_code(hub.db)).code
    person = await do_create_token(hub.db, "agent", "member")
    cookie = browser.cookie.partition("=")[2]
    secrets = [link, code, code.replace("-", ""), person, cookie, hub.secrets.owner, hub.secrets.atlas.key]
    stored = b"".join(path.read_bytes() for path in hub.path.parent.iterdir() if path.is_file())
    assert b"maya" in stored
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret.partition("_")[2].encode() not in stored or "_" not in secret


def test_secrets_say_what_they_are_and_differ() -> None:
    kinds = {"machine": "hgm_", "person": "hgp_", "browser": "hgb_", "sign_in": "hgs_"}
    for kind, prefix in kinds.items():
        tokens = {build_token(kind) for _ in range(50)}  # type: ignore[arg-type]
        assert len(tokens) == 50
        assert all(token.startswith(prefix) and len(token) >= len(prefix) + 43 for token in tokens)


def test_codes_have_no_letters_that_look_alike() -> None:
    for _ in range(50):
        assert re.fullmatch(r"[A-HJKMNP-Z2-9]{4}-[A-HJKMNP-Z2-9]{4}", build_code())


def test_a_code_matches_its_hash_only() -> None:
    hashed = hash_code("K7QF-2M9X")
    assert matches_code(hashed, normalise_code("k7qf 2m9x"))
    assert not matches_code(hashed, "K7QF-2M9Y")
    assert not matches_code("not a hash", "K7QF-2M9X")


async def test_a_token_has_a_role_that_exists(hub: Hub) -> None:
    with pytest.raises(Exception, match="no role 'admin'"):
        await do_create_token(hub.db, "x", "admin")


async def test_every_answer_has_the_headers(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    claude = Claude()
    await hub.post_events(claude.start())
    browser = await hub.browser()
    static = next(r.get_info()["prefix"] for r in hub.app.router.resources() if "prefix" in r.get_info())
    html = {"Accept": "text/html"}
    answers = [
        await hub.call("GET", "/healthz"),
        await hub.call("GET", "/", headers=browser.headers() | html),
        await hub.call("GET", f"/sessions/{claude.session_id}", headers=browser.headers() | html),
        await hub.call("GET", "/", headers=html),
        await hub.call("GET", "/sign-in", headers=html),
        await hub.call("GET", f"{static}/icons.svg"),
        await hub.call("GET", f"{static}/nothing", token=hub.secrets.viewer),
        await hub.call("GET", "/api/v1/sessions"),
        await hub.call("GET", "/api/v1/sessions", token=hub.secrets.viewer),
        await hub.call("GET", "/nothing", headers=browser.headers() | html),
        await hub.call("GET", "/nothing", token=hub.secrets.viewer),
        await hub.call("PUT", "/", token=hub.secrets.viewer),
        await hub.call("GET", "/", headers={"Host": "evil.example"}),
        await hub.call("POST", "/api/v1/join", {"code": 1}),
        await hub.call("POST", "/api/v1/join", {"code": "x" * 10_000}),
    ]
    with monkeypatch.context() as broken:
        broken.setattr(type(hub.db), "read", lambda self: 1 / 0)
        answers.append(await hub.call("GET", "/api/v1/sessions", token=hub.secrets.viewer))
    assert {answer.status for answer in answers} >= {200, 303, 401, 404, 405, 413, 421, 422, 500}
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] in ("same-origin", "strict-origin")
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "aiohttp" not in answer.headers["Server"].lower()
        assert b"Traceback" not in answer.body
        assert b"ZeroDivisionError" not in answer.body


async def test_only_static_files_are_kept_by_browsers(hub: Hub) -> None:
    static = next(r.get_info()["prefix"] for r in hub.app.router.resources() if "prefix" in r.get_info())
    assert "immutable" in (await hub.call("GET", f"{static}/icons.svg")).headers["Cache-Control"]
    for path in ("/healthz", "/sign-in", "/api/v1/sessions", f"{static}/nothing"):
        assert (await hub.call("GET", path)).headers["Cache-Control"] == "no-store", path


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/%2e%2e/pyproject.toml", "/..%2f..%2fpyproject.toml"])
async def test_nothing_outside_the_static_folder_is_served(hub: Hub, path: str) -> None:
    static = next(r.get_info()["prefix"] for r in hub.app.router.resources() if "prefix" in r.get_info())
    answer = await hub.call("GET", static + path, token=hub.secrets.viewer)
    assert answer.status in (403, 404)
    assert b"[project]" not in answer.body


async def test_the_pages_nonce_is_new_each_time(hub: Hub) -> None:
    answers = [await hub.call("GET", "/sign-in", headers={"Accept": "text/html"}) for _ in range(2)]
    assert len({answer.headers["Content-Security-Policy"] for answer in answers}) == 2


async def test_the_links_url_leads_to_the_page(hub: Hub) -> None:
    url = build_sign_in_url(hub.settings, "hgs_x")
    assert url == f"{hub.url}/sign-in?token=hgs_x"
