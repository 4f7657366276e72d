"""Measures the memory for a backlog: records wait in Kafka before the service starts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from common.contracts import topics
from sender.waiting.parked_store import COLLECTION
from yardstick.growth import steps
from yardstick.growth.drain import Group, group_of, mongod_of, noting
from yardstick.growth.steps import MIB, Reading, Step, cost_beside
from yardstick.load.webhooks import webhook_records
from yardstick.rig.measurements import Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import PARTITIONS, Rig, fresh_name
from yardstick.services.conversation import conversation
from yardstick.services.sender import Graph, account_records, send_records, sender

_LATENCY_MS: Final = 500.0
_IN_FLIGHT: Final = 64
_IN_MEMORY: Final = 2_000
_CUSTOMERS: Final = 20_000
_SAMPLE_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A service at one moment: seconds of any clock, records done with, CPU seconds and resident bytes."""

    at: float
    done: int
    cpu_seconds: float
    memory_bytes: int


async def sends(rig: Rig, sizes: Sequence[int], seconds: float) -> list[Step]:
    """Send requests of 24 chatbots with a slow fake Meta, so that nearly all have to be parked."""
    return [await _sends(rig, size, seconds) for size in sizes]


async def webhooks(rig: Rig, sizes: Sequence[int], seconds: float) -> list[Step]:
    """Messages of 20,000 customers, processed by conversation for `seconds`, or until there are none."""
    return [await _webhooks(rig, size, seconds) for size in sizes]


async def messages(rig: Rig, sizes: Sequence[int]) -> list[Step]:
    """Messages in MongoDB: the cost of the last tenth of so many, while a backlog is processed."""
    name = fresh_name()
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(webhook_records(max(sizes), customers=_CUSTOMERS))
    async with (
        rig.database(name) as database,
        group_of(rig, name, topics.WEBHOOKS) as group,
        conversation(rig, name, name) as program,
    ):
        mongod = await mongod_of(database)
        return [await _last_tenth(program, group, size, mongod) for size in sorted(sizes)]


async def _last_tenth(program: Program, group: Group, size: int, mongod: int | None) -> Step:
    readings: list[Reading] = []
    span = Span(size, size * 9 // 10, _PATIENCE_SECONDS)
    measurement = await watch(program, noting(group.committed, mongod, readings), span)
    return steps.step_of(size, [measurement], mongod_us=cost_beside(readings, span))


async def _sends(rig: Rig, size: int, seconds: float) -> Step:
    name, graph = fresh_name(), Graph(rig, latency_ms=_LATENCY_MS)
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(send_records(size))
    service = sender(
        rig,
        graph.url,
        name,
        name,
        SENDER_MAX_IN_FLIGHT=str(_IN_FLIGHT),
        SENDER_SESSION_RECORDS=str(_IN_MEMORY),
    )
    async with (
        rig.database(name) as database,
        group_of(rig, name, topics.SEND) as group,
        graph.program,
        aiohttp.ClientSession() as http,
        service as program,
    ):

        async def taken() -> int:
            """The sends that are parked or sent, because Kafka does not know what was read. The rest is in memory."""
            parked = await database[COLLECTION].estimated_document_count()
            return int(parked + (await graph.stats(http))["count"])

        samples = await sampled(program, taken, max(0, size - PARTITIONS * _IN_MEMORY), seconds)
        committed = await group.committed()
    return step_of(size, samples, committed=committed)


async def _webhooks(rig: Rig, size: int, seconds: float) -> Step:
    name = fresh_name()
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    await rig.fill(webhook_records(size, customers=_CUSTOMERS))
    async with (
        rig.database(name),
        group_of(rig, name, topics.WEBHOOKS) as group,
        conversation(rig, name, name) as program,
    ):
        samples = await sampled(program, group.committed, size, seconds)
    return step_of(size, samples)


async def sampled(program: Program, progress: Callable[[], Awaitable[int]], total: int, seconds: float) -> list[Sample]:
    """The program each second, until `total` are done or `seconds` have passed; at least twice."""
    began, samples = time.monotonic(), list[Sample]()
    while len(samples) < 2 or (samples[-1].done < total and samples[-1].at - began < seconds):
        if samples:
            await asyncio.sleep(_SAMPLE_SECONDS)
        done, used = await progress(), program.used()
        samples.append(Sample(time.monotonic(), done, used.cpu_seconds, used.memory_bytes))
    return samples


def step_of(size: int, samples: Sequence[Sample], **extra: float) -> Step:
    """The rate and the cost from the first sample to the last; the memory at its highest, and `first_mib` at first."""
    first, last = samples[0], samples[-1]
    done = max(1, last.done - first.done)
    return Step(
        size,
        per_second=done / (last.at - first.at),
        cpu_us=(last.cpu_seconds - first.cpu_seconds) / done * 1e6,
        memory_mib=max(sample.memory_bytes for sample in samples) / MIB,
        extra={"first_mib": first.memory_bytes / MIB, "done": last.done, "seconds": last.at - first.at, **extra},
    )
