"""The pace: never above the limit in any second, and not needlessly below it."""

from hypothesis import given
from hypothesis import strategies as st

from sender.pace import PAIR_BURST, PAIR_SECONDS, WINDOW_SECONDS, NumberPace, PairPace


def run(pace, wishes):
    """The times at which messages went that were wished for at these times, each as soon as it may."""
    now, went = 0.0, []
    for wish in sorted(wishes):
        now = max(now, wish)
        while (ready := pace.ready_at(now)) > now:
            now = ready
        if isinstance(pace, NumberPace):
            pace.reserve()
            pace.went()
            pace.answered(now, now)
        else:
            pace.went(now)
        went.append(now)
    return went


def most_in_a_window(times, seconds):
    return max((sum(1 for other in times if t <= other < t + seconds - 1e-9) for t in times), default=0)


@given(st.lists(st.floats(0, 20), max_size=120), st.integers(1, 30))
def test_no_second_has_more_than_the_limit(wishes, limit):
    assert most_in_a_window(run(NumberPace(limit), wishes), 1.0) <= limit


delays = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=60, max_size=60)


@given(delays, st.integers(1, 8))
def test_the_limit_is_kept_however_calls_are_delayed_on_their_two_ways(ways, limit):
    pace, now, counted = NumberPace(limit), 0.0, []
    ways = [(0.0, 0.0), *ways]  # the quickest call, beside its 60 ms at Meta
    answers = []
    while ways or answers:
        if answers and (not ways or answers[0][1] <= pace.ready_at(now)):
            began, now = answers.pop(0)
            pace.answered(began, now)
            continue
        ready = pace.ready_at(now)
        if ready > now:
            now = min(ready, answers[0][1]) if answers else ready
            continue
        there, back = ways.pop(0)
        pace.reserve()
        pace.went()
        counted.append(now + 0.05 + there)
        answers.append((now, now + 0.06 + there + back))
        answers.sort(key=lambda answer: answer[1])
    assert most_in_a_window(sorted(counted), 1.0) <= limit


def test_a_backlog_goes_at_the_limit():
    went = run(NumberPace(80), [0.0] * 800)
    assert went[-1] < 9.01 * WINDOW_SECONDS


def test_what_comes_in_counts_too():
    pace = NumberPace(10)
    pace.came(5.0, 10)
    assert pace.ready_at(5.5) == 5.0 + WINDOW_SECONDS


def test_what_is_reserved_counts_until_it_goes_or_does_not():
    pace = NumberPace(2)
    pace.reserve()
    pace.reserve()
    assert pace.ready_at(9.0) > 9.0
    pace.give_back()
    assert pace.ready_at(9.0) == 9.0
    pace.went()
    pace.reserve()
    assert pace.ready_at(10.0) > 10.0
    pace.give_back()
    pace.reserve()
    pace.answered(9.5, 9.5)
    assert pace.ready_at(10.0) == 9.5 + WINDOW_SECONDS


def test_too_fast_halves_the_rate_once_a_second_and_it_recovers_by_itself():
    pace = NumberPace(80)
    for _ in range(5):
        pace.too_fast(100.0)
    assert pace.rate == 40
    pace.too_fast(101.5)
    assert pace.rate == 20
    pace.ready_at(111.6)
    assert pace.rate == 28
    pace.ready_at(300.0)
    assert pace.rate == 80


def test_a_limit_that_meta_tells_is_taken():
    pace = NumberPace(80)
    pace.set_limit(1_000, 0.0)
    assert pace.rate == 1_000
    pace.set_limit(20, 1.0)
    assert pace.rate == 20


def test_a_burst_to_one_recipient_is_paid_for_by_silence():
    went = run(PairPace(), [0.0] * 46)
    assert went[:PAIR_BURST] == [0.0] * PAIR_BURST
    assert went[-1] == PAIR_BURST * PAIR_SECONDS


@given(st.lists(st.floats(0, 400), max_size=80))
def test_one_recipient_gets_no_more_than_borrowed_and_one_in_six_seconds_on_average(wishes):
    went = run(PairPace(), wishes)
    assert most_in_a_window(went, PAIR_SECONDS) <= PAIR_BURST + 1
    # From the beginning of any burst on, what went was paid for before the next burst began.
    for index in range(len(went) - PAIR_BURST):
        assert went[index + PAIR_BURST] - went[index] >= PAIR_SECONDS - 1e-6


def test_an_idle_pair_can_be_forgotten():
    pace = PairPace()
    assert pace.idle(0.0)
    pace.went(0.0)
    pace.went(1.0)
    assert not pace.idle(11.9)
    assert pace.idle(12.0)
