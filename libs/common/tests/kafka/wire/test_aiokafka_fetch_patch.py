"""On which terms a consumer of a group fetches: from the requests that it sends to a real broker."""

import asyncio
import os
import uuid
from importlib.metadata import version

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.protocol.fetch import FetchRequest

from common.contracts.topics import Topic
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_group_consumer, make_producer, make_transactional_producer
from common.kafka.settings import KafkaSettings
from common.kafka.wire import aiokafka_fetch_patch
from common.kafka.wire.aiokafka_fetch_patch import PacedFetcher
from common.kafka.wire.fetch_pace import IDLE_SECONDS
from common.tasks import cancel

GATHER_MS = 8_000  # longer than a test waits for a lone record
FULL = 64 * 1024


def test_the_patch_was_read_beside_this_version_of_aiokafka():
    assert version("aiokafka").startswith("0.14."), "read its fetcher again: the patch overrides some of its methods"


async def test_consumers_of_groups_have_it_and_transactions_ask_again_soon():
    await make_group_consumer(KafkaSettings(), "g").stop()
    assert aiokafka_consumer.Fetcher is PacedFetcher
    await make_transactional_producer(KafkaSettings(), "id").stop()
    assert aiokafka_sender.BACKOFF_OVERRIDE == 0.005


class Reading:
    """A consumer of two partitions, a producer, and the terms of each fetch (bytes, ms), as the broker gets them."""

    def __init__(self, consumer, producer, places):
        self.consumer, self.producer, self.places = consumer, producer, places
        self.fetches = []
        self.sent = asyncio.Event()
        self.asking = None
        send = consumer._client.send

        async def noted(node_id, request, **more):
            if isinstance(request, FetchRequest):
                self.fetches.append((request._min_bytes, request._max_wait_ms))
                self.sent.set()
            return await send(node_id, request, **more)

        consumer._client.send = noted

    def ask(self):
        """Ask for the next records, as a worker does that has time."""
        self.asking = asyncio.create_task(self._read(), name="read")

    async def next_fetch(self, *, after):
        async with asyncio.timeout(30):
            while len(self.fetches) <= after:
                self.sent.clear()
                await self.sent.wait()
        return self.fetches[after]

    async def read(self, value=b"x"):
        """Write a record, and read it. Returns how many fetches had been sent when it was read."""
        await self.producer.send_and_wait(self.places[0].topic, value, partition=0)
        async with asyncio.timeout(30):
            return await self.asking

    async def one(self, value=b"x"):
        """The same, and ask again: returns the terms of the fetch that follows."""
        sent = await self.read(value)
        self.ask()
        return await self.next_fetch(after=sent)

    async def _read(self):
        await self.consumer.getmany(timeout_ms=30_000)
        return len(self.fetches)


@pytest.fixture
async def reading(kafka_bootstrap):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    topic = Topic(f"paced-{uuid.uuid4().hex[:8]}", key="none", owner="a test", purpose="a test", partitions=2)
    await ensure_topics(settings, [topic])
    places = [TopicPartition(topic.name, number) for number in range(2)]
    consumer, producer = make_group_consumer(settings, topic.name, gather_ms=GATHER_MS), make_producer(settings)
    consumer.assign(places)
    async with producer, consumer:
        reading = Reading(consumer, producer, places)
        reading.ask()
        await reading.next_fetch(after=0)
        yield reading
        await cancel([reading.asking])


AT_ONCE = (1, IDLE_SECONDS * 1000)


@pytest.mark.integration
async def test_a_lone_record_does_not_wait_for_others(reading):
    await reading.one()
    assert {least for least, _ in reading.fetches} == {1}
    assert reading.fetches[-1] == AT_ONCE


@pytest.mark.integration
async def test_the_broker_gathers_after_three_fetches_in_a_row(reading):
    assert [await reading.one() for _ in range(3)] == [AT_ONCE, AT_ONCE, (FULL, GATHER_MS)]
    await reading.one(os.urandom(FULL))  # enough: it need not wait for the end of the gathering
    assert reading.fetches[-1] == (FULL, GATHER_MS)


@pytest.mark.integration
async def test_a_fetch_that_leaves_a_partition_out_ends_with_the_gathering_time(reading):
    reading.consumer.pause(reading.places[1])
    assert await reading.one() == (1, GATHER_MS)


async def turns_of_the_loop(number=50):
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.integration
async def test_nothing_is_fetched_ahead_while_the_reader_is_busy_with_a_little(reading, monkeypatch):
    monkeypatch.setattr(aiokafka_fetch_patch, "_AHEAD_SECONDS", 3_600.0)
    sent = await reading.read()
    await turns_of_the_loop()
    assert len(reading.fetches) == sent
    reading.ask()
    assert await reading.next_fetch(after=sent) == AT_ONCE


@pytest.mark.integration
async def test_a_reader_that_is_busy_for_long_finds_the_next_records_fetched(reading):
    sent = await reading.read()
    await reading.next_fetch(after=sent)  # and no reader asks


@pytest.mark.integration
async def test_where_there_is_plenty_the_next_fetch_is_sent_ahead(reading, monkeypatch):
    monkeypatch.setattr(aiokafka_fetch_patch, "_AHEAD_SECONDS", 3_600.0)
    sent = await reading.read(os.urandom(300_000))
    await reading.next_fetch(after=sent)  # and no reader asks


@pytest.fixture
def looks(monkeypatch):
    """The partitions of each look for fetched records, by the driver's own method."""
    looks, look = [], Fetcher.fetched_records

    async def noted(self, partitions, *more):
        looks.append(partitions)
        return await look(self, partitions, *more)

    monkeypatch.setattr(Fetcher, "fetched_records", noted)
    return looks


@pytest.mark.integration
async def test_a_reader_is_woken_for_its_own_partitions_alone(reading, looks):
    await cancel([reading.asking])  # it reads all partitions
    one, two = reading.places
    readers = [asyncio.create_task(reading.consumer.getmany(place, timeout_ms=30_000)) for place in (one, two)]
    await turns_of_the_loop()
    looks.clear()
    await reading.producer.send_and_wait(two.topic, b"x", partition=two.partition)
    async with asyncio.timeout(30):
        found = await readers[1]
    assert [record.value for record in found[two]] == [b"x"]
    assert looks == [(two,)]
    await cancel(readers)


@pytest.mark.integration
async def test_a_reader_without_records_is_done_after_its_time(reading):
    assert await reading.consumer.getmany(reading.places[1], timeout_ms=1) == {}
    assert await reading.consumer.getmany(reading.places[1], timeout_ms=0) == {}


@pytest.mark.integration
async def test_a_reader_that_waits_ends_with_its_consumer(reading):
    await turns_of_the_loop()
    await reading.consumer.stop()
    async with asyncio.timeout(5):
        await asyncio.wait([reading.asking])
