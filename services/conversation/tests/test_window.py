"""Records gather under load, and a lone one waits for nothing."""

import pytest

from conversation.window import WINDOW_SECONDS, gather_seconds


def test_a_lone_record_waits_for_nothing():
    assert gather_seconds(1, 500, 0.01) == 0
    assert gather_seconds(0, 500, 0.01) == 0


def test_after_a_batch_of_several_the_next_one_gathers():
    assert gather_seconds(2, 500, 0.01) == WINDOW_SECONDS
    assert gather_seconds(499, 500, 0.01) == WINDOW_SECONDS


@pytest.mark.parametrize("most", [1, 2, 500])
def test_a_full_batch_has_more_behind_it(most):
    assert gather_seconds(most, most, 0.01) == 0
    assert gather_seconds(most + 1, most, 0.01) == 0


@pytest.mark.parametrize(("took", "wait"), [(0.0, 0.03), (0.03, 0.03), (0.04, 0.02), (0.06, 0.0), (3.0, 0.0)])
def test_what_came_during_a_slow_batch_has_gathered_already(took, wait):
    assert gather_seconds(20, 500, took) == pytest.approx(wait)
