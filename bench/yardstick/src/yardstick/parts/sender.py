"""The sender at full load, beside FastStream with httpx."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiohttp

from common.contracts import topics
from yardstick.parts.ingress import NEST
from yardstick.parts.part import BEFORE, Bench, Part, in_rounds
from yardstick.report.goals import Goal, Ratio, rate
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import fresh_name
from yardstick.rounds import Side
from yardstick.services.nest import Nest
from yardstick.services.sender import Graph, account_records, send_records, sender
from yardstick.services.usual import BATCH, OUT, with_httpx

USUAL: Final = "FastStream + httpx"

_GOALS: Final = (
    Goal(
        "sender_usual",
        "sender msgs/s with journal ÷ FastStream per message + httpx (1 worker)",
        5,
        8,
        Ratio("sender", f"{USUAL}, 1", rate),
    ),
    Goal(
        "sender_64",
        "sender msgs/s ÷ the same with 64 workers, which may lose messages",
        3,
        6,
        Ratio("sender", f"{USUAL}, 64", rate),
    ),
    Goal(
        "sender_batch",
        "sender msgs/s ÷ the same with batch=True",
        3,
        6,
        Ratio("sender", f"{USUAL}, {BATCH}", rate),
    ),
    Goal("sender_before", "sender msgs/s ÷ the commit before", 0.97, 1.15, Ratio("sender", "sender" + BEFORE, rate)),
)


@asynccontextmanager
async def _sides(bench: Bench) -> AsyncIterator[dict[str, Side]]:
    """A full topic of send requests, processed by each side. The fake Meta answers at once."""
    rig, sizes, graph = bench.rig, bench.sizes, Graph(bench.rig)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    await rig.fill(send_records(sizes.sends))
    async with graph.program, aiohttp.ClientSession() as http:

        async def run(make: Callable[[str], Program]) -> Measurement:
            name, began = fresh_name(), (await graph.stats(http))["count"]
            async with rig.database(name), make(name) as program:

                async def progress() -> int:
                    return int((await graph.stats(http))["count"] - began)

                span = Span(sizes.sends, min(sizes.sends // 10, 500), sizes.seconds * 1.5)
                return await watch(program, progress, span, rig.pids)

        async def with_nest(nest: Nest) -> Measurement:
            await nest.fill(sizes.sends)
            return await run(lambda _: nest.sender(graph.url))

        makers: dict[str, Callable[[str], Program]] = {
            **{name: partial(_ours, bench, graph, interpreter) for name, interpreter in bench.ours("sender").items()},
            **{
                f"{USUAL}, {workers}": partial(with_httpx, rig, workers=workers, graph=graph.url)
                for workers in (1, 64, BATCH)
            },
        }
        for _ in range(2):  # warms up the broker's JVM for these transactions
            await run(makers["sender"])
        beside = {NEST: partial(with_nest, bench.nest)} if bench.nest is not None else {}
        yield {**{name: partial(run, make) for name, make in makers.items()}, **beside}


def _ours(bench: Bench, graph: Graph, interpreter: str, name: str) -> Program:
    return sender(bench.rig, graph.url, name, group=name, interpreter=interpreter)


PART: Final = Part("sender", "sends from a full topic", 3.5, 1, _GOALS, in_rounds("sender", _sides))
