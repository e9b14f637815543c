"""Which way a message takes, and that it is said at most once: by cases, then against a simple client."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from channel.ladder import HOLD_SECONDS, LISTEN_SECONDS, MESSAGES, PARK_SECONDS, PING_SECONDS, PINGS, Ladder
from channel.steps import Decline, Effect, Notify, Offer, Ping, Recall, Release, Report, Retract, Seen, Slot, View, Ways
from wire.frames import Push, When

A, B = "session-a", "session-b"

IDLE = View(A, at_rest=True)
BUSY = View(A, busy=True)
PARKED = View(A, at_rest=True, parked=True)


def a_push(message_id: str = "m", when: When = "auto", session_id: str = A) -> Push:
    return Push(message_id=message_id, session_id=session_id, text="hello", author="Maya", when=when)


def a_ladder(*, flag: bool = True, is_print: bool = False) -> Ladder:
    """One whose client has been listening for long; what it says of its ways is out of the way."""
    ladder = Ladder()
    ladder.launch(flag=flag, is_print=is_print)
    ladder.list_tools(0.0)
    return ladder


def step(ladder: Ladder, view: View, now: float) -> list[Effect]:
    return [effect for effect in ladder.step(view, now) if not isinstance(effect, Ways)]


def give(ladder: Ladder, push: Push, view: View, now: float = 100.0) -> list[Effect]:
    return ladder.receive(push, now, known=False) + step(ladder, view, now)


def answer_pings(ladder: Ladder, view: View, now: float, count: int = PINGS) -> tuple[list[Effect], float]:
    """The client answers so many pings, as they come; the last effects, and when."""
    effects = step(ladder, view, now)
    for _ in range(count):
        (ping,) = effects
        assert isinstance(ping, Ping)
        effects = [effect for effect in ladder.take_pong(ping.number, view, now) if not isinstance(effect, Ways)]
        if not effects:
            now += PING_SECONDS
            effects = step(ladder, view, now)
    return effects, now


# -- where it goes ------------------------------------------------------------------------


def test_an_idle_client_with_the_flag_is_pushed_to() -> None:
    push = a_push()
    assert give(a_ladder(), push, PARKED) == [Notify(push, "channel")]


def test_a_busy_session_declines_unless_it_is_for_now() -> None:
    ladder, push, now = a_ladder(), a_push(), a_push("n", "now")
    assert give(ladder, push, BUSY) == [Decline(push, "busy")]
    assert give(ladder, now, BUSY) == [Notify(now, "steer")]


def test_a_session_whose_turn_is_about_to_begin_is_busy() -> None:
    push = a_push()
    assert give(a_ladder(), push, View(A, starting=True)) == [Decline(push, "busy")]


def test_another_session_declines() -> None:
    push = a_push(session_id=B)
    assert give(a_ladder(), push, IDLE) == [Decline(push, "elsewhere")]


def test_without_the_flag_an_idle_claude_is_woken_at_once() -> None:
    for when in ("auto", "now"):
        push = a_push(when=when)
        assert give(a_ladder(flag=False), push, PARKED) == [Release(push)]


def test_without_the_flag_now_is_left_for_the_next_hook_of_a_busy_session() -> None:
    push = a_push(when="now")
    assert give(a_ladder(flag=False), push, BUSY) == [Offer(push, "now")]


def test_a_hook_that_is_about_to_park_is_waited_for() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    assert give(ladder, push, IDLE) == []
    assert ladder.wait(100.0) == PARK_SECONDS
    assert step(ladder, PARKED, 101.0) == [Release(push)]


def test_where_no_hook_parks_it_waits_for_the_next_turn() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    assert give(ladder, push, IDLE) == []
    assert step(ladder, IDLE, 100.0 + PARK_SECONDS) == [Offer(push, "next")]


def test_where_only_the_next_turn_is_left_a_busy_session_takes_it_at_the_end_of_this_one() -> None:
    push = a_push()
    assert give(a_ladder(flag=False), push, BUSY) == [Offer(push, "next")]
    ladder = a_ladder(flag=False)
    step(ladder, PARKED, 99.0)
    assert give(ladder, push, BUSY) == [Decline(push, "busy")]


def test_a_file_is_taken_back_when_a_better_way_opens() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    give(ladder, push, IDLE)
    step(ladder, IDLE, 103.0)
    assert step(ladder, PARKED, 104.0) == [Retract(push, "next")]
    ladder.take_back("m", 104.0, is_back=True)
    assert step(ladder, PARKED, 104.0) == [Release(push)]


def test_a_file_that_a_hook_had_before_us_goes_no_other_way() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    give(ladder, push, IDLE)
    step(ladder, IDLE, 103.0)
    assert step(ladder, PARKED, 104.0) == [Retract(push, "next")]
    ladder.take_back("m", 104.0, is_back=False)
    assert step(ladder, PARKED, 104.0) == []
    assert ladder.list_unseen() == ["m"]


def test_who_chose_the_next_turn_waits_for_it() -> None:
    for view in (PARKED, BUSY):
        ladder, push = a_ladder(), a_push(when="next_turn")
        assert give(ladder, push, view) == [Offer(push, "next")]
        assert step(ladder, PARKED, 200.0) == []


def test_one_file_at_a_time() -> None:
    ladder, first, second = a_ladder(), a_push("1", "next_turn"), a_push("2", "next_turn")
    assert give(ladder, first, IDLE) == [Offer(first, "next")]
    assert give(ladder, second, IDLE) == []
    ladder.take_claim("1")
    assert step(ladder, IDLE, 101.0) == [Offer(second, "next")]


def test_a_print_session_is_only_reached_by_what_its_hooks_answer() -> None:
    for when, slot in (("auto", "next"), ("next_turn", "next"), ("now", "now")):
        push = a_push(when=when)  # type: ignore[arg-type]
        assert give(a_ladder(is_print=True), push, BUSY) == [Offer(push, slot)]  # type: ignore[arg-type]


def test_without_hooks_and_without_the_flag_there_is_no_way() -> None:
    push = a_push()
    assert give(a_ladder(flag=False), push, View(A, hooks=False)) == [Decline(push, "no_way")]


def test_a_client_that_is_not_listening_yet_is_waited_for_but_not_for_ever() -> None:
    ladder, push = Ladder(), a_push()
    ladder.launch(flag=True, is_print=False)
    assert give(ladder, push, IDLE) == []
    ladder.list_tools(101.0)
    assert ladder.wait(101.0) == LISTEN_SECONDS
    assert step(ladder, IDLE, 101.0 + LISTEN_SECONDS) == [Notify(push, "channel")]
    late = Ladder()
    late.launch(flag=True, is_print=False)
    give(late, push, IDLE)
    assert step(late, IDLE, 101.0 + HOLD_SECONDS) == [Decline(push, "busy")]


def test_a_client_that_does_not_read_declines() -> None:
    push = a_push()
    assert give(a_ladder(), push, View(A, writable=False)) == [Decline(push, "busy")]


def test_too_many_at_once_are_declined() -> None:
    ladder = a_ladder()
    for number in range(MESSAGES):
        give(ladder, a_push(str(number), "next_turn"), IDLE)
    push = a_push()
    assert give(ladder, push, IDLE) == [Decline(push, "busy")]
    ladder.take_claim("0")
    assert give(ladder, push, IDLE)[0] != Decline(push, "busy")


# -- what was said already ----------------------------------------------------------------


def test_what_only_the_disk_knows_is_recalled_and_not_said() -> None:
    ladder, push = a_ladder(), a_push()
    assert ladder.receive(push, 1.0, known=True) == [Recall(push)]
    assert step(ladder, IDLE, 1.0) == []


def test_what_another_channel_notes_at_the_same_moment_is_recalled() -> None:
    ladder, push = a_ladder(), a_push()
    assert give(ladder, push, IDLE) == [Notify(push, "channel")]
    assert ladder.repeat("m") == [Recall(push)]
    assert ladder.list_unseen() == []
    assert step(ladder, IDLE, 101.0) == []


def test_a_push_that_is_held_here_is_not_reported_twice_though_the_disk_knows_it() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, IDLE)
    assert ladder.receive(push, 101.0, known=True) == []


def test_the_same_push_again_changes_nothing() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    give(ladder, push, IDLE)
    assert give(ladder, push, IDLE) == []
    step(ladder, PARKED, 101.0)
    assert give(ladder, push, PARKED) == []
    assert ladder.take_release("m", 101.0, is_taken=True) == [Report(push, "wake")]
    assert give(ladder, push, PARKED) == []


def test_a_parked_hook_that_went_without_the_text_leaves_the_next_way() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    give(ladder, push, PARKED)
    ladder.take_note("m")
    assert ladder.take_release("m", 101.0, is_taken=False) == []
    assert step(ladder, IDLE, 101.0 + PARK_SECONDS) == [Offer(push, "next")]


def test_what_is_noted_and_then_given_back_is_to_be_forgotten() -> None:
    ladder, push = a_ladder(flag=False), a_push()
    give(ladder, push, PARKED)
    ladder.take_note("m")
    ladder.take_release("m", 101.0, is_taken=False)
    assert step(ladder, BUSY, 101.0) == [Decline(push, "busy", is_noted=True)]


def test_it_can_be_withdrawn_until_it_is_said() -> None:
    ladder, held, offered, pushed = a_ladder(), a_push("h", "next_turn"), a_push("o", "next_turn"), a_push("p")
    give(ladder, offered, IDLE)
    give(ladder, held, IDLE)
    give(ladder, pushed, IDLE)
    assert ladder.withdraw("h") == ladder.withdraw("p") == ladder.withdraw("unknown") == []
    assert ladder.withdraw("o") == [Retract(offered, "next")]
    ladder.take_back("o", 101.0, is_back=True)
    assert step(ladder, BUSY, 101.0) == []
    assert ladder.list_unseen() == ["p"]


def test_what_waits_for_its_second_way_can_be_withdrawn() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, PARKED)
    answer_pings(ladder, IDLE, 100.0)
    assert step(ladder, BUSY, 103.0) == []
    assert ladder.withdraw("m") == []
    assert step(ladder, PARKED, 110.0) == []
    assert ladder.list_unseen() == []


def test_what_lies_in_a_file_as_its_second_way_can_be_withdrawn() -> None:
    ladder, push = a_ladder(), a_push(when="now")
    give(ladder, push, IDLE)
    answer_pings(ladder, IDLE, 100.0)
    assert step(ladder, BUSY, 103.0) == [Offer(push, "now")]
    assert ladder.withdraw("m") == [Retract(push, "now")]
    ladder.take_back("m", 104.0, is_back=True)
    assert step(ladder, PARKED, 110.0) == []


def test_a_withdrawn_file_that_a_hook_had_before_us_is_said() -> None:
    ladder, push = a_ladder(), a_push(when="next_turn")
    give(ladder, push, IDLE)
    assert ladder.withdraw("m") == [Retract(push, "next")]
    ladder.take_back("m", 101.0, is_back=False)
    assert step(ladder, PARKED, 110.0) == []
    assert ladder.list_unseen() == ["m"]


def test_a_withdrawn_push_that_is_dropped_takes_no_second_way() -> None:
    ladder = a_ladder()
    give(ladder, a_push(), PARKED)
    assert ladder.withdraw("m") == []
    assert answer_pings(ladder, PARKED, 100.0)[0] == []
    assert ladder.dropped
    assert step(ladder, PARKED, 110.0) == []
    assert ladder.list_unseen() == []


def test_a_withdrawn_push_that_claude_got_is_still_told() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, PARKED)
    ladder.withdraw("m")
    assert ladder.take_sight("m", is_transcript=True) == [Seen(push)]


def test_what_a_parked_hook_went_without_takes_no_second_way_if_it_was_withdrawn_meanwhile() -> None:
    for is_taken in (True, False):
        ladder, push = a_ladder(flag=False), a_push()
        give(ladder, push, PARKED)
        assert ladder.withdraw("m") == []
        assert ladder.take_release("m", 101.0, is_taken=is_taken) == ([Report(push, "wake")] if is_taken else [])
        assert step(ladder, PARKED, 110.0) == []
        assert ladder.list_unseen() == (["m"] if is_taken else [])


def test_withdrawing_what_was_said_changes_nothing() -> None:
    ladder, push = a_ladder(), a_push(when="next_turn")
    give(ladder, push, IDLE)
    ladder.take_claim("m")
    assert ladder.withdraw("m") == []
    assert ladder.list_unseen() == ["m"]


def test_a_disk_that_takes_no_note_declines() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, IDLE)
    assert ladder.refuse("m") == [Decline(push, "busy")]
    assert step(ladder, IDLE, 101.0) == []


def test_a_cleared_session_gets_back_what_waits_in_its_file() -> None:
    ladder, push = a_ladder(), a_push(when="next_turn")
    give(ladder, push, IDLE)
    assert step(ladder, View(B), 101.0) == [Retract(push, "next")]
    ladder.take_back("m", 101.0, is_back=True)
    assert step(ladder, View(B), 101.0) == [Decline(push, "elsewhere")]


# -- a push that vanishes -----------------------------------------------------------------


def test_a_push_that_a_living_idle_client_ignores_is_dropped_and_the_hook_wakes_it() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, PARKED)
    effects, now = answer_pings(ladder, PARKED, 100.0)
    assert effects == [Release(push)]
    assert 2.0 <= now - 100.0 < 2.5
    assert ladder.take_release("m", now, is_taken=True) == [Report(push, "wake")]
    following = a_push("f")
    assert give(ladder, following, PARKED, now) == [Release(following)]


def test_a_client_that_answers_no_ping_proves_nothing() -> None:
    ladder = a_ladder()
    give(ladder, a_push(), PARKED)
    assert len(step(ladder, PARKED, 100.0)) == 1
    assert step(ladder, PARKED, 10_000.0) == []


def test_a_client_that_freezes_between_two_pings_proves_nothing() -> None:
    ladder = a_ladder()
    give(ladder, a_push(), PARKED)
    (ping,), now = answer_pings(ladder, PARKED, 100.0, PINGS - 2)
    assert step(ladder, PARKED, now + 100.0) == []
    assert isinstance(ping, Ping)
    assert ladder.take_sight("m", is_transcript=False) == []
    assert not [effect for effect in ladder.take_pong(ping.number, PARKED, now + 100.0) if isinstance(effect, Release)]


def test_an_open_dialog_a_turn_or_a_queue_prove_nothing() -> None:
    for view in (View(A, at_rest=False, parked=True), View(A, busy=True, at_rest=True, parked=True)):
        ladder = a_ladder()
        give(ladder, a_push(), PARKED)
        answer_pings(ladder, PARKED, 100.0, PINGS - 1)
        assert step(ladder, view, 200.0) == []
        (ping,) = [effect for effect in step(ladder, PARKED, 201.0) if isinstance(effect, Ping)] or [Ping(PINGS)]
        assert ladder.take_pong(ping.number, PARKED, 201.0) == [] or not ladder.dropped
        assert not ladder.dropped
    ladder = a_ladder()
    give(ladder, a_push(), PARKED)
    ladder.take_queued("m")
    assert step(ladder, PARKED, 101.0) == []


def test_a_push_that_was_dropped_waits_out_a_turn_that_somebody_began() -> None:
    ladder, push = a_ladder(), a_push()
    give(ladder, push, PARKED)
    answer_pings(ladder, IDLE, 100.0)
    assert step(ladder, BUSY, 103.0) == []
    assert step(ladder, PARKED, 110.0) == [Release(push)]


# -- evidence -----------------------------------------------------------------------------


def test_the_transcript_is_told_and_a_prompt_speaks_for_itself() -> None:
    ladder, first, second = a_ladder(), a_push("1"), a_push("2", "now")
    give(ladder, first, IDLE)
    give(ladder, second, BUSY)
    assert ladder.take_sight("1", is_transcript=False) == []
    assert ladder.take_sight("2", is_transcript=True) == [Seen(second)]
    assert ladder.take_sight("2", is_transcript=True) == []
    assert ladder.list_unseen() == []


def test_what_works_is_told_when_it_changes() -> None:
    ladder = a_ladder()
    assert ladder.step(IDLE, 10.0) == [Ways(channel=True, wake=False, next_turn=True, why=None)]
    assert ladder.step(IDLE, 11.0) == []
    assert ladder.step(PARKED, 12.0) == [Ways(channel=True, wake=True, next_turn=True, why=None)]
    assert ladder.step(BUSY, 20.0) == []  # another one parks at the turn's end
    assert ladder.step(PARKED, 30.0) == []
    assert ladder.step(IDLE, 40.0) == [Ways(channel=True, wake=False, next_turn=True, why=None)]
    for plain, why in ((a_ladder(flag=False), "no_flag"), (a_ladder(is_print=True), "print")):
        (ways,) = plain.step(PARKED, 10.0)
        assert isinstance(ways, Ways)
        assert (ways.channel, ways.wake, ways.why) == (False, why == "no_flag", why)


# -- any order ----------------------------------------------------------------------------


class Client(RuleBasedStateMachine):
    """A client that has channels or drops what is pushed, that freezes, whose hooks come, go and claim."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.ladder = Ladder()
        self.has_channels = False
        self.is_frozen = self.is_busy = self.is_parked = False
        self.pipe: list[Notify | Ping] = []
        self.taken: list[str] = []  # by the client, not shown yet
        self.files: dict[Slot, str] = {}
        self.given: set[str] = set()
        self.said: list[str] = []
        self.declined: list[str] = []
        self.withdrawn: set[str] = set()

    @initialize(flag=st.booleans(), has_channels=st.booleans())
    def it_starts(self, flag: bool, has_channels: bool) -> None:
        self.ladder.launch(flag=flag, is_print=False)
        self.has_channels = flag and has_channels
        self.ladder.list_tools(self.now - 10)

    @rule(number=st.integers(0, 5), when=st.sampled_from(["auto", "now", "next_turn"]))
    def a_push_comes(self, number: int, when: When) -> None:
        message_id = f"m{number}"
        if message_id not in self.given or message_id in self.declined:
            self.given.add(message_id)
            self.declined = [other for other in self.declined if other != message_id]
            self.do(self.ladder.receive(a_push(message_id, when), self.now, known=False))
            self.look()

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 5))
    def a_push_is_withdrawn(self, number: int) -> None:
        message_id = f"m{number}"
        if message_id in self.given:
            self.withdrawn.add(message_id)
            self.declined = [other for other in self.declined if other != message_id]
            self.do(self.ladder.withdraw(message_id))
            self.look()

    @rule()
    def it_freezes_or_thaws(self) -> None:
        self.is_frozen = not self.is_frozen

    @rule(seconds=st.sampled_from([0.1, 0.4, 0.4, 1.0, 3.0, 15.0]))
    def time_passes(self, seconds: float) -> None:
        if not self.is_frozen:
            self.show()
        self.now += seconds
        self.look()
        self.read()

    @precondition(lambda self: not self.is_frozen)
    @rule()
    def a_prompt_is_typed(self) -> None:
        self.is_busy = True
        self.claim("now", "next")

    @precondition(lambda self: self.is_busy and not self.is_frozen)
    @rule()
    def a_tool_ends(self) -> None:
        self.show()
        self.claim("now")

    @precondition(lambda self: self.is_busy and not self.is_frozen)
    @rule()
    def the_turn_ends(self) -> None:
        self.is_busy = self.claim("now", "next")
        self.look()
        self.show()

    @rule()
    def a_hook_parks_or_goes(self) -> None:
        self.is_parked = not self.is_parked
        self.look()

    def claim(self, *slots: Slot) -> bool:
        """A hook fires, and takes the first file it finds."""
        slot = next((slot for slot in slots if slot in self.files), None)
        if slot is not None:
            message_id = self.files.pop(slot)
            self.said.append(message_id)
            self.ladder.take_claim(message_id)
        self.look()
        return slot is not None

    def read(self) -> None:
        """The client reads what we wrote, unless it is frozen."""
        while self.pipe and not self.is_frozen:
            line = self.pipe.pop(0)
            if isinstance(line, Ping):
                self.do(self.ladder.take_pong(line.number, self.view(), self.now))
                self.look()
            elif self.has_channels:
                self.taken.append(line.push.message_id)

    def show(self) -> None:
        """What the client has taken becomes a turn, or a part of one."""
        for message_id in self.taken:
            self.said.append(message_id)
            self.ladder.take_sight(message_id, is_transcript=False)
            self.is_busy = True
        self.taken = []
        self.look()

    def view(self) -> View:
        return View(A, busy=self.is_busy, at_rest=not self.is_busy, parked=self.is_parked)

    def look(self) -> None:
        for _ in range(50):
            effects = self.ladder.step(self.view(), self.now)
            if not effects:
                return
            self.do(effects)
        raise AssertionError("it never comes to rest")

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert not (isinstance(effect, Notify | Release | Offer) and effect.push.message_id in self.withdrawn)
            match effect:
                case Notify() | Ping():
                    self.pipe.append(effect)
                case Offer():
                    assert effect.slot not in self.files
                    self.files[effect.slot] = effect.push.message_id
                case Retract():
                    is_back = self.files.pop(effect.slot, None) is not None
                    self.ladder.take_back(effect.push.message_id, self.now, is_back=is_back)
                case Release():
                    was_parked, self.is_parked = self.is_parked, False
                    if was_parked:
                        self.said.append(effect.push.message_id)
                        self.is_busy = True
                    self.do(self.ladder.take_release(effect.push.message_id, self.now, is_taken=was_parked))
                case Decline():
                    self.declined.append(effect.push.message_id)
                case _:
                    pass

    @invariant()
    def nothing_is_said_twice(self) -> None:
        assert len(self.said) == len(set(self.said))
        assert not set(self.said) & set(self.declined)


TestClient = Client.TestCase
