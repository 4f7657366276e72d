"""What an outage is, and what happens while there is one."""

import json

import pytest

from common.meta.client import Answered, NotSent, Unclear
from sender.limits.circuit_breaker import CircuitBreaker, Signal, signal_of


def refused(code, status=500):
    return Answered(status, json.dumps({"error": {"code": code, "message": "no"}}).encode())


@pytest.mark.parametrize(
    ("end", "sign"),
    [
        (Answered(200, b"{}"), Signal.UP),
        (NotSent("refused"), Signal.AWAY),
        (Unclear("timeout"), Signal.AWAY),
        (Answered(502, b"<html>"), Signal.AWAY),
        (Answered(404, b"<html>"), Signal.UP),
        (refused(131016), Signal.DOWN),
        (refused(2), Signal.DOWN),
        (refused(133004), Signal.DOWN),
        (refused(131000), Signal.PERHAPS),
        (refused(1), Signal.PERHAPS),
        (refused(100, 400), Signal.UP),
        (refused(190, 401), Signal.UP),
        (refused(130429, 400), Signal.UP),
    ],
)
def test_what_the_end_of_a_call_says(end, sign):
    assert signal_of(end) is sign


def outage_after(*calls, tenant="g"):
    """After how many of these (send, sign) there is an outage; None: after none."""
    breaker = CircuitBreaker()
    for count, (send, sign) in enumerate(calls, start=1):
        if breaker.note(send, tenant, sign, now=0.0):
            return count
    return None


@pytest.mark.parametrize(
    ("calls", "count"),
    [
        ([("a", Signal.AWAY)] * 3, 3),
        ([("a", Signal.DOWN)] * 9, None),
        ([("a", Signal.DOWN), ("b", Signal.DOWN), ("a", Signal.DOWN)], 3),
        ([("a", Signal.PERHAPS), ("b", Signal.PERHAPS)] * 5, None),
        ([("a", Signal.PERHAPS), ("b", Signal.PERHAPS), ("c", Signal.PERHAPS)], 3),
        ([("a", Signal.AWAY), ("a", Signal.AWAY), ("b", Signal.UP), ("a", Signal.AWAY), ("a", Signal.AWAY)], None),
    ],
)
def test_what_makes_an_outage(calls, count):
    assert outage_after(*calls) == count


@pytest.mark.parametrize(
    ("subjects", "is_outage"),
    [
        ("ttt", False),
        ("tttttttt", False),
        ("ttttx", True),  # a text is not of the template
        ("tux", True),
        ("ttu", True),
        ("xxx", True),
    ],
)
def test_a_template_that_fails_alone_is_no_outage(subjects, is_outage):
    breaker = CircuitBreaker()
    found = [
        breaker.note(f"m{n}", "g", Signal.PERHAPS, 0.0, None if subject == "x" else subject)
        for n, subject in enumerate(subjects)
    ]
    assert (found[-1], breaker.is_open) == (is_outage, is_outage)
    assert not any(found[:-1])


def test_a_number_may_be_away_while_meta_is_not():
    breaker = CircuitBreaker()
    for send in ("a", "b"):
        assert not breaker.note(send, "broken", Signal.DOWN, now=0.0)
        breaker.note("ok", "other", Signal.UP, now=0.0)
    assert breaker.note("c", "broken", Signal.DOWN, now=0.0)
    assert not breaker.is_open


def opened(now=100.0, **times):
    closed = []
    breaker = CircuitBreaker(on_close=lambda: closed.append(True), **times)
    for _ in range(3):
        breaker.note("a", "g", Signal.AWAY, now)
    return breaker, closed


def test_while_it_is_open_one_probe_goes_at_a_time_with_doubling_waits():
    breaker, closed = opened(base=1.0, cap=3.0)
    waits = []
    now = 100.0
    for _ in range(4):
        waits.append(breaker.wait(now))
        now += breaker.wait(now)
        breaker.began("p")
        assert breaker.wait(now) == float("inf")
        breaker.note("p", "g", Signal.AWAY, now)
        breaker.ended("p", now)
    assert waits == [1.0, 2.0, 3.0, 3.0]
    assert not closed


def test_a_probe_that_does_well_closes_it():
    breaker, closed = opened()
    breaker.began("p")
    breaker.note("p", "g", Signal.UP, 101.0)
    breaker.ended("p", 101.0)
    assert closed == [True]
    assert (breaker.is_open, breaker.wait(101.0)) == (False, 0.0)


def test_a_probe_that_made_no_call_lets_the_next_one_go():
    breaker, _ = opened(base=1.0)
    breaker.began("p")
    breaker.ended("p", 105.0)
    assert breaker.wait(105.0) == 0.0


def test_a_call_that_was_under_way_does_not_lengthen_the_wait():
    breaker, _ = opened(base=1.0)
    breaker.note("late", "g", Signal.AWAY, 100.5)
    assert breaker.wait(100.5) == 0.5


def test_it_remembers_when_meta_came_back():
    breaker = CircuitBreaker()
    assert not breaker.was_open_since(0.0)
    for _ in range(3):
        breaker.note("a", "g", Signal.AWAY, now=10.0)
    assert breaker.was_open_since(11.0)
    breaker.note("b", "g", Signal.UP, now=20.0)
    assert breaker.was_open_since(15.0)
    assert not breaker.was_open_since(20.0)


def test_an_outage_is_as_old_as_its_first_failure_whatever_its_probes_do():
    breaker = CircuitBreaker(base=1.0, cap=10.0)
    assert breaker.away_for(100.0) == 0.0
    for now in (1.0, 2.0, 3.0):
        breaker.note("a", "g", Signal.AWAY, now)
    for now in (4.0, 6.0):
        breaker.began("a")
        breaker.note("a", "g", Signal.AWAY, now)
        breaker.ended("a", now)
    assert breaker.away_for(9.0) == 6.0
    breaker.note("a", "g", Signal.UP, 10.0)
    assert breaker.away_for(11.0) == 0.0
