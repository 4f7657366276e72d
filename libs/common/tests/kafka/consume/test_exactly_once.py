"""Owners that are killed within a transaction, stopped and resumed, or of the release before: real processes, real Kafka."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from common.contracts import topics
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_group_consumer, make_group_reader, make_reader, make_transactional_producer
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.kafka.wire.membership import transactional_id

pytestmark = pytest.mark.integration

COPIER = Path(__file__).parent / "copier.py"
PARTITIONS = 4


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(
        kafka_bootstrap_servers=kafka_bootstrap, kafka_session_timeout_ms=6_000, kafka_transaction_timeout_ms=10_000
    )


class Room:
    """A fresh input and output topic, and processes that copy from one to the other."""

    def __init__(self, settings, name, publisher, stack):
        self.settings, self.publisher, self.stack = settings, publisher, stack
        self.group, self.source, self.target = f"g-{name}", f"in-{name}", f"out-{name}"
        self.written = 0

    async def write(self, count=40, *, value=None, partition=None):
        """Records for all partitions, or one with this value for one partition."""
        if value is not None:
            await self.publisher.publish([Outgoing(self.source, "k", value, partition=partition)])
            return
        numbers = range(self.written, self.written + count)
        self.written += count
        await self.publisher.publish(
            [Outgoing(self.source, f"k{n % PARTITIONS}", b"%d" % n, partition=n % PARTITIONS) for n in numbers]
        )

    async def copier(self, *options, path=None):
        given = [self.settings.kafka_bootstrap_servers, self.group, self.source, self.target, *options]
        environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(COPIER), *given, stdout=asyncio.subprocess.PIPE, env=environment
        )
        process.lines = []
        reading = asyncio.create_task(_read(process))
        self.stack.push_async_callback(asyncio.wait, [reading])
        self.stack.callback(_kill, process)
        return process

    def member(self, worker=None, **options):
        return PartitionGroup(
            group=self.group,
            topics=[self.source],
            make_consumer=partial(make_group_consumer, self.settings),
            make_producer=partial(make_transactional_producer, self.settings),
            worker=worker or self.copy,
            **options,
        )

    async def copy(self, session):
        while not session.stopping.is_set():
            for tp, records in (await session.fetch(max_records=20, timeout_ms=200)).items():
                out = [Outgoing(self.target, record.key.decode(), record.value) for record in records]
                await session.commit(out, {tp: records[-1].offset + 1})

    async def copied(self):
        """Every committed record of the target."""
        return await read_all(self.settings, self.target)

    async def until_copied(self, *more, seconds=60):
        wanted = {b"%d" % n for n in range(self.written)} | set(more)
        async with asyncio.timeout(seconds):
            while not wanted <= {record.value for record in await self.copied()}:
                await asyncio.sleep(0.1)

    async def assert_exactly_once_and_in_order(self, *more):
        records = await self.copied()
        assert Counter(record.value for record in records) == Counter(
            [b"%d" % n for n in range(self.written)] + [*more]
        )
        by_key = {}
        for record in records:
            if record.value.isdigit():
                by_key.setdefault(record.key, []).append(int(record.value))
        assert all(numbers == sorted(numbers) for numbers in by_key.values())

    async def offsets(self):
        """What the group has committed now, by partition number."""
        reader = make_group_reader(self.settings, self.group)
        await reader.start()
        try:
            found = await reader._coordinator.offsets(
                [TopicPartition(self.source, n) for n in range(PARTITIONS)], stable=False
            )
            return {tp.partition: mark for tp, mark in found.items()}
        finally:
            await reader.stop()

    async def set_offsets(self, marks):
        """As an operator does it, while the group is empty."""
        reader = make_group_reader(self.settings, self.group)
        await reader.start()
        try:
            reader.assign([TopicPartition(self.source, n) for n in marks])
            await reader.commit({TopicPartition(self.source, n): mark for n, mark in marks.items()})
        finally:
            await reader.stop()


async def _read(process):
    async for line in process.stdout:
        process.lines.append(line.decode().strip())
    await process.wait()


def _kill(process):
    if process.returncode is None:
        process.kill()


async def said(process, text, seconds=40):
    async with asyncio.timeout(seconds):
        while text not in process.lines:
            assert process.returncode is None, "it has ended"
            await asyncio.sleep(0.01)


async def read_all(settings, topic):
    consumer = make_reader(settings, topic)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        records = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


@pytest.fixture
async def room(settings):
    name = uuid.uuid4().hex
    await ensure_topics(
        settings, [topics.Topic(f"{kind}-{name}", "k", "test", "", partitions=PARTITIONS) for kind in ("in", "out")]
    )
    publisher = Publisher(settings)
    await publisher.start()
    async with asyncio.timeout(20):
        while not publisher.connected:
            await asyncio.sleep(0.01)
    async with AsyncExitStack() as stack:
        yield Room(settings, name, publisher, stack)
    await publisher.stop()


@asynccontextmanager
async def running(group):
    await group.start()
    try:
        yield group
    finally:
        await group.stop()


async def until(condition, seconds=40):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["before-offsets", "before-end", "while-ending"])
async def test_after_a_kill_within_a_transaction_the_successor_goes_on_soon_and_exactly_once(room, where, capsys):
    first = await room.copier("--trap")
    await said(first, f"ready {PARTITIONS}")
    await room.write()
    await room.until_copied()
    await room.write(value=where.encode(), partition=1)
    await said(first, "trapped")
    first.kill()
    killed = time.monotonic()
    async with running(room.member()):
        await room.write()
        await room.until_copied(where.encode())
        with capsys.disabled():
            sys.stdout.write(f"\nkilled {where}: all was readable {time.monotonic() - killed:.1f} s later\n")
    await room.assert_exactly_once_and_in_order(where.encode())


async def test_a_process_that_was_stopped_within_a_transaction_is_refused_when_it_goes_on(room):
    first = await room.copier("--trap")
    await said(first, f"ready {PARTITIONS}")
    await room.write(value=b"before-offsets", partition=1)
    await said(first, "trapped")
    first.send_signal(signal.SIGSTOP)
    async with running(room.member()) as second:
        await until(lambda: len(second.assignment) == PARTITIONS)
        await room.write()
        await room.until_copied(b"before-offsets")
        names = {mark.metadata for mark in (await room.offsets()).values()}
        first.send_signal(signal.SIGCONT)
        await until(lambda: len(second.assignment) < PARTITIONS)  # it has joined again
        await room.write()
        await room.until_copied(b"before-offsets")
    assert len(names) == 1
    await room.assert_exactly_once_and_in_order(b"before-offsets")


async def test_a_stopped_process_that_goes_on_and_commits_is_refused_and_does_no_harm(room):
    first = await room.copier()
    await said(first, f"ready {PARTITIONS}")
    await room.write()
    await room.until_copied()
    first.send_signal(signal.SIGSTOP)
    async with running(room.member()) as second:
        await room.write()  # what both will have: the stopped one has fetched none of it, or all of it
        await until(lambda: len(second.assignment) == PARTITIONS)
        await room.until_copied()
        first.send_signal(signal.SIGCONT)
        await room.write()
        await room.until_copied()
        await until(lambda: len(second.assignment) < PARTITIONS)
        await room.write()
        await room.until_copied()
    await room.assert_exactly_once_and_in_order()


async def test_each_offset_names_the_producer_of_the_assignment_and_a_stranger_is_never_ended(room):
    """Metadata may be lost or forged: by an operator who sets offsets, or whatever writes there."""
    async with running(room.member()) as member:
        await until(lambda: len(member.assignment) == PARTITIONS)
        before = {n: mark.metadata for n, mark in (await room.offsets()).items()}
        assert {*before} == {*range(PARTITIONS)}  # before the first record
        await room.write()
        await room.until_copied()
        assert {mark.metadata for mark in (await room.offsets()).values()} == set(before.values())
    marks = await room.offsets()
    stranger = transactional_id(f"{room.group}-2", uuid.uuid4().hex)
    forged = {0: "", 1: "a note", 2: stranger, 3: transactional_id(room.group, "not-hexadecimal-and-not-32-chars")}
    await room.set_offsets({n: OffsetAndMetadata(marks[n].offset, text) for n, text in forged.items()})
    neighbour = make_transactional_producer(room.settings, stranger)
    await neighbour.start()
    try:
        async with running(room.member()):
            await room.write()
            await room.until_copied()
            async with neighbour.transaction():  # it still may
                await neighbour.send_and_wait(room.target, b"neighbour", key=b"k", partition=0)
    finally:
        await neighbour.stop()
    await room.assert_exactly_once_and_in_order(b"neighbour")


async def test_a_transaction_that_no_offset_names_is_waited_for_and_not_counted_twice(room):
    """Its name is lost, so nothing ends it before its time; the successor begins when it has."""
    async with running(room.member()) as member:
        await until(lambda: len(member.assignment) == PARTITIONS)
        await room.write()
        await room.until_copied()
    marks = await room.offsets()
    lost = await room.copier("--trap")
    await said(lost, f"ready {PARTITIONS}")
    await room.write(value=b"before-end", partition=1)
    await said(lost, "trapped")
    lost.kill()
    async with asyncio.timeout(30):
        while True:  # until the group is empty, an operator cannot set offsets
            try:
                await room.set_offsets({n: OffsetAndMetadata(mark.offset, "") for n, mark in marks.items()})
                break
            except Exception:  # noqa: BLE001  # whatever the broker says while the group has a member
                await asyncio.sleep(0.3)
    async with running(room.member()):
        await room.write()
        await room.until_copied(b"before-end")
    await room.assert_exactly_once_and_in_order(b"before-end")


async def test_the_producers_of_the_release_before_are_ended(room):
    """They have one fixed id for each slot and leave no name, and the broker does not ask their generation."""
    old = [make_transactional_producer(room.settings, f"{room.group}-{room.source}-{n}") for n in range(PARTITIONS)]
    for producer in old:
        await producer.start()
    try:
        await old[1].begin_transaction()
        await old[1].send_and_wait(room.target, b"never", key=b"k", partition=1)
        async with running(room.member()) as member:
            await until(lambda: len(member.assignment) == PARTITIONS)
            await room.write()
            began = time.monotonic()
            await room.until_copied()
            assert time.monotonic() - began < room.settings.kafka_transaction_timeout_ms / 1000
    finally:
        for producer in old:
            await producer.stop()
    await room.assert_exactly_once_and_in_order()
