"""The command line: the parser, and the one place where an error becomes a line and an exit code.

Each command's module is imported when that command runs: `heliograph claude` starts before argparse.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from cli import exits
from cli.arguments import read_host, read_port, read_public_url, read_push_host
from cli.errors import CliError

DEFAULT_PORT = 7878


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit codes are in ``cli.exits``."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["claude"]:
            status: int = importlib.import_module("cli.launch").launch(words[1:])
            return status
        return _run(build_parser().parse_args(words))
    except CliError as error:
        print(f"heliograph: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter's own flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options and its help."""
    parser = argparse.ArgumentParser(
        prog="heliograph",
        description="See and speak to every Claude Code session you have, on every machine, from one page.",
        epilog=exits.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_hub_commands(commands)
    _add_machine_commands(commands)
    _add_person_commands(commands)
    _add_decision_commands(commands)
    return parser


Commands = argparse._SubParsersAction  # noqa: SLF001 (argparse gives it no public name)


def _add(commands: Commands[argparse.ArgumentParser], name: str, run: str, text: str) -> argparse.ArgumentParser:
    """A command; ``run`` is ``module:function``, imported when it is called."""
    parser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=exits.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_hub_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    hub = _add(commands, "hub", "cli.hub_commands:hub", "run the hub on this host")
    hub.add_argument("--host", type=read_host, default="127.0.0.1", help="address to listen on (default: %(default)s)")
    hub.add_argument("--port", type=read_port, default=DEFAULT_PORT, help="port to listen on (default: %(default)s)")
    hub.add_argument("--database", metavar="URL", help="default: SQLite in HELIOGRAPH_HOME/hub")
    hub.add_argument(
        "--public-url",
        type=read_public_url,
        metavar="URL",
        help="where browsers and machines reach it, if not host:port",
    )
    hub.add_argument(
        "--push-host",
        type=read_push_host,
        action="append",
        default=[],
        metavar="HOST",
        help="a push service of your own beside the browsers' known ones; may be repeated",
    )
    migrate = _add(commands, "migrate", "cli.hub_commands:migrate", "bring the hub's database to this version")
    migrate.add_argument("--database", metavar="URL", help="default: SQLite in HELIOGRAPH_HOME/hub")
    _add(commands, "pair", "cli.hub_commands:pair", "print a single-use code that pairs a machine (on the hub's host)")
    _add(commands, "sign-in", "cli.hub_commands:sign_in", "print a new single-use sign-in link (on the hub's host)")
    revoke = _add(commands, "revoke", "cli.hub_commands:revoke", "end a machine's key or a token (on the hub's host)")
    revoke.add_argument("name", metavar="NAME", help="the machine's or the token's name or id")
    revoke.add_argument("--yes", action="store_true", help="don't ask")
    token = commands.add_parser("token", help="API tokens (on the hub's host)", epilog=exits.EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    create = _add(
        token.add_subparsers(title="commands", metavar="COMMAND", required=True),
        "create",
        "cli.hub_commands:create_token",
        "print a new API token, and nothing else (on the hub's host)",
    )
    create.add_argument("name", metavar="NAME", help="what it is for")
    create.add_argument("--role", choices=("owner", "member", "viewer"), default="member", help="default: %(default)s")


def _add_machine_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    join = _add(commands, "join", "cli.join:join", "pair this machine with a hub")
    join.add_argument("url", metavar="URL", help="the hub, e.g. https://hub.example.org")
    join.add_argument("--code", help="the pairing code; asked for if missing")
    join.add_argument("--name", help="what the hub shows this machine as (default: its host name)")
    join.add_argument("--replace", action="store_true", help="give up the present pairing")
    install = _add(commands, "install", "cli.install:install", "add the hooks and the channel to Claude Code")
    install.add_argument(
        "--statusline",
        action=argparse.BooleanOptionalAction,
        help="also wrap Claude Code's status line, which shows what it did, to learn cost and plan limits "
        "(default: as it is)",
    )
    _add_consent(install)
    uninstall = _add(commands, "uninstall", "cli.install:uninstall", "take them out again")
    _add_consent(uninstall)
    uninstall.add_argument(
        "--forget", action="store_true", help="also remove this machine's key, token, spool, logs and backups"
    )
    doctor = _add(
        commands, "doctor", "cli.doctor_command:doctor", "say what keeps sessions off the page, and the next step"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    _add(
        commands,
        "claude",
        "",  # `main` takes it before the parser: every argument, --help too, is Claude Code's
        "start Claude Code with the channel on; all arguments are passed on to it",
    )


def _add_person_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    sessions = _add(commands, "sessions", "cli.sessions:sessions", "list the sessions")
    sessions.add_argument("--json", action="store_true", help="print the API's objects")
    sessions.add_argument("--state", choices=("working", "needs_you", "idle", "offline", "ended"))
    sessions.add_argument("--machine", help="only this machine's: its name or id")
    say = _add(commands, "say", "cli.sessions:say", "send a message to a session")
    say.add_argument("session", metavar="SESSION", help="its id, or the beginning of it")
    say.add_argument("text", metavar="TEXT", nargs="+", help="the message; - reads it from stdin")
    when = say.add_mutually_exclusive_group()
    when.add_argument(
        "--now", dest="when", action="store_const", const="now", help="in the middle of a turn, as information"
    )
    when.add_argument(
        "--next-turn", dest="when", action="store_const", const="next_turn", help="with the next prompt or turn's end"
    )
    say.set_defaults(when="auto")
    say.add_argument("--wait", action="store_true", help="follow it until it is answered, and print the reply")
    say.add_argument("--json", action="store_true", help="print the message (with --wait: and the reply) as JSON")
    interrupt = _add(commands, "interrupt", "cli.control:interrupt", "have Claude stop at its next step")
    stop = _add(commands, "stop", "cli.control:stop", "end a session's Claude Code")
    for order in (interrupt, stop):
        order.add_argument("session", metavar="SESSION", help="its id, or the beginning of it")
    stop.add_argument("--yes", action="store_true", help="don't ask")
    tail = _add(commands, "tail", "cli.watch:tail", "print a session's timeline and follow it")
    tail.add_argument("session", metavar="SESSION", help="its id, or the beginning of it")
    tail.add_argument("--json", action="store_true", help="print each change as one line of JSON")


def _add_decision_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    decide = _add(commands, "decide", "cli.decide:decide", "list what sessions wait for, show one of it, or answer it")
    decide.add_argument(
        "id", metavar="ID", nargs="?", help="the decision's id or its beginning, or its session's; without: list them"
    )
    decide.add_argument("--allow", action="store_true", help="allow once, approve a plan, or send a form as it is")
    decide.add_argument("--input", metavar="JSON", help="allow with this input instead; @FILE reads it from a file")
    decide.add_argument("--always", metavar="N", type=int, help="allow, and save the Nth of what Claude Code offers")
    decide.add_argument("--mode", metavar="MODE", help="approve a plan into this mode")
    decide.add_argument(
        "--answer",
        metavar="N=TEXT",
        action="append",
        default=[],
        help="to a question by its number or text; repeatable",
    )
    decide.add_argument("--field", metavar="NAME=VALUE", action="append", default=[], help="of a form; repeatable")
    decide.add_argument("--deny", action="store_true", help="deny, keep planning, or decline a form")
    decide.add_argument("--message", metavar="TEXT", help="with --deny: what Claude is told")
    decide.add_argument("--stop", action="store_true", help="deny and stop Claude, or cancel a form")
    decide.add_argument("--wait", action="store_true", help="until Claude Code has the answer, however long that takes")
    decide.add_argument("--json", action="store_true", help="print the API's objects")
    rule = commands.add_parser("rule", help="what is answered without a person", epilog=exits.EPILOG,
                               formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    rules = rule.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _add(rules, "list", "cli.rules:list_rules", "list the rules")
    listing.add_argument("--json", action="store_true", help="print the API's objects")
    add = _add(rules, "add", "cli.rules:add_rule", "answer permissions of these tools without a person from now on")
    add.add_argument("behavior", choices=("allow", "deny"))
    add.add_argument(
        "tools", metavar="TOOL", nargs="+", help="as in Claude Code: WebFetch, 'Bash(git log:*)', 'mcp__server__*'"
    )
    add.add_argument("--machine", help="only on this machine: its name or id")
    add.add_argument("--project", metavar="FOLDER", help="only in this folder and what is below")
    add.add_argument("--hours", metavar="FROM-TO", help="only at these hours, such as 18:00-08:00; needs --zone")
    add.add_argument("--zone", help="whose hours these are, such as Europe/Berlin")
    add.add_argument("--message", metavar="TEXT", help="what Claude is told with a denial")
    remove = _add(rules, "remove", "cli.rules:remove_rule", "remove a rule")
    remove.add_argument("rule", metavar="RULE", help="its id, or the beginning of it")


def _add_consent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show the change")
    parser.add_argument("--yes", action="store_true", help="don't ask")


def _run(arguments: argparse.Namespace) -> int:
    module, _, function = arguments.run.partition(":")
    status: int = getattr(importlib.import_module(module), function)(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
