"""The sender at a given pace, beside the usual stack at the same pace, and beside its own bare steps.

Meta's stand-in answers after 150 ms. So one worker of FastStream would make six calls a second: the usual stack has 64.
With more of them httpx makes fewer calls, because its pool looks at every connection for each: with 256, 190 a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp

from common.contracts import topics
from yardstick.paced import HIGHEST, PACES, at_paces, highest_held, seconds_at
from yardstick.parts.part import Bench, Part, in_rounds
from yardstick.parts.sender import USUAL
from yardstick.report.goals import Ratio, at_most, cpu
from yardstick.rig.measurements import Measurement, Span, between, usage, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, Say, fresh_name
from yardstick.rounds import Side, Sizes
from yardstick.services.sender import Graph, account_records, send_record, send_records, sender
from yardstick.services.usual import BATCH, OUT, bare_send, with_httpx

_LATENCY_MS: Final = 150.0
_MANY: Final = f"{USUAL}, 64"
_BATCH: Final = f"{USUAL}, {BATCH}"
_BARE: Final = "bare call and two bulk writes"
_WARM_SECONDS: Final = 2.0

Make = Callable[[str], Program]
"""Makes a side's process; it is given the name of its database and group."""


def _beside(pace: str) -> Ratio:
    return Ratio(f"sender at {pace}", f"{_MANY} at {pace}", cpu)


_GOALS: Final = (
    at_most("sender_20", "sender CPU ÷ FastStream + httpx, both at 20/s", 1.5, 1.0, _beside("20/s")),
    at_most("sender_100", "sender CPU ÷ FastStream + httpx, both at 100/s", 0.8, 0.5, _beside("100/s")),
    at_most("sender_highest", "sender CPU ÷ FastStream + httpx at its highest pace", 0.4, 0.2, _beside(HIGHEST)),
    at_most(
        "sender_bare",
        "sender CPU at 1,000/s ÷ (raw HTTP call + two durable bulk writes)",
        3,
        2,
        Ratio("sender at 1000/s", f"{_BARE} at 1000/s", cpu),
    ),
)


@dataclass(frozen=True, slots=True)
class _Stand:
    """What all sides share: the rig, and Meta's stand-in, which counts the sends."""

    rig: Rig
    sizes: Sizes
    graph: Graph
    http: aiohttp.ClientSession

    async def done(self) -> int:
        """How many sends have reached Meta's stand-in, from all sides."""
        return int((await self.graph.stats(self.http))["count"])

    async def run(self, make: Make, paces: Mapping[str, float], side: str = "") -> dict[str, Measurement]:
        """A side at these paces, by its name and the pace's."""
        await self.rig.fresh_topics(topics.SEND)  # without the records of earlier runs
        name = fresh_name()
        async with self.rig.database(name), make(name) as program:
            found = await at_paces(self.rig, program, self.done, send_record, paces, self.sizes.seconds)
        return {f"{side} at {pace}": measurement for pace, measurement in found.items()}

    async def bare(self, pace: str) -> dict[str, Measurement]:
        """The bare steps, which have a pace of their own instead of records."""
        name, rate = fresh_name(), PACES[pace]
        async with self.rig.database(name), bare_send(self.rig, name, self.graph.url, rate) as program:
            await asyncio.sleep(_WARM_SECONDS)
            first, before = await self.done(), usage(program, self.rig.pids)
            await asyncio.sleep(seconds_at(rate, self.sizes.seconds))
            found = between(before, usage(program, self.rig.pids), await self.done() - first)
        return {f"{_BARE} at {pace}": found}

    async def highest(self, make: Make, say: Say) -> float:
        """The highest pace that a side holds."""

        async def at(rate: float) -> Measurement:
            (found,) = (await self.run(make, {"": rate})).values()
            return found

        return await highest_held(at, await self._full(make), say)

    async def _full(self, make: Make) -> float:
        """The rate of a side with a full topic."""
        await self.rig.fresh_topics(topics.SEND)
        await self.rig.fill(send_records(self.sizes.sends))
        name, base = fresh_name(), await self.done()

        async def done() -> int:
            return await self.done() - base

        async with self.rig.database(name), make(name) as program:
            return (await watch(program, done, Span(self.sizes.sends, 100, self.sizes.seconds))).per_second


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig, graph = bench.rig, Graph(bench.rig, latency_ms=_LATENCY_MS)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    async with graph.program, aiohttp.ClientSession() as http:
        stand = _Stand(rig, bench.sizes, graph, http)
        ours = {name: partial(_ours, bench, graph, interpreter) for name, interpreter in bench.ours("sender").items()}
        many, batch = (partial(with_httpx, rig, workers=workers, graph=graph.url) for workers in (64, BATCH))
        await stand.run(ours["sender"], {"1000/s": PACES["1000/s"]})  # warms up the broker's JVM
        all_paces = PACES | {HIGHEST: await stand.highest(many, bench.say)}
        yield {
            **{name: partial(stand.run, make, all_paces, name) for name, make in ours.items()},
            _MANY: partial(stand.run, many, all_paces, _MANY),
            _BATCH: partial(stand.run, batch, {"100/s": PACES["100/s"]}, _BATCH),
            _BARE: partial(stand.bare, "1000/s"),
        }


def _ours(bench: Bench, graph: Graph, interpreter: str, name: str) -> Program:
    return sender(bench.rig, graph.url, name, group=name, interpreter=interpreter)


PART: Final = Part(
    "sender-paced",
    "sends at 20, 100 and 1,000/s, and at the highest pace of the usual stack",
    7.5,
    3,
    _GOALS,
    in_rounds("sender paced", _sides),
)
