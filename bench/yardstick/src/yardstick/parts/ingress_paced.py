"""Ingress at a given pace, beside a bare ASGI application and pywa on FastAPI."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from common.contracts import topics
from yardstick.paced import PACES, seconds_at
from yardstick.parts.ingress import BARE, PYWA
from yardstick.parts.part import Bench, Part, in_rounds
from yardstick.rig.measurements import Measurement, between, usage
from yardstick.rig.rig import Rig
from yardstick.rounds import Side
from yardstick.services import ingress as endpoints
from yardstick.services.ingress import Endpoint, load

_WARM_SECONDS: Final = 2.0


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig, seconds = bench.rig, bench.sizes.seconds
    await rig.fresh_topics(*topics.ALL)

    async def at(endpoint: Endpoint, rate: float) -> Measurement:
        before = usage(endpoint.program, rig.pids)
        said = await load(endpoint.port, seconds=seconds_at(rate, seconds), rate=rate)
        found = between(before, usage(endpoint.program, rig.pids), said["sent"], (said["p50"], said["p99"]))
        return Measurement(said["perSecond"], found.cpu_us, found.memory, found.late_ms, found.beside)

    async def run(name: str, make: Callable[[Rig], Endpoint]) -> dict[str, Measurement]:
        endpoint = make(rig)
        async with endpoint.program:
            await load(endpoint.port, seconds=_WARM_SECONDS, rate=PACES["100/s"])
            return {f"{name} at {pace}": await at(endpoint, rate) for pace, rate in PACES.items()}

    makers: dict[str, Callable[[Rig], Endpoint]] = {
        name: partial(endpoints.ingress, interpreter=interpreter) for name, interpreter in bench.ours("ingress").items()
    }
    makers |= {BARE: endpoints.bare_asgi, PYWA: endpoints.pywa}
    await run("", endpoints.bare_asgi)  # warms up the broker's JVM
    yield {name: partial(run, name, make) for name, make in makers.items()}


PART: Final = Part("ingress-paced", "webhooks at 20, 100 and 1,000/s", 5.5, 2, (), in_rounds("ingress paced", _sides))
