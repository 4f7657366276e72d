"""The sender at a given pace, beside the usual stack at the same pace, and beside its own bare steps.

Meta's stand-in answers after 150 ms. So one worker of FastStream would make six calls a second: the usual stack has 64,
and at 1,000/s it has 256.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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
from yardstick.rig.rig import fresh_name
from yardstick.rounds import Side
from yardstick.services.sender import Graph, account_records, send_record, send_records, sender
from yardstick.services.usual import BATCH, OUT, bare_send, with_httpx

_LATENCY_MS: Final = 150.0
_MANY: Final = f"{USUAL}, 64"
_MORE: Final = f"{USUAL}, 256"
_BATCH: Final = f"{USUAL}, {BATCH}"
_BARE: Final = "bare call and two bulk writes"
_WARM_SECONDS: Final = 2.0


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


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    rig, seconds, graph = bench.rig, bench.sizes.seconds, Graph(bench.rig, latency_ms=_LATENCY_MS)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    async with graph.program, aiohttp.ClientSession() as http:

        async def progress() -> int:
            return int((await graph.stats(http))["count"])

        async def run(make: Callable[[str], Program], paces: Mapping[str, float]) -> dict[str, Measurement]:
            await rig.fresh_topics(topics.SEND)  # without the records of earlier runs
            name = fresh_name()
            async with rig.database(name), make(name) as program:
                return await at_paces(rig, program, progress, send_record, paces, seconds)

        async def named(
            side: str, make: Callable[[str], Program], paces: Mapping[str, float]
        ) -> dict[str, Measurement]:
            return {f"{side} at {pace}": found for pace, found in (await run(make, paces)).items()}

        async def bare(pace: str) -> dict[str, Measurement]:
            name = fresh_name()
            async with rig.database(name), bare_send(rig, name, graph.url, PACES[pace]) as program:
                await asyncio.sleep(_WARM_SECONDS)
                first, before = await progress(), usage(program, rig.pids)
                await asyncio.sleep(seconds_at(PACES[pace], seconds))
                found = between(before, usage(program, rig.pids), await progress() - first)
            return {f"{_BARE} at {pace}": found}

        usual = {n: partial(with_httpx, rig, workers=n, graph=graph.url) for n in (64, 256, BATCH)}

        async def full() -> float:
            """The rate of the usual stack with a full topic."""
            await rig.fresh_topics(topics.SEND)
            await rig.fill(send_records(bench.sizes.sends))
            name, base = fresh_name(), await progress()

            async def done() -> int:
                return await progress() - base

            async with rig.database(name), usual[64](name) as program:
                return (await watch(program, done, Span(bench.sizes.sends, 100, seconds))).per_second

        async def at(rate: float) -> Measurement:
            return (await run(usual[64], {"": rate}))[""]

        makers = {name: partial(_ours, bench, graph, interpreter) for name, interpreter in bench.ours("sender").items()}
        await run(makers["sender"], {"1000/s": PACES["1000/s"]})  # warms up the broker's JVM
        highest = {HIGHEST: await highest_held(at, await full(), bench.say)}
        slow = {name: PACES[name] for name in ("20/s", "100/s")}
        yield {
            **{name: partial(named, name, make, PACES | highest) for name, make in makers.items()},
            _MANY: partial(named, _MANY, usual[64], slow | highest),
            _BATCH: partial(named, _BATCH, usual[BATCH], {"100/s": PACES["100/s"]}),
            _MORE: partial(named, _MORE, usual[256], {"1000/s": PACES["1000/s"]}),
            _BARE: partial(bare, "1000/s"),
        }


def _ours(bench: Bench, graph: Graph, interpreter: str, name: str) -> Program:
    return sender(bench.rig, graph.url, name, group=name, interpreter=interpreter)


PART: Final = Part(
    "sender-paced",
    "sends at 20, 100 and 1,000/s, and at the highest pace of the usual stack",
    9,
    3,
    _GOALS,
    in_rounds("sender paced", _sides),
)
