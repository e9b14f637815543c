"""``GET /ws/channel``: the hub's end of a link."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import WSMsgType, web
from sqlalchemy.exc import SQLAlchemyError

from hub import __version__
from hub.access.rights import MachineKey
from hub.actions.events import AT_MAX, PID_MAX, do_ingest
from hub.clock import new_id
from hub.errors import Forbidden
from hub.keys import DB, LINKS, PRINCIPAL
from hub.links import Link
from wire.frames import (
    BATCH_EVENTS,
    FRAME_BYTES,
    ID_CHARS,
    LEVEL,
    OLDEST_LEVEL,
    Ack,
    Bye,
    ChannelFrame,
    Declined,
    Error,
    Events,
    Hello,
    HubFrame,
    MalformedFrame,
    Welcome,
    decode_from_channel,
    encode,
)

HELLO_SECONDS = 10.0
"""How long a new link may stay silent."""

HEARTBEAT = 20.0
"""Seconds between pings; a link that doesn't answer within half of it is closed."""

CLOSE_SECONDS = 2.0

PATH_CHARS = 4096
"""A folder's or a branch's name."""

FEATURES: frozenset[str] = frozenset()
"""What this hub can beyond the level; both sides use what both know."""

log = structlog.get_logger()


class Refused(Exception):
    """The link is closed with this error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.error = Error(code=code, message=message)


async def channel_socket(request: web.Request) -> web.WebSocketResponse:
    """Serve one channel until it leaves, or sends what no channel of ours sends."""
    key = request[PRINCIPAL]
    if not isinstance(key, MachineKey):
        raise Forbidden("A link needs a machine's key: run `heliograph join` there.")
    socket = web.WebSocketResponse(max_msg_size=FRAME_BYTES, heartbeat=HEARTBEAT, compress=False)
    await socket.prepare(request)
    try:
        await _serve(request.app, key, socket)
    except Refused as refused:
        log.info("link refused", machine_id=key.machine_id, code=refused.error.code)
        await _say_and_close(socket, refused.error)
    except SQLAlchemyError as error:
        log.warning("link lost its store", machine_id=key.machine_id, error=type(error).__name__)
        await _say_and_close(socket, Error(code="store_unavailable", message="The hub can't store events now."))
    except Exception as error:
        log.error("link failed", machine_id=key.machine_id, error=type(error).__name__, exc_info=error)
        await _say_and_close(socket, Error(code="internal", message="The hub failed; its log says why."))
    return socket


async def _serve(app: web.Application, key: MachineKey, socket: web.WebSocketResponse) -> None:
    async def send(frame: HubFrame) -> None:
        await socket.send_str(encode(frame))

    async def close(code: str, message: str) -> None:
        await _say_and_close(socket, Error(code=code, message=message))

    hello = await _receive_hello(socket)
    link = Link(key.machine_id, key.token_id, hello, send, close)
    links = app[LINKS]
    reason: str | None = None
    link_id = new_id()
    features = sorted(FEATURES.intersection(hello.features))
    await send(Welcome(level=min(hello.level, LEVEL), features=features, link_id=link_id, hub_version=__version__))
    try:
        await links.add(link)  # after the welcome: from here on messages may be pushed
        log.info("link up", machine_id=key.machine_id, link_id=link_id, pid=hello.process.pid)
        while (frame := await _receive(socket)) is not None:
            if isinstance(frame, Bye):
                reason = frame.reason
                break
            await _handle(app, link, frame)
    finally:
        log.info("link down", machine_id=key.machine_id, pid=hello.process.pid, reason=reason)
        await links.remove(link, reason)


async def _handle(app: web.Application, link: Link, frame: ChannelFrame) -> None:
    if isinstance(frame, Events):
        if len(frame.events) > BATCH_EVENTS:
            raise Refused("too_many_events", f"A batch holds at most {BATCH_EVENTS} events.")
        rejected = await do_ingest(app[DB], link.machine_id, frame.events, sender=link.hello.process.pid)
        await link.send(Ack(seq=frame.seq, rejected=rejected))
    elif isinstance(frame, Declined):
        app[LINKS].declined(link, frame)
    else:
        raise Refused("unexpected_frame", "hello comes once, and first.")


async def _receive_hello(socket: web.WebSocketResponse) -> Hello:
    try:
        frame = await asyncio.wait_for(_receive(socket), HELLO_SECONDS)
    except TimeoutError:
        raise Refused("no_hello", f"No hello within {HELLO_SECONDS:.0f} s.") from None
    if not isinstance(frame, Hello):
        raise Refused("no_hello", "The first frame must be hello.")
    if frame.level < OLDEST_LEVEL:
        raise Refused("too_old", f"This hub needs wire level {OLDEST_LEVEL}: update Heliograph on this machine.")
    if not _is_sound(frame):
        raise Refused("malformed_frame", "The hello names no possible process, session or folder.")
    return frame


def _is_sound(hello: Hello) -> bool:
    process, session_id = hello.process, hello.session_id
    return (
        0 <= process.pid <= PID_MAX
        and 0 <= process.started_at <= AT_MAX
        and (session_id is None or 0 < len(session_id) <= ID_CHARS)
        and len(hello.cwd) <= PATH_CHARS
        and len(hello.branch or "") <= PATH_CHARS
    )


async def _receive(socket: web.WebSocketResponse) -> ChannelFrame | None:
    """The next frame; None when the link has closed. Raises Refused for anything that is no frame."""
    message = await socket.receive()
    if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
        return None
    if message.type is not WSMsgType.TEXT:
        raise Refused("malformed_frame", "Frames are text.")
    try:
        return decode_from_channel(message.data)
    except MalformedFrame as error:
        raise Refused("malformed_frame", "That isn't a frame of this level.") from error


async def _say_and_close(socket: web.WebSocketResponse, error: Error) -> None:
    """Tell why, then close; a peer that doesn't read is not waited for."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.send_str(encode(error))
            await socket.close(code=1008, message=error.code.encode())
    except (TimeoutError, ConnectionError):
        log.info("link closed without a word", code=error.code)
