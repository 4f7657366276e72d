"""What waits long waits in MongoDB: it holds neither memory nor the commit position, and keeps its order."""

import json
import uuid
from collections import defaultdict

import pytest
from aiokafka import TopicPartition

from common.contracts import sends, topics
from common.kafka.clients import make_group_consumer
from common.kafka.records import Outgoing
from common.kafka.wire.partitioner import partition_of

pytestmark = pytest.mark.integration

PARTITIONS = 3
SMALL = {"sender_session_records": 20, "sender_park_seconds": 0.5}


def number(index):
    return f"+4915100000{index:03}"


async def neighbours(world, count=2):
    """Accounts whose chatbots share a partition."""
    names = (f"bot-{uuid.uuid4().hex[:10]}" for _ in iter(int, 1))
    same = [next(names)]
    while len(same) < count:
        name = next(names)
        if partition_of(name, PARTITIONS) == partition_of(same[0], PARTITIONS):
            same.append(name)
    return [await world.account(chatbot=name) for name in same]


async def committed_to_the_end(world, chatbot):
    consumer = make_group_consumer(world.settings, world.settings.sender_group)
    await consumer.start()
    try:
        (tp,) = [tp for tp in await partitions_of(consumer) if tp.partition == partition_of(chatbot, PARTITIONS)]
        consumer.assign([tp])
        ends = await consumer.end_offsets([tp])
        # The last offset of the log may be the marker of a transaction, after which no owner commits.
        return (await consumer.committed(tp) or 0) >= ends[tp] - 1
    finally:
        await consumer.stop()


async def partitions_of(consumer):
    cluster = await consumer._client.fetch_all_metadata()
    return [TopicPartition(topics.SEND.name, p) for p in cluster.partitions_for_topic(topics.SEND.name)]


async def test_a_paused_number_with_a_long_backlog_holds_nothing_up_and_loses_nothing(world, eventually):
    stuck, free = await neighbours(world)
    paused = {world.accounts.phones[stuck]}
    world.graph.answer = lambda body, _nth: (190, 401) if body["text"]["body"].startswith("s") and paused else None
    wanted = [(number(n % 10), f"s{n % 10}/{n}", f"m{n}") for n in range(300)]
    async with world.running(**SMALL, sender_pause_seconds=600.0) as sender:
        await world.send(stuck, *wanted)
        await world.send(free, *[(number(n), f"free{n}", f"f{n}") for n in range(30)])
        await world.until_results(free, 30, seconds=15)

        async def all_committed():
            return await committed_to_the_end(world, stuck)

        await eventually(all_committed)
        parked = await sender.mongo.database["send_parked"].count_documents({})
        assert parked == 300
        assert all(session.lanes.memory.size == 0 for session in sender.worker.sessions)
        assert await world.results(stuck) == []
    # Another process takes over, and finds them; then the owner of the account gives it a new token.
    async with world.running(**SMALL, sender_pause_seconds=600.0) as sender:
        await eventually(lambda: any_parked_seen(sender))
        paused.clear()
        world.accounts.revision = 2
        await world.account(chatbot=stuck, revision=2)
        results = await world.until_results(stuck, 300, seconds=40)

        async def none_parked():
            return await sender.mongo.database["send_parked"].count_documents({}) == 0

        await eventually(none_parked)
    assert {r.type for r in results} == {sends.ACCEPTED}
    taken = [text for text in world.graph.texts() if text.startswith("s")]
    refused = {text for text in taken if taken.count(text) > 1}
    assert len(refused) <= 20  # the calls that met the pause
    by_lane = defaultdict(list)
    for text in taken[-300:]:
        lane, index = text[1:].split("/")
        by_lane[lane].append(int(index))
    assert len(by_lane) == 10
    assert all(indexes == sorted(set(indexes)) and len(indexes) == 30 for indexes in by_lane.values())


async def any_parked_seen(sender):
    return any(lane.tail for session in sender.worker.sessions for lane in session.lanes._lanes.values())


async def test_a_flood_of_one_tenant_does_not_stop_the_reader(world):
    flooding, quiet = await neighbours(world)
    world.graph.delay = 0.05
    async with world.running(**SMALL, sender_max_in_flight=4, sender_pair_pace=False):
        await world.send(flooding, *[(number(n % 7), f"{n % 7}/{n}", f"m{n}") for n in range(400)])
        await world.send(quiet, (number(1), "quiet", "q"))
        await world.until_results(quiet, 1)
        assert len(world.graph.calls) < 300  # it did not wait for the flood to end
        await world.until_results(flooding, 400, seconds=60)
    texts = [text for text in world.graph.texts() if text != "quiet"]
    assert len(set(texts)) == len(texts) == 400
    for lane in range(7):
        indexes = [int(text.split("/")[1]) for text in texts if text.startswith(f"{lane}/")]
        assert indexes == sorted(indexes)


async def test_a_doubt_waits_in_the_store_and_a_status_ends_its_wait(world, eventually):
    chatbot = await world.account()
    world.graph.answer = lambda body, nth: "lose" if body["text"]["body"] == "lost" and nth == 1 else None
    async with world.running(sender_park_seconds=0.5) as sender:
        await world.send(chatbot, (number(1), "lost", "m1"), (number(1), "behind", "m2"))
        await world.until_results(chatbot, 1, sends.IN_DOUBT)

        async def parked():
            return await sender.mongo.database["send_parked"].count_documents({"group": chatbot}) == 2

        await eventually(parked)
        await world.status(chatbot, "m1", wamid="wamid.known")
        await world.until_results(chatbot, 2, sends.ACCEPTED, seconds=10)
    assert world.graph.texts() == ["lost", "behind"]


async def test_a_record_with_another_key_is_sent_by_the_owner_of_its_chatbot(world):
    chatbot = await world.account()
    home = partition_of(chatbot, PARTITIONS)
    bodies = [
        {"chatbotId": chatbot, "to": number(1), "message": "named", "messageId": "m1"},
        {"chatbotId": chatbot, "to": number(1), "message": "unnamed"},
    ]
    astray = [
        Outgoing(topics.SEND.name, "a key of their own", json.dumps(body).encode(), partition=(home + 1) % PARTITIONS)
        for body in bodies
    ]
    async with world.running():
        await publish_to(world, astray)
        results = await world.until_results(chatbot, 2)
    assert world.graph.texts() == ["named", "unnamed"]
    assert len({r.data.journal_id for r in results}) == 2


async def publish_to(world, records):
    producer = world.publisher._producer
    for record in records:
        await producer.send_and_wait(record.topic, record.value, key=record.key.encode(), partition=record.partition)
