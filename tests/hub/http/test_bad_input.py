"""What no call takes: refused with a code, nothing stored, the hub alive."""

from __future__ import annotations

import asyncio
import io

import pytest

from tests.hub.claude import Claude
from tests.hub.kit import Answer, Hub
from wire.frames import FRAME_BYTES

JSON = {"Content-Type": "application/json"}
POSTS = ("/api/v1/sessions/s/messages", "/api/v1/events", "/api/v1/join", "/api/v1/decisions/d/verdict")


async def post(hub: Hub, path: str, data: bytes, content_type: str | None = "application/json") -> Answer:
    headers = {"Content-Type": content_type} if content_type else {}
    return await hub.call("POST", path, data=data, headers=headers, token=token_for(hub, path))


def token_for(hub: Hub, path: str) -> str:
    """Of whoever may post there."""
    return hub.secrets.atlas.key if path.endswith("events") else hub.secrets.member


@pytest.fixture(autouse=True)
async def nothing_changes(hub: Hub) -> object:
    """Whatever a test here does, no row changes and the hub answers."""
    before = await hub.snapshot()
    yield
    assert await hub.snapshot() == before
    assert (await hub.call("GET", "/healthz")).json == {"ok": True}


@pytest.mark.parametrize("path", POSTS)
async def test_what_is_no_json_is_400(hub: Hub, path: str) -> None:
    for data in (b"", b"{", b"not json", b"\xff\xfe", b"nul"):
        answer = await post(hub, path, data)
        assert (answer.status, answer.code) == (400, "bad_request"), data


@pytest.mark.parametrize("path", POSTS)
async def test_json_of_another_shape_is_422(hub: Hub, path: str) -> None:
    for data in (b"[]", b"1", b'"text"', b"null", b'{"surprise": 1}'):
        answer = await post(hub, path, data)
        assert (answer.status, answer.code) == (422, "unprocessable"), data


@pytest.mark.parametrize("path", POSTS)
async def test_another_media_type_is_400(hub: Hub, path: str) -> None:
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "é"):
        answer = await post(hub, path, b'{"text": "x"}', content_type)
        assert (answer.status, answer.code) == (400, "bad_request"), content_type


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_is_too_large_is_413(hub: Hub, path: str) -> None:
    body = b'{"text": "' + b"x" * FRAME_BYTES + b'"}'
    answer = await hub.call("POST", path, data=io.BytesIO(body), headers=JSON, token=token_for(hub, path))
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_grows_too_large_without_saying_so_is_413(hub: Hub, path: str) -> None:
    async def drip() -> object:
        for _ in range(20):
            yield b"x" * (FRAME_BYTES // 16)

    answer = await hub.call("POST", path, data=drip(), headers=JSON, token=token_for(hub, path))
    assert (answer.status, answer.code) == (413, "too_large")


async def test_what_is_not_there_has_a_code(hub: Hub) -> None:
    for method, path, status, code in (
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/api/v1/sessions", 405, "bad_method"),
        ("DELETE", "/", 405, "bad_method"),
        ("POST", "/ws/dashboard", 405, "bad_method"),
        ("PATCH", "/healthz", 405, "bad_method"),
    ):
        answer = await hub.call(method, path, token=hub.secrets.owner)
        assert (answer.status, answer.code) == (status, code), (method, path)


@pytest.mark.parametrize("path", ["/ws/channel", "/ws/dashboard"])
async def test_a_socket_route_without_an_upgrade_is_refused(hub: Hub, path: str) -> None:
    token = hub.secrets.atlas.key if path.endswith("channel") else hub.secrets.viewer
    answer = await hub.call("GET", path, token=token)
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize("charset", ["", "; charset=utf-16", "; charset=no-such", "; charset=base64", "; charset=idna"])
async def test_a_form_that_is_none_is_refused(hub: Hub, charset: str) -> None:
    headers = {"Content-Type": f"application/x-www-form-urlencoded{charset}", "Origin": hub.url}
    for data in (b"token=\xff", b"\xff\xfe=1", b"%ED%A0%80=1", b"token=%ff", b"token=" + b"x" * 100_000, b"&&&==;"):
        answer = await hub.call("POST", "/sign-in", data=data, headers=headers)
        assert answer.status == (403 if data.isascii() else 400), data


async def test_a_form_of_another_media_type_is_refused(hub: Hub) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="token"\r\n'
    for data in (b"", b"--x", b"--x\r\n\r\n", part, part + b"\r\nsecret\r\n--x--\r\n"):
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": hub.url}
        answer = await hub.call("POST", "/sign-in", data=data, headers=headers)
        assert (answer.status, answer.code) == (400, "bad_request"), data


async def test_what_is_no_http_ends_only_its_own_connection(hub: Hub) -> None:
    for request_head in (
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ):
        answer = await speak(hub, request_head)
        assert answer == b"" or answer.split(b" ")[1].startswith((b"4", b"2")), request_head


async def speak(hub: Hub, said: bytes) -> bytes:
    """What the hub answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    try:
        writer.write(said)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_session_that_is_there_is_not_needed_to_refuse_a_body(hub: Hub) -> None:
    path = f"/api/v1/sessions/{Claude().session_id}/messages"
    answer = await hub.call("POST", path, {"text": ""}, token=hub.secrets.member)
    assert answer.status == 422
