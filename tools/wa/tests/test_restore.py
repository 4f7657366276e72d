"""The steps of docs/operations.md after a restore of MongoDB alone: nothing is lost, nothing is sent twice."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition

from common.contracts import topics
from common.kafka.clients import connection
from common.kafka.settings import KafkaSettings
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System
from wa.__main__ import main

pytestmark = pytest.mark.e2e

NUMBER, PHONES = "106540352248888", [f"491590000800{index}" for index in range(3)]
GROUPS = {
    "conversation": (topics.WEBHOOKS, topics.SEND_RESULTS),
    "sender": topics.SEND_FAMILY,
    "sender-status": (topics.MESSAGE_STATUS,),
}


@pytest.fixture
def system():
    own = {"MONGODB_DATABASE": f"restore_{uuid.uuid4().hex[:10]}"}
    settings = dict.fromkeys(("sender", "conversation", "accounts"), own)
    options = ("--delivered-after-ms", "30", "--read-after-ms", "60")
    with System(choices=Choices(extra=settings, emulator_options=options)) as system:
        yield system


async def documents(mongo):
    database = mongo.database
    return {name: await database[name].find().to_list() for name in await database.list_collection_names()}


async def put_back(mongo, backup):
    for name in await mongo.database.list_collection_names():
        await mongo.database[name].delete_many({})
        if backup.get(name):
            await mongo.database[name].insert_many(backup[name])


async def set_back(system, group, names, moment):
    """What `kafka-consumer-groups.sh --reset-offsets --to-datetime` does."""
    settings = KafkaSettings(kafka_bootstrap_servers=system.stack.kafka_bootstrap_servers)
    consumer = AIOKafkaConsumer(**connection(settings), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(name, number) for name in names for number in range(4)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(moment.timestamp() * 1000)))
        await consumer.commit({tp: at.offset if (at := found[tp]) else ends[tp] for tp in partitions})
    finally:
        await consumer.stop()


async def converse(client, words):
    for phone in PHONES:
        for word in words:
            await client.says(phone, NUMBER, word)


@pytest.mark.feature("restore of MongoDB")
async def test_after_a_restore_of_mongodb_alone_nothing_is_lost_and_nothing_sent_twice(system, mongo):
    async with ClientSession() as session:
        client = Client(session, system.urls, system.secret)
        await client.onboard("bot", NUMBER)

        async def read(count):
            return await mongo.database["messages"].count_documents({"deliveryStatus": "read"}) == count

        await converse(client, ["one", "two"])
        await eventually("the first are read", lambda: read(6))
        backup, moment = await documents(mongo), datetime.now(UTC)

        await converse(client, ["three", "four"])
        await eventually("the others are read", lambda: read(12))
        soon = datetime.now(UTC) + timedelta(seconds=8)
        later = {"chatbotId": "bot", "to": PHONES[0], "message": "as promised", "messageId": "later"}
        await client.api("POST", "/send", {**later, "sendAt": soon.isoformat()})

        async def scheduled():
            return await mongo.database["send_scheduled"].count_documents({}) == 1

        await eventually("it is scheduled", scheduled)
        for service in ("sender", "conversation", "accounts"):
            system.terminate(service)
        await put_back(mongo, backup)

        since = moment - timedelta(seconds=1)
        bootstrap = system.stack.kafka_bootstrap_servers
        given = ["journal", "restore", "--since", since.isoformat(), "--bootstrap", bootstrap]
        assert await asyncio.to_thread(main, given) == 0
        for group, names in GROUPS.items():
            await set_back(system, group, [topic.name for topic in names], since)
        for service in ("accounts", "conversation", "sender"):
            system.restart(service)

        await eventually("all is read again, and what was scheduled too", lambda: read(13), seconds=60)
        await converse(client, ["five"])
        await eventually("it goes on", lambda: read(16))
        for phone in PHONES:
            asked = [entry["wamid"] for entry in await client.sent(phone=phone)]
            received = [entry["body"] for entry in await client.received(phone=phone)]
            assert [body["context"]["message_id"] for body in received if "context" in body] == asked
            assert len(received) == len(asked) + (phone == PHONES[0])
