"""From facts about this machine to what keeps a session off the page, and the next step. Pure.

The order is the order in which to mend things: what comes first often explains what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cli.errors import UnreachableReason
from cli.mcp_log import LogVerdict, Outcome

Level = Literal["ok", "note", "blocker"]


@dataclass(frozen=True)
class Finding:
    """One thing found: ``code`` is for programs; ``next_step`` is empty when all is well."""

    code: str
    level: Level
    what: str
    next_step: str = ""


@dataclass(frozen=True)
class ClaudeFacts:
    """The Claude Code that would be started: None fields were not found out."""

    command: str | None = None
    version: str | None = None
    wanted_events: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairingFacts:
    """machine.json and the hub: ``problem`` is why the file can't be used."""

    state: Literal["paired", "missing", "loose", "unusable"] = "missing"
    path: str = ""
    problem: str = ""
    hub_url: str = ""
    hub: UnreachableReason | Literal["ok", "unchecked"] = "unchecked"
    hub_detail: str = ""
    key: Literal["ok", "refused", "unchecked"] = "unchecked"


@dataclass(frozen=True)
class InstallFacts:
    """Our part of Claude Code's files. ``problem`` names a file that doesn't parse."""

    problem: str = ""
    events: tuple[str, ...] = ()
    stale_events: tuple[str, ...] = ()
    hooks_disabled: bool = False
    script: Literal["ok", "missing", "old"] = "ok"
    interpreter: str | None = None
    interpreter_there: bool = True
    server: Literal["ok", "missing", "stale"] = "missing"
    server_command: str | None = None
    server_command_there: bool = True
    permissions_missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carrier:
    """A running Claude Code with our channel in it."""

    pid: int
    has_flag: bool


@dataclass(frozen=True)
class Facts:
    """All that `gather_facts` found. ``log_is_old``: the log was written before the last install."""

    claude: ClaudeFacts = field(default_factory=ClaudeFacts)
    pairing: PairingFacts = field(default_factory=PairingFacts)
    install: InstallFacts = field(default_factory=InstallFacts)
    carriers: tuple[Carrier, ...] = ()
    log: LogVerdict | None = None
    log_path: str = ""
    log_is_old: bool = False


def examine(facts: Facts) -> list[Finding]:
    """All findings, what is well included, in the order in which to mend them."""
    return [
        *_examine_claude(facts.claude),
        *_examine_pairing(facts.pairing),
        *_examine_install(facts.install, facts.claude),
        *_examine_server(facts.install),
        *_examine_carriers(facts.carriers),
        *_examine_log(facts),
    ]


def has_blocker(findings: list[Finding]) -> bool:
    """Whether anything keeps sessions off the page or messages from Claude."""
    return any(finding.level == "blocker" for finding in findings)


def _examine_claude(claude: ClaudeFacts) -> Iterator[Finding]:
    if claude.command is None:
        yield Finding(
            "claude_not_found",
            "blocker",
            "Claude Code was not found (PATH, HELIOGRAPH_CLAUDE).",
            "Install it, or set HELIOGRAPH_CLAUDE to its executable.",
        )
    else:
        version = f" {claude.version}" if claude.version else ""
        yield Finding("claude", "ok", f"Claude Code{version} at {claude.command}.")


def _examine_pairing(pairing: PairingFacts) -> Iterator[Finding]:
    if pairing.state == "missing":
        yield Finding(
            "not_paired",
            "blocker",
            f"This machine isn't paired with a hub ({pairing.path} is missing).",
            "On the hub's host run `heliograph pair`; here run the `heliograph join …` that it prints.",
        )
    elif pairing.state == "loose":
        yield Finding(
            "machine_file_readable",
            "blocker",
            f"Others can read this machine's key ({pairing.path}); it isn't used like that.",
            f"chmod 600 {pairing.path}   (if others use this machine, join again with --replace)",
        )
    elif pairing.state == "unusable":
        yield Finding("machine_file_unusable", "blocker", pairing.problem, "Pair again: heliograph join --replace URL")
    else:
        yield Finding("paired", "ok", f"Paired with {pairing.hub_url}.")
        yield from _examine_hub(pairing)


_HUB: dict[UnreachableReason, tuple[str, str]] = {
    "refused": ("nothing listens there", "Start the hub: heliograph hub"),
    "timeout": ("it doesn't answer in time", "Look at the hub, and at firewalls between here and there."),
    "no_address": ("its name has no address", "Check the name, or pair again: heliograph join --replace URL"),
    "tls": ("its certificate isn't accepted", "Mend the certificate or add its authority to this machine's trust."),
    "wrong_answer": (
        "what answers there is no Heliograph hub",
        "Look what else uses that address, or pair again: heliograph join --replace URL",
    ),
    "broken": ("the connection breaks", "Look at the hub, and at proxies between here and there."),
}


def _examine_hub(pairing: PairingFacts) -> Iterator[Finding]:
    if pairing.hub == "ok":
        yield Finding("hub", "ok", "The hub answers.")
    elif pairing.hub != "unchecked":
        problem, step = _HUB[pairing.hub]
        detail = f" ({pairing.hub_detail})" if pairing.hub_detail else ""
        yield Finding(
            f"hub_{pairing.hub}", "blocker", f"The hub at {pairing.hub_url} can't be reached: {problem}{detail}.", step
        )
    if pairing.key == "ok":
        yield Finding("key", "ok", "The hub knows this machine.")
    elif pairing.key == "refused":
        yield Finding(
            "key_refused",
            "blocker",
            "The hub refuses this machine's key: it was revoked, or the hub has a new database.",
            "Pair again: heliograph join --replace URL",
        )


def _examine_install(install: InstallFacts, claude: ClaudeFacts) -> Iterator[Finding]:
    if install.problem:
        yield Finding(
            "settings_unreadable", "blocker", install.problem, "Mend that file, then run `heliograph install`."
        )
        return
    missing = [event for event in claude.wanted_events if event not in install.events]
    if not install.events:
        yield Finding("hooks_missing", "blocker", "The hooks aren't installed.", "heliograph install")
        return
    if missing:
        yield Finding("hooks_partly", "blocker", f"Hooks are missing for {', '.join(missing)}.", "heliograph install")
    if install.stale_events:
        yield Finding(
            "hooks_stale",
            "blocker",
            f"The hooks for {', '.join(install.stale_events)} point to another place or version.",
            "heliograph install",
        )
    if not install.interpreter_there:
        yield Finding(
            "interpreter_missing",
            "blocker",
            f"The hooks' interpreter is gone: {install.interpreter}.",
            "heliograph install",
        )
    if install.script != "ok":
        problem = "is missing" if install.script == "missing" else "is another version's"
        yield Finding("hook_script", "blocker", f"The hooks' script {problem}.", "heliograph install")
    if install.hooks_disabled:
        yield Finding(
            "hooks_disabled",
            "blocker",
            'Claude Code\'s settings say "disableAllHooks": no hook runs.',
            "Remove that line from the settings.",
        )
    if not (missing or install.stale_events or install.script != "ok" or not install.interpreter_there):
        yield Finding("hooks", "ok", f"Hooks on {len(install.events)} events.")


def _examine_server(install: InstallFacts) -> Iterator[Finding]:
    if install.problem:
        return
    if install.server == "missing":
        yield Finding("server_missing", "blocker", "The MCP server isn't configured.", "heliograph install")
    elif not install.server_command_there:
        yield Finding(
            "server_interpreter_missing",
            "blocker",
            f"The channel's interpreter is gone: {install.server_command}.",
            "Install Heliograph again, then run `heliograph install`.",
        )
    elif install.server == "stale":
        yield Finding(
            "server_stale", "blocker", "The MCP server points to another place or version.", "heliograph install"
        )
    else:
        yield Finding("server", "ok", "The MCP server is configured.")
    if install.permissions_missing and install.server != "missing":
        yield Finding(
            "permissions_missing",
            "note",
            f"Claude will ask before it uses {', '.join(install.permissions_missing)}.",
            "heliograph install",
        )


_START = "End it and start it again: heliograph claude   (add --resume to go on with the conversation)"


def _examine_carriers(carriers: tuple[Carrier, ...]) -> Iterator[Finding]:
    without = [str(carrier.pid) for carrier in carriers if not carrier.has_flag]
    if not carriers:
        yield Finding("no_session", "note", "No Claude Code with our channel runs now.", "heliograph claude")
    elif len(without) == len(carriers):
        yield Finding(
            "channel_flag_missing",
            "blocker",
            f"No running session was started with the channel flag (process {', '.join(without)}): "
            "they are shown, but take no messages.",
            _START,
        )
    else:
        yield Finding("carriers", "ok", f"{len(carriers) - len(without)} running with the channel on.")
        if without:
            yield Finding(
                "channel_flag_missing_in_some",
                "note",
                f"Process {', '.join(without)} was started without the channel flag and takes no messages.",
                _START,
            )


_LOG: dict[Outcome, tuple[str, str, str]] = {
    "no_flag": (
        "channel_flag_missing",
        "The newest session was started without the channel flag.",
        _START,
    ),
    "no_preview": (
        "preview_unavailable",
        'Claude Code says "Channels are not currently available": the account has no channels, or it wasn\'t told yet.',
        "Sign in with an account that has channels, start Claude Code once with network, update it, try again.",
    ),
    "no_provider": (
        "provider_without_channels",
        "Channels don't work on Bedrock, Vertex or Foundry.",
        "Sessions are shown all the same; to send messages use Anthropic's own API or a subscription.",
    ),
    "no_policy": (
        "channels_off_by_policy",
        "Your organisation has channels switched off.",
        "Ask an administrator to set channelsEnabled: true in the managed settings.",
    ),
    "not_allowlisted": (
        "flag_wrong",
        "The newest session was started with --channels, which takes approved plugins only.",
        _START,
    ),
    "modern": (
        "handshake_refused",
        "Claude Code agreed with the channel on a protocol that carries no pushes.",
        "Update Heliograph, run `heliograph install`, start the session again.",
    ),
    "no_capability": (
        "handshake_refused",
        "Claude Code doesn't take our server for a channel: another program runs under its name.",
        "Run `heliograph install`, start the session again.",
    ),
    "skipped": ("channel_skipped", "Claude Code doesn't use the channel.", "Update Claude Code and Heliograph."),
    "failed": (
        "handshake_failed",
        "Claude Code could not connect to the channel.",
        "Look into log/channel.log in HELIOGRAPH_HOME; run `heliograph install`, start the session again.",
    ),
}


def _examine_log(facts: Facts) -> Iterator[Finding]:
    log = facts.log
    if log is None or log.outcome == "silent":
        yield Finding(
            "handshake_unknown",
            "note",
            "Claude Code's log says nothing yet about the channel.",
            "Start a session: heliograph claude",
        )
        return
    if log.outcome == "registered":
        yield Finding("handshake", "ok", f"Claude Code listens to the channel (as of {log.at}).")
        return
    if log.outcome == "no_flag" and facts.carriers and not any(carrier.has_flag for carrier in facts.carriers):
        return  # said already, of the processes that run
    code, what, step = _LOG[log.outcome]
    # One session without the flag keeps nobody else from being heard; an old log may be mended by now.
    is_elsewhere = log.outcome in ("no_flag", "not_allowlisted") and any(c.has_flag for c in facts.carriers)
    level: Level = "note" if facts.log_is_old or is_elsewhere else "blocker"
    said = f' It says: "{log.detail}" ({log.at}, in {log.cwd}; {facts.log_path}).'
    yield Finding(code, level, what + said, step)
