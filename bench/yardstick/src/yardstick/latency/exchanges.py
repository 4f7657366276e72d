"""The latency of an exchange beside the least that this broker and this mongod allow, measured in the same run.

`python -m yardstick.latency.exchanges` measures it alone, once, and prints p50 and p99 of everything.
"""

import argparse
import asyncio
import json
import logging
from dataclasses import dataclass
from statistics import median
from typing import Final

from yardstick.latency.bare import STEPS, sum_of
from yardstick.latency.exchange import Exchanges, System, system
from yardstick.latency.stages import table
from yardstick.rig.measurements import Measurement, percentile
from yardstick.rig.program import Program, python
from yardstick.rig.rig import Rig, rig

RATES: Final = {"one at a time": (2.0, 50.0), "four a second": (4.0, 30.0), "100 a second": (100.0, 15.0)}
"""Exchanges a second, and for how many seconds. Two a second are one at a time: each ends long before the next."""

BARE: Final = "the bare steps"

_WARM: Final = ((100.0, 5.0), (4.0, 5.0))
_BARE_ROUNDS: Final = 60
_POLL_SECONDS: Final = 0.2

Bare = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Found:
    """The exchanges at each rate, and the bare steps in ms before, between and after them."""

    exchanges: dict[str, Exchanges]
    bare: Bare

    def measurements(self) -> dict[str, Measurement]:
        """Each rate, its stages, and the bare steps, by name. `late_ms` are p50 and p99; of the sum there is only one.

        Exchanges that never came count as the slowest. `cpu_us` is that of all our processes and the bot.
        """
        found: dict[str, Measurement] = {}
        for name, one in self.exchanges.items():
            late = [*one.late_ms, *[float("inf")] * one.missing]
            cpu_us = sum(one.shares.values()) / one.rate * 1e6
            found[name] = Measurement(one.rate, cpu_us, late_ms=(percentile(late, 0.5), percentile(late, 0.99)))
            for stage, p50, p99 in table(one.hops):
                found[f"{name}: {stage}"] = Measurement(one.rate, 0.0, late_ms=(p50, p99))
        steps = {step: (median(times), percentile(times, 0.99)) for step, times in self.bare.items()}
        least = sum_of({step: p50 for step, (p50, _) in steps.items()})
        found[BARE] = Measurement(1.0, 0.0, late_ms=(least, least))
        return found | {f"{BARE}: {step}": Measurement(1.0, 0.0, late_ms=late) for step, late in steps.items()}


async def warm_up(running: System) -> None:
    """Warm caches, connections and the JVM."""
    for rate, seconds in _WARM:
        await running.run(rate, seconds, followed=0.0)


async def measure(place: Rig, running: System, *, quick: bool = False) -> Found:
    """All rates, one after the other, with the bare steps around each. `quick`: each half as long."""
    found = Found({}, {step: [] for step in STEPS})
    await _add_bare(place, running, found.bare)
    for name, (rate, seconds) in RATES.items():
        found.exchanges[name] = await running.run(rate, seconds / 2 if quick else seconds)
        await _add_bare(place, running, found.bare)
    return found


async def _add_bare(place: Rig, running: System, bare: Bare) -> None:
    options = {"kafka": place.kafka, "mongodb": place.mongodb, "http-port": running.graph.port, "rounds": _BARE_ROUNDS}
    command = python("yardstick.latency.bare", *(f"--{name}={value}" for name, value in options.items()))
    async with Program("bare", command, {}, place.cores.service) as program:
        while program.running:
            await asyncio.sleep(_POLL_SECONDS)
        told: Bare = json.loads(program.lines()[-1])
    for step, times in told.items():
        bare[step].extend(times)


async def _alone(quick: bool) -> Found:
    async with rig() as place, system(place) as running:
        await warm_up(running)
        return await measure(place, running, quick=quick)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m yardstick.latency.exchanges", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half as long, for a first impression")
    given = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    for name, found in asyncio.run(_alone(given.quick)).measurements().items():
        p50, p99 = found.late_ms
        print(f"{name:<60}{p50:>9.1f}{p99:>9.1f} ms{found.cpu_us:>10,.0f} µs", flush=True)


if __name__ == "__main__":
    main()
