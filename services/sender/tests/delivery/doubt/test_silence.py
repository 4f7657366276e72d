"""The doubt clock's rule: whose silence it was, from what ingress told."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.reports import REPORT, IngressReport, Refusals, ReportData
from sender.delivery.doubt.silence import MAX_HOLD, MIN_HOLD, STALE, WebhookReachability

ZERO = datetime(2026, 11, 1, tzinfo=UTC)
NUMBER = "106540352242922"
HELD = MIN_HOLD.total_seconds()


def at(seconds):
    return ZERO + timedelta(seconds=seconds)


def refused(since, last, number=None, certain=True):
    return Refusals(since=at(since), last=at(last), phone_number_id=number, certain=certain)


def report(second, replica="a", *, refusals=(), takes=True, leaving=False):
    data = ReportData(replica=replica, takes=takes, leaving=leaving, refusals=tuple(refusals))
    moment = at(second)
    return IngressReport(
        id="i", type=REPORT, version=1, occurred_at=moment, recorded_at=moment, correlation_id="c", data=data
    )


def steady(begin, end, replica="a"):
    return [report(second, replica) for second in range(begin, end + 1, 2)]


def way(*reports, now=None):
    """What a sender knows that read these, each when it was written, or all of them at `now`."""
    made = WebhookReachability()
    for one in reports:
        made.note(one, one.recorded_at if now is None else at(now))
    return made


def counted(made, since=0, until=30, number=NUMBER, slack=30):
    return made.silence(at(since), at(until), phone_number_id=number, slack=timedelta(seconds=slack))


def test_where_ingress_took_everything_all_of_it_is_silence():
    assert counted(way(*steady(-40, 60))) == 30


def test_silence_counts_up_to_the_last_report_and_no_further():
    assert counted(way(*steady(-40, 20)), until=24) == 20


def test_without_any_report_nothing_counts():
    assert counted(way()) == 0
    assert counted(way(report(10))) == 0


@pytest.mark.parametrize("length", [10, 40, 120])
def test_after_an_outage_the_clock_stands_for_as_long_again(length):
    made = way(*steady(-40, 10), *steady(10 + length, 400, replica="b"))
    back = 10 + length
    assert counted(made, until=back + length - 1) == 10
    assert counted(made, until=back + length + 7) == 17


def test_the_clock_stands_for_ten_minutes_at_most_after_an_outage():
    made = way(*steady(-40, 0), *steady(4_000, 5_000, replica="b"))
    held = MAX_HOLD.total_seconds()
    assert counted(made, until=4_000 + held) == 0
    assert counted(made, until=4_000 + held + 9) == 9


def test_a_short_refusal_holds_for_the_least_time():
    made = way(*steady(-40, 10), report(12, refusals=[refused(11, 11)]), *steady(14, 60))
    assert counted(made) == 30 - HELD


def test_what_is_refused_while_the_clock_is_held_prolongs_the_outage():
    first, again = refused(4, 6), refused(10, 10)
    made = way(*steady(-40, 4), report(6, refusals=[first]), report(8), report(10, refusals=[again]), *steady(12, 90))
    # From 4 to 10, and for the same time again.
    assert counted(made, until=60) == 60 - 12


def test_an_outage_before_the_doubt_counts_as_far_as_the_call_may_reach_back():
    broken = [*steady(-80, -50), *steady(-10, 60, "b")]
    assert counted(way(*broken), slack=5) == 30
    assert counted(way(*broken), slack=30) == 20  # away from -30 to -10, held until 10


def test_a_refusal_of_one_number_holds_the_clock_of_that_number_alone():
    made = way(*steady(-40, 10), report(12, refusals=[refused(2, 12, NUMBER)]), *steady(14, 60))
    assert counted(made) == 10  # from 2 to 12, held until 22
    assert counted(made, number="555") == 30


def test_what_was_not_certain_counts_only_as_long_as_it_is_said():
    unsure = report(12, refusals=[refused(10, 12, NUMBER, certain=False)])
    assert counted(way(*steady(-40, 10), unsure), until=12) == 10
    assert counted(way(*steady(-40, 10), unsure, *steady(14, 60))) == 30


def test_two_replicas_cover_for_each_other_but_what_one_lost_comes_again():
    made = way(*steady(-40, 10, "a"), *steady(-40, 60, "b"))
    away = STALE.total_seconds()
    assert counted(made, until=40) == 40 - 2 * away


def test_a_replica_that_says_it_leaves_is_no_outage():
    made = way(*steady(-40, 10, "a"), report(11, "a", leaving=True), *steady(-40, 60, "b"))
    assert counted(made) == 30


def test_nothing_counts_beyond_what_the_slowest_replica_has_told():
    made = way(*steady(-40, 20, "a"), *steady(-40, 24, "b"))
    assert counted(made, until=24) == 20  # a may have refused something since


def test_an_ingress_without_a_secret_takes_nothing():
    assert counted(way(*[report(second, takes=False) for second in range(-40, 60, 2)])) == 0
    beside = [report(second, "b", takes=False) for second in range(-40, 60, 2)]
    assert counted(way(*steady(-40, 60), *beside)) == 0


def test_a_clock_that_runs_ahead_does_not_count_what_has_not_been():
    made = way(*steady(-40, 60), now=12)
    assert counted(made) <= 12


def test_reports_that_are_read_again_change_nothing():
    told = [*steady(-40, 8), *steady(20, 60, "b"), report(61, "b", refusals=[refused(50, 52)]), *steady(62, 90, "b")]
    assert counted(way(*told, *told), until=90) == counted(way(*told), until=90) > 0


@pytest.mark.parametrize("seed", range(30))
def test_what_is_not_told_is_never_counted(seed):
    """Leave out any reports, or add any refusal: the silence is not longer, and never longer than the time."""
    chance = random.Random(seed)
    told = [one for replica in "abc"[: chance.randint(1, 3)] for one in steady(-60, 120, replica)]
    told.sort(key=lambda one: (one.recorded_at, one.data.replica))
    all_of_it = counted(way(*told), until=100)
    fewer = [one for one in told if chance.random() > 0.5]
    since = chance.uniform(-4, 90)
    more = [*told, report(121, "a", refusals=[refused(since, since + chance.uniform(0, 20))])]
    assert all_of_it == 100
    assert counted(way(*fewer), until=100) <= all_of_it
    assert counted(way(*more), until=100) < all_of_it
