"""Chains of services: messages enter at a given rate; measured is how late they come out.

Open loop: message n is due at n/rate, whatever became of those before. Its text names that instant (`t=<ns of the
monotonic clock>`) and its lateness counts from then, also when it had to wait to be sent.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from common.contracts import topics
from yardstick.load.graph import Tally
from yardstick.rig.machine import used
from yardstick.rig.program import ProgramError
from yardstick.rig.rig import PARTITIONS, Rig, fresh_name
from yardstick.services.conversation import conversation
from yardstick.services.ingress import ingress, load
from yardstick.services.sender import Graph, account_records, send_record, sender

GRACE_SECONDS: Final = 1.0
_GRAPH_MS: Final = 150.0
_CUSTOMERS: Final = 4_000
_WARM: Final = (100.0, 3.0)
_LEADS: Final = (1, 2, 4)
_LEAD_SECONDS: Final = 2.0
_LEAD_EACH_SECONDS: Final = 0.000_15  # to make a request and to sign it takes a third of it
_LOOK_SECONDS: Final = 0.3
_SETTLE_SECONDS: Final = 0.1
_DRAIN_SECONDS: Final = 3.0

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """Messages from number `first` on, for `seconds`; the first is due at `begin`, in s of the monotonic clock."""

    first: int
    rate: float
    seconds: float
    begin: float

    @property
    def count(self) -> int:
        """The number of messages."""
        return int(self.rate * self.seconds)

    def due(self, number: int) -> float:
        """When the `number`-th of them is due, counted from 0."""
        return self.begin + number / self.rate


@dataclass(frozen=True, slots=True)
class Run:
    """The result of an offered load: `per_second` came out, and each process used a share of a core (`shares`).

    `late_ms` is without what came in the first tenth; `missing` had not come `GRACE_SECONDS` after the end. `answers`
    is what the HTTP load says, where there is one.
    """

    offer: Offer
    per_second: float
    late_ms: Sequence[float]
    missing: int
    shares: dict[str, float]
    answers: Told


@dataclass(slots=True)
class Chain:
    """Running services: `give` sends to the first of them; `take` returns the output of the last.

    That is as Meta's stand-in tells it: `count` since the start, and `lateMs` of what came since it was last asked.
    """

    give: Callable[[Offer], Awaitable[Told]]
    take: Callable[[], Awaitable[Told]]
    offered: int = 0

    async def run(self, rate: float, seconds: float) -> Run:
        """Offer this load, and wait until all of it has arrived, or no more of it arrives.

        The load generator needs some time before the first request is due. If that was too short, it gets more.
        """
        for times in _LEADS[:-1]:
            with suppress(ProgramError):
                return await self._run(self._offer(rate, seconds, times))
        return await self._run(self._offer(rate, seconds, _LEADS[-1]))

    def _offer(self, rate: float, seconds: float, times: int) -> Offer:
        lead = times * (_LEAD_SECONDS + rate * seconds * _LEAD_EACH_SECONDS)
        return Offer(self.offered, rate, seconds, time.monotonic() + lead)

    async def _run(self, offer: Offer) -> Run:
        self.offered += offer.count
        total = (await self.take())["count"] + offer.count
        giving = asyncio.ensure_future(self.give(offer))
        try:
            found = await self._watch(offer, giving, total)
        finally:
            giving.cancel()
        await self._drain(total)
        return found

    async def _watch(self, offer: Offer, giving: asyncio.Future[Told], total: int) -> Run:
        """Take readings before and after the load, and one early in it, because a reading itself costs CPU."""
        await _until(offer.begin - _LOOK_SECONDS)
        pids = processes()
        began = await _until(offer.begin + offer.seconds / 10 + _SETTLE_SECONDS)
        if giving.done():
            await giving  # it was not ready, and raises the error
        cpu, first = _cpu(pids), await self.take()
        ended = await _until(offer.begin + offer.seconds + _SETTLE_SECONDS)
        shares = {name: max(0.0, used - cpu[name]) / (ended - began) for name, used in _cpu(pids).items()}
        last = await self.take()
        await _until(offer.begin + offer.seconds + GRACE_SECONDS)
        rest = await self.take()
        return Run(
            offer,
            per_second=(last["count"] - first["count"]) / (ended - began),
            late_ms=[*last["lateMs"], *rest["lateMs"]],
            missing=max(0, total - rest["count"]),
            shares=shares,
            answers=await giving,
        )

    async def _drain(self, total: int) -> None:
        last = -1
        while last < (came := (await self.take())["count"]) < total:
            last = came
            await asyncio.sleep(_DRAIN_SECONDS)


async def _until(instant: float) -> float:
    await asyncio.sleep(instant - time.monotonic())
    return time.monotonic()


def processes() -> dict[str, list[int]]:
    """The pids of what this process has started and of itself, by the part that each plays."""
    found: dict[str, list[int]] = {"load": [psutil.Process().pid]}
    for process in psutil.Process().children(recursive=True):
        if (part := part_of(process.name(), process.cmdline())) is not None:
            found.setdefault(part, []).append(process.pid)
    return found


def part_of(name: str, command: Sequence[str]) -> str | None:
    """The role of a process in a chain, from its executable and arguments; measuring processes are `load`."""
    if name == "mongod" or (name == "java" and "kafka.Kafka" in command):
        return {"java": "kafka"}.get(name, name)
    if len(command) > 2 and command[1] == "-m":
        return "load" if command[2].startswith("yardstick.") else command[2]
    return None


def _cpu(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """CPU seconds of each part; one that has just ended is not counted."""
    return {part: sum(used(pid).cpu_seconds for pid in them if psutil.pid_exists(pid)) for part, them in pids.items()}


@asynccontextmanager
async def webhooks(rig: Rig) -> AsyncIterator[Chain]:
    """Webhooks over HTTP to ingress; out of conversation come the events that an AI reads."""
    name, endpoint, tally = fresh_name(), ingress(rig), Tally()
    await _fresh(rig)

    async def give(offer: Offer) -> Told:
        return await load(
            endpoint.port,
            rate=offer.rate,
            seconds=offer.seconds,
            first=offer.first,
            timed=offer.begin,
            customers=_CUSTOMERS,
        )

    async def take() -> Told:
        told: Told = json.loads(tally.take())
        return told

    async with rig.database(name), endpoint.program, conversation(rig, name, name), asyncio.TaskGroup() as group:
        reading = [group.create_task(_read(rig, partition, tally)) for partition in range(PARTITIONS)]
        yield await _warm(Chain(give, take))
        for reader in reading:
            reader.cancel()


async def _read(rig: Rig, partition: int, tally: Tally) -> None:
    """Note the events of one partition.

    A reader of several would make them wait: it asks again for one it has just taken from only when its question
    about the others is answered.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=rig.kafka, isolation_level="read_committed", enable_auto_commit=False)
    consumer.assign([TopicPartition(topics.INCOMING_MESSAGES.name, partition)])
    async with consumer:
        await consumer.seek_to_end()
        while True:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    tally.note(record.value)


@asynccontextmanager
async def sends(rig: Rig) -> AsyncIterator[Chain]:
    """Send requests in Kafka; out of the sender come calls to Meta's stand-in, which answers after 150 ms."""
    name, graph = fresh_name(), Graph(rig, latency_ms=_GRAPH_MS)
    producer = AIOKafkaProducer(bootstrap_servers=rig.kafka, enable_idempotence=True)
    await _fresh(rig)

    async def give(offer: Offer) -> Told:
        for number in range(offer.count):
            due = offer.due(number)
            if due > time.monotonic():
                await _until(due)
            record = send_record(offer.first + number, at_ns=int(due * 1e9))
            await producer.send(record.topic, record.value, key=record.key.encode())
        await producer.flush()
        return {}

    async with (
        rig.database(name),
        graph.program,
        aiohttp.ClientSession() as http,
        producer,
        sender(rig, graph.url, name, name),
    ):
        yield await _warm(Chain(give, lambda: graph.stats(http)))


async def _fresh(rig: Rig) -> None:
    await rig.fresh_topics(*topics.ALL)
    await rig.fill(account_records())


async def _warm(chain: Chain) -> Chain:
    """Warm up, because first messages meet cold caches, unknown credentials and an unoptimised JVM."""
    await chain.run(*_WARM)
    return chain
