"""Which rule answers what: allowed is only what a pattern names as a whole, denied whatever could be meant."""

from __future__ import annotations

import shutil
import string
import subprocess
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.model import Decision, Session
from hub.core.rules import Behavior, Hours, Invalid, Rule, build_verdict, check, find_rule, summarise

NOW = 1_795_243_093_630_000


def build_rule(*tools: str, behavior: Behavior = "allow", **fields: Any) -> Rule:
    made = {"rule_id": "r1", "author_id": "u1", "author": "Maya", "created_at": 1, **fields}
    rule = Rule(behavior=behavior, tools=list(tools), **made)
    check(rule)
    return rule


def build_decision(tool_name: str = "Bash", tool_input: Any = None, **fields: Any) -> Decision:
    said: dict[str, Any] = {
        "decision_id": "d1",
        "session_id": "s1",
        "machine_id": "m1",
        "pid": 1,
        "kind": "permission",
        "answered_by": "hook",
        "suggestions": [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}],
        "opened_at": NOW,
        **fields,
    }
    return Decision(tool_name=tool_name, input=tool_input or {}, **said)


def run(command: Any, **other: Any) -> Decision:
    return build_decision("Bash", {"command": command, "description": "d", **other})


SESSION = Session(session_id="s1", machine_id="m1", pid=1, cwd="/home/maya/project")


def find(decision: Decision, *rules: Rule, session: Session | None = SESSION, now: int = NOW) -> str | None:
    found = find_rule(rules, decision, session, now)
    return found.rule_id if found else None


def is_allowed(pattern: str, decision: Decision) -> bool:
    return find(decision, build_rule(pattern)) is not None


def is_denied(pattern: str, decision: Decision) -> bool:
    return find(decision, build_rule(pattern, behavior="deny")) is not None


# -- allowed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "command"),
    [
        ("Bash(git status)", "git status"),
        ("Bash(git log:*)", "git log"),
        ("Bash(git log:*)", "git log --oneline -5 'HEAD~2' \"a b\" src/*.py"),
        ("Bash(git log *)", "git log -p"),
        ("Bash(make test && make lint)", "make test && make lint"),
        ("Bash", "anything; at $(all)"),
    ],
)
def test_a_command_that_a_pattern_names_is_allowed(pattern: str, command: str) -> None:
    assert is_allowed(pattern, run(command))


@pytest.mark.parametrize(
    "command",
    [
        "git status -s",
        " git status",
        "git status ",
        "git status\n",
        "git  status",
        "Git status",
        "git status; rm -rf /",
        "git status\u200b",
        "git\u00a0status",
        "",
    ],
)
def test_a_whole_command_is_allowed_as_it_stands_only(command: str) -> None:
    assert not is_allowed("Bash(git status)", run(command))


@pytest.mark.parametrize("hidden", ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\u202e", "\u200b", "\u2028", "\u00a0"])
def test_a_beginning_allows_nothing_with_characters_that_hide(hidden: str) -> None:
    assert not is_allowed("Bash(git log:*)", run(f"git log -1{hidden}rm"))


@pytest.mark.parametrize(
    "command",
    [
        "git logs",
        "git log; rm x",
        "git log & rm x",
        "git log | sh",
        "git log > /etc/passwd",
        "git log < x",
        "git log `rm x`",
        "git log $(rm x)",
        "git log $X",
        "git log (x)",
        "git log {a,b}",
        "git log-x",
        "x git log",
        "X=1 git log",
    ],
)
def test_a_beginning_allows_nothing_that_could_hold_another_command(command: str) -> None:
    assert not is_allowed("Bash(git log:*)", run(command))


@given(st.text(max_size=30), st.sampled_from(";&|<>`$(){}\n\r\x00\x1b\u202e\u2066\ufeff\u3000"), st.text(max_size=30))
def test_no_command_with_such_a_character_fits_a_beginning(before: str, character: str, after: str) -> None:
    assert not is_allowed("Bash(git log:*)", run(f"git log {before}{character}{after}"))


@given(st.text())
def test_a_beginning_allows_only_what_begins_so(command: str) -> None:
    if is_allowed("Bash(git log:*)", run(command)):
        assert command == "git log" or command.startswith("git log ")
    assert not is_allowed("Bash(git status)", run(command)) or command == "git status"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab '\"\\;&|<>`$(){}[]*?!#~=^%@,:-+\n\t", max_size=20))
def test_what_a_beginning_allows_makes_a_shell_run_one_command(words: str) -> None:
    command = f"git log {words}"
    if is_allowed("Bash(git log:*)", run(command)):
        script = 'git() { :; }; trap "echo one" DEBUG; eval "$COMMAND"'
        environment = {"PATH": "/nowhere", "COMMAND": command}
        done = subprocess.run(
            ["/bin/bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.count("one") <= 2  # eval itself, and git
        assert "not found" not in done.stderr


@pytest.mark.parametrize("other", [{"dangerouslyDisableSandbox": True}, {"shell": "/bin/evil"}, {"env": {}}])
@pytest.mark.parametrize("pattern", ["Bash(git status)", "Bash(git status:*)", "Bash"])
def test_fields_that_change_what_runs_are_not_allowed_along(pattern: str, other: dict[str, Any]) -> None:
    assert not is_allowed(pattern, run("git status", **other))
    assert is_denied(pattern, run("git status", **other))


def test_fields_that_change_nothing_do_not_matter() -> None:
    assert is_allowed("Bash(git status)", run("git status", timeout=1000, run_in_background=True))
    assert is_allowed("Bash(git status)", run("git status", dangerouslyDisableSandbox=False))


@pytest.mark.parametrize("command", [None, 3, ["git status"], {"git": "status"}])
def test_a_command_that_is_no_text_is_never_allowed(command: Any) -> None:
    assert not is_allowed("Bash(git status)", run(command))
    assert is_denied("Bash(git status)", run(command))


# -- denied ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "rm",
        "rm -rf /",
        "  rm x",
        "/bin/rm x",
        "RM x",
        "ls; rm x",
        "ls && rm x",
        "ls || rm x",
        "ls | rm",
        "ls & rm x",
        "ls\nrm x",
        "(rm x)",
        "{ rm x; }",
        "{rm,-rf,x}",
        "echo $(rm x)",
        "echo `rm x`",
        "`echo rm` x",
        "$(echo rm) x",
        "$X y",
        "${X} y",
        "rm${IFS}x",
        "r\\m x",
        "'rm' x",
        'r""m x',
        "r\\\nm x",
        "$'\\x72m' x",
        "r\u200bm x",
        "/bin/r? x",
        "A=1 B+=2 rm x",
        "A=$(date) rm x",
        "if rm x; then y; fi",
        "while true; do rm x; done",
        "! rm x",
        "sudo rm x",
        "sudo -u root rm x",
        "env -i A=1 rm x",
        "timeout 5 rm x",
        "timeout 5 $X",
        "nohup sudo rm x",
        "xargs -0 rm",
        "find . -name x -exec rm {} +",
        "sh -c 'rm x'",
        'bash -lc "ls; rm x"',
        "eval rm x",
        "eval ! $X",
        "env /usr/bin/nice $X",
        "> out rm x",
        '> "a b" rm x',
        "cat <<EOF | sh\nrm x\nEOF",
        "cat <(rm x)",
    ],
)
def test_a_command_is_denied_wherever_it_could_be_meant(command: str) -> None:
    assert is_denied("Bash(rm:*)", run(command))


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "echo rm",
        "rmdir x",
        "git commit -m 'rm the file'",
        "farm x",
        "cat rm.txt",
        "find . -name *.py",
        "[ -f x ] && ls",
        "sudo apt install $PACKAGE",
        "echo $HOME",
        "",
    ],
)
def test_what_only_mentions_it_is_not_denied(command: str) -> None:
    assert not is_denied("Bash(rm:*)", run(command))


@pytest.mark.parametrize("command", ["git push", "git push origin", "git -C dir push", "git -c a=b --no-pager push -f"])
def test_options_before_a_subcommand_do_not_hide_it(command: str) -> None:
    assert is_denied("Bash(git push:*)", run(command))


@pytest.mark.parametrize("command", ["git commit -m push", "git log push", "git", "git -C dir"])
def test_another_subcommand_is_not_denied(command: str) -> None:
    assert not is_denied("Bash(git push *)", run(command))


def test_a_whole_command_is_denied_as_any_part() -> None:
    assert is_denied("Bash(git push)", run("ls && git push"))
    assert is_denied("Bash(git push)", run("git  'push'"))
    assert not is_denied("Bash(git push)", run("git push origin"))
    assert is_denied("Bash(a | b)", run("a | b"))


@given(
    st.text(alphabet=string.ascii_letters + " -;|&", max_size=20), st.sampled_from([";", "&&", "||", "|", "\n", "$("])
)
def test_no_part_before_it_hides_a_denied_command(before: str, separator: str) -> None:
    assert is_denied("Bash(rm:*)", run(f"{before}{separator}rm -rf x"))


PIECES = [
    *(" ", "\n", ";", "&&", "||", "|", "&", "$(", ")", "`", "'", '"', "\\", "{ ", "}", "(", "if ", "then ", "! ", "[ "),
    *(
        "A=1 ",
        "eval ",
        "command ",
        "exec ",
        "builtin ",
        "trap ",
        "sh -c ",
        "env ",
        "xargs ",
        "nice -n 5 ",
        "timeout 5 ",
    ),
    *(">", "<", "2>&1 ", "<<E\n", "true ", "echo ", "x", "-", "$X ", "${X}", "r\\m ", "{rm,x}", "$'rm' ", "/dev/null "),
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(before=st.lists(st.sampled_from(PIECES), max_size=6), after=st.lists(st.sampled_from(PIECES), max_size=3))
def test_what_a_shell_runs_is_seen(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("shell")
    (folder / "bin").mkdir()
    (folder / "bin" / "rm").write_text(f"#!/bin/sh\necho >{folder}/ran\n")
    (folder / "bin" / "rm").chmod(0o755)
    for name in ("sh", "env", "xargs", "nice", "timeout"):
        (folder / "bin" / name).symlink_to(shutil.which(name) or "/bin/false")
    command = "".join([*before, "rm ", *after])
    environment = {"PATH": f"{folder}/bin", "COMMAND": command, "X": "rm"}
    script = ["/bin/bash", "--norc", "-c", 'eval "$COMMAND"']
    subprocess.run(script, env=environment, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if (folder / "ran").exists():
        assert is_denied("Bash(rm:*)", run(command))


@given(st.text())
def test_any_text_can_be_read(command: str) -> None:
    is_denied("Bash(git push:*)", run(command))


@pytest.mark.parametrize("command", ["xargs " + "git -a " * 1_400, "sudo " * 1_900, "git " + "-a " * 3_000])
def test_a_long_command_is_read_in_a_moment(command: str) -> None:
    began = time.perf_counter()
    is_denied("Bash(git push:*)", run(command))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("behavior", ["allow", "deny"])
def test_a_command_that_is_too_long_to_be_read_is_for_people(behavior: Behavior) -> None:
    assert find(run("x" * 10_001), build_rule("Bash", behavior=behavior)) is None


# -- other tools ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "tool_name", "fits"),
    [
        ("WebFetch", "WebFetch", True),
        ("WebFetch", "WebSearch", False),
        ("mcp__x__*", "mcp__x__poke", True),
        ("mcp__x", "mcp__x__poke", True),
        ("mcp__x__poke", "mcp__x__poke", True),
        ("mcp__x__*", "mcp__xy__poke", False),
        ("mcp__x__*", "mcp__x", False),
        ("mcp__x", "mcp__xy__poke", False),
        ("Write", "Write", True),
        ("write", "Write", False),
    ],
)
def test_a_tool_goes_by_its_name(pattern: str, tool_name: str, fits: bool) -> None:
    url = {"url": "https://example.com"} if tool_name == "WebFetch" else {"a": 1}
    assert is_allowed(pattern, build_decision(tool_name, url)) is fits
    assert is_denied(pattern, build_decision(tool_name, url)) is fits


@pytest.mark.parametrize("pattern", ["mcp__a__*", "mcp__a"])
def test_a_name_that_may_be_another_servers_is_denied_but_not_allowed(pattern: str) -> None:
    decision = build_decision("mcp__a__b__poke", {"a": 1})
    assert not is_allowed(pattern, decision)
    assert is_denied(pattern, decision)


@pytest.mark.parametrize(
    ("url", "allowed", "denied"),
    [
        ("https://example.com", True, True),
        ("http://EXAMPLE.com:8080/a?b=c#d", True, True),
        ("https://example.com./", True, True),
        ("https://www.example.com/", False, True),
        ("https://example.com.evil.org/", False, False),
        ("https://notexample.com/", False, False),
        ("https://evil.org/example.com", False, False),
        ("https://example.com@evil.org/", False, True),
        ("https://evil.org@example.com/", False, True),
        ("https://evil.org\\@example.com/", False, True),
        ("https://ex%61mple.com/", False, True),
        ("https://\uff45xample\u3002com/", False, True),
        ("https://example.com\n.evil.org/", False, True),
        ("file:///etc/passwd", False, False),
        (7, False, False),
    ],
)
def test_a_domain_is_that_of_the_address(url: Any, allowed: bool, denied: bool) -> None:
    decision = build_decision("WebFetch", {"url": url, "prompt": "p"})
    assert is_allowed("WebFetch(domain:example.com)", decision) is allowed
    assert is_denied("WebFetch(domain:example.com)", decision) is denied


def test_a_domain_may_stand_for_those_below_it() -> None:
    def fetch(host: str) -> Decision:
        return build_decision("WebFetch", {"url": f"https://{host}/", "prompt": "p"})

    assert is_allowed("WebFetch(domain:*.example.com)", fetch("a.b.example.com"))
    assert not is_allowed("WebFetch(domain:*.example.com)", fetch("example.com"))
    assert not is_allowed("WebFetch(domain:*.example.com)", fetch("badexample.com"))


# -- where, when, and what for --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["question", "plan", "elicitation"])
@pytest.mark.parametrize("behavior", ["allow", "deny"])
def test_questions_plans_and_forms_are_for_people(kind: Any, behavior: Behavior) -> None:
    assert find(build_decision("Bash", {"command": "x"}, kind=kind), build_rule("Bash", behavior=behavior)) is None


@pytest.mark.parametrize("behavior", ["allow", "deny"])
def test_what_is_not_known_whole_is_for_people(behavior: Behavior) -> None:
    rule = build_rule("Bash", behavior=behavior)
    assert find(build_decision("Bash", {"command": "x"}, is_whole=False), rule) is None


def test_what_somebody_wants_to_be_asked_each_time_is_never_allowed() -> None:
    asked = build_decision("Bash", {"command": "git push"}, suggestions=[])
    assert not is_allowed("Bash(git push)", asked)
    assert is_denied("Bash(git push)", asked)
    assert is_allowed("Bash(git push)", build_decision("Bash", {"command": "git push"}))


@pytest.mark.parametrize("behavior", ["allow", "deny"])
def test_no_rule_speaks_for_a_foreign_session_or_none(behavior: Behavior) -> None:
    rule = build_rule("Bash", behavior=behavior)
    foreign = Session(session_id="s1@m2", machine_id="m2", pid=1, foreign=True)
    assert find(run("x"), rule, session=foreign) is None
    assert find(run("x"), rule, session=None) is None


def test_a_denial_wins_and_then_the_oldest() -> None:
    allow = build_rule("Bash", rule_id="allow", created_at=1)
    later = build_rule("Bash(x)", rule_id="later", created_at=2)
    deny = build_rule("Bash(rm:*)", behavior="deny", rule_id="deny", created_at=3)
    assert find(run("ls; rm x"), allow, deny) == "deny"
    assert find(run("x"), later, allow, deny) == "allow"
    assert find(run("x")) is None


def test_a_rule_for_a_machine_is_for_no_other() -> None:
    assert find(run("x"), build_rule("Bash", machine="m1")) == "r1"
    assert find(run("x"), build_rule("Bash", machine="m2")) is None


@pytest.mark.parametrize(
    ("project", "cwd", "fits"),
    [
        ("/a", "/a", True),
        ("/a/", "/a/b/c", True),
        ("/", "/a", True),
        ("/a", "/ab", False),
        ("/a", "/a/../b", False),
        ("/a", "", False),
        ("/a", "a", False),
        ("/a/b", "/a", False),
    ],
)
def test_a_rule_for_a_project_is_for_what_is_below_it(project: str, cwd: str, fits: bool) -> None:
    session = Session(session_id="s1", machine_id="m1", pid=1, cwd=cwd)
    assert (find(run("x"), build_rule("Bash", project=project), session=session) is not None) is fits


@pytest.mark.parametrize(
    ("hours", "clock", "fits"),
    [
        (("18:00", "08:00"), "18:00", True),
        (("18:00", "08:00"), "23:59", True),
        (("18:00", "08:00"), "00:00", True),
        (("18:00", "08:00"), "07:59", True),
        (("18:00", "08:00"), "08:00", False),
        (("18:00", "08:00"), "17:59", False),
        (("09:00", "17:30"), "09:00", True),
        (("09:00", "17:30"), "17:30", False),
        (("09:00", "17:30"), "00:00", False),
    ],
)
@pytest.mark.parametrize("month", [1, 7])
def test_hours_are_those_of_their_zone(hours: tuple[str, str], clock: str, fits: bool, month: int) -> None:
    at = datetime.fromisoformat(f"2026-{month:02}-15T{clock}").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    rule = build_rule("Bash", hours=Hours(*hours, "Europe/Berlin"))
    assert (find(run("x"), rule, now=int(at.timestamp() * 1_000_000)) is not None) is fits


def test_where_the_zone_is_unknown_a_rule_denies_always_and_allows_never() -> None:
    hours = Hours("18:00", "08:00", "Atlantis/Capital")
    made: dict[str, Any] = {"rule_id": "r", "author_id": "u", "author": "M", "created_at": 1, "hours": hours}
    assert find(run("x"), Rule(behavior="deny", tools=["Bash"], **made)) == "r"
    assert find(run("x"), Rule(behavior="allow", tools=["Bash"], **made)) is None


def test_a_denial_carries_its_message_where_that_can_be_told() -> None:
    rule = build_rule("Bash", behavior="deny", message="Not at night.")
    assert build_verdict(rule, run("x")).message == "Not at night."
    relayed = build_decision("Bash", {"command": "x"}, answered_by="relay")
    assert build_verdict(rule, relayed).message is None


def test_a_verdict_of_a_rule_changes_nothing_but_yes_or_no() -> None:
    verdict = build_verdict(build_rule("Bash"), run("x"))
    assert (verdict.behavior, verdict.input, verdict.remember, verdict.stop) == ("allow", None, None, False)


def test_a_rule_is_told_in_a_few_words() -> None:
    assert summarise(build_rule("WebFetch", "Bash(curl:*)", behavior="deny")) == "deny WebFetch, Bash(curl:*)"
    assert len(summarise(build_rule(*["Bash(git status)"] * 50))) == 100


# -- what can't be one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "tool",
    [
        "",
        " ",
        "*",
        "mcp__*",
        "Web*",
        "Bash()",
        "Bash(:*)",
        "Bash( *)",
        "Bash(*)",
        "Bash( git)",
        "Bash(git * push)",
        "Bash(git;:*)",
        "Bash($X:*)",
        "Bash(git\nstatus)",
        "Bash(git\u200b)",
        "Bash(git",
        "WebFetch(example.com)",
        "WebFetch(domain:)",
        "WebFetch(domain:exa mple.com)",
        "WebFetch(domain:*)",
        "Read(//etc/**)",
        "AskUserQuestion",
        "ExitPlanMode",
        "x" * 1001,
    ],
)
def test_a_pattern_that_means_nothing_sure_is_refused(tool: str) -> None:
    with pytest.raises(Invalid):
        build_rule(tool)


@pytest.mark.parametrize(
    "fields",
    [
        {"project": "home"},
        {"project": "/a/../b"},
        {"hours": Hours("18:00", "18:00", "UTC")},
        {"hours": Hours("24:00", "08:00", "UTC")},
        {"hours": Hours("6", "8", "UTC")},
        {"hours": Hours("06:00", "08:00", "Nowhere")},
        {"hours": Hours("06:00", "08:00", "../../etc/passwd")},
        {"hours": Hours("06:00", "08:00", "")},
        {"message": "for whom?"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        build_rule("Bash", **fields)


def test_a_message_has_a_bound_and_a_rule_a_tool() -> None:
    for message in ("", "  ", "x" * 8001):
        with pytest.raises(Invalid):
            build_rule("Bash", behavior="deny", message=message)
    with pytest.raises(Invalid):
        build_rule()
