"""The pace: never above the limit in any second, and not needlessly below it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sender.limits.rates import (
    ENOUGH_CALLS,
    PAIR_BURST,
    PAIR_SECONDS,
    QUIET_SECONDS,
    WINDOW_SECONDS,
    NumberRate,
    PairRate,
    Pairs,
    ShortestCall,
)


def run(pace, wishes):
    """The times at which messages went that were wished for at these times, each as soon as it may."""
    now, went = 0.0, []
    for wish in sorted(wishes):
        now = max(now, wish)
        while (ready := pace.ready_at(now)) > now:
            now = ready
        if isinstance(pace, NumberRate):
            pace.reserve()
            pace.call_started()
            pace.call_ended(now, now, accepted=True)
        else:
            pace.sent(now)
        went.append(now)
    return went


def most_in_a_window(times, seconds):
    return max((sum(1 for other in times if t <= other < t + seconds - 1e-9) for t in times), default=0)


@given(st.lists(st.floats(0, 20), max_size=120), st.integers(1, 30))
def test_no_second_has_more_than_the_limit(wishes, limit):
    assert most_in_a_window(run(NumberRate(limit), wishes), 1.0) <= limit


THERE, BACK = 0.05, 0.01
"""The least time of each way: from a call until Meta counts it, and from there to the answer that accepts it."""


def known(seconds):
    """What a process knows after many calls, of which the shortest took this long."""
    shortest = ShortestCall()
    for _ in range(ENOUGH_CALLS):
        shortest.note(seconds)
    return shortest


def counted_by_meta(pace, calls):
    """When Meta counts each call, if each goes as soon as it may after its pause.

    A call is (pause before it, time there beyond the least, time back beyond the least, whether Meta accepts it).
    """
    now, counted, answers = 0.0, [], []
    for pause, there, back, accepted in calls:
        now += pause
        while True:
            answers.sort()
            while answers and answers[0][0] <= now:
                ended, began, fine = answers.pop(0)
                pace.call_ended(began, ended, accepted=fine)
            ready = pace.ready_at(now)
            if ready <= now:
                break
            now = min(ready, answers[0][0]) if answers else ready
        pace.reserve()
        pace.call_started()
        counted.append(now + THERE + there)
        answers.append((now + THERE + there + back + (BACK if accepted else 0.0), now, accepted))
    return sorted(counted)


ways = st.floats(0, 0.5) | st.floats(0, 20)
calls = st.lists(st.tuples(st.just(0.0) | st.floats(0, 40), ways, ways, st.booleans()), max_size=80)
quick = [(0.0, 0.0, 0.0, True)] * 8


@given(calls, st.integers(1, 40))
@example([*[(0.0, 5.0, 0.0, True)] * 40, *quick], 4)  # for longer than half a minute each is slow on its way there
def test_the_limit_is_kept_however_calls_are_delayed_on_their_two_ways(calls, limit):
    pace = NumberRate(limit, shortest_call=known(THERE + BACK))
    assert most_in_a_window(counted_by_meta(pace, calls), 1.0) <= limit


@given(calls, st.integers(1, 40))
@example([(0.0, 0.9, 0.0, True)] * 4 + quick, 4)
def test_the_limit_is_kept_while_the_shortest_call_is_not_known(calls, limit):
    assert most_in_a_window(counted_by_meta(NumberRate(limit), calls), 1.0) <= limit


def test_a_slow_call_that_meta_accepts_counts_for_the_time_of_a_short_one_less():
    pace = NumberRate(1, shortest_call=known(0.1))
    for accepted, free_at in ((True, 5.5 - 0.08), (False, 15.5)):
        began = free_at // 5 * 5
        pace.reserve()
        pace.call_started()
        pace.call_ended(began, began + 0.5, accepted=accepted)
        assert pace.ready_at(began + 0.5) == pytest.approx(free_at + WINDOW_SECONDS)


def test_the_shortest_call_is_known_after_many_and_never_grows():
    shortest = ShortestCall()
    shortest.note(0.2)
    for _ in range(ENOUGH_CALLS - 2):
        shortest.note(0.3)
    assert shortest.seconds == 0.0
    shortest.note(0.3)
    assert shortest.seconds == 0.2
    shortest.note(-1.0)  # the clock was set back
    assert shortest.seconds == 0.2
    shortest.note(0.1)
    assert shortest.seconds == 0.1


def test_a_backlog_goes_at_the_limit():
    went = run(NumberRate(80), [0.0] * 800)
    assert went[-1] < 9.01 * WINDOW_SECONDS


def test_what_comes_in_counts_too():
    pace = NumberRate(10)
    pace.count(5.0, 10)
    assert pace.ready_at(5.5) == 5.0 + WINDOW_SECONDS


def test_what_is_reserved_counts_until_it_goes_or_does_not():
    pace = NumberRate(2)
    pace.reserve()
    pace.reserve()
    assert pace.ready_at(9.0) > 9.0
    pace.cancel()
    assert pace.ready_at(9.0) == 9.0
    pace.call_started()
    pace.reserve()
    assert pace.ready_at(10.0) > 10.0
    pace.cancel()
    pace.reserve()
    pace.call_ended(9.5, 9.5, accepted=True)
    assert pace.ready_at(10.0) == 9.5 + WINDOW_SECONDS


def test_too_fast_halves_the_rate_once_a_second_and_it_recovers_by_itself():
    pace = NumberRate(80)
    for _ in range(5):
        pace.throttled(100.0)
    assert pace.rate == 40
    pace.throttled(101.5)
    assert pace.rate == 20
    pace.ready_at(111.6)
    assert pace.rate == 28
    pace.ready_at(300.0)
    assert pace.rate == 80


def test_a_limit_that_meta_tells_is_taken():
    pace = NumberRate(80)
    pace.set_limit(1_000, 0.0)
    assert pace.rate == 1_000
    pace.set_limit(20, 1.0)
    assert pace.rate == 20


class Strict(PairRate):
    """As a campaign keeps it."""

    def ready_at(self, now):
        return super().ready_at(now, strict=True)


class Literal:
    """Meta, as it writes its rule down."""

    def __init__(self):
        self.bursts = []

    def takes(self, now):
        since, count = self.bursts[-1] if self.bursts else (float("-inf"), 0)
        if now >= since + 6 * count:
            self.bursts.append((now, 1))
        elif now < since + 6 and count < 45:
            self.bursts[-1] = (since, count + 1)
        else:
            return False
        return True


class Bucket:
    """Meta, as a reader may hope: 45 at any time, and another one each six seconds."""

    def __init__(self):
        self.paid = float("-inf")

    def takes(self, now):
        paid = max(self.paid, now) + 6
        if paid - now > 45 * 6:
            return False
        self.paid = paid
        return True


class Lenient:
    """Meta without the rule."""

    def takes(self, _now):
        return True


def chat(meta, wishes, *, campaign=False):
    """When each message went, and how many Meta refused: a refused one is tried again when the pace says so."""
    pairs, now, went, refused = Pairs(), 0.0, [], 0
    for wish in wishes:
        now = max(now, wish)
        while True:
            while (ready := pairs.ready_at("lane", now, campaign=campaign)) > now:
                now = ready
            if meta.takes(now):
                break
            refused += 1
            pairs.refused("lane", now)
            assert pairs.ready_at("lane", now, campaign=False) > now
        pairs.sent("lane", now)
        went.append(now)
    return went, refused


LIVELY = [2.0 * n for n in range(8)]
EVERY_SECOND = [1.0 * n for n in range(20)]


@pytest.mark.parametrize("wishes", [LIVELY, EVERY_SECOND])
@pytest.mark.parametrize("meta", [Lenient, Bucket])
def test_a_lively_chat_does_not_wait_where_meta_takes_it(wishes, meta):
    assert chat(meta(), wishes) == (wishes, 0)


def test_where_meta_keeps_the_rule_one_refusal_is_enough_to_learn_it():
    went, refused = chat(Literal(), LIVELY)
    assert went == [0.0, 2.0, 4.0, 18.0, 18.0, 18.0, 18.0, 18.0]  # what the rule allows, and no later
    assert refused == 1


@given(st.lists(st.floats(0, 900), max_size=120).map(sorted))
@pytest.mark.parametrize("meta", [Literal, Bucket, Lenient])
def test_nothing_is_refused_twice_in_a_row_and_refusals_stay_rare(meta, wishes):
    went, refused = chat(meta(), wishes)
    assert went == sorted(went)
    lasted = went[-1] - went[0] if went else 0
    assert refused <= 1 + lasted / QUIET_SECONDS


@given(st.lists(st.floats(0, 900), max_size=120).map(sorted))
def test_a_campaign_is_never_refused_by_the_strictest_reading(wishes):
    assert chat(Literal(), wishes, campaign=True)[1] == 0


def test_a_refusal_is_forgotten_after_a_quiet_minute_and_not_before():
    pair = PairRate()
    for second in range(3):
        pair.sent(2.0 * second)
    assert pair.ready_at(6.0, strict=False) == 6.0
    pair.refused(6.0)
    assert pair.ready_at(6.0, strict=False) == 18.0
    pair.sent(18.0)
    pair.sent(20.0)
    assert pair.ready_at(25.0, strict=False) == 30.0  # still the rule
    assert not pair.is_idle(30.0 + QUIET_SECONDS - 1)
    assert pair.is_idle(30.0 + QUIET_SECONDS)
    for second in range(3):
        pair.sent(100.0 + 2.0 * second)
    assert pair.ready_at(106.0, strict=False) == 106.0
    assert pair.ready_at(106.0, strict=True) == 118.0


def test_two_names_of_one_recipient_share_a_refusal():
    pairs = Pairs()
    for second in range(3):
        pairs.sent("a", 2.0 * second)
        pairs.sent("b", 2.0 * second)
    pairs.refused("b", 6.0)
    pairs.join("b", "a")
    assert pairs.ready_at("a", 6.0, campaign=False) == 36.0


def test_a_refusal_that_our_own_count_does_not_explain_holds_for_six_seconds():
    pairs = Pairs()
    pairs.refused("lane", 100.0)
    assert pairs.ready_at("lane", 100.0, campaign=False) == 100.0 + PAIR_SECONDS
    assert pairs.ready_at("lane", 106.0, campaign=False) == 106.0
    assert pairs.ready_at("another", 100.0, campaign=False) == 100.0


def test_strict_pairs_keep_the_rule_for_every_message():
    pairs = Pairs(strict=True)
    for second in range(3):
        pairs.sent("lane", 2.0 * second)
    assert pairs.ready_at("lane", 6.0, campaign=False) == 18.0
    assert Pairs().ready_at("lane", 6.0, campaign=False) == 6.0


def test_a_burst_to_one_recipient_is_paid_for_by_silence():
    went = run(Strict(), [0.0] * 46)
    assert went[:PAIR_BURST] == [0.0] * PAIR_BURST
    assert went[-1] == PAIR_BURST * PAIR_SECONDS


@given(st.lists(st.floats(0, 400), max_size=80))
def test_one_recipient_gets_no_more_than_borrowed_and_one_in_six_seconds_on_average(wishes):
    went = run(Strict(), wishes)
    assert most_in_a_window(went, PAIR_SECONDS) <= PAIR_BURST + 1
    # From the beginning of any burst on, what went was paid for before the next burst began.
    for index in range(len(went) - PAIR_BURST):
        assert went[index + PAIR_BURST] - went[index] >= PAIR_SECONDS - 1e-6


def test_an_idle_pair_can_be_forgotten():
    pace = PairRate()
    assert pace.is_idle(0.0)
    pace.sent(0.0)
    pace.sent(1.0)
    assert not pace.is_idle(11.9)
    assert pace.is_idle(12.0)
