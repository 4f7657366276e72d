"""How far a group has read, on a real Kafka: ends of transactions and expired records are nothing to read."""

import asyncio
import uuid

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from common.errors import Unavailable
from common.kafka.clients import connection, make_group_consumer, make_producer, make_transactional_producer
from common.kafka.consume.progress import Progress
from common.kafka.settings import KafkaSettings

pytestmark = pytest.mark.integration


class Room:
    """A topic of two partitions, and a group."""

    def __init__(self, settings, topic, admin):
        self.settings, self.topic, self.admin = settings, topic, admin
        self.group = f"group of {topic}"
        self.progress = Progress(settings)
        self.first, self.second = TopicPartition(topic, 0), TopicPartition(topic, 1)

    async def write(self, partition, *, ends=None):
        """One record; in a transaction that ends so, if that is given."""
        if ends is None:
            producer = make_producer(self.settings)
        else:
            producer = make_transactional_producer(self.settings, uuid.uuid4().hex)
        await producer.start()
        try:
            if ends is not None:
                await producer.begin_transaction()
            await producer.send_and_wait(self.topic, b"v", partition=partition)
            if ends is not None:
                await getattr(producer, f"{ends}_transaction")()
        finally:
            await producer.stop()

    async def commit(self, **offsets):
        consumer = make_group_consumer(self.settings, self.group)
        await consumer.start()
        try:
            consumer.assign([self.first, self.second])
            await consumer.commit({getattr(self, name): OffsetAndMetadata(at, "") for name, at in offsets.items()})
        finally:
            await consumer.stop()

    async def has_read_all(self):
        """As soon as it is known: a new topic, or the group's coordinator, may not be there yet."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await self.progress.has_read(self.group, await self.progress.ends(self.topic))
                except Unavailable:
                    await asyncio.sleep(0.1)


@pytest.fixture
async def room(kafka_bootstrap):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    topic = f"progress-{uuid.uuid4().hex}"
    await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    made = Room(settings, topic, admin)
    yield made
    await made.progress.close()
    await admin.delete_topics([topic])
    await admin.close()


async def test_a_group_has_read_all_when_it_has_committed_the_end_of_each_partition(room):
    assert await room.has_read_all()  # there is nothing
    await room.write(0)
    await room.write(1)
    assert not await room.has_read_all()
    await room.commit(first=1)
    assert not await room.has_read_all()
    await room.commit(second=1)
    assert await room.has_read_all()
    seen = await room.progress.ends(room.topic)  # known since it was asked for
    await room.write(0)
    assert await room.progress.has_read(room.group, seen)  # what came later does not count
    assert not await room.has_read_all()


async def test_the_end_of_a_transaction_and_what_was_aborted_is_nothing_to_read(room):
    await room.write(0, ends="commit")
    assert not await room.has_read_all()
    await room.commit(first=1)  # of two offsets, the second of which is the end of the transaction
    assert await room.has_read_all()
    await room.write(0, ends="abort")
    assert await room.has_read_all()
    await room.write(0)
    assert not await room.has_read_all()


async def test_records_that_have_expired_keep_no_reader_waiting(room):
    for _ in range(3):
        await room.write(0)
    await room.admin.delete_records({room.first: RecordsToDelete(before_offset=3)})
    assert await room.has_read_all()
    await room.write(0)
    assert not await room.has_read_all()


async def test_without_kafka_it_is_not_known_and_asked_again_it_connects_anew(room):
    away = Progress(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(Unavailable):
        await away.ends(room.topic)
    with pytest.raises(Unavailable):
        await away.has_read(room.group, {room.first: 1})
    await away.close()
