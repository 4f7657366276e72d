"""What goes to the brokers: with which codec, how many bytes, and that it can be read."""

from contextlib import asynccontextmanager

import aiokafka
import pytest
from aiokafka.record import MemoryRecords
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy

from common.contracts import topics
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_producer, make_reader, make_transactional_producer
from common.kafka.produce.batches import batches_of, write_all
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.kafka.wire.compression import patch_compression

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
TEXT = b'{"text": "Where is my order?", "from": "4915112345678"}' * 20
TRANSACTIONAL = 0x10


@asynccontextmanager
async def made(make, **settings):
    producer = make(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1", **settings))
    try:
        yield producer
    finally:
        await producer.stop()


def transactional(settings):
    return make_transactional_producer(settings, "any")


def sent(producer, topic, value=TEXT):
    """The batch with one record as it goes to the broker."""
    ((batch, _),) = batches_of(producer, [Outgoing(topic, "k", value)])
    return bytes(batch._build())


def read(data):
    return MemoryRecords(data).next_batch()


@pytest.mark.parametrize("make", [make_producer, transactional])
@pytest.mark.parametrize("name", CODECS)
async def test_our_topics_have_the_codec_of_the_setting(make, name):
    async with made(make, kafka_compression=name) as producer:
        batch = read(sent(producer, topics.WEBHOOKS.name))
    assert batch.compression_type == CODECS[name]
    assert [record.value for record in batch] == [TEXT]


@pytest.mark.parametrize("make", [make_producer, transactional])
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("topic", ["incoming-messages", "message-status", "whatsapp-cloud-accounts"])
async def test_topics_that_others_read_are_never_compressed_otherwise_than_with_gzip(make, name, topic):
    async with made(make, kafka_compression=name) as producer:
        batch = read(sent(producer, topic))
    assert batch.compression_type == (NONE if name == "none" else GZIP)
    assert [record.value for record in batch] == [TEXT]


@pytest.mark.parametrize("topic", [topics.INCOMING_MESSAGES, topics.SEND_RESULTS])
async def test_what_is_written_in_a_transaction_says_so_in_every_topic(topic):
    async with made(transactional) as within, made(make_producer) as without:
        assert read(sent(within, topic.name)).attributes & TRANSACTIONAL
        assert not read(sent(without, topic.name)).attributes & TRANSACTIONAL


async def test_a_batch_of_a_transaction_is_as_large_in_every_topic():
    async with made(transactional) as producer:
        records = [Outgoing(topics.INCOMING_MESSAGES.name, "k", b"x" * 10_000) for _ in range(24)]
        assert [count for _, count in batches_of(producer, records)] == [24]


@pytest.mark.parametrize("name", ["gzip", "zstd"])
async def test_by_default_records_take_less_than_half(name):
    async with (
        made(make_producer, kafka_compression=name) as small,
        made(make_producer, kafka_compression="none") as all_,
    ):
        assert len(sent(small, topics.WEBHOOKS.name)) < len(sent(all_, topics.WEBHOOKS.name)) / 2


async def test_zstd_is_what_is_set_by_default():
    assert KafkaSettings().kafka_compression == "zstd"


@pytest.mark.parametrize("builder", [DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy])
@pytest.mark.parametrize("codec", [GZIP, ZSTD])
def test_both_implementations_of_aiokafka_use_our_encoders(builder, codec):
    patch_compression()
    made = builder(2, codec, 0, -1, -1, 0, 10_000)
    for number in range(3):
        made.append(number, 1_700_000_000_000, b"k", TEXT, [])
    assert [record.value for record in DefaultRecordBatch(bytes(made.build()))] == [TEXT] * 3


def test_this_is_the_aiokafka_whose_private_parts_were_read():
    """With another version, read `create_builder` and the names of the encoders again, then change this."""
    assert aiokafka.__version__ == "0.14.0"


@pytest.mark.integration
@pytest.mark.parametrize("name", CODECS)
async def test_brokers_take_every_codec_and_readers_read_it(kafka_bootstrap, name):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap, kafka_compression=name)
    topic = topics.Topic(f"packed-{name}", "k", "test", "", partitions=1)
    await ensure_topics(settings, [topic])
    async with make_producer(settings) as producer:
        await write_all(producer, [Outgoing(topic.name, "k", TEXT), Outgoing(topic.name, "k", b"second")])
    async with make_transactional_producer(settings, f"packed-{name}") as producer, producer.transaction():
        await write_all(producer, [Outgoing(topic.name, "k", b"third")])
    values = []
    async with make_reader(settings, topic.name) as reader:
        while len(values) < 3:
            for records in (await reader.getmany(timeout_ms=1_000)).values():
                values += [record.value for record in records]
    assert values == [TEXT, b"second", b"third"]
