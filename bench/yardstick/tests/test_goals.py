"""Ratios are made within a round, and a goal says in which direction it holds."""

import json

import pytest

from yardstick.report.goals import Goal, Lowest, Ratio, all_cpu, cpu, per_cpu, rate, values_of
from yardstick.report.markdown import markdown
from yardstick.rig.machine import Used
from yardstick.rig.measurements import Measurement, Usage, between, paired, percentile
from yardstick.rounds import interleaved, told
from yardstick.suite import GOALS, Outcome


def measurement(per_second, cpu_us, late_ms=(), beside=None):
    return Measurement(per_second, cpu_us, 2**20, late_ms, beside or {})


def nothing(_):
    return None


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
    assert Goal("g", "text", must, aim, nothing, at_least).verdict(value) == verdict


def test_what_was_not_measured_has_no_value():
    goals = [
        Goal("there", "text", 1, 2, Ratio("a", "b", rate)),
        Goal("absent", "text", 1, 2, Ratio("a", "c", rate)),
        Goal("half", "text", 1, 2, Lowest([Ratio("a", "b", rate), Ratio("a", "c", rate)])),
    ]
    assert values_of(goals, {"a": [measurement(4, 1)], "b": [measurement(2, 1)]}) == {"there": 2}


def test_the_lowest_of_rate_and_cost_counts():
    # The load ran out before the second did: its rate is no measure of it.
    measured = {"a": [measurement(5_000, 100)], "b": [measurement(5_000, 50)]}
    assert Lowest([Ratio("a", "b", rate), Ratio("a", "b", per_cpu)])(measured) == 0.5


def test_the_cost_of_all_processes_is_that_of_the_measured_one_and_those_beside_it():
    ours = measurement(100, 2_000, beside={"broker": 3_000, "mongod": 1_000})
    theirs = measurement(100, 3_000, beside={"broker": 6_000, "mongod": 3_000})
    measured = {"a": [ours], "b": [theirs]}
    assert Ratio("a", "b", all_cpu)(measured) == 0.5
    assert Ratio("a", "b", cpu)(measured) == pytest.approx(2 / 3)


def test_costs_are_what_was_used_between_two_readings():
    before = Usage(10.0, Used(1.0, 5), {"broker": 7.0, "mongod": 1.0})
    after = Usage(12.0, Used(1.5, 9), {"broker": 8.0})
    assert between(before, after, 1_000) == Measurement(500.0, 500.0, 9, (), {"broker": 1_000.0})
    assert between(before, after, 0).per_second == 0.5  # nothing was done: all of it was for one


async def test_every_second_round_is_in_reverse():
    order = []

    def side(name):
        async def run():
            order.append(name)
            return measurement(1, 1)

        return run

    await interleaved("t", {name: side(name) for name in "abc"}, 2, lambda _: None)
    assert "".join(order) == "abccba"


async def test_a_side_may_measure_several_things_in_one_run():
    async def paced():
        return {"a at 20/s": measurement(20, 5), "a at 100/s": measurement(100, 2)}

    async def one():
        return measurement(7, 1)

    said = []
    found = await interleaved("t", {"a": paced, "b": one}, 2, said.append)
    assert {name: len(runs) for name, runs in found.items()} == {"a at 20/s": 2, "a at 100/s": 2, "b": 2}
    assert len(said) == 6


def test_a_line_has_what_the_processes_beside_it_used():
    assert told("a", measurement(1_000, 250, beside={"broker": 90.4})).split() == [
        "a", "1,000/s", "250.0", "µs", "0.25", "of", "its", "core", "broker", "90", "µs"
    ]  # fmt: skip


def test_percentiles_of_few_and_of_none():
    assert (percentile([3, 1, 2], 0.5), percentile([1, 2], 0.99), percentile([], 0.5)) == (2, 2, 0)


def test_a_report_has_every_goal_that_was_measured():
    rounds = {"sender": {"ours": [measurement(1, 2, (1.0, 2.0), {"mongod": 3.4})], "old": [measurement(1, 2)]}}
    outcome = Outcome({goal.name: 1.0 for goal in GOALS}, rounds)
    run = json.loads(json.dumps({"machine": {"python": "3"}, **outcome.as_json()}))
    del run["rounds"]["sender"]["old"][0]["beside"]  # as in reports of earlier versions
    text = markdown(run, ["latency"], GOALS)
    assert all(goal.text in text for goal in GOALS)
    assert "| ours | 1 | 2.0 | 3 |" in text
    assert "| old | 1 | 2.0 | - |" in text
    assert "](latency.svg)" in text
