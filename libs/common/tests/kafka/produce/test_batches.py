"""Many records at once, in batches of our own: all of them, in order, and in one transaction or not at all."""

import asyncio
import os
import uuid
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced, UnknownTopicOrPartitionError
from aiokafka.record import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import topics
from common.errors import Unavailable
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_producer, make_reader, make_transactional_producer
from common.kafka.consume.committer import Committer
from common.kafka.consume.partition_session import PartitionSession
from common.kafka.produce.batches import batches_of, by_partition, write_all
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.kafka.wire.partitioner import partition_of

PARTITIONS = 3
LARGE = b"x" * 60_000  # a handful of these fill a batch of a transaction
TOO_LARGE = os.urandom(2 * 1024 * 1024)  # for a topic of ordinary limits, which count what is compressed


def values_of(sizes):
    """Values of these sizes that tell their place."""
    return [b"%06d" % number + b"x" * size for number, size in enumerate(sizes)]


@asynccontextmanager
async def never_started(make):
    """A producer of ours, which needs no broker to make batches."""
    producer = make(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"))
    try:
        yield producer
    finally:
        await producer.stop()


def read_back(producer, records):
    """(values, count) of each batch, as a consumer would read what goes to the broker."""
    found = []
    for batch, count in batches_of(producer, records):
        memory = MemoryRecords(bytes(batch._build()))
        found.append(([record.value for record in memory.next_batch()], count))
        assert memory.next_batch() is None
    return found


@given(st.lists(st.sampled_from([0, 10, 5_000, 16_000, 40_000]), min_size=1, max_size=12))
def test_real_batches_hold_every_record_once_and_in_order(sizes):
    async def check():
        async with never_started(make_producer) as producer:
            records = [Outgoing("t", "k", value, [("event-id", b"1")]) for value in values_of(sizes)]
            found = read_back(producer, records)
        assert [value for values, _ in found for value in values] == [record.value for record in records]
        assert all(len(values) == count > 0 for values, count in found)

    asyncio.run(check())


async def test_a_record_beyond_the_size_of_a_batch_stands_alone():
    async with never_started(make_producer) as producer:
        values = values_of([10, 10, 40_000, 10, 10])
        found = read_back(producer, [Outgoing("t", "k", value) for value in values])
    assert found == [(values[:2], 2), (values[2:3], 1), (values[3:], 2)]


async def test_one_that_is_too_large_may_come_first_and_last():
    async with never_started(make_producer) as producer:
        values = values_of([40_000, 10, 40_000])
        found = read_back(producer, [Outgoing("t", "k", value) for value in values])
    assert found == [(values[:1], 1), (values[1:2], 1), (values[2:], 1)]


def test_topics_are_told_apart_and_have_their_own_counts():
    records = [Outgoing("a", "k", b"1"), Outgoing("b", "k", b"2"), Outgoing("a", "k", b"3", partition=7)]
    assert by_partition(records, {"a": 12, "b": 5}) == {
        ("a", partition_of("k", 12)): [records[0]],
        ("b", partition_of("k", 5)): [records[1]],
        ("a", 7): [records[2]],
    }


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)


@pytest.fixture
async def pair(settings):
    """Two fresh topics."""
    made = [topics.Topic(f"write-{uuid.uuid4().hex}", "k", "test", "", partitions=PARTITIONS) for _ in range(2)]
    await ensure_topics(settings, made)
    return [topic.name for topic in made]


@asynccontextmanager
async def transactional(settings, name):
    producer = make_transactional_producer(settings, name)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@pytest.fixture
async def producer(settings):
    async with transactional(settings, f"write-{uuid.uuid4().hex}") as producer:
        yield producer


@asynccontextmanager
async def session_of(producer):
    committer = Committer(producer, "any", "group", gap=0.0, on_failure=lambda: None)
    try:
        yield PartitionSession("slot", frozenset(), "group", None, committer)
    finally:
        await committer.close(5.0)


async def commit(producer, records):
    async with session_of(producer) as session:
        await session.commit(records, {})


async def read_all(settings, topic):
    """The committed records of each partition of the topic."""
    consumer = make_reader(settings, topic)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found = {tp.partition: [] for tp in ends}
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp.partition].extend(records)
        return found
    finally:
        await consumer.stop()


async def values_in(settings, topic):
    return {
        partition: [record.value for record in records]
        for partition, records in (await read_all(settings, topic)).items()
    }


def mixture(pair, count=120):
    """Records large and small for both topics, some in a place of their own."""
    return [
        Outgoing(
            pair[n % 2],
            f"k{n % 11}",
            b"%06d" % n + (LARGE if n % 3 == 0 else b""),
            [("event-id", b"%d" % n)],
            partition=n % PARTITIONS if n % 5 == 0 else None,
        )
        for n in range(count)
    ]


async def assert_written(settings, pair, records):
    """These and no others. A commit is acknowledged a moment before its last partition shows it."""
    wanted = by_partition(records, dict.fromkeys(pair, PARTITIONS))
    async with asyncio.timeout(20):
        while sum(map(len, (found := await all_of(settings, pair)).values())) < len(records):
            await asyncio.sleep(0.02)
    assert {place: [(r.key.decode(), r.value, list(r.headers)) for r in ones] for place, ones in found.items()} == {
        place: [(r.key, r.value, list(r.headers)) for r in wanted.get(place, [])] for place in found
    }


async def all_of(settings, pair):
    return {
        (topic, partition): records
        for topic in pair
        for partition, records in (await read_all(settings, topic)).items()
    }


@pytest.mark.integration
async def test_all_topics_places_and_batches_are_one_transaction(settings, pair, producer):
    records = mixture(pair)
    groups = by_partition(records, dict.fromkeys(pair, PARTITIONS))
    assert len(groups) == 2 * PARTITIONS
    assert any(len(batches_of(producer, group)) > 1 for group in groups.values())
    async with producer.transaction():
        await write_all(producer, records)
        assert [await values_in(settings, topic) for topic in pair] == [{n: [] for n in range(PARTITIONS)}] * 2
    await assert_written(settings, pair, records)


@pytest.mark.integration
async def test_transactions_of_a_session_follow_one_another_in_order(settings, pair, producer):
    records = mixture(pair)
    for start in range(0, len(records), 40):
        await commit(producer, records[start : start + 40])
    await assert_written(settings, pair, records)


@pytest.mark.integration
async def test_nothing_is_no_transaction(settings, pair, producer):
    await commit(producer, [])
    await write_all(producer, [])


def refused(pair):
    """Ways in which a transaction fails after others of its records have been written, and before."""
    return [
        (Outgoing(pair[0], "k", TOO_LARGE), MessageSizeTooLargeError),
        (Outgoing(pair[1], "k", b"v", partition=PARTITIONS), AssertionError),  # there is no such partition
    ]


@pytest.mark.integration
@pytest.mark.parametrize("way", [0, 1], ids=["too large", "no such partition"])
async def test_of_a_transaction_that_fails_no_reader_sees_anything(settings, pair, way):
    (bad, error), records, name = refused(pair)[way], mixture(pair, 30), f"write-{uuid.uuid4().hex}"
    async with transactional(settings, name) as producer:
        with pytest.raises(error):
            await commit(producer, [*records, bad, *records])
    assert [await values_in(settings, topic) for topic in pair] == [{n: [] for n in range(PARTITIONS)}] * 2
    async with transactional(settings, name) as successor:
        await commit(successor, records)  # and the next one has nothing of it
    await assert_written(settings, pair, records)


@pytest.mark.integration
async def test_a_topic_that_does_not_exist_fails_the_transaction_before_anything_is_written(settings, pair):
    producer = make_transactional_producer(settings, f"write-{uuid.uuid4().hex}")
    producer.client._request_timeout_ms = 500  # for so long it asks again
    await producer.start()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await commit(producer, [Outgoing(pair[0], "k", b"v"), Outgoing("nowhere", "k", b"v")])
    finally:
        await producer.stop()
    assert await values_in(settings, pair[0]) == {n: [] for n in range(PARTITIONS)}


@pytest.mark.integration
async def test_a_producer_that_was_fenced_writes_nothing(settings, pair):
    name = f"write-{uuid.uuid4().hex}"
    async with transactional(settings, name) as old, transactional(settings, name) as new:
        with pytest.raises(ProducerFenced):
            await commit(old, mixture(pair, 30))
        records = mixture(pair, 12)
        await commit(new, records)
    await assert_written(settings, pair, records)


@asynccontextmanager
async def publishing(settings, **options):
    publisher = Publisher(settings, **options)
    await publisher.start()
    try:
        async with asyncio.timeout(20):
            while not publisher.connected:
                await asyncio.sleep(0.01)
        yield publisher
    finally:
        await publisher.stop()


@pytest.mark.integration
async def test_of_many_who_publish_each_has_its_records_in_order(settings, pair):
    calls = [
        [Outgoing(pair[n % 2], f"k{(n + m) % 4}", b"%d:%d" % (n, m)) for m in range(5 + n % 3)] for n in range(200)
    ]
    async with publishing(settings, timeout_seconds=30.0) as publisher:
        await asyncio.gather(*map(publisher.publish, calls))
    found = [values for topic in pair for values in (await values_in(settings, topic)).values()]
    assert sorted(value for values in found for value in values) == sorted(r.value for call in calls for r in call)
    for values in found:
        last = {}
        for value in values:
            caller, number = map(int, value.split(b":"))
            assert number > last.get(caller, -1)
            last[caller] = number


@pytest.mark.integration
async def test_a_topic_that_does_not_exist_is_unavailable_in_time_and_harms_no_other(settings, pair):
    async with publishing(settings, timeout_seconds=3.0) as publisher:
        refusal = asyncio.create_task(publisher.publish([Outgoing(f"none-{uuid.uuid4().hex}", "k", b"v")]))
        await publisher.publish([Outgoing(pair[0], "k", b"v")])
        assert not refusal.done()
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable):
                await refusal


@pytest.mark.integration
async def test_a_record_that_is_too_large_is_unavailable_and_harms_none_before_it_or_elsewhere(settings, pair):
    async with publishing(settings, timeout_seconds=20.0) as publisher:
        before = [publisher.publish([Outgoing(pair[0], "k", b"%d" % n)]) for n in range(20)]
        large = publisher.publish([Outgoing(pair[0], "k", TOO_LARGE)])
        answers = await asyncio.gather(*before, large, return_exceptions=True)
        await publisher.publish([Outgoing(pair[1], "k", b"elsewhere")])
    assert isinstance(answers.pop(), Unavailable)
    assert answers == [None] * 20
    found = (await values_in(settings, pair[0]))[partition_of("k", PARTITIONS)]
    assert found == [b"%d" % n for n in range(20)]
