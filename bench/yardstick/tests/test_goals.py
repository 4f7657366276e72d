"""Ratios are made within a round, and a goal says in which direction it holds."""

import json

import pytest

from yardstick.report.goals import GOALS, Goal, paced_goals, sender_goals, webhook_goals
from yardstick.report.markdown import markdown
from yardstick.rig.measurements import Measurement, paired, percentile
from yardstick.rounds import interleaved
from yardstick.suite import Outcome


def measurement(per_second, cpu_us, late_ms=()):
    return Measurement(per_second, cpu_us, 2**20, late_ms)


def test_a_ratio_is_the_median_of_those_of_each_round():
    assert paired([10, 40, 90], [10, 10, 10]) == 4


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [
        (0.5, True, "falls short"),
        (0.6, True, "holds"),
        (0.8, True, "holds, and the aim"),
        (0.9, False, "falls short"),
        (0.8, False, "holds"),
        (0.5, False, "holds, and the aim"),
    ],
)
def test_a_goal_knows_its_direction(value, at_least, verdict):
    must, aim = (0.6, 0.8) if at_least else (0.8, 0.6)
    assert Goal("g", "text", must, aim, at_least).verdict(value) == verdict


def test_webhooks_are_judged_by_the_worse_of_rate_and_cost():
    # The load ran out before the bare application did: its rate is no measure of it.
    measured = {
        "ingress": [measurement(5_000, 100, (1.0, 6.0))],
        "bare ASGI": [measurement(5_000, 50, (1.0, 3.0))],
        "pywa on FastAPI": [measurement(1_000, 500)],
    }
    assert webhook_goals(measured) == {"ingress_bare": 0.5, "ingress_pywa": 5, "ingress_p99": 2}


def test_the_share_of_a_core_is_for_the_rate_that_was_wanted():
    measured = {
        f"{kind} at {rate:g}/s": [measurement(rate, cost)]
        for kind, costs in {"ingress": (100, 80), "conversation": (200, 150), "sender": (500, 400)}.items()
        for rate, cost in zip((100.0, 1_000.0), costs, strict=True)
    }
    assert paced_goals(measured, 100.0, 1_000.0) == pytest.approx({"growth": 0.8, "sender_share": 0.4})


def test_the_usual_sender_is_the_one_that_takes_one_message_at_a_time():
    measured = {
        "sender": [measurement(3_000, 200)],
        "FastStream + httpx, 1": [measurement(500, 1_300)],
        "FastStream + httpx, 64": [measurement(800, 1_200)],
    }
    assert sender_goals(measured) == {"sender_usual": 6}


async def test_every_second_round_is_in_reverse():
    order = []

    def side(name):
        async def run():
            order.append(name)
            return measurement(1, 1)

        return run

    await interleaved("t", {name: side(name) for name in "abc"}, 2, lambda _: None)
    assert "".join(order) == "abccba"


def test_percentiles_of_few_and_of_none():
    assert (percentile([3, 1, 2], 0.5), percentile([1, 2], 0.99), percentile([], 0.5)) == (2, 2, 0)


def test_a_report_has_every_goal_that_was_measured():
    outcome = Outcome({goal.name: 1.0 for goal in GOALS}, {"sender": {"ours": [measurement(1, 2, (1.0, 2.0))]}})
    run = json.loads(json.dumps({"machine": {"python": "3"}, **outcome.as_json()}))
    text = markdown(run, ["latency"])
    assert all(goal.text in text for goal in GOALS)
    assert "| ours | 1 | 2.0 |" in text
    assert "](latency.svg)" in text
