"""All measurements, interleaved: each round writes the same beside few and beside many documents."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from yardstick.rig.rig import Say
from yardstick.stored.measuring import Cost, cost_of, told
from yardstick.stored.place import Filled, filled
from yardstick.stored.work import CONVERSATION, SENDER, Work

SIZES: Final = (10_000, 1_000_000)
TURNS: Final = 20_000
"""They fill a minute from one checkpoint to the next, at 1,700 records a second."""
BATCH: Final = 500
SERVICES: Final = ("conversation", "sender")

Costs = Mapping[str, Mapping[int, Sequence[Cost]]]
"""By service, then by the messages that are stored."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: messages stored, rounds, turns of a round, records or sends of a batch."""

    sizes: Sequence[int] = SIZES
    rounds: int = 5
    turns: int = TURNS
    batch: int = BATCH


async def measure(uri: str, plan: Plan, say: Say) -> Costs:
    """Fill a database of each size, and measure round by round."""
    found: dict[str, dict[int, list[Cost]]] = {name: {size: [] for size in plan.sizes} for name in SERVICES}
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(filled(uri, size, say)) for size in plan.sizes]
        for nth in range(plan.rounds):
            for place in places if nth % 2 == 0 else reversed(places):
                for name, cost in (await _round(place, Work(place.turns(plan.turns), plan.batch))).items():
                    found[name][place.messages].append(cost)
                    say(told(name, place.messages, cost))
    return found


async def _round(place: Filled, work: Work) -> dict[str, Cost]:
    jobs = (
        (CONVERSATION, partial(work.conversation, place.mongo)),
        (SENDER, partial(work.sender, place.sender)),
    )
    return {
        name: await cost_of(place.mongo, place.pid, collections, job)
        for name, (collections, job) in zip(SERVICES, jobs, strict=True)
    }


def growth(costs: Mapping[int, Sequence[Cost]]) -> float:
    """Mongod's µs per record beside the most documents ÷ those beside the fewest: the median of the rounds."""
    few, many = costs[min(costs)], costs[max(costs)]
    return median(large.cpu_us / small.cpu_us for small, large in zip(few, many, strict=True))
