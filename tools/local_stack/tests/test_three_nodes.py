"""The clusters that the fault tests of the product need: three nodes each, and one of them lost."""

import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient, WriteConcern

from local_stack import LocalStack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "TEST_INFRA"):
            patch.delenv(name, raising=False)
        with LocalStack(kafka_nodes=3, mongo_nodes=3) as started:
            yield started


async def test_kafka_goes_on_without_one_node_and_takes_it_back(stack):
    bootstrap = stack.kafka_bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("letters", num_partitions=3, replication_factor=3)])
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for partition in range(3):
            await producer.send_and_wait("letters", b"before", partition=partition)
        stack.kafka.kill(2)
        for partition in range(3):
            sent = await producer.send_and_wait("letters", b"without node 2", partition=partition)
            assert sent.offset == 1
        stack.kafka.restart(2)
        assert {broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]} == {1, 2, 3}
    await admin.close()


async def test_a_killed_primary_is_replaced_and_comes_back(stack):
    before = stack.mongo.primary()
    async with AsyncMongoClient(stack.mongodb_uri) as client:
        letters = client["test"].get_collection("letters", write_concern=WriteConcern("majority"))
        await letters.insert_one({"_id": 1})
        stack.mongo.kill(before)
        started = time.monotonic()
        after = stack.mongo.primary()
        assert after != before
        assert time.monotonic() - started < 10
        await letters.insert_one({"_id": 2})
        stack.mongo.restart(before)
        assert await letters.count_documents({}) == 2


def test_a_paused_primary_is_replaced(stack, eventually):
    before = stack.mongo.primary()
    stack.mongo.pause(before)
    assert eventually(lambda: stack.mongo.primary() != before)
    stack.mongo.resume(before)
    assert eventually(lambda: stack.mongo.is_ready(before))
