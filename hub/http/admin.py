"""The admin socket, for commands on the hub's host: whoever may open the file may use it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from hub.actions.identity import do_create_code, do_create_sign_in, do_create_token, do_revoke
from hub.config import Settings
from hub.errors import Unprocessable
from hub.http.answers import answer_json
from hub.keys import DB, LINKS, LIVE, PRINCIPALS, SETTINGS
from wire.ids import to_rfc3339


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /tokens."""

    name: str
    role: str = "member"


class Named(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /revoke."""

    name: str


async def create_code(request: web.Request) -> web.Response:
    """A pairing code."""
    code = await do_create_code(request.app[DB])
    url = request.app[SETTINGS].public_url
    return answer_json({"code": code.code, "expires_at": to_rfc3339(code.expires_at), "url": url})


async def create_token(request: web.Request) -> web.Response:
    """A person's or an agent's token."""
    try:
        wanted = msgspec.json.decode(await request.read(), type=NewToken)
    except msgspec.DecodeError as error:
        raise Unprocessable(f"The body doesn't fit: {error}.") from error
    return answer_json({"token": await do_create_token(request.app[DB], wanted.name, wanted.role)})


async def revoke(request: web.Request) -> web.Response:
    """End a machine's key or a token, whatever is open with it included."""
    try:
        named = msgspec.json.decode(await request.read(), type=Named)
    except msgspec.DecodeError as error:
        raise Unprocessable(f"The body doesn't fit: {error}.") from error
    revoked = await do_revoke(request.app[DB], named.name)
    request.app[PRINCIPALS].forget()
    for item in revoked:
        request.app[LIVE].cut_token(item.token_id)
        await request.app[LINKS].close_token(item.token_id)
    return answer_json({"revoked": [{"kind": item.kind, "name": item.name, "id": item.id} for item in revoked]})


async def create_sign_in(request: web.Request) -> web.Response:
    """A new single-use sign-in link."""
    return answer_json({"url": build_sign_in_url(request.app[SETTINGS], await do_create_sign_in(request.app[DB]))})


def build_sign_in_url(settings: Settings, token: str) -> str:
    """What a person opens to sign in."""
    return f"{settings.public_url}/sign-in?token={token}"
