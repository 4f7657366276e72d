"""What says that a consumer is stuck, without a broker: the clock is the test's."""

import asyncio
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from common.kafka.consume import partition_group
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.wire.membership import Membership

PARTITION = TopicPartition("fake", 0)


class Consumer:
    """Has no records, and has committed nothing."""

    def membership(self):
        return Membership("fake", 1, "member")

    async def confirm(self, _membership):
        pass

    async def offsets(self, _tps, *, stable):  # noqa: ARG002  # as the consumer has it
        return {PARTITION: OffsetAndMetadata(7, "")}

    async def getmany(self, *_tps, **_limits):
        return {}

    def seek(self, _tp, _offset):
        pass

    def pause(self, *_tps):
        pass

    resume = pause


class Producer:
    async def start(self):
        pass

    stop = start

    async def end(self, _ids):
        pass

    @asynccontextmanager
    async def transaction(self):
        yield

    async def send_offsets_to_transaction(self, _offsets, _group):
        pass


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(partition_group, "time", SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns))
    return now


async def group_of(worker):
    group = PartitionGroup(
        group="fake", topics=(), make_consumer=lambda _: None, make_producer=lambda *_: Producer(), worker=worker
    )
    group._consumer = Consumer()
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
