"""Exactly-once work on partitions, tables and publishing, on real Kafka."""

import asyncio
import os
import random
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import pytest
from prometheus_client import REGISTRY

from common.contracts import accounts, topics
from common.contracts.envelope import decode, decoder, encode
from common.errors import Unavailable
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_group_consumer, make_reader, make_transactional_producer
from common.kafka.consume.at_least_once import Follower
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.telemetry import metrics

pytestmark = pytest.mark.integration

PARTITIONS = 3
COUNT = 300


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap, kafka_session_timeout_ms=6_000)


@pytest.fixture
async def pair(settings):
    """A fresh input and output topic."""
    name = uuid.uuid4().hex
    source = topics.Topic(f"in-{name}", "k", "test", "", partitions=PARTITIONS)
    target = topics.Topic(f"out-{name}", "k", "test", "", partitions=PARTITIONS)
    await ensure_topics(settings, [source, target])
    return source.name, target.name


@pytest.fixture
async def publisher(settings):
    publisher = Publisher(settings)
    await publisher.start()
    async with asyncio.timeout(10):
        while not publisher.connected:
            await asyncio.sleep(0.01)
    yield publisher
    await publisher.stop()


async def read_all(settings, topic):
    """Every committed record of the topic, partition by partition."""
    consumer = make_reader(settings, topic)
    await consumer.start()
    try:
        partitions = consumer.assignment()
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def eventually(condition, seconds=40.0):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


def copying(target, *, fail=lambda: None, seen=None):
    """A worker that copies each record to `target`, and fails where `fail` raises."""

    async def worker(session: PartitionSession) -> None:
        while not session.stopping.is_set():
            for tp, records in (await session.fetch(max_records=20, timeout_ms=200)).items():
                fail()
                if seen is not None:
                    seen.extend(record.value for record in records)
                out = [Outgoing(target, record.key.decode(), record.value) for record in records]
                await session.commit(out, {tp: records[-1].offset + 1})
                fail()

    return worker


def member(settings, group, source, worker, **options):
    return PartitionGroup(
        group=group,
        topics=[source],
        make_consumer=partial(make_group_consumer, settings),
        make_producer=partial(make_transactional_producer, settings),
        worker=worker,
        **options,
    )


async def write(publisher, topic, count=COUNT):
    for start in range(0, count, 50):
        await publisher.publish([Outgoing(topic, f"k{n % 17}", str(n).encode()) for n in range(start, start + 50)])


async def copied(settings, target, count=COUNT):
    return len({record.value for record in await read_all(settings, target)}) >= count


def assert_exactly_once_and_in_order(records, count=COUNT):
    assert Counter(record.value for record in records) == Counter(str(n).encode() for n in range(count))
    by_key = {}
    for record in records:
        by_key.setdefault(record.key, []).append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_a_worker_that_fails_anywhere_loses_and_doubles_nothing(settings, pair, publisher):
    source, target = pair
    chance = random.Random(7)
    failures = []

    def fail():
        if chance.random() < 0.2 and len(failures) < 12:
            failures.append(1)
            raise RuntimeError("injected")

    await write(publisher, source)
    group = member(settings, f"g-{target}", source, copying(target, fail=fail))
    await group.start()
    try:
        await eventually(lambda: copied(settings, target))
    finally:
        await group.stop()
    assert failures
    assert_exactly_once_and_in_order(await read_all(settings, target))


async def test_members_that_come_and_go_lose_and_double_nothing(settings, pair, publisher):
    source, target = pair
    first = member(settings, f"g-{target}", source, copying(target))
    second = member(settings, f"g-{target}", source, copying(target))
    await first.start()
    writing = asyncio.create_task(write(publisher, source))
    await eventually(lambda: _is(lambda: first.ready and first.assignment))
    await second.start()
    await eventually(lambda: _is(lambda: first.ready and second.ready and second.assignment))
    assert not first.assignment & second.assignment
    assert len(first.assignment | second.assignment) == PARTITIONS
    await first.stop()
    await writing
    try:
        await eventually(lambda: copied(settings, target))
    finally:
        await second.stop()
    assert_exactly_once_and_in_order(await read_all(settings, target))


async def test_a_fenced_session_waits_and_starts_again_from_what_is_committed(settings, pair, publisher):
    source, target = pair
    await write(publisher, source, 100)
    name = f"g-{target}"
    group = member(settings, name, source, copying(target))
    await group.start()
    try:
        await eventually(lambda: copied(settings, target, 100))
        ours = group._assignment._name
        async with make_transactional_producer(settings, "a successor") as successor:
            await successor.end([ours])
        for start in range(100, COUNT, 50):
            await publisher.publish([Outgoing(source, f"k{n % 17}", str(n).encode()) for n in range(start, start + 50)])
        await eventually(lambda: copied(settings, target))
    finally:
        await group.stop()
    assert_exactly_once_and_in_order(await read_all(settings, target))


def lag(group):
    """What the gauge says of all partitions together, as Prometheus would read it."""
    samples = [sample for family in metrics.CONSUMER_LAG.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.labels["group"] == group)


async def test_what_fails_again_and_again_is_behind_also_between_two_attempts(settings, pair, publisher):
    source, target = pair
    await write(publisher, source, 100)
    away, attempts = asyncio.Event(), []

    def fail():
        if not away.is_set():
            attempts.append(1)
            raise OSError("MongoDB is away")

    group = member(settings, f"g-{target}", source, copying(target, fail=fail))
    await group.start()
    try:
        async with asyncio.timeout(30):
            while lag(f"g-{target}") != 100:
                await asyncio.sleep(0.05)
        seen, until = set(), len(attempts) + 6
        async with asyncio.timeout(40):
            while len(attempts) < until:
                seen.add(lag(f"g-{target}"))
                await asyncio.sleep(0.02)
        assert seen == {100}
        away.set()
        await eventually(lambda: copied(settings, target, 100))
    finally:
        await group.stop()
    assert lag(f"g-{target}") == 0


async def test_a_follower_says_how_far_behind_it_is(settings, pair, publisher):
    """Late statuses are doubts that nothing settles, and so messages that are sent twice."""
    source, _ = pair
    await write(publisher, source, 100)
    go_on, name = asyncio.Event(), f"f-{source}"

    async def handle(_):
        await go_on.wait()

    follower = Follower(
        group=name, topics=[source], make_consumer=partial(make_group_consumer, settings), handle=handle
    )
    await follower.start()
    try:
        async with asyncio.timeout(30):
            while not lag(name):
                await asyncio.sleep(0.05)
        assert 0 < lag(name) <= 100
        go_on.set()
        async with asyncio.timeout(30):
            while lag(name):
                await asyncio.sleep(0.05)
        assert REGISTRY.get_sample_value("whatsapp_consumer_partitions", {"group": name}) == PARTITIONS
    finally:
        await follower.stop()
    assert REGISTRY.get_sample_value("whatsapp_consumer_partitions", {"group": name}) is None


async def test_stopping_waits_for_the_running_batch(settings, pair, publisher):
    source, target = pair
    started, release = asyncio.Event(), asyncio.Event()

    async def worker(session: PartitionSession) -> None:
        while not session.stopping.is_set():
            for tp, records in (await session.fetch(max_records=500)).items():
                started.set()
                await release.wait()
                await session.commit([Outgoing(target, "k", r.value) for r in records], {tp: records[-1].offset + 1})

    await publisher.publish([Outgoing(source, "k", b"1")])
    group = member(settings, f"g-{target}", source, worker)
    await group.start()
    await asyncio.wait_for(started.wait(), 20)
    stopping = asyncio.create_task(group.stop())
    release.set()
    await asyncio.wait_for(stopping, 8)
    assert [record.value for record in await read_all(settings, target)] == [b"1"]


async def test_a_group_starts_before_its_topic_exists(settings):
    name = uuid.uuid4().hex
    seen = []
    group = member(settings, f"g-{name}", f"late-{name}", copying(f"out-{name}", seen=seen))
    await group.start()
    try:
        assert not group.ready
        await ensure_topics(
            settings, [topics.Topic(f"late-{name}", "k", "t", ""), topics.Topic(f"out-{name}", "k", "t", "")]
        )
        await eventually(lambda: _is(lambda: group.ready and group.assignment))
    finally:
        await group.stop()


async def _is(condition):
    return bool(condition())


def account(chatbot_id, revision):
    data = accounts.AccountData(chatbot_id=chatbot_id, phone_number_id="1", status="active", revision=revision)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return encode(
        accounts.AccountChanged(
            id=str(revision),
            type=accounts.CHANGED,
            version=1,
            occurred_at=now,
            recorded_at=now,
            correlation_id="c",
            data=data,
        )
    )


async def test_a_table_without_history_begins_with_what_comes(settings, publisher):
    topic = topics.Topic(f"table-{uuid.uuid4().hex}", "k", "t", "", partitions=1)
    await ensure_topics(settings, [topic])
    wanted = decoder(accounts.AccountChanged)
    await publisher.publish([Outgoing(topic.name, "old", account("old", 1))])
    table = Table(settings, topic.name, lambda v: decode(wanted, v).data, history=False)
    await table.start()
    try:
        await eventually(lambda: _is(lambda: table.ready))
        await publisher.publish([Outgoing(topic.name, "new", account("new", 1))])
        assert await table.catch_up(10)
        assert (table.get("old"), table.get("new").revision) == (None, 1)
    finally:
        await table.stop()


async def test_a_table_holds_the_latest_and_catches_up_with_what_was_acknowledged(settings, publisher):
    topic = topics.Topic(f"table-{uuid.uuid4().hex}", "k", "t", "", partitions=1, compacted=True)
    await ensure_topics(settings, [topic])
    wanted = decoder(accounts.AccountChanged)
    changes = []
    table = Table(settings, topic.name, lambda v: decode(wanted, v).data, lambda k, v: changes.append((k, v)))
    await publisher.publish([Outgoing(topic.name, "bot", account("bot", 1))])
    await table.start()
    try:
        await eventually(lambda: _is(lambda: table.ready))
        assert table.get("bot").revision == 1
        await publisher.publish([Outgoing(topic.name, "bad", b"{"), Outgoing(topic.name, "bot", account("bot", 2))])
        assert await table.catch_up(10)
        assert table.get("bot").revision == 2
        assert table.get("bad") is None
        assert [key for key, _ in changes] == ["bot", "bot"]
    finally:
        await table.stop()


async def test_publishing_without_kafka_is_refused_at_once():
    publisher = Publisher(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"), timeout_seconds=1)
    await publisher.start()
    try:
        with pytest.raises(Unavailable):
            await publisher.publish([Outgoing("t", "k", b"v")])
        assert not await publisher.reachable()
    finally:
        with suppress(asyncio.CancelledError):
            await publisher.stop()


async def test_a_record_that_kafka_will_never_take_is_refused_and_its_partition_goes_on(settings, pair, publisher):
    target = pair[1]
    too_large = Outgoing(target, "k", os.urandom(topics.Topic("t", "k", "test", "").max_message_bytes + 1), partition=0)

    async def small(number):
        await publisher.publish([Outgoing(target, "k", b"%d" % number, partition=number % PARTITIONS)])

    await small(0)
    for _ in range(2):  # what takes over can be replaced itself
        refused = asyncio.create_task(publisher.publish([too_large]))
        beside = [asyncio.create_task(small(n)) for n in range(1, 60) if n % PARTITIONS]
        with pytest.raises(Unavailable):
            await refused
        await asyncio.gather(*beside)
        await repeated(partial(small, 3))
    taken = Counter(record.value for record in await read_all(settings, target))
    assert {int(value) for value in taken} == {0, 3} | {n for n in range(60) if n % PARTITIONS}
    assert taken[b"1"] == taken[b"59"] == 2


async def repeated(publish):
    """As a producer that is refused does it."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await publish()
            except Unavailable:
                await asyncio.sleep(0.05)
