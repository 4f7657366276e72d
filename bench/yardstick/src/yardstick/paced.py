"""Services at a given rate: the cost of a message at a low and at a high rate."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiohttp
from aiokafka import AIOKafkaProducer

from common.contracts import topics
from common.kafka.records import Outgoing
from yardstick.load.webhooks import webhook_records
from yardstick.rig.measurements import Measurement
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, fresh_name
from yardstick.rounds import Side
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress, load
from yardstick.services.sender import Graph, account_records, send_record, sender

_WARM_SECONDS: Final = 2.0
_TICK_SECONDS: Final = 0.005
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 60.0
_NEARLY: Final = 0.9
_CUSTOMERS: Final = 4_000


class Pace:
    """Writes record number i at i/rate seconds, until the end."""

    def __init__(self, rig: Rig, make: Callable[[int], Outgoing], rate: float) -> None:
        self._kafka = rig.kafka
        self._make = make
        self._rate = rate
        self._began = time.monotonic()
        self._over = asyncio.Event()
        self.number = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write during the block."""
        writing = asyncio.create_task(self._write(), name="pace")
        try:
            yield
        finally:
            self._over.set()
            await writing

    async def _write(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka, enable_idempotence=True)
        async with producer:
            self._began = time.monotonic()
            while not self._over.is_set():
                while self.number < (time.monotonic() - self._began) * self._rate:
                    record = self._make(self.number)
                    headers = list(record.headers)
                    await producer.send(record.topic, record.value, key=record.key.encode(), headers=headers)
                    self.number += 1
                await asyncio.sleep(_TICK_SECONDS)
            await producer.flush()


async def at_rate(program: Program, progress: Callable[[], Awaitable[int]], pace: Pace, seconds: float) -> Measurement:
    """What `program` uses in `seconds`, after it has warmed up and processed the records from its start.

    At the end no records are left. Raises `TimeoutError` when it cannot keep up.
    """
    base = await progress()
    async with pace.running():
        await asyncio.sleep(_WARM_SECONDS)
        await _caught_up(progress, base, lambda: int(pace.number * _NEARLY))
        before, first, began = program.used(), await progress(), time.monotonic()
        await asyncio.sleep(seconds)
        after, last, ended = program.used(), await progress(), time.monotonic()
    await _caught_up(progress, base, lambda: pace.number)
    done = max(1, last - first)
    cpu = after.cpu_seconds - before.cpu_seconds
    return Measurement(done / (ended - began), cpu / done * 1e6, after.memory_bytes)


async def _caught_up(progress: Callable[[], Awaitable[int]], base: int, wanted: Callable[[], int]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await progress() - base < wanted():
            await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def paced_sides(rig: Rig, seconds: float, slow: float, fast: float) -> AsyncIterator[dict[str, Side]]:
    """Each service at `slow` and at `fast` messages a second; the sender's also under the name `share`."""
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())
    graph = Graph(rig, latency_ms=150)
    async with graph.program, aiohttp.ClientSession() as http:

        async def sends(rate: float) -> Measurement:
            name, base = fresh_name(), int(uuid.uuid4().int % 10**9) * 10**6

            async def progress() -> int:
                return int((await graph.stats(http))["count"])

            work = Pace(rig, lambda n: send_record(base + n), rate)
            async with rig.database(name), sender(rig, graph.url, name, group="paced") as program:
                return await at_rate(program, progress, work, seconds)

        async def messages(rate: float) -> Measurement:
            name, base = fresh_name(), int(uuid.uuid4().int % 10**6) * 10**6
            await rig.fresh_topics(topics.WEBHOOKS, topics.SEND_RESULTS)  # without the records of earlier measurements

            def record(number: int) -> Outgoing:
                return next(webhook_records(1, customers=_CUSTOMERS, first=base + number))

            work = Pace(rig, record, rate)
            async with rig.database(name) as database, conversation(rig, name, group=name) as program:

                async def progress() -> int:
                    return int(await database["messages"].estimated_document_count())

                return await at_rate(program, progress, work, seconds)

        async def webhooks(rate: float) -> Measurement:
            endpoint = ingress(rig)
            async with endpoint.program as program:
                await load(endpoint.port, seconds=_WARM_SECONDS, rate=rate)
                before = program.used()
                said = await load(endpoint.port, seconds=seconds, rate=rate)
                after = program.used()
            cpu = after.cpu_seconds - before.cpu_seconds
            return Measurement(said["perSecond"], cpu / said["sent"] * 1e6, after.memory_bytes)

        kinds = {"ingress": webhooks, "conversation": messages, "sender": sends}
        yield {f"{kind} at {rate:g}/s": partial(run, rate) for kind, run in kinds.items() for rate in (slow, fast)}
