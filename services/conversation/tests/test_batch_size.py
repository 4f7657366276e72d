"""Batches shrink where MongoDB cannot take them in time, and grow again."""

from conversation.batch_size import BatchSize


def test_a_batch_that_did_not_get_through_is_halved_down_to_one():
    fit = BatchSize(500)
    sizes = []
    for _ in range(11):
        sizes.append(fit.size)
        fit.shrink(fit.size)
    assert sizes == [500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]


def test_partitions_that_fail_together_halve_once():
    fit = BatchSize(500)
    for _ in range(6):
        fit.shrink(500)
    assert fit.size == 250


def test_a_full_batch_that_goes_well_lets_the_next_grow_by_one():
    fit = BatchSize(500)
    fit.shrink(4)
    for records in (1, 2, 2, 3):
        fit.grow(records)
    assert fit.size == 4


def test_it_never_grows_above_what_was_chosen():
    fit = BatchSize(2)
    fit.grow(2)
    assert fit.size == 2
