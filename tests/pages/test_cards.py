"""Cards: what they say and in which order they stand."""

from __future__ import annotations

from collections.abc import Callable

from hub.core.model import Ask, Machine, Preview, Session
from hub.pages.cards import build_card, count_states, group_cards, list_recent, name_session

MINUTE = 60_000_000
HOUR = 60 * MINUTE
MakeSession = Callable[..., Session]


def test_cards_stand_needs_you_first_then_working_idle_offline_ended(
    make_session: MakeSession, machine: Machine, now: int
) -> None:
    sessions = [
        make_session(session_id="ended", ended=True, last_activity_at=now),
        make_session(session_id="offline", linked=False, offline_since=now, last_activity_at=now),
        make_session(session_id="idle long", last_activity_at=now - HOUR),
        make_session(session_id="idle just now", last_activity_at=now),
        make_session(session_id="working", turn_started_at=now - HOUR, last_activity_at=now),
        make_session(session_id="waits 2m", waiting_for=[Ask(tool_name="Bash")], last_activity_at=now - 2 * MINUTE),
        make_session(session_id="waits 9m", waiting_for=[Ask(tool_name="Bash")], last_activity_at=now - 9 * MINUTE),
    ]
    [group] = group_cards(sessions, {"m1": machine}, now)
    names = [card.session_id for card in group.cards]
    assert names == ["waits 9m", "waits 2m", "working", "idle just now", "idle long", "offline", "ended"]
    assert [card.order for card in group.cards] == sorted(card.order for card in group.cards)


def test_a_working_card_stays_put_while_it_works(make_session: MakeSession, machine: Machine, now: int) -> None:
    orders = {
        build_card(make_session(turn_started_at=now - HOUR, last_activity_at=at), machine, now).order
        for at in (now - HOUR, now - MINUTE, now)
    }
    assert len(orders) == 1


def test_groups_are_machines_by_name_and_fold_what_ended_long_ago(make_session: MakeSession, now: int) -> None:
    machines = {name: Machine(machine_id=name, name=name, user="u", os="macOS 15") for name in ("zeta", "Atlas")}
    sessions = [
        make_session(session_id="a", machine_id="zeta"),
        make_session(session_id="b", machine_id="Atlas", ended=True, last_activity_at=now - 25 * HOUR),
        make_session(session_id="c", machine_id="gone"),
    ]
    groups = group_cards(sessions, machines, now)
    assert [group.name for group in groups] == ["Atlas", "unknown machine", "zeta"]
    assert [card.session_id for card in groups[0].older] == ["b"]
    assert groups[0].cards == []
    assert groups[0].icon == "laptop"


def test_a_card_says_only_what_is_not_the_default(make_session: MakeSession, machine: Machine, now: int) -> None:
    card = build_card(make_session(permission_mode="default", branch=None), machine, now)
    assert (card.model, card.mode, card.branch, card.project, card.folder) == (
        "Opus 4.5",
        "",
        "",
        "tidepool",
        "~/src/tidepool",
    )
    assert build_card(make_session(permission_mode="bypassPermissions"), machine, now).bypass
    assert build_card(make_session(permission_mode="plan"), machine, now).plan


def test_previews_say_what_the_session_does(make_session: MakeSession, machine: Machine, now: int) -> None:
    def preview(**fields: object) -> tuple[str, str, bool]:
        shown = build_card(make_session(**fields), machine, now).preview
        assert shown is not None
        return shown.icon, shown.text, shown.mono

    path = Preview(kind="tool", tool_name="Edit", text="/home/maya/src/tidepool/src/a.rs")
    assert preview(preview=path) == ("pencil", "src/a.rs", True)
    other = Preview(kind="tool", tool_name="mcp__sentry__get_trace", text="8f21c")
    assert preview(preview=other) == ("plug", "sentry · get_trace 8f21c", True)
    plan = Preview(kind="waiting", tool_name="ExitPlanMode", text="")
    assert preview(preview=plan, waiting_for=[Ask(tool_name="Bash")]) == (
        "shield-question-mark",
        "Has a plan and asks whether to go on.",
        False,
    )
    hidden = Preview(kind="waiting", tool_name="Bash", text="rm \u202ex")
    assert preview(preview=hidden)[1] == "rm ⟨U+202E⟩x"
    assert build_card(make_session(preview=None), machine, now).preview is None


def test_a_session_without_a_title_still_has_a_name(make_session: MakeSession) -> None:
    assert name_session(make_session(title="  ")) == "New session"


def test_the_rail_lists_the_latest_sessions_and_the_page_itself(
    make_session: MakeSession, machine: Machine, now: int
) -> None:
    sessions = [make_session(session_id=f"s{n}", last_activity_at=now - n * MINUTE) for n in range(20)]
    cards = [build_card(session, machine, now) for session in sessions]
    recent = list_recent(cards, "s19")
    assert len(recent) == 13
    assert recent[-1].session_id == "s19"


def test_counts_have_every_state() -> None:
    assert count_states({"idle": 2, "ended": 1}) == {
        "all": 3,
        "needs_you": 0,
        "working": 0,
        "idle": 2,
        "offline": 0,
        "ended": 1,
    }
