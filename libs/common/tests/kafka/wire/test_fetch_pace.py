"""When a fetch gathers: the rule, for a consumer that gathers for 20 ms."""

import pytest

from common.kafka.wire.fetch_pace import IDLE_SECONDS, FetchPace, Terms

GATHER = Terms(0.02, 65_536)
AT_ONCE = Terms(IDLE_SECONDS, 1)


@pytest.fixture
def pace():
    return FetchPace(GATHER)


def come(pace, *times):
    for now in times:
        pace.came(now)
    return times[-1]


def test_the_first_record_of_all_is_fetched_at_once(pace):
    assert pace.next(0.0, whole=True) == AT_ONCE


def test_one_or_two_fetches_with_records_are_no_load(pace):
    come(pace, 1.0)
    assert pace.next(1.0, whole=True) == AT_ONCE
    come(pace, 1.01)
    assert pace.next(1.01, whole=True) == AT_ONCE


def test_after_three_in_a_row_it_gathers(pace):
    come(pace, 1.0, 1.01, 1.02)
    assert pace.next(1.02, whole=True) == GATHER


def test_what_a_gathering_fetch_brings_keeps_it_gathering(pace):
    now = come(pace, 1.0, 1.01, 1.02)
    for _ in range(5):
        now = come(pace, now + GATHER.seconds + 0.005)
        assert pace.next(now, whole=True) == GATHER


def test_a_gathering_fetch_without_records_ends_the_gathering(pace):
    now = come(pace, 1.0, 1.01, 1.02)
    assert pace.next(now + 2 * GATHER.seconds + 0.001, whole=True) == AT_ONCE


def test_after_a_silence_it_begins_to_count_again(pace):
    come(pace, 1.0, 1.01, 1.02, 2.0)
    assert pace.next(2.0, whole=True) == AT_ONCE
    come(pace, 2.01)
    assert pace.next(2.01, whole=True) == AT_ONCE
    come(pace, 2.02)
    assert pace.next(2.02, whole=True) == GATHER


@pytest.mark.parametrize("every", [0.041, 0.05, 0.25, 1.0])
def test_records_that_come_one_by_one_never_wait(pace, every):
    for number in range(100):
        come(pace, number * every)
        assert pace.next(number * every, whole=True) == AT_ONCE


def test_a_fetch_that_leaves_partitions_out_takes_the_first_record_but_ends_soon(pace):
    assert pace.next(0.0, whole=False) == Terms(GATHER.seconds, 1)


def test_under_load_the_terms_are_the_same_for_all(pace):
    now = come(pace, 1.0, 1.01, 1.02)
    assert pace.next(now, whole=False) == GATHER
