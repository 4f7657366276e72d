"""Paces: how long each is measured, and which is the highest that a side holds."""

import pytest

from yardstick.paced import highest_held, holds, seconds_at, tried
from yardstick.rig.measurements import Measurement


@pytest.mark.parametrize(("rate", "seconds"), [(20.0, 8.0), (100.0, 5.0), (1_000.0, 5.0)])
def test_a_slow_pace_is_measured_for_longer(rate, seconds):
    assert seconds_at(rate, 5.0) == seconds


def test_a_pace_is_held_when_nearly_all_of_it_comes_out():
    assert holds(95.0, 100.0)
    assert not holds(94.0, 100.0)


def test_paces_are_tried_downwards_from_just_below_the_full_rate():
    paces = list(tried(1_000.0))
    assert paces[0] == pytest.approx(900.0)
    assert paces == sorted(paces, reverse=True)
    assert paces[-1] > 400


@pytest.mark.parametrize(("limit", "found"), [(10_000.0, 900.0), (750.0, 729.0), (1.0, 430.0)])
async def test_the_highest_pace_that_is_held_is_found(limit, found):
    async def run(rate):
        return Measurement(min(rate, limit), 1.0)

    assert await highest_held(run, 1_000.0, lambda _: None) == pytest.approx(found, abs=1)
