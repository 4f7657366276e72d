"""Ingress at full load, beside a bare ASGI application and pywa on FastAPI."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from common.contracts import topics
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.report.goals import Goal, Lowest, Ratio, at_most, p99, per_cpu, rate
from yardstick.rig.measurements import Measurement, between, usage
from yardstick.rig.rig import Rig
from yardstick.rounds import Side
from yardstick.services import ingress as endpoints
from yardstick.services.ingress import Endpoint, load

NEST: Final = "NestJS + BullMQ"
BARE: Final = "bare ASGI"
PYWA: Final = "pywa on FastAPI"


def _times(theirs: str) -> Lowest:
    """By rate and by CPU, whichever is worse, because the load or Kafka may be slower than both sides."""
    return Lowest([Ratio("ingress", theirs, rate), Ratio("ingress", theirs, per_cpu)])


_GOALS: Final = (
    Goal("ingress_bare", "ingress req/s ÷ bare ASGI + produce", 0.60, 0.80, _times(BARE)),
    Goal("ingress_pywa", "ingress req/s ÷ pywa on FastAPI + produce", 4, 6, _times(PYWA)),
    at_most("ingress_p99", "p99 at saturation ÷ the bare app's", 2.5, 1.5, Ratio("ingress", BARE, p99)),
    Goal("ingress_before", "ingress req/s ÷ the commit before", 0.97, 1.15, _times("ingress" + BEFORE)),
)


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    """Endpoints that take webhooks, each saturated by 64 connections."""
    rig, seconds = bench.rig, bench.sizes.seconds
    await rig.fresh_topics(*topics.ALL)

    async def run(make: Callable[[Rig], Endpoint]) -> Measurement:
        endpoint = make(rig)
        async with endpoint.program as program:
            await load(endpoint.port, seconds=seconds / 3)
            before = usage(program, rig.pids)
            said = await load(endpoint.port, seconds=seconds)
            found = between(before, usage(program, rig.pids), said["sent"], (said["p50"], said["p99"]))
        return Measurement(said["perSecond"], found.cpu_us, found.memory, found.late_ms, found.beside)

    makers: dict[str, Callable[[Rig], Endpoint]] = {
        name: partial(endpoints.ingress, interpreter=interpreter) for name, interpreter in bench.ours("ingress").items()
    }
    makers |= {BARE: endpoints.bare_asgi, PYWA: endpoints.pywa}
    await run(endpoints.bare_asgi)  # warms up the broker's JVM
    if bench.nest is not None:
        makers[NEST] = bench.nest.ingress
        await bench.nest.clear()
    yield {name: partial(run, make) for name, make in makers.items()}


PART: Final = Part("ingress", "webhooks at full load", 2.5, 1, _GOALS, in_rounds("ingress", _sides))
