"""From facts about this machine to what keeps a session off the page, and the next step. Pure.

The order is the order in which to mend things: what comes first often explains what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cli import show
from cli.errors import UnreachableReason
from cli.facts import Carrier, ClaudeFacts, Facts, Finding, InstallFacts, Level, PairingFacts, Reach, SessionLog
from cli.mcp_log import Outcome

_US = "\0"
"""Stands for our own program in the next steps below, until `examine` knows how it is called."""


def examine(facts: Facts) -> list[Finding]:
    """All findings, what is well included, in the order in which to mend them."""
    findings = [
        *_examine_claude(facts.claude),
        *_examine_pairing(facts.pairing),
        *_examine_install(facts.install, facts.claude),
        *_examine_server(facts.install),
        *_examine_statusline(facts.install),
        *_examine_carriers(facts.carriers, wakes=facts.claude.rewake),
        *_examine_reaches(facts.reaches),
        *_examine_logs(facts),
    ]
    return [replace(found, next_step=found.next_step.replace(_US, facts.command)) for found in findings]


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
            f"On the hub's host run `{_US} pair`; here run the `heliograph join …` that it prints.",
        )
    elif pairing.state == "loose":
        yield Finding(
            "machine_file_readable",
            "blocker",
            f"Others can read this machine's key ({pairing.path}); it isn't used like that.",
            f"chmod 600 {pairing.path}   (if others use this machine, join again with --replace)",
        )
    elif pairing.state == "unusable":
        yield Finding("machine_file_unusable", "blocker", pairing.problem, f"Pair again: {_US} join --replace URL")
    else:
        yield Finding("paired", "ok", f"Paired with {pairing.hub_url}.")
        yield from _examine_hub(pairing)


_HUB: dict[UnreachableReason, tuple[str, str]] = {
    "refused": ("nothing listens there", f"Start the hub: {_US} hub"),
    "timeout": ("it doesn't answer in time", "Look at the hub, and at firewalls between here and there."),
    "no_address": ("its name has no address", f"Check the name, or pair again: {_US} join --replace URL"),
    "tls": ("its certificate isn't accepted", "Mend the certificate or add its authority to this machine's trust."),
    "wrong_answer": (
        "what answers there is no Heliograph hub",
        f"Look what else uses that address, or pair again: {_US} join --replace URL",
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
            f"Pair again: {_US} join --replace URL",
        )


def _examine_install(install: InstallFacts, claude: ClaudeFacts) -> Iterator[Finding]:
    if install.problem:
        yield Finding("settings_unreadable", "blocker", install.problem, f"Mend that file, then run `{_US} install`.")
        return
    missing = [event for event in claude.wanted_events if event not in install.events]
    if not install.events:
        yield Finding("hooks_missing", "blocker", "The hooks aren't installed.", f"{_US} install")
        return
    if missing:
        yield Finding("hooks_partly", "blocker", f"Hooks are missing for {', '.join(missing)}.", f"{_US} install")
    if install.stale_events:
        yield Finding(
            "hooks_stale",
            "blocker",
            f"The hooks for {', '.join(install.stale_events)} point to another place or version.",
            f"{_US} install",
        )
    if not install.interpreter_there:
        yield Finding(
            "interpreter_missing",
            "blocker",
            f"The hooks' interpreter is gone: {install.interpreter}.",
            f"{_US} install",
        )
    if install.script != "ok":
        problem = "is missing" if install.script == "missing" else "is another version's"
        yield Finding("hook_script", "blocker", f"The hooks' script {problem}.", f"{_US} install")
    if install.uploader != "ok" and install.script != "missing":
        yield Finding(
            "uploader",
            "note",
            "The hooks don't know the interpreter that sends what sessions without a channel do.",
            f"{_US} install",
        )
    if install.hooks_disabled:
        yield Finding(
            "hooks_disabled",
            "blocker",
            'Claude Code\'s settings say "disableAllHooks": no hook runs.',
            "Remove that line from the settings.",
        )
    if not (missing or install.stale_events or install.script != "ok" or not install.interpreter_there):
        yield Finding("hooks", "ok", f"Hooks on {len(install.events)} events.")


_STATUSLINE = {
    "stale": "points to another place or version",
    "script": "lacks its script, or has another version's",
    "interpreter": "lacks its interpreter",
}


def _examine_statusline(install: InstallFacts) -> Iterator[Finding]:
    if install.problem:
        return
    if install.statusline == "none":
        what = "The status line isn't wrapped: cost and plan limits aren't known (`install --statusline` changes that)."
        yield Finding("statusline_none", "ok", what)
    elif install.statusline == "ok":
        yield Finding("statusline", "ok", "The status line is wrapped: it tells cost and plan limits.")
    else:
        problem = _STATUSLINE[install.statusline]
        what = f"The wrapper of the status line {problem}; your own still shows, cost and plan limits don't."
        yield Finding("statusline_broken", "note", what, f"{_US} install")


def _examine_server(install: InstallFacts) -> Iterator[Finding]:
    if install.problem:
        return
    if install.server == "missing":
        yield Finding("server_missing", "blocker", "The MCP server isn't configured.", f"{_US} install")
    elif not install.server_command_there:
        yield Finding(
            "server_interpreter_missing",
            "blocker",
            f"The channel's interpreter is gone: {install.server_command}.",
            f"Install Heliograph again, then run `{_US} install`.",
        )
    elif install.server == "stale":
        yield Finding("server_stale", "blocker", "The MCP server points to another place or version.", f"{_US} install")
    else:
        yield Finding("server", "ok", "The MCP server is configured.")
    if install.permissions_missing and install.server != "missing":
        yield Finding(
            "permissions_missing",
            "note",
            f"Claude will ask before it uses {', '.join(install.permissions_missing)}.",
            f"{_US} install",
        )


_WITHOUT = {True: "a parked hook wakes Claude with a message", False: "messages wait for the next prompt"}
"""What becomes of messages where no push arrives, by whether this Claude Code can be woken."""

_NO_PUSHES: tuple[Outcome, ...] = ("no_flag", "no_preview", "no_provider", "no_policy", "not_allowlisted")

_START = f"End it and start it again: {_US} claude   (add --resume to go on with the conversation)"


def _examine_carriers(carriers: tuple[Carrier, ...], *, wakes: bool) -> Iterator[Finding]:
    if not carriers:
        yield Finding("no_session", "note", "No Claude Code with our channel runs now.", f"{_US} claude")
    heard = [carrier for carrier in carriers if carrier.is_heard]
    if dead := _list_pids(carrier for carrier in carriers if not carrier.is_heard):
        yield Finding(
            "channel_died",
            "blocker",
            f"Process {dead}: its channel has died, so nothing of it reaches the hub.",
            f"/mcp reconnect in that session, or restart it: {_US} claude --resume",
        )
    without = _list_pids(carrier for carrier in heard if not carrier.has_flag)
    with_flag = sum(carrier.has_flag for carrier in heard)
    if with_flag:
        yield Finding("carriers", "ok", f"{with_flag} running with the channel on.")
        if without:
            yield Finding(
                "channel_flag_missing_in_some",
                "note",
                f"Process {without} was started without the channel flag: {_WITHOUT[wakes]}.",
                _START,
            )
    elif without:
        yield Finding(
            "channel_flag_missing",
            "note" if wakes else "blocker",
            f"No running session was started with the channel flag (process {without}): {_WITHOUT[wakes]}.",
            _START,
        )


_WAYS = {
    "wake": "a parked hook wakes it with a message",
    "next_turn": "a message waits for its next prompt",
    "none": "no message reaches it",
}


def _examine_reaches(reaches: tuple[Reach, ...]) -> Iterator[Finding]:
    for reach in reaches:
        if reach.delivery in _WAYS:
            code = f"delivery_{reach.delivery}"
            yield Finding(code, "note", f"{show.plain(reach.title)}: {_WAYS[reach.delivery]}. {reach.reason}".strip())


def _list_pids(carriers: Iterable[Carrier]) -> str:
    return ", ".join(str(carrier.pid) for carrier in carriers)


_LOG: dict[Outcome, tuple[str, str, str]] = {
    "no_flag": (
        "channel_flag_missing",
        "A session was started without the channel flag.",
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
        "A session was started with --channels, which takes approved plugins only.",
        _START,
    ),
    "modern": (
        "handshake_refused",
        "Claude Code agreed with the channel on a protocol that carries no pushes.",
        f"Update Heliograph, run `{_US} install`, start the session again.",
    ),
    "no_capability": (
        "handshake_refused",
        "Claude Code doesn't take our server for a channel: another program runs under its name.",
        f"Run `{_US} install`, start the session again.",
    ),
    "skipped": ("channel_skipped", "Claude Code doesn't use the channel.", "Update Claude Code and Heliograph."),
    "failed": (
        "handshake_failed",
        "Claude Code could not connect to the channel.",
        f"Look into log/channel.log in HELIOGRAPH_HOME; run `{_US} install`, start the session again.",
    ),
}


_UNKNOWN = Finding(
    "handshake_unknown",
    "note",
    "Claude Code's log says nothing yet about the channel.",
    f"Start a session: {_US} claude",
)


def _examine_logs(facts: Facts) -> Iterator[Finding]:
    for log in facts.logs:
        yield from _examine_log(log, facts.carriers, wakes=facts.claude.rewake)
    if not facts.logs:
        yield _UNKNOWN


def _examine_log(log: SessionLog, carriers: tuple[Carrier, ...], *, wakes: bool) -> Iterator[Finding]:
    verdict = log.verdict
    if verdict.outcome == "silent":
        yield _UNKNOWN
        return
    who = "" if log.pid is None else f"Process {log.pid}: "
    if verdict.outcome == "registered":
        yield Finding("handshake", "ok", f"{who}Claude Code listens to the channel (as of {verdict.at}).")
        return
    others = [carrier for carrier in carriers if log.pid is None or carrier.pid == log.pid]
    if verdict.outcome == "no_flag" and others and not any(carrier.has_flag for carrier in others):
        return  # said already, of the processes that run
    code, what, step = _LOG[verdict.outcome]
    # A session that has ended keeps nobody else from being heard; an old log may be mended by now.
    is_elsewhere = (
        log.pid is None
        and verdict.outcome in ("no_flag", "not_allowlisted")
        and any(carrier.has_flag for carrier in carriers)
    )
    is_bearable = wakes and verdict.outcome in _NO_PUSHES
    level: Level = "note" if log.is_old or is_elsewhere or is_bearable else "blocker"
    said = f' It says: "{verdict.detail}" ({verdict.at}, in {verdict.cwd}; {log.path}).'
    yield Finding(code, level, who + what + said, step)
