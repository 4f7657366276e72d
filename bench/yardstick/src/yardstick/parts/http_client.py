"""The sender's HTTP client over TLS, beside a raw protocol, aiohttp and httpx."""

from typing import Final

from outbound_http.rounds import run
from yardstick.parts.part import Bench, Part
from yardstick.report.goals import Ratio, at_most, cpu
from yardstick.rig.measurements import Measurement
from yardstick.rounds import Rounds

_CALLS: Final = 20_000
_KINDS: Final = ("raw", "graph", "aiohttp", "httpx")

_GOALS: Final = (
    at_most("outbound_http", "sender's HTTP client CPU ÷ raw protocol over TLS", 3.5, 1.6, Ratio("graph", "raw", cpu)),
)


async def _measure(bench: Bench, rounds: int) -> Rounds:
    cores = bench.rig.cores
    pair = None if cores.shared else (min(cores.service), min(cores.rest))
    found = await run(rounds, _CALLS, _KINDS, bench.say, pair)
    return {
        kind: [Measurement(one["perSecond"], one["cpuUs"]) for one in runs] for kind, runs in found["kinds"].items()
    }


PART: Final = Part("http", "calls over TLS, 64 under way", 1, 0, _GOALS, _measure)
