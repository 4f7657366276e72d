"""Whose records are read next, and which are one transaction."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.turns import FULL_SECONDS, SlowPartitions, Turns, halves, in_written_order


@dataclass(frozen=True)
class At:
    """A record: its partition, its offset and its time."""

    partition: int
    offset: int
    timestamp: int


def partitions(*times):
    return [[At(n, offset, at) for offset, at in enumerate(part)] for n, part in enumerate(times)]


def test_records_of_several_partitions_are_in_the_order_of_their_times():
    found = in_written_order(partitions([1, 4, 6], [2, 3, 7], [5]))
    assert [record.timestamp for record in found] == [1, 2, 3, 4, 5, 6, 7]


def test_records_of_one_time_are_in_the_order_of_their_partitions():
    assert [record.partition for record in in_written_order(partitions([1, 1], [1], [1]))] == [0, 0, 1, 2]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=4))
def test_each_partition_keeps_its_order_whatever_its_times_are(times):
    given_parts = partitions(*times)
    found = in_written_order(given_parts)
    assert Counter(found) == Counter(record for part in given_parts for record in part)
    for n, part in enumerate(given_parts):
        assert [record for record in found if record.partition == n] == part


@given(st.dictionaries(st.integers(), st.lists(st.integers(), min_size=1), min_size=2))
def test_halves_are_smaller_and_have_all_partitions_once(part):
    first, second = halves(part)
    assert first
    assert second
    assert first | second == part
    assert abs(len(first) - len(second)) <= 1


def test_who_had_a_full_batch_comes_after_the_others():
    turns = Turns()
    turns.took(["a"], full=True)
    assert turns.served == {"a"}
    turns.took(["b", "a"], full=True)
    assert turns.served == {"a", "b"}
    turns.took(["a"], full=True)  # the others had nothing, or it had not been its turn
    assert turns.served == {"a"}
    turns.took(["a"], full=False)
    assert turns.served == set()


@given(st.integers(1, 5))
def test_with_a_backlog_everywhere_each_partition_has_every_nth_batch(count):
    turns, places, had = Turns(), set(range(count)), []
    for _ in range(4 * count):
        place = min(places - turns.served or places)
        turns.took([place], full=True)
        had.append(place)
    for start in range(0, len(had), count):
        assert set(had[start : start + count]) == places


BATCH = {"a": [1], "b": [2, 3], "c": [4]}


def test_all_partitions_are_one_transaction_with_all_the_time():
    slow = SlowPartitions()
    assert slow.parts(BATCH) == [BATCH]
    assert slow.seconds(BATCH) == FULL_SECONDS


def test_after_a_transaction_that_took_too_long_each_partition_of_it_is_tried_alone():
    slow = SlowPartitions()
    slow.failed(["a", "b"], 100.0)
    assert slow.readable(BATCH, 100.0) == {"a", "b", "c"}
    assert slow.parts(BATCH) == [{"c": [4]}, {"a": [1]}, {"b": [2, 3]}]
    assert slow.seconds(["a"]) == 2.5
    assert slow.seconds(["c"]) == FULL_SECONDS
    slow.passed(["a"])
    assert slow.parts(BATCH) == [{"a": [1], "c": [4]}, {"b": [2, 3]}]
    assert slow.parts({"b": [2]}) == [{"b": [2]}]


def test_a_slow_partition_gets_more_time_and_rests_longer_from_try_to_try():
    slow, now, times = SlowPartitions(), 0.0, []
    slow.failed(["a", "b"], now)
    slow.passed(["b"])
    for rests in (1, 2, 3, 4, 4):
        times.append(slow.seconds(["a"]))
        now += times[-1]
        slow.failed(["a"], now)
        rest = rests * times[-1]
        assert slow.readable(["a", "b"], now + rest - 0.01) == {"b"}
        assert slow.readable(["a", "b"], now + rest) == {"a", "b"}
        now += rest
    assert times == [2.5, 5.0, FULL_SECONDS, FULL_SECONDS, FULL_SECONDS]


@pytest.mark.parametrize("tries", [1, 5])
def test_a_slow_partition_that_gets_through_is_one_of_the_others(tries):
    slow = SlowPartitions()
    for _ in range(tries):
        slow.failed(["a"], 0.0)
    slow.passed(["a"])
    assert slow.readable(["a"], 0.0) == {"a"}
    assert slow.seconds(["a"]) == FULL_SECONDS
