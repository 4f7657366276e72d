"""How long an exchange takes from the webhook to the call to Meta, beside the least that this broker and mongod allow.

One run has the services busy with one exchange at a time, with four and with a hundred a second. The bare steps are
measured before, between and after. `late_ms` are p50 and p99.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from yardstick.latency.exchange import system
from yardstick.latency.exchanges import BARE, RATES, measure, warm_up
from yardstick.parts.part import Bench, Part, in_rounds
from yardstick.report.goals import Ratio, at_most, p99
from yardstick.rig.measurements import Measurement
from yardstick.rounds import Side

_MOST_ROUNDS: Final = 2
_ALONE, _FOUR, _HUNDRED = RATES


def p50(run: Measurement) -> float:
    """The median of latencies, in ms."""
    return run.late_ms[0]


GOALS: Final = (
    at_most("exchange_alone", "webhook → reply, one at a time, p50 ÷ bare steps", 2.5, 1.5, Ratio(_ALONE, BARE, p50)),
    at_most("exchange_alone_p99", "webhook → reply, one at a time, p99 ÷ bare steps", 10, 5, Ratio(_ALONE, BARE, p99)),
    at_most("exchange_100", "webhook → reply, 100 a second, p50 ÷ bare steps", 3.5, 2, Ratio(_HUNDRED, BARE, p50)),
)


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    sides = bench.ours("exchange")
    yield {
        name: partial(_run, bench, interpreter, name.removeprefix("exchange")) for name, interpreter in sides.items()
    }


async def _run(bench: Bench, interpreter: str, ending: str) -> dict[str, Measurement]:
    async with system(bench.rig, interpreter) as running:
        await warm_up(running)
        found = await measure(bench.rig, running)
    return {f"{name}{ending}": measurement for name, measurement in found.measurements().items()}


PART: Final = Part(
    "exchange",
    "webhook → reply: one at a time, 4 and 100 a second, in stages, beside the bare steps",
    5.5,
    5.5,
    GOALS,
    in_rounds("exchange", _sides, at_most=_MOST_ROUNDS),
)
