"""The comparisons: the sides of each part, as processes on a rig."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp

from common.contracts import topics
from yardstick.load.webhooks import webhook_records
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program, python
from yardstick.rig.rig import Rig, free_port, fresh_name
from yardstick.rounds import Side
from yardstick.services import ingress as endpoints
from yardstick.services.conversation import conversation
from yardstick.services.ingress import Endpoint, load
from yardstick.services.nest import Nest
from yardstick.services.sender import Graph, account_records, send_records, sender

NEST: Final = "NestJS + BullMQ"
_CUSTOMERS: Final = 4_000
_OUT: Final = topics.Topic("bench-out", "k", "bench", "What baselines publish.")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes: seconds of a run, messages in a backlog."""

    seconds: float
    messages: int
    sends: int

    @classmethod
    def full(cls) -> "Sizes":
        """The sizes for a report."""
        return cls(seconds=6.0, messages=60_000, sends=10_000)

    @classmethod
    def quick(cls) -> "Sizes":
        """The sizes for a first impression."""
        return cls(seconds=4.0, messages=30_000, sends=6_000)


@asynccontextmanager
async def webhook_sides(rig: Rig, sizes: Sizes, nest: Nest | None = None) -> AsyncIterator[dict[str, Side]]:
    """Endpoints that take webhooks, each saturated by 64 connections."""
    await rig.fresh_topics(*topics.ALL)

    async def run(make: Callable[[Rig], Endpoint]) -> Measurement:
        endpoint = make(rig)
        async with endpoint.program as program:
            await load(endpoint.port, seconds=sizes.seconds / 3)
            before = program.used()
            said = await load(endpoint.port, seconds=sizes.seconds)
            after = program.used()
        cpu = after.cpu_seconds - before.cpu_seconds
        return Measurement(said["perSecond"], cpu / said["sent"] * 1e6, after.memory_bytes, (said["p50"], said["p99"]))

    makers = {"ingress": endpoints.ingress, "bare ASGI": endpoints.bare_asgi, "pywa on FastAPI": endpoints.pywa}
    if nest is not None:
        makers[NEST] = nest.ingress
    await run(endpoints.bare_asgi)  # warms up the broker's JVM
    if nest is not None:
        await nest.clear()
    yield {name: partial(run, make) for name, make in makers.items()}


@asynccontextmanager
async def conversation_sides(rig: Rig, sizes: Sizes) -> AsyncIterator[dict[str, Side]]:
    """A full topic of messages, processed by each side. The first run makes the documents of the lower bound."""
    await rig.fresh_topics(*topics.ALL, _OUT)
    await rig.fill(account_records())
    await rig.fill(webhook_records(sizes.messages, customers=_CUSTOMERS))

    async def run(make: Callable[[str], Program], name: str, *, total: int = sizes.messages) -> Measurement:
        async with rig.database(name) as database, make(name) as program:

            async def progress() -> int:
                return int(await database["messages"].estimated_document_count())

            return await watch(program, progress, Span(total, min(total // 10, 500), sizes.seconds * 2))

    async def ours() -> Measurement:
        return await run(lambda name: conversation(rig, name, group=name), fresh_name())

    async def usual(workers: int) -> Measurement:
        return await run(lambda name: _faststream(rig, "motor", name, workers, topics.WEBHOOKS.name), fresh_name())

    async with rig.database("bench_source") as source:
        async with conversation(rig, "bench_source", group=fresh_name()) as program:

            async def written() -> int:
                return int(await source["messages"].estimated_document_count())

            await watch(program, written, Span(sizes.messages, 0, 120.0))

        async def floor() -> Measurement:
            return await run(lambda name: _bare_transaction(rig, name), fresh_name())

        yield {
            "conversation": ours,
            "FastStream + motor, 1": partial(usual, 1),
            "FastStream + motor, 64": partial(usual, 64),
            "bare transaction": floor,
        }


@asynccontextmanager
async def sender_sides(rig: Rig, sizes: Sizes, nest: Nest | None = None) -> AsyncIterator[dict[str, Side]]:
    """A full topic of send requests, processed by each side. The fake Meta answers at once."""
    await rig.fresh_topics(*topics.ALL, _OUT)
    await rig.fill(account_records())
    await rig.fill(send_records(sizes.sends))
    graph = Graph(rig)
    async with graph.program, aiohttp.ClientSession() as http:

        async def run(make: Callable[[str], Program], name: str) -> Measurement:
            began = (await graph.stats(http))["count"]
            async with rig.database(name), make(name) as program:

                async def progress() -> int:
                    return int((await graph.stats(http))["count"] - began)

                return await watch(program, progress, Span(sizes.sends, min(sizes.sends // 10, 500), sizes.seconds * 2))

        async def ours() -> Measurement:
            return await run(lambda name: sender(rig, graph.url, name, name), fresh_name())

        for _ in range(2):  # warms up the broker's JVM for these transactions
            await ours()

        async def usual(workers: int) -> Measurement:
            make = partial(_faststream, rig, "httpx", workers=workers, topic=topics.SEND.name, graph=graph.url)
            return await run(make, fresh_name())

        async def nestjs() -> Measurement:
            assert nest is not None  # noqa: S101  # this side exists only with nest
            await nest.fill(sizes.sends)
            return await run(lambda _: nest.sender(graph.url), fresh_name())

        yield {
            "sender": ours,
            "FastStream + httpx, 1": partial(usual, 1),
            "FastStream + httpx, 64": partial(usual, 64),
            **({NEST: nestjs} if nest is not None else {}),
        }


def _faststream(rig: Rig, kind: str, name: str, workers: int, topic: str, graph: str = "") -> Program:
    environment = {
        **rig.settings(MONGODB_DATABASE=name, GROUP=name, TOPIC=topic, WORKERS=str(workers), OUT_TOPIC=_OUT.name),
        "GRAPH_BASE_URL": graph,
    }
    return Program(f"faststream_{kind}", python(f"baselines.faststream_{kind}"), environment, rig.cores.service)


def _bare_transaction(rig: Rig, name: str) -> Program:
    command = python("baselines.bare_transaction")
    return rig.service("bare_transaction", command, free_port(), "/", MONGODB_DATABASE=name, SOURCE="bench_source")
