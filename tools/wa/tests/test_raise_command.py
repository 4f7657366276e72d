"""`wa topics raise` on a real Kafka: what it refuses and why, and what it does."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from common.contracts import topics
from common.kafka.admin import describe_topics, ensure_topics
from common.kafka.clients import connection, make_producer
from common.kafka.settings import KafkaSettings
from wa.partitions.looking import Looker

pytestmark = pytest.mark.integration

INCOMING, LETTERS = topics.INCOMING_MESSAGES.name, topics.SEND_DLQ.name


@pytest.fixture
async def kafka(own_kafka, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_kafka)
    settings = KafkaSettings(kafka_bootstrap_servers=own_kafka)
    await ensure_topics(settings, partitions=2)
    return settings


async def write(kafka, name, count):
    producer = make_producer(kafka)
    await producer.start()
    try:
        for number in range(count):
            await producer.send_and_wait(name, b"{}", key=b"k", partition=number % 2)
    finally:
        await producer.stop()


async def commit(kafka, group, name, offsets):
    consumer = AIOKafkaConsumer(**connection(kafka), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = {TopicPartition(name, number): offset for number, offset in enumerate(offsets)}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()


async def count(kafka, name):
    return (await describe_topics(kafka))[name].partitions


async def test_a_topic_is_raised_once_every_group_has_read_it(kafka, wa):
    given = ["topics", "raise", "incoming-messages", "--partitions", 5, "--wait", 1]
    await write(kafka, INCOMING, 20)
    await commit(kafka, "ai", INCOMING, [10, 7])
    await commit(kafka, "elsewhere", topics.NUMBERS.name, [0])
    code, _, said = await wa(*given)
    assert code == 3
    assert "the group ai has about 3 records to read" in said
    assert "--without ai" in said
    assert "elsewhere" not in said
    assert await count(kafka, INCOMING) == 2
    assert (await wa(*given, "--dry-run"))[0] == 3

    code, said, _ = await wa(*given, "--without", "ai", "--dry-run")
    assert (code, "nothing is in the way now" in said, await count(kafka, INCOMING)) == (0, True, 2)
    await commit(kafka, "ai", INCOMING, [10, 10])
    code, said, _ = await wa(*given)
    assert (code, await count(kafka, INCOMING)) == (0, 5)
    assert f"{INCOMING}: 2 partitions, 5 wanted" in said
    assert "restart the consumers of ai first" in said
    assert said.splitlines()[-1] == "start conversation again"
    assert (await wa(*given))[0] == 0  # again, which changes nothing

    code, _, said = await wa("topics", "raise", "incoming-messages", "--partitions", 4)
    assert code == 3
    assert "Kafka cannot take partitions away" in said


async def test_a_topic_that_grows_is_not_raised(kafka, wa):
    writing = asyncio.create_task(write(kafka, INCOMING, 100_000))
    try:
        code, _, said = await wa("topics", "raise", "incoming-messages", "--partitions", 5, "--wait", 1)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert code == 3, said
    assert f"{INCOMING} still grows" in said
    assert await count(kafka, INCOMING) == 2


async def test_dead_letters_are_raised_at_once(kafka, wa):
    await write(kafka, LETTERS, 3)
    code, said, _ = await wa("topics", "raise", "send-dlq", "--partitions", 3)
    assert (code, await count(kafka, LETTERS)) == (0, 3)
    assert "nothing of ours has to be restarted" in said


async def test_a_group_that_may_not_be_described_is_in_the_way(kafka, wa, monkeypatch):
    await write(kafka, INCOMING, 2)
    await commit(kafka, "secret", INCOMING, [1, 1])
    real = Looker._described

    async def not_let(self, groups):
        return [(30, *group[1:]) if group[1] == "secret" else group for group in await real(self, groups)]

    monkeypatch.setattr("wa.partitions.looking.Looker._described", not_let)
    code, _, said = await wa("topics", "raise", "incoming-messages", "--partitions", 5, "--wait", 1)
    assert code == 3
    assert "how far the group secret has read could not be seen" in said


async def test_whether_a_service_runs_is_not_guessed(kafka, wa, monkeypatch):
    async def not_let(_self, groups):
        return [(30, group, "", "", "", []) for group in groups]

    monkeypatch.setattr("wa.partitions.looking.Looker._described", not_let)
    code, _, said = await wa("topics", "raise", "incoming-messages", "--partitions", 5, "--wait", 1)
    assert (code, "the group conversation could not be looked at" in said) == (1, True)


async def test_topics_that_are_missing_are_created_instead(own_kafka, wa):
    bootstrap = ["--bootstrap", own_kafka]
    code, _, said = await wa("topics", "raise", "webhooks", "--partitions", 5, *bootstrap)
    assert (code, "`wa topics ensure --partitions 5`" in said) == (3, True)
    code, _, said = await wa("sends", "requeue", *bootstrap)
    assert (code, "`wa topics ensure`" in said) == (3, True)


async def test_a_broker_that_refuses_is_told_in_a_sentence(kafka, wa, monkeypatch):
    async def refuses(*_):
        raise KafkaError("no more partitions here")

    monkeypatch.setattr("aiokafka.admin.AIOKafkaAdminClient.create_partitions", refuses)
    code, _, said = await wa("topics", "raise", "send-dlq", "--partitions", 3)
    assert code == 1
    assert "no more partitions here" in said
