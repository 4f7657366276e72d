"""Paces: how long each is measured, and which is the highest that a side holds."""

from types import SimpleNamespace

import pytest

from yardstick import paced
from yardstick.paced import Pace, highest_held, holds, seconds_at, tried
from yardstick.parts import http_client, ingress_paced
from yardstick.parts.part import Bench
from yardstick.rig.checkout import Checkout
from yardstick.rig.machine import Cores, Used
from yardstick.rig.measurements import Measurement
from yardstick.rig.rig import Rig
from yardstick.rounds import Sizes
from yardstick.services.ingress import Endpoint


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


def test_a_new_pace_drops_what_was_due_at_the_old_one(monkeypatch):
    now = SimpleNamespace(monotonic=lambda: 10.0)
    monkeypatch.setattr(paced, "time", now)
    pace = Pace(Rig("", "", Cores(frozenset({0}), frozenset({1}))), str, 100.0)
    assert pace.due(12.0) == 200
    pace.number, now.monotonic = 150, lambda: 12.0  # fifty are late
    pace.to(20.0)
    assert (pace.due(12.0), pace.due(13.0)) == (150, 170)


async def test_calls_are_measured_on_the_rigs_cores(monkeypatch):
    given = []

    async def run(rounds, calls, kinds, say, cores):
        given.append((rounds, kinds, cores))
        return {"kinds": {"raw": [{"perSecond": 5.0, "cpuUs": 2.0}], "graph": [{"perSecond": 3.0, "cpuUs": 4.0}]}}

    monkeypatch.setattr(http_client, "run", run)
    bench = Bench(Rig("", "", Cores(frozenset({0}), frozenset({2, 1}))), Sizes.quick(), print)
    found = await http_client.PART.measure(bench, 1)
    assert given == [(1, ("raw", "graph", "aiohttp", "httpx"), (0, 1))]
    assert found["graph"] == [Measurement(3.0, 4.0)]
    assert http_client.PART.goals[0].value(found) == 2.0


async def test_a_web_endpoint_is_loaded_at_each_pace_in_one_process(monkeypatch):
    asked = []

    class Running:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            pass

        def used(self):
            return Used(len(asked) / 100, 7)

    class FakeRig(Rig):
        async def fresh_topics(self, *_, **__):
            pass

    async def load(_, seconds, rate):
        asked.append((seconds, rate))
        return {"perSecond": rate, "sent": 10, "p50": 1.0, "p99": 2.0}

    def make(*_, **__):
        return Endpoint(Running(), 1)

    monkeypatch.setattr(ingress_paced, "load", load)
    monkeypatch.setattr(ingress_paced, "endpoints", SimpleNamespace(ingress=make, bare_asgi=make, pywa=make))
    rig = FakeRig("", "", Cores(frozenset({0}), frozenset({1})))
    bench = Bench(rig, Sizes(4.0, 1, 1), lambda _: None, before=Checkout("abc", "/python"))
    found = await ingress_paced.PART.measure(bench, 2)
    sides = ["ingress", "ingress, the commit before", "bare ASGI", "pywa on FastAPI"]
    assert list(found) == [f"{side} at {pace}" for side in sides for pace in ("20/s", "100/s", "1000/s")]
    assert asked[:4] == [(2.0, 100.0), (8.0, 20.0), (4.0, 100.0), (4.0, 1_000.0)]
    measured = found["ingress at 20/s"][0]
    assert (measured.per_second, measured.cpu_us, measured.late_ms) == (20.0, pytest.approx(1_000.0), (1.0, 2.0))
