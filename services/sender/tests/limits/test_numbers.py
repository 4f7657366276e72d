"""The rates of a process: what its numbers share, and what one reservation does."""

import pytest

from sender.limits import numbers
from sender.limits.numbers import RateLimits, Reservation
from sender.limits.rates import ENOUGH_CALLS, WINDOW_SECONDS


@pytest.fixture
def clock(monkeypatch):
    """The time; a test moves it."""
    at = [100.0]
    monkeypatch.setattr(numbers.time, "time", lambda: at[0])
    return at


def rates():
    return RateLimits(lambda _: "", {"": 1.0}, rate=1, max_running=10)


def call(rate, clock, seconds, *, accepted=True):
    """Make one call of this length."""
    rate.reserve()
    with Reservation(rate, paced=True).used() as reservation:
        clock[0] += seconds
        reservation.accepted = accepted


def test_all_numbers_of_a_process_share_the_shortest_call(clock):
    known = rates()
    for _ in range(ENOUGH_CALLS):
        call(known.number("one"), clock, 0.1)
    call(known.number("two"), clock, 0.5)
    assert known.number("two").ready_at(clock[0]) == pytest.approx(clock[0] - 0.8 * 0.1 + WINDOW_SECONDS)


def test_calls_that_meta_did_not_accept_teach_nothing(clock):
    number = rates().number("one")
    for _ in range(ENOUGH_CALLS):
        call(number, clock, 0.001, accepted=False)
    assert number.shortest_call.seconds == 0.0
    for _ in range(ENOUGH_CALLS):
        call(number, clock, 0.25)
    call(number, clock, 0.001, accepted=False)
    assert number.shortest_call.seconds == pytest.approx(0.25)


def test_a_reservation_is_used_once_or_given_back(clock):
    number = rates().number("one")
    number.reserve()
    with Reservation(number, paced=True) as reservation:
        assert number.available(clock[0]) == 0
    reservation.close()
    assert number.available(clock[0] + WINDOW_SECONDS) == 1
    number.reserve()
    Reservation(number, paced=True).close()
    assert number.available(clock[0] + WINDOW_SECONDS) == 1
