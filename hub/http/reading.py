"""Reading what calls of the API come with: bodies, limits, and the cursors of lists."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web

from hub.errors import BadRequest, Unprocessable
from hub.http.bodies import read_bytes

PAGE = 200
"""The most that one call of a list returns."""

T = TypeVar("T")

Cursor = tuple[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)], str]
"""(what the list is ordered by, the id that breaks ties) of the last item seen."""


async def read_body(request: web.Request, shape: type[T], limit: int) -> T:
    """The JSON body; a wrong media type, a wrong shape or one too large is refused before anything is done."""
    if request.content_type != "application/json":
        raise BadRequest("The body must be JSON, with Content-Type: application/json.")
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    raw = await read_bytes(request)
    if len(raw) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, len(raw))
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"The body doesn't fit: {error}.") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest("The body isn't JSON.") from error


def read_limit(request: web.Request, most: int = PAGE) -> int:
    """How many the caller wants, at most; raises Unprocessable."""
    try:
        limit = int(request.query.get("limit", most))
    except ValueError:
        raise Unprocessable("limit must be a number.") from None
    if limit < 1:
        raise Unprocessable("limit must be at least 1.")
    return min(limit, most)


def build_cursor(number: int, name: str) -> str:
    """Where a list goes on."""
    return base64.urlsafe_b64encode(msgspec.json.encode((number, name))).decode()


def read_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Where it does, by a cursor of ours; raises Unprocessable for any other."""
    if not cursor:
        return None
    try:
        place: tuple[int, str] = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise Unprocessable("That cursor isn't one of ours.") from None
    return place
