"""Services that pause while their topic is filled, then process it and are measured."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psutil
from aiokafka.admin import AIOKafkaAdminClient

from common.contracts.topics import Topic
from common.kafka.records import Outgoing
from yardstick.growth.steps import Reading, cost_beside
from yardstick.rig.machine import used
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig

_REST_SECONDS: Final = 1.0
_REST_SHARE: Final = 0.1
_PATIENCE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group on a topic, as Kafka sees it."""

    admin: Any
    name: str
    topic: Topic

    async def committed(self) -> int:
        """How many records of the topic it has finished. Offsets count records, because none is transactional."""
        offsets = await self.admin.list_consumer_group_offsets(self.name)
        return sum(max(0, at.offset) for tp, at in offsets.items() if tp.topic == self.topic.name)

    async def complete(self, members: int) -> None:
        """Wait until so many members share its partitions."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await self._shape() != ("Stable", members):
                await asyncio.sleep(0.2)

    async def _shape(self) -> tuple[str, int]:
        (answer,) = await self.admin.describe_consumer_groups([self.name])
        state, joined = answer.groups[0][2], answer.groups[0][5]
        return state, len(joined)


@asynccontextmanager
async def group_of(rig: Rig, name: str, topic: Topic) -> AsyncIterator[Group]:
    """The group, for as long as the block runs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.kafka)
    await admin.start()
    try:
        yield Group(admin, name, topic)
    finally:
        await admin.close()


async def rest(programs: Sequence[Program]) -> None:
    """Wait until they are idle: for a second each uses less than a tenth of a core."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            before = [program.used().cpu_seconds for program in programs]
            await asyncio.sleep(_REST_SECONDS)
            if all(
                program.used().cpu_seconds - was < _REST_SHARE * _REST_SECONDS
                for program, was in zip(programs, before, strict=True)
            ):
                return


async def drain(
    rig: Rig, group: Group, programs: Sequence[Program], records: Sequence[Outgoing], mongod: int | None
) -> tuple[Sequence[Measurement], float]:
    """Each program's measurements, per message of all; and what a message costs `mongod` (its pid), in CPU µs.

    Raises `TimeoutError` when not all of it was done within minutes.
    """
    await group.complete(len(programs))
    await rest(programs)
    before = await group.committed()
    with _held(programs):
        await rig.fill(records)
    span = Span(before + len(records), before, _PATIENCE_SECONDS)
    readings: list[Reading] = []
    progress = noting(group.committed, mongod, readings)
    measurements = await asyncio.gather(*(watch(program, progress, span) for program in programs))
    if await group.committed() < span.total:
        raise TimeoutError(f"{programs[0].name} has not processed {len(records)} records in {span.seconds:.0f} s")
    return measurements, cost_beside(readings, span)


def noting(
    progress: Callable[[], Awaitable[int]], pid: int | None, readings: list[Reading]
) -> Callable[[], Awaitable[int]]:
    """`progress`, which also records the CPU of another process."""

    async def noted() -> int:
        done = await progress()
        if pid is not None:
            readings.append(Reading(done, used(pid).cpu_seconds))
        return done

    return noted


async def mongod_of(database: Any) -> int | None:
    """The pid of mongod; None when it runs elsewhere and cannot be measured."""
    pid = int((await database.client.admin.command("serverStatus"))["pid"])
    return pid if psutil.pid_exists(pid) and psutil.Process(pid).name() == "mongod" else None


@contextmanager
def _held(programs: Sequence[Program]) -> Iterator[None]:
    """Stop the processes (SIGSTOP) during the block, so that all start at once with a full topic."""
    for program in programs:
        os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for program in programs:
            os.kill(program.pid, signal.SIGCONT)
