"""Runs the hub as a process: locks, database, sockets, signals, and an orderly stop."""

from __future__ import annotations

import asyncio
import fcntl
import getpass
import os
import signal
import socket
import sys
from collections.abc import Collection
from pathlib import Path

import structlog
from aiohttp import web
from sqlalchemy import URL, make_url

from hub.actions.identity import do_create_code, do_create_sign_in, do_ensure_owner
from hub.app import build_admin_app, build_app
from hub.config import Settings, find_command, normalise_url
from hub.db import migrate as schema
from hub.db.engine import DatabaseInUse, lock_database, open_database, sqlite_path
from hub.garbage import seldom_collected
from hub.http.admin import build_sign_in_url
from hub.keys import LINKS, LIVE
from hub.logs import set_up_logs
from hub.vapid import BadKey

SHUTDOWN_SECONDS = 3.0
"""What requests under way get to finish; with the sockets' closing it stays well under 10 s."""

KEEP_ALIVE_SECONDS = 15.0

BACKLOG = 1024

log = structlog.get_logger()


class CannotStart(Exception):
    """Why the hub doesn't start, in words for whoever started it."""


def run(
    home: Path,
    host: str,
    port: int,
    database: str | None,
    public_url: str | None,
    push_hosts: Collection[str] = (),
) -> int:
    """Run until SIGINT or SIGTERM. Returns 0, or 1 with the reason on stderr."""
    os.umask(0o077)
    set_up_logs()
    try:
        asyncio.run(_run(home, host, port, database, public_url, push_hosts))
    except (CannotStart, DatabaseInUse, schema.SchemaMismatch, BadKey, OSError) as error:
        print(f"heliograph: {error}", file=sys.stderr)  # noqa: T201  the answer to a command
        return 1
    return 0


def migrate(home: Path, database: str | None) -> int:
    """Bring the database to this version's schema. Returns 0, or 1 with the reason on stderr."""
    try:
        path = _database_path(home, database)
        if not path.exists():
            raise CannotStart(f"There is no database at {path}; the hub makes a new one when it starts.")
        lock = lock_database(path)
        try:
            before, after = schema.migrate(path)
        finally:
            os.close(lock)
    except (CannotStart, DatabaseInUse, schema.SchemaMismatch) as error:
        print(f"heliograph: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{path}: schema {before or 'none'} → {after}" if before != after else f"{path}: up to date ({after})")  # noqa: T201
    return 0


def _database_path(home: Path, database: str | None) -> Path:
    try:
        path = sqlite_path(make_url(database)) if database else home / "hub" / "heliograph.db"
    except Exception as error:
        raise CannotStart(f"--database: {error}") from error
    return path.resolve()  # the lock's name follows from it: one file, one name


async def _run(
    home: Path, host: str, port: int, database: str | None, public_url: str | None, push_hosts: Collection[str]
) -> None:
    state = home / "hub"
    admin_socket = state / "hub.sock"
    path = _database_path(home, database)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"can't make {error.filename}: {error.strerror}") from error
    if path.is_dir():
        raise CannotStart(f"{path} is a folder; --database must name a file.")
    home_lock = _lock_home(state / "lock")
    lock = lock_database(path)
    schema.prepare(path)
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    settings = Settings(
        home=home,
        host=host,
        port=port,
        database=URL.create("sqlite", database=str(path)).render_as_string(),
        public_url=_read_public_url(public_url or f"http://{_in_url(host)}:{port}"),
        push_hosts=frozenset(push_hosts),
    )
    db = await open_database(settings.database, lock)
    app = await build_app(settings, db)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=KEEP_ALIVE_SECONDS
    )
    admin = web.AppRunner(build_admin_app(app), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await admin.setup()
    site = web.SockSite(runner, listener, backlog=BACKLOG)
    await site.start()
    await _serve_admin(admin, admin_socket)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"Listening on {settings.public_url}", flush=True)  # noqa: T201
    if await do_ensure_owner(db, getpass.getuser()):
        sign_in_url = build_sign_in_url(settings, await do_create_sign_in(db))
        _greet(settings, sign_in_url, (await do_create_code(db)).code)
    log.info("hub started", url=settings.public_url, database=path.name)
    async with seldom_collected():
        await stopped.wait()
    log.info("hub stopping")
    await site.stop()
    app[LIVE].cut_all()
    await app[LINKS].stop()
    await admin.cleanup()
    await runner.cleanup()
    await db.close()
    admin_socket.unlink(missing_ok=True)
    os.close(home_lock)
    log.info("hub stopped")


def _lock_home(path: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CannotStart(
            f"a hub is running in {path.parent.parent} already. Stop it first, or set HELIOGRAPH_HOME."
        ) from None
    return descriptor


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = "no such address or port"
        if isinstance(error, OSError) and not isinstance(error, socket.gaierror):
            reason = os.strerror(error.errno or 0)
        raise CannotStart(f"can't listen on {host}:{port}: {reason}. Choose another --host or --port.") from error


async def _serve_admin(runner: web.AppRunner, path: Path) -> None:
    """The umask keeps others out from the start; a longer path than the kernel takes is refused with a reason."""
    try:
        path.unlink(missing_ok=True)  # noqa: ASYNC240
        await web.UnixSite(runner, path).start()
        path.chmod(0o600)  # noqa: ASYNC240  nobody is served yet
    except OSError as error:
        raise CannotStart(
            f"can't open the admin socket {path}: {error.strerror or error}. Use another (or shorter) HELIOGRAPH_HOME."
        ) from error


def _read_public_url(url: str) -> str:
    try:
        return normalise_url(url)
    except ValueError as error:
        raise CannotStart(str(error)) from None


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _greet(settings: Settings, sign_in_url: str, code: str) -> None:
    """What a person needs on the first start, on stdout; logs go to stderr."""
    command = find_command()
    lines = [
        "",
        f"Sign in: {sign_in_url}",
        f"  It works once, for 15 minutes; for a new one: {command} sign-in",
        "",
        "Then connect this machine, and start Claude Code in any folder:",
        f"  {command} join {settings.public_url} --code {code} && {command} install",
        f"  {command} claude",
        "",
        f"The code works once, for 10 minutes; for another machine: {command} pair",
        "",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201
