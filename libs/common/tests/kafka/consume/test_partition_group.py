"""What says that a consumer is stuck, without a broker: the clock is the test's."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from idle_member import IdleConsumer, IdleProducer

from common.kafka.consume import partition_group
from common.kafka.consume.partition_group import PartitionGroup

PARTITION = TopicPartition("fake", 0)


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(partition_group, "time", SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns))
    return now


async def group_of(worker):
    group = PartitionGroup(
        group="fake", topics=(), make_consumer=lambda _: None, make_producer=lambda *_: IdleProducer(), worker=worker
    )
    group._consumer = IdleConsumer("fake", committed=7)
    group._note_progress()
    await group.on_partitions_assigned([PARTITION])
    return group


async def test_a_worker_that_tries_in_vain_is_idle_but_not_stuck(clock):
    tried = asyncio.Event()

    async def worker(session):
        clock[0] += 600
        session.tried()
        tried.set()
        await session.stopping.wait()

    group = await group_of(worker)
    await tried.wait()
    assert group.idle_seconds() == 600
    assert group.stuck_seconds() == 0
    await group.on_partitions_revoked([PARTITION])


async def test_a_worker_whose_attempts_no_longer_end_is_stuck(clock):
    hangs = asyncio.Event()

    async def worker(session):
        await session.fetch(max_records=1)
        hangs.set()
        await session.stopping.wait()

    group = await group_of(worker)
    await hangs.wait()
    assert group.stuck_seconds() == 0
    clock[0] += 600
    assert group.stuck_seconds() == 600
    await group.on_partitions_revoked([PARTITION])
    assert group.stuck_seconds() == 0


async def test_a_session_that_fails_and_begins_again_is_not_stuck(clock):
    begun = []
    again = asyncio.Event()

    async def worker(session):
        begun.append(session)
        if len(begun) == 1:
            clock[0] += 600
            raise RuntimeError("MongoDB is away")
        again.set()
        await session.stopping.wait()

    group = await group_of(worker)
    await again.wait()
    assert group.idle_seconds() == 600
    assert group.stuck_seconds() == 0
    await group.on_partitions_revoked([PARTITION])
