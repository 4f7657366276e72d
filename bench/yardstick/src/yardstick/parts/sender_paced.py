"""The sender at a given pace, beside the usual stack at the same pace, and beside its own bare steps.

Meta's stand-in answers after 150 ms. So one worker of FastStream would make six calls a second: the usual stack has 64.
With more of them httpx makes fewer calls, because its pool looks at every connection for each: with 256, 190 a second.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiohttp

from common.contracts import topics
from yardstick.paced import HIGHEST, PACES, Progress, seconds_at
from yardstick.paced_stand import Stand
from yardstick.parts.part import Bench, Part, in_rounds
from yardstick.parts.sender import USUAL
from yardstick.report.goals import Ratio, at_most, cpu
from yardstick.rig.measurements import Measurement, between, usage
from yardstick.rig.program import Program
from yardstick.rig.rig import fresh_name
from yardstick.rounds import Side
from yardstick.services.sender import Graph, account_records, send_record, send_records, sender
from yardstick.services.usual import BATCH, OUT, bare_send, with_httpx

_LATENCY_MS: Final = 150.0
_MANY: Final = f"{USUAL}, 64"
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
    rig, graph = bench.rig, Graph(bench.rig, latency_ms=_LATENCY_MS)
    await rig.fresh_topics(*topics.ALL, OUT)
    await rig.fill(account_records())
    async with graph.program, aiohttp.ClientSession() as http:

        async def called() -> int:
            return int((await graph.stats(http))["count"])

        stand = Stand(rig, bench.sizes.seconds, (topics.SEND,), send_record, send_records, lambda _: called)
        ours = {name: partial(_ours, bench, graph, interpreter) for name, interpreter in bench.ours("sender").items()}
        many, batch = (partial(with_httpx, rig, workers=workers, graph=graph.url) for workers in (64, BATCH))
        await stand.run(ours["sender"], {"1000/s": PACES["1000/s"]})  # warms up the broker's JVM
        all_paces = PACES | {HIGHEST: await stand.highest(many, bench.sizes.sends, bench.say)}
        yield {
            **{name: partial(stand.run, make, all_paces, name) for name, make in ours.items()},
            _MANY: partial(stand.run, many, all_paces, _MANY),
            _BATCH: partial(stand.run, batch, {"100/s": PACES["100/s"]}, _BATCH),
            _BARE: partial(_bare, bench, graph, called, "1000/s"),
        }


async def _bare(bench: Bench, graph: Graph, called: Progress, pace: str) -> dict[str, Measurement]:
    """The bare steps, which have a pace of their own instead of records."""
    rig, name, rate = bench.rig, fresh_name(), PACES[pace]
    async with rig.database(name), bare_send(rig, name, graph.url, rate) as program:
        await asyncio.sleep(_WARM_SECONDS)
        first, before = await called(), usage(program, rig.pids)
        await asyncio.sleep(seconds_at(rate, bench.sizes.seconds))
        found = between(before, usage(program, rig.pids), await called() - first)
    return {f"{_BARE} at {pace}": found}


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
