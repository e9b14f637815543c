"""What every request passes: errors to answers, headers, the right Host and Origin, and who is asking."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from sqlalchemy.exc import SQLAlchemyError

from hub.access.rights import Person, Principal
from hub.access.secrets import TOKEN_CHARS
from hub.errors import (
    BadHost,
    BadOrigin,
    BadRequest,
    Frozen,
    HubError,
    NotFound,
    NotSignedIn,
    StoreUnavailable,
    TooLarge,
)
from hub.http.answers import answer_error, wants_html
from hub.http.bodies import FORM, read_form
from hub.keys import NONCE, PRINCIPAL, PRINCIPALS, SETTINGS, WRONG_SECRETS

log = structlog.get_logger()

SAFE = frozenset({"GET", "HEAD"})

PUBLIC = frozenset({"healthz", "static", "sign_in", "do_sign_in", "join", "service_worker"})
"""Route names that need no sign-in. Every other route does."""

CSRF_HEADER = "X-CSRF-Token"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "manifest-src 'self'"
)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where exceptions become answers. Nothing of the content is logged."""
    request[NONCE] = secrets.token_urlsafe(16)
    try:
        response = await handler(request)
    except HubError as error:
        response = await answer_error(request, error)
    except web.HTTPRequestEntityTooLarge:
        response = await answer_error(request, TooLarge("The body is larger than this call takes."))
    except web.HTTPMethodNotAllowed as error:
        response = await answer_error(
            request, HubError(f"This path doesn't take {error.method}."), status=405, code="bad_method"
        )
    except web.HTTPNotFound:
        response = await answer_error(request, NotFound("There is nothing here."))
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        response = await answer_error(request, BadRequest("The request can't be read."), status=error.status)
    except SQLAlchemyError as error:
        log.error("store failed", path=request.path, error=type(error).__name__)
        response = await answer_error(
            request, StoreUnavailable("The hub can't reach its store now; nothing was changed.")
        )
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:
        log.error("request failed", path=request.path, error=type(error).__name__, exc_info=error)
        response = await answer_error(request, HubError("The hub failed here; its log has more."))
    return response


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Sent with every answer."""
    headers = response.headers
    headers["Content-Security-Policy"] = _POLICY.format(nonce=request.get(NONCE, ""))
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"  # with no-referrer, browsers send our own forms with Origin: null
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers.setdefault("Cache-Control", "no-store")
    if request.app[SETTINGS].secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    headers["Server"] = "heliograph"


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The exact Host, and no Origin but our own pages'."""
    settings = request.app[SETTINGS]
    if _route_name(request) != "healthz" and request.headers.get(hdrs.HOST, "").lower() not in settings.hosts:
        raise BadHost("This hub doesn't answer to that name. Set --public-url to the address people use.")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() not in settings.origins:
        raise BadOrigin("The request comes from another site.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none") and not _is_link(request):
        raise BadOrigin("The request comes from another site.")
    return await handler(request)


@web.middleware
async def signed_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks; refuse who may not ask at all."""
    principal, by_cookie = await _find_principal(request)
    if principal is not None:
        request[PRINCIPAL] = principal
    if _route_name(request) in PUBLIC:
        if request.method not in SAFE and _route_name(request) == "do_sign_in":
            _need_origin(request)
        return await handler(request)
    if principal is None:
        if request.method in SAFE and wants_html(request):
            raise web.HTTPSeeOther("/sign-in")
        raise NotSignedIn("Sign in, or send a token: Authorization: Bearer …")
    if by_cookie and (request.method not in SAFE or hdrs.UPGRADE in request.headers):
        _need_origin(request)
    if by_cookie and request.method not in SAFE:
        await _need_csrf(request, principal)
    return await handler(request)


async def _find_principal(request: web.Request) -> tuple[Principal | None, bool]:
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= TOKEN_CHARS or not token.isascii():
            raise NotSignedIn("The Authorization header must be: Bearer <token>.")
        principal = await request.app[PRINCIPALS].find(token)
        if principal is None or (isinstance(principal, Person) and principal.csrf is not None):
            await _note_wrong(request, token)
            raise NotSignedIn("This token is not, or no longer, valid.")
        return principal, False
    cookie = request.cookies.get(request.app[SETTINGS].cookie, "")
    if not 0 < len(cookie) <= TOKEN_CHARS or not cookie.isascii():
        return None, False
    principal = await request.app[PRINCIPALS].find(cookie)
    return (principal, True) if isinstance(principal, Person) and principal.csrf else (None, False)


async def _note_wrong(request: web.Request, token: str) -> None:
    """An expired or revoked token is no guess."""
    if await request.app[PRINCIPALS].was_given_out(token):
        return
    limiter, address = request.app[WRONG_SECRETS], request.remote or ""
    limiter.note(address, time.monotonic())
    if limiter.is_frozen(address, time.monotonic()):
        raise Frozen("Too many wrong secrets from this address. Try again in an hour.")


def _need_origin(request: web.Request) -> None:
    if request.headers.get(hdrs.ORIGIN) is None:
        raise BadOrigin("The request lacks an Origin.")


async def _need_csrf(request: web.Request, principal: Principal) -> None:
    expected = principal.csrf if isinstance(principal, Person) else None
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type == FORM:
        given = (await read_form(request)).get("csrf")
    if not expected or not given or not given.isascii() or not secrets.compare_digest(expected, given):
        raise BadOrigin("The page's token is missing or old. Load the page again.")


def _is_link(request: web.Request) -> bool:
    """Somebody followed a link from elsewhere to a page: that only reads."""
    return request.method in SAFE and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _route_name(request: web.Request) -> str:
    return request.match_info.route.name or ""
