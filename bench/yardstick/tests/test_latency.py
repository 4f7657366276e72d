"""The pure parts: what a run comes to, what keeps up, and how the highest rate is found."""

import re

import pytest

from yardstick.latency.chains import Offer, Run, part_of
from yardstick.latency.rates import Point, highest, keeps_up, meets_meta, point_of
from yardstick.load.graph import Tally
from yardstick.load.http_load import timed_text
from yardstick.load.webhooks import body


def run(late_ms, missing=0, answers=None):
    return Run(Offer(0, 100.0, 4.0, 10.0), 99.0, late_ms, missing, {"ingress": 0.5}, answers or {})


def point(p99=1.0, answer_p50=1.0, answer_p99=1.0, per_second=100.0):
    return Point(100.0, per_second, 1.0, p99, 1.0, answer_p50, answer_p99, {})


def test_messages_of_an_offer_are_due_one_after_the_other():
    offer = Offer(7, 250.0, 4.0, 10.0)
    assert (offer.count, offer.due(0), offer.due(999)) == (1_000, 10.0, pytest.approx(13.996))


def test_a_point_has_the_quantiles_of_a_run():
    found = point_of(run([float(number) for number in range(1_000)], answers={"perSecond": 100.0, "p50": 2, "p99": 9}))
    assert (found.rate, found.per_second, found.shares) == (100.0, 99.0, {"ingress": 0.5})
    assert (found.p50, found.p99, found.p999) == (500.0, 990.0, 999.0)
    assert (found.answer_p50, found.answer_p99) == (2.0, 9.0)


def test_sends_have_no_answers():
    found = point_of(run([1.0]))
    assert (found.answer_p50, found.answer_p99) == (None, None)
    assert not meets_meta(found)


def test_what_has_not_come_is_late():
    assert keeps_up(point_of(run([5.0] * 198, missing=1)))
    assert not keeps_up(point_of(run([5.0] * 98, missing=2)))
    assert not keeps_up(point_of(run([], missing=100)))


@pytest.mark.parametrize(
    ("per_second", "p99", "keeps"), [(95.0, 999.0, True), (94.0, 9.0, False), (99.0, 1_000.0, False)]
)
def test_what_keeps_up_is_soon_and_enough(per_second, p99, keeps):
    assert keeps_up(point(p99, per_second=per_second)) is keeps


@pytest.mark.parametrize(
    ("per_second", "expected"), [(100.0, (2.0, 9.0)), (98.0, (2.0, 4_000.0)), (49.0, (4_000.0, 4_000.0))]
)
def test_an_answer_that_has_not_come_is_as_late_as_the_run_was_long(per_second, expected):
    found = point_of(run([1.0], answers={"perSecond": per_second, "p50": 2, "p99": 9}))
    assert (found.answer_p50, found.answer_p99) == expected


def test_no_answer_at_all_is_late_too():
    assert point_of(run([], missing=9, answers={"perSecond": 0.0})).answer_p50 == 4_000.0


@pytest.mark.parametrize(
    ("p50", "p99", "meets"), [(250.0, 1_000.0, True), (251.0, 300.0, False), (10.0, 1_001.0, False)]
)
def test_metas_rule_has_two_halves(p50, p99, meets):
    assert meets_meta(point(answer_p50=p50, answer_p99=p99)) is meets


@pytest.mark.parametrize("limit", [40.0, 250.0, 1_730.0, 9_999.0])
@pytest.mark.parametrize("first", [250.0, 1_000.0])
async def test_the_highest_rate_is_found_to_a_tenth(limit, first):
    tried = []

    async def holds(rate):
        tried.append(rate)
        return rate <= limit

    found = await highest(holds, first)
    assert limit * 0.9 <= found <= limit
    assert len(tried) < 14


async def test_nothing_and_everything_end_the_search():
    async def never(_):
        return False

    async def always(_):
        return True

    assert await highest(never) == 0.0
    assert await highest(always) == 32_000.0


@pytest.mark.parametrize(
    ("name", "command", "part"),
    [
        ("java", ["/usr/bin/java", "-Xmx1g", "kafka.Kafka", "server.properties"], "kafka"),
        ("mongod", ["/usr/bin/mongod", "--port", "1"], "mongod"),
        ("python", ["/bin/python", "-m", "ingress"], "ingress"),
        ("python", ["/bin/python", "-m", "yardstick.load.graph", "--port", "1"], "load"),
        ("python", ["/bin/python", "-I", "-S", "guard.py", "log", "-", "/usr/bin/java", "kafka.Kafka"], None),
        ("python", [], None),
    ],
)
def test_a_process_is_known_by_its_command(name, command, part):
    assert part_of(name, command) == part


def test_a_message_names_its_instant():
    content = body(3, customers=10, text=timed_text(3, 12.5))
    assert re.findall(rb"t=(\d+)", content) == [b"12500000000"]
    tally = Tally()
    tally.note(content)
    assert len(tally.late_ms) == 1
