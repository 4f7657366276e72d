"""The steps of docs/operations.md after Kafka was lost and MongoDB was not, on real processes."""

import asyncio
import json
import uuid

import pytest
from aiohttp import ClientSession
from aiokafka.admin import AIOKafkaAdminClient
from waiting_system import FASTER, OPTIONS, World, start, stop

from common.contracts import topics
from common.kafka.admin import describe_topics
from common.kafka.clients import connection, make_producer
from common.kafka.settings import KafkaSettings
from common.kafka.wire.partitioner import partition_of
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BEFORE, AFTER = 4, 2
SERVICES = ("ai_responder", "ingress", "sender", "conversation", "accounts")


def name_of(word, **wanted):
    """A chatbot whose requests stand at these partitions, by how many there are."""
    names = (f"{word}-{number}" for number in range(1_000))
    return next(n for n in names if all(partition_of(n, int(count[1:])) == at for count, at in wanted.items()))


@pytest.fixture
def system():
    database = {"MONGODB_DATABASE": f"lost_{uuid.uuid4().hex[:10]}"}
    extra = dict.fromkeys(("conversation", "accounts"), database) | {"sender": database | FASTER}
    with System(choices=Choices(extra=extra, emulator_options=OPTIONS), partitions=BEFORE) as system:
        yield system


@pytest.fixture
def kafka(system):
    return KafkaSettings(kafka_bootstrap_servers=system.stack.kafka_bootstrap_servers)


async def lose(kafka):
    """Delete every topic, and wait until none is left."""
    admin = AIOKafkaAdminClient(**connection(kafka))
    await admin.start()
    try:
        await admin.delete_topics([topic.name for topic in topics.ALL])
    finally:
        await admin.close()

    async def gone():
        return not {topic.name for topic in topics.ALL} & set(await describe_topics(kafka))

    await eventually("the topics are gone", gone)


async def write_raw(kafka, chatbot, phone, texts):
    """Requests without a `messageId`, as any producer may write them; their places."""
    producer = make_producer(kafka)
    await producer.start()
    try:
        values = [json.dumps({"chatbotId": chatbot, "to": phone, "message": text}).encode() for text in texts]
        return [
            (m.partition, m.offset)
            for m in [await producer.send_and_wait(topics.SEND.name, v, key=chatbot.encode()) for v in values]
        ]
    finally:
        await producer.stop()


@pytest.mark.feature("loss of Kafka")
async def test_after_a_loss_of_kafka_alone_each_waiting_send_arrives_once_and_in_order(system, kafka, mongo, capsys):
    async with ClientSession() as session:
        world = World(system, Client(session, system.urls, system.secret), mongo, phones=4)
        # One chatbot keeps its partition, the other one's is gone afterwards.
        world.bot, world.held = name_of("bot", n4=0, n2=0), name_of("held", n4=3, n2=1)
        await world.begin()
        free = name_of("raw", n4=1, n2=1)
        await world.client.onboard(free, "106540352247777", waba_id="200000000000003")
        await world.client.says(world.phones[0], "106540352247777", "Hello")
        await eventually("all have an answer", world.answered)

        async def raw_texts():
            received = await world.client.received(phone=world.phones[0])
            bodies = [one["body"] for one in received if one["phoneNumberId"] == "106540352247777"]
            return [body["text"]["body"] for body in bodies if "context" not in body]

        places = await write_raw(kafka, free, world.phones[0], ["raw"] * 20)

        async def arrived(wanted):
            return len(await raw_texts()) >= wanted

        await eventually("the first have arrived", lambda: arrived(20))
        await world.hold()
        await world.park()
        await world.schedule(40)
        async with world.traffic():
            pass
        await eventually("all have an answer", world.answered, seconds=60)
        await stop(system, *SERVICES)

        await lose(kafka)
        assert await world.wa("topics", "ensure", "--replication", "1", "--partitions", str(AFTER)) == 0
        capsys.readouterr()
        assert await world.wa("doctor") == 3
        told = capsys.readouterr().out
        assert f"{len(world.asked)} are parked at partitions that do not exist" in told
        assert f"{len(world.later)} are scheduled at partitions that do not exist" in told
        assert "`wa sends requeue`" in told
        assert await world.wa("sends", "requeue", "--dry-run") == 0
        assert f"{len(world.asked)} parked sends would go back" in capsys.readouterr().out
        assert await world.wa("sends", "requeue") == 0
        assert f"{len(world.asked)} parked sends went back" in capsys.readouterr().out
        capsys.readouterr()
        await world.wa("doctor")
        assert "each stands at the partition of its chatbot" in capsys.readouterr().out

        await start(system, "accounts", "conversation", "sender")
        again = await write_raw(kafka, free, world.phones[0], ["raw"] * 40)
        assert set(places) & set(again), "no request came to the place of an older one"
        for phone in world.phones:
            await world.ask(phone, "after the loss")
        await start(system, "ingress", "ai_responder")
        async with world.traffic():
            await world.client.control("DELETE", "faults")
        await world.assert_all_arrived()
        await eventually("requests at the places of older ones have arrived", lambda: arrived(60))
        await asyncio.sleep(0)
        assert await raw_texts() == ["raw"] * 60


@pytest.mark.feature("loss of Kafka")
async def test_living_owners_take_over_what_is_scheduled_and_say_what_is_parked(system, kafka, mongo, capsys):
    async with ClientSession() as session:
        world = World(system, Client(session, system.urls, system.secret), mongo, phones=2)
        world.bot, world.held = name_of("bot", n4=0, n2=0), name_of("held", n4=3, n2=1)
        await world.begin()
        await world.hold()
        await world.park(each=1)
        await world.schedule(20)
        await stop(system, *SERVICES)
        await lose(kafka)
        assert await world.wa("topics", "ensure", "--replication", "1", "--partitions", str(AFTER)) == 0
        # The steps in between were forgotten.
        await world.client.control("DELETE", "faults")
        await start(system, "accounts", "conversation", "sender", "ingress", "ai_responder")

        async def later_arrived():
            texts = [text for phone in world.phones for text in await world._texts(phone)]
            return sorted(texts) == sorted(world.later)

        await eventually("what was scheduled has arrived", later_arrived, seconds=90)
        assert "wa sends requeue" in system.log_of("sender")
        # Nothing is put back while a sender runs.
        assert await world.wa("sends", "requeue", "--wait", "1") == 3
        assert "stop every sender" in capsys.readouterr().err
        await stop(system, "sender")
        assert await world.wa("sends", "requeue") == 0
        await start(system, "sender")
        await world.assert_all_arrived()
