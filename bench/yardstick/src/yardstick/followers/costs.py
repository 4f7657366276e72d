"""What a follower costs: at full load, at a given rate, and with nothing to read; each kind on the service's core."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from common.contracts.topics import Topic
from common.kafka.records import Outgoing
from yardstick.followers.work import KINDS
from yardstick.paced import Pace, at_rate
from yardstick.rig.measurements import Measurement, Span, paired, watch
from yardstick.rig.program import Program, python
from yardstick.rig.rig import PARTITIONS, Rig, Say, fresh_name
from yardstick.rounds import Rounds, interleaved

_BACKLOG: Final = Topic("bench-followed", "k", "bench", "")
_PACED: Final = Topic("bench-followed-paced", "k", "bench", "")
_RATE: Final = 1_000.0
_SETTLE_SECONDS: Final = 3.0
_HEADERS: Final = (
    ("content-type", b"application/json"),
    ("correlation-id", b"0192f3c1-5a0e-7c3b-9b1e-3f6a1c2d4e5f"),
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
)


@dataclass(frozen=True, slots=True)
class Load:
    """How many records the backlog has, and for how many seconds the other two are measured."""

    records: int
    seconds: float

    @classmethod
    def of(cls, *, quick: bool) -> "Load":
        """For a look, or for a decision."""
        return cls(100_000, 8.0) if quick else cls(300_000, 15.0)


def record(number: int, topic: str = _BACKLOG.name) -> Outgoing:
    """One of the size of a status."""
    value = json.dumps(
        {"id": f"status-{number}", "data": {"status": "delivered", "wamid": "w" * 60, "more": "x" * 420}}
    )
    return Outgoing(topic, f"49151{number % 4_000:07}", value.encode(), _HEADERS)


def member(rig: Rig, kind: str, group: str, topic: str) -> Program:
    """A follower of this kind."""
    environment = rig.settings(GROUP=group, TOPIC=topic)
    return Program(kind, python("yardstick.followers.member", kind), environment, rig.cores.service)


async def costs(rig: Rig, load: Load, rounds: int, say: Say) -> dict[str, Any]:
    """By load and kind: medians, and the paired ratio of each kind's CPU to ours."""
    await rig.fresh_topics(_BACKLOG)
    await rig.fill(record(number) for number in range(load.records))
    async with _admin(rig) as admin:
        await _full(rig, admin, load, KINDS[0])  # the broker's compiler needs a while
        loads = {"full load": _full, f"{_RATE:g}/s": _at_rate, "idle": _idle}
        return {
            name: summary(
                await interleaved(name, {kind: partial(run, rig, admin, load, kind) for kind in KINDS}, rounds, say)
            )
            for name, run in loads.items()
        }


def summary(measured: Rounds) -> dict[str, dict[str, float]]:
    """By kind: the medians, and the paired ratio of its CPU to that of the first kind."""
    ours = [one.cpu_us for one in measured[KINDS[0]]]
    return {
        kind: {
            "cpuUs": median(one.cpu_us for one in rounds),
            "perSecond": median(one.per_second for one in rounds),
            "memoryMiB": median(one.memory for one in rounds) / 2**20,
            "ratio": paired([one.cpu_us for one in rounds], ours),
        }
        for kind, rounds in measured.items()
    }


async def _full(rig: Rig, admin: AIOKafkaAdminClient, load: Load, kind: str) -> Measurement:
    group = fresh_name()
    async with member(rig, kind, group, _BACKLOG.name) as program:
        return await watch(program, _committed(admin, group), Span(load.records, load.records // 20, 60.0))


async def _at_rate(rig: Rig, admin: AIOKafkaAdminClient, load: Load, kind: str) -> Measurement:
    await rig.fresh_topics(_PACED)
    group = fresh_name()
    async with member(rig, kind, group, _PACED.name) as program:
        pace = Pace(rig, partial(record, topic=_PACED.name), _RATE)
        return await at_rate(program, _committed(admin, group), pace, load.seconds)


async def _idle(rig: Rig, admin: AIOKafkaAdminClient, load: Load, kind: str) -> Measurement:
    """CPU of a second without records; memory after the first few."""
    await rig.fresh_topics(_PACED)
    group = fresh_name()
    async with member(rig, kind, group, _PACED.name) as program:
        progress = _committed(admin, group)
        wanted = await rig.fill(record(number, _PACED.name) for number in range(PARTITIONS * 10))
        async with asyncio.timeout(60):
            while await progress() < wanted:
                await asyncio.sleep(0.1)
        await asyncio.sleep(_SETTLE_SECONDS)
        before = program.used()
        await asyncio.sleep(load.seconds)
        after = program.used()
    return Measurement(1.0, (after.cpu_seconds - before.cpu_seconds) / load.seconds * 1e6, after.memory_bytes)


def _committed(admin: AIOKafkaAdminClient, group: str) -> Callable[[], Awaitable[int]]:
    async def progress() -> int:
        try:
            return total(await admin.list_consumer_group_offsets(group))
        except KafkaError:
            return 0  # the group is new, and its coordinator not there yet

    return progress


def total(offsets: Mapping[Any, Any]) -> int:
    """How far a group is, all partitions together; one without a committed offset has -1."""
    return sum(max(0, found.offset) for found in offsets.values())


@asynccontextmanager
async def _admin(rig: Rig) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
