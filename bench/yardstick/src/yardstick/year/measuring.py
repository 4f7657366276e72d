"""One measurement: all queries on one database, with their plans, and the time of each command."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Final

from pymongo import MongoClient

from yardstick.queries.observing import Places, Watched, watching
from yardstick.queries.plans import Plan
from yardstick.queries.query import Query
from yardstick.queries.reading import READING
from yardstick.queries.registry import EXEMPT, QUERIES, places
from yardstick.queries.world import World
from yardstick.rig.rig import Say

EXPLAINED_ROUNDS: Final = 3
_SECONDS_EACH: Final = 6.0
"""Of one query, whatever the rounds; what goes through everything is cut off then, and its pages so far count."""

PING: Final = "ping, which does nothing"


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds, as the caller sees them."""

    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Times":
        """Of one value or more."""
        if len(milliseconds) < 2:  # `quantiles` needs two
            return cls(milliseconds[0], milliseconds[0], 1)
        return cls(median(milliseconds), quantiles(milliseconds, n=20, method="inclusive")[-1], len(milliseconds))


@dataclass(frozen=True, slots=True)
class Row:
    """One place in the code, and one collection. `documents` and `returned` are of its worst command."""

    place: str
    collection: str
    index: str
    documents: int
    returned: int
    times: Times
    because: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: the commands, and the calls of the read API as a whole."""

    commands: Sequence[Row]
    calls: Mapping[str, Times]


async def measure(world: World, client: MongoClient[dict[str, Any]], rounds: int, say: Say) -> Measured:
    """Explain each query, then time it."""
    there = places()
    with watching(there, client) as explained:
        for query in QUERIES:
            await _several(world, query, EXPLAINED_ROUNDS)
    say("every query has been explained")
    calls: dict[str, list[float]] = {PING: await _pings(world)}
    timed = await _timed(world, there, rounds, calls)
    return Measured(rows(explained, timed), {name: Times.of(times) for name, times in calls.items()})


async def _timed(world: World, there: Places, rounds: int, calls: dict[str, list[float]]) -> Watched:
    reading = {query.name for query in READING}
    with watching(there) as timed:
        for query in QUERIES:
            times = await _several(world, query, rounds)
            if query.name in reading and times:
                calls[query.name] = times
            calls[PING] += await _pings(world)
    return timed


async def _several(world: World, query: Query, rounds: int) -> list[float]:
    """Run it so often, but not for longer than some seconds; milliseconds of each."""
    found: list[float] = []
    ends = time.monotonic() + _SECONDS_EACH
    for _ in range(1 if query.whole else rounds):
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS_EACH):
                await query.run(world)
                found.append((time.monotonic() - began) * 1_000)
        if time.monotonic() > ends:
            break
    return found


async def _pings(world: World, count: int = 3) -> list[float]:
    found = []
    for _ in range(count):
        began = time.monotonic()
        await world.mongo.client.admin.command("ping")
        found.append((time.monotonic() - began) * 1_000)
    return found


def rows(explained: Watched, timed: Watched) -> list[Row]:
    """One row for each place and collection that has a plan and a time."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seen in timed.commands:
        times[seen.call.name, seen.collection].append(seen.milliseconds)
    plans: dict[tuple[str, str], list[Plan]] = defaultdict(list)
    for seen in explained.commands:
        plans[seen.call.name, seen.collection] += seen.plans
    return [_row(*key, found, times[key]) for key, found in sorted(plans.items()) if found and times[key]]


def _row(place: str, collection: str, plans: Sequence[Plan], times: Sequence[float]) -> Row:
    """The plan that looks at the most for what it gives, and the indexes of all of them."""
    worst = max(plans, key=lambda plan: (plan.documents - 2 * plan.returned, plan.documents))
    used = sorted({index for plan in plans for index in plan.indexes})
    exempt = EXEMPT.get(place)
    because = exempt.because if exempt else ""
    return Row(place, collection, ", ".join(used) or "-", worst.documents, worst.returned, Times.of(times), because)
