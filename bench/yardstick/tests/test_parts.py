"""The parts of the goals: each goal can be reached and can be missed, with figures as a run has them."""

from contextlib import asynccontextmanager

import pytest

from yardstick.__main__ import arguments, verdicts
from yardstick.paced import HIGHEST
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.parts.sender import PART as SENDER
from yardstick.rig.checkout import Checkout
from yardstick.rig.measurements import Measurement
from yardstick.rounds import Sizes
from yardstick.suite import GOALS, PARTS, Outcome, about_parts, default_parts, measure, parts_of


def run(per_second, cpu_us=100.0, p99=1.0, **beside):
    return [Measurement(per_second, cpu_us, 2**20, (0.5, p99), beside)]


def late(p50, p99=0.0):
    return [Measurement(100, 9_000.0, late_ms=(p50, p99))]


MOTOR, HTTPX = "FastStream + motor", "FastStream + httpx"
BARE = "bare call and two bulk writes"
FEW, MANY = "beside 10,000 messages", "beside 1,000,000 messages"
CASES = {
    # by CPU per request, where the load ran out before either did: 0.62, and 0.50 as on a busy machine
    "ingress_bare": (
        {"ingress": run(10_627, 76.6), "bare ASGI": run(15_000, 47.3)},
        {"ingress": run(11_243, 79.5), "bare ASGI": run(22_233, 39.7)},
    ),
    "ingress_pywa": (
        {"ingress": run(10_627, 76.6), "pywa on FastAPI": run(1_636, 604.4)},
        {"ingress": run(10_627, 160.0), "pywa on FastAPI": run(1_636, 604.4)},
    ),
    "ingress_p99": (
        {"ingress": run(10_627, p99=11.5), "bare ASGI": run(18_338, p99=7.3)},
        {"ingress": run(8_124, p99=31.0), "bare ASGI": run(12_838, p99=9.0)},  # Litestar's own routing
    ),
    "ingress_before": (
        {"ingress": run(10_627, 76.6), f"ingress{BEFORE}": run(10_500, 77.0)},
        {"ingress": run(10_000, 76.6), f"ingress{BEFORE}": run(10_500, 77.0)},
    ),
    "conversation_usual": (
        {"conversation": run(7_533), f"{MOTOR}, 1": run(258)},
        {"conversation": run(4_500), f"{MOTOR}, 1": run(258)},
    ),
    "conversation_64": (
        {"conversation": run(7_533), f"{MOTOR}, 64": run(1_103)},
        {"conversation": run(4_000), f"{MOTOR}, 64": run(1_103)},
    ),
    "conversation_batch": (
        {"conversation": run(7_533), f"{MOTOR}, batch": run(4_000)},
        {"conversation": run(3_900), f"{MOTOR}, batch": run(4_000)},
    ),
    "conversation_floor": (
        {"conversation": run(7_533), "bare transaction": run(13_596)},
        {"conversation": run(4_400), "bare transaction": run(13_596)},
    ),
    "conversation_before": (
        {"conversation": run(7_533), f"conversation{BEFORE}": run(7_600)},
        {"conversation": run(5_700), f"conversation{BEFORE}": run(7_600)},  # one session without overlap
    ),
    "sender_usual": (
        {"sender": run(3_769), f"{HTTPX}, 1": run(608)},
        {"sender": run(3_257), f"{HTTPX}, 1": run(683)},
    ),
    "sender_64": (
        {"sender": run(3_769), f"{HTTPX}, 64": run(899)},
        {"sender": run(2_120), f"{HTTPX}, 64": run(899)},  # with aiohttp instead of pyreqwest
    ),
    "sender_batch": (
        {"sender": run(3_769), f"{HTTPX}, batch": run(900)},
        {"sender": run(2_120), f"{HTTPX}, batch": run(900)},
    ),
    "sender_before": (
        {"sender": run(3_769), f"sender{BEFORE}": run(3_700)},
        {"sender": run(3_500), f"sender{BEFORE}": run(3_700)},
    ),
    "outbound_http": (
        {"graph": run(24_815, 39.9), "raw": run(63_182, 15.6)},
        {"graph": run(12_453, 79.5), "raw": run(63_182, 15.6)},  # with aiohttp
    ),
    # a transaction for each partition: what one message costs then
    "conversation_20": (
        {"conversation at 20/s": run(20, 6_000), f"{MOTOR}, 1 at 20/s": run(20, 4_300)},
        {"conversation at 20/s": run(20, 7_400), f"{MOTOR}, 1 at 20/s": run(20, 4_300)},
    ),
    "conversation_100": (
        {"conversation at 100/s": run(100, 1_500), f"{MOTOR}, 1 at 100/s": run(100, 2_400)},
        {"conversation at 100/s": run(100, 3_500), f"{MOTOR}, 1 at 100/s": run(100, 2_400)},
    ),
    "conversation_highest": (
        {f"conversation at {HIGHEST}": run(230, 600), f"{MOTOR}, 1 at {HIGHEST}": run(230, 1_700)},
        {f"conversation at {HIGHEST}": run(230, 1_500), f"{MOTOR}, 1 at {HIGHEST}": run(230, 1_700)},
    ),
    "conversation_100_before": (
        {
            "conversation at 100/s": run(100, 1_269, broker=2_152, mongod=571),
            f"conversation{BEFORE} at 100/s": run(100, 2_553, broker=4_080, mongod=1_672),
        },
        {
            "conversation at 100/s": run(100, 1_269, broker=4_080, mongod=1_672),  # the worker alone is cheaper
            f"conversation{BEFORE} at 100/s": run(100, 2_553, broker=4_080, mongod=1_672),
        },
    ),
    "sender_20": (
        {"sender at 20/s": run(20, 3_500), f"{HTTPX}, 64 at 20/s": run(20, 3_000)},
        {"sender at 20/s": run(20, 5_000), f"{HTTPX}, 64 at 20/s": run(20, 3_000)},
    ),
    "sender_100": (
        {"sender at 100/s": run(100, 1_500), f"{HTTPX}, 64 at 100/s": run(100, 2_500)},
        {"sender at 100/s": run(100, 2_000), f"{HTTPX}, 64 at 100/s": run(100, 2_400)},
    ),
    "sender_highest": (
        {f"sender at {HIGHEST}": run(350, 500), f"{HTTPX}, 64 at {HIGHEST}": run(350, 1_500)},
        {f"sender at {HIGHEST}": run(350, 900), f"{HTTPX}, 64 at {HIGHEST}": run(350, 1_500)},
    ),
    "sender_bare": (
        {"sender at 1000/s": run(1_000, 300), f"{BARE} at 1000/s": run(1_000, 120)},
        {"sender at 1000/s": run(1_000, 540), f"{BARE} at 1000/s": run(1_000, 120)},
    ),
    "stored": (
        {f"conversation {FEW}": run(5_258, 147), f"conversation {MANY}": run(4_500, 170)},
        {f"conversation {FEW}": run(5_258, 147), f"conversation {MANY}": run(3_808, 216)},  # ids that are hashes
    ),
    "stored_sends": (
        {f"sender {FEW}": run(3_700, 75), f"sender {MANY}": run(3_500, 90)},
        {f"sender {FEW}": run(3_700, 75), f"sender {MANY}": run(3_000, 110)},
    ),
    "exchange_alone": (
        {"one at a time": late(40), "the bare steps": late(25)},
        {"one at a time": late(70), "the bare steps": late(25)},
    ),
    "exchange_alone_p99": (
        {"one at a time": late(40, 120), "the bare steps": late(15, 15)},
        {"one at a time": late(40, 240), "the bare steps": late(15, 15)},
    ),
    "exchange_100": (
        {"100 a second": late(80), "the bare steps": late(25)},
        {"100 a second": late(156), "the bare steps": late(25)},
    ),
}
"""By goal: rounds in which it holds, and rounds in which it falls short."""


def test_each_goal_has_its_case():
    assert sorted(CASES) == sorted(goal.name for goal in GOALS)


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_each_goal_can_hold_and_can_be_missed(goal):
    good, bad = (goal.value(rounds) for rounds in CASES[goal.name])
    assert (goal.holds(good), goal.holds(bad)) == (True, False), (good, bad)


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_each_aim_is_beyond_what_must_hold(goal):
    assert (goal.verdict(goal.aim), goal.verdict(goal.must)) == ("holds, and the aim", "holds")


def test_names_are_unique():
    assert len({goal.name for goal in GOALS}) == len(GOALS)
    assert len({goal.text for goal in GOALS}) == len(GOALS)
    assert len({part.name for part in PARTS}) == len(PARTS)


def test_parts_are_chosen_by_name_and_measured_in_the_suites_order():
    assert [part.name for part in parts_of("sender, ingress")] == ["ingress", "sender"]
    assert parts_of(default_parts()) == [part for part in PARTS if part.by_default]
    with pytest.raises(ValueError, match="no part is named paced; there are ingress,"):
        parts_of("paced")


def test_the_command_line_has_parts_and_the_commit_before(capsys):
    given = arguments(["goals", "--parts", "idle", "--against", "HEAD~1"])
    assert ([part.name for part in given.parts], given.against) == (["idle"], "HEAD~1")
    assert arguments(["goals"]).parts == parts_of(default_parts())
    with pytest.raises(SystemExit):
        arguments(["goals", "--parts", "nothing"])
    assert "no part is named nothing" in capsys.readouterr().err


def test_all_default_parts_take_about_forty_minutes():
    assert sum(part.minutes for part in PARTS if part.by_default) <= 42
    assert all(f"{part.minutes:g} min" in about_parts() for part in PARTS)


def test_a_service_of_the_commit_before_is_a_side_beside_ours():
    bench = Bench(None, Sizes.quick(), print, before=Checkout("0123456789abcdef", "/else/python"))
    assert list(bench.ours("sender")) == ["sender", "sender, the commit before"]
    assert bench.ours("sender")["sender, the commit before"] == "/else/python"
    assert bench.before.name == "012345678"
    assert list(Bench(None, Sizes.quick(), print).ours("sender")) == ["sender"]


@pytest.mark.parametrize(("at_most", "rounds"), [(None, 5), (3, 3), (9, 5)])
async def test_a_part_may_have_fewer_rounds_than_the_others(at_most, rounds):
    @asynccontextmanager
    async def sides(_):
        async def one():
            return run(1)[0]

        yield {"one": one}

    measure = in_rounds("t", sides, at_most)
    found = await measure(Bench(None, Sizes.quick(), lambda _: None), 5)
    assert len(found["one"]) == rounds


async def test_a_part_that_fails_is_named_and_does_not_lose_the_others():
    async def breaks(_, __):
        raise TimeoutError

    async def works(_, __):
        return CASES["sender_usual"][0]

    broken, good = Part("broken", "", 1, 0, (), breaks), Part("good", "", 1, 0, SENDER.goals, works)
    outcome, kept = Outcome(), []
    await measure(outcome, Bench(None, Sizes.quick(), lambda _: None), 1, [broken, good], lambda: kept.append(1))
    assert outcome.failed == {"broken": "TimeoutError"}
    assert list(outcome.values) == ["sender_usual"]
    assert len(kept) == 1
    found = {"machine": {"python": "3"}, **outcome.as_json()}
    assert verdicts(found)[-1] == "broken was not measured: TimeoutError"
