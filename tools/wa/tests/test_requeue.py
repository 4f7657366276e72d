"""Waiting sends that stand where they do not belong, on a real Kafka and MongoDB: found, put back, in order."""

import json
import uuid

import pytest
from query_plans import explain, recorded

from common.contracts import ids, topics
from common.kafka.admin import describe_topics, ensure_topics
from common.kafka.clients import make_reader
from common.kafka.records import read_headers
from common.kafka.settings import KafkaSettings
from common.kafka.wire.partitioner import partition_of
from common.mongo import Mongo, MongoSettings, schema
from common.mongo.indexes import ensure_indexes
from wa.doctor.findings import Level
from wa.doctor.judge_sends import judge_sends
from wa.partitions import requeue
from wa.partitions.parked import Astray, Parked, astray, older_partitions, parked_sends, scheduled_beyond
from wa.partitions.requeue import SendTopic

SEND = topics.SEND.name
PARKED, SCHEDULED = schema.SEND_PARKED, schema.SEND_SCHEDULED


def waiting(bot, number, partition, *, order=None, scheduled=False):
    message_id = f"m{number}"
    body = {"chatbotId": bot, "to": "+491510000001", "message": "hi", "messageId": message_id}
    lane = {"lane": f"{bot}|p:491510000001", "group": bot, "order": number if order is None else order}
    return {
        "_id": ids.journal_id(bot, message_id),
        "token": "t",
        "partition": partition,
        "topic": SEND,
        "offset": number,
        "headers": [],
        "value": json.dumps(body).encode(),
        "due": 0.0,
        **({} if scheduled else {**lane, "inDoubt": False, "strikes": 0, "backlog": False}),
    }


def places(bot, partitions):
    """The partition of a chatbot, and another one."""
    return partition_of(bot, partitions), (partition_of(bot, partitions) + 1) % partitions


@pytest.fixture
async def database(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"requeue_{uuid.uuid4().hex[:10]}"))
    for collection in (PARKED, SCHEDULED):
        await ensure_indexes(mongo.database, collection)
    yield mongo.database
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


@pytest.fixture
async def kafka(kafka_bootstrap):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    await ensure_topics(settings)
    return settings


@pytest.fixture
async def partitions(kafka):
    return (await describe_topics(kafka))[SEND].partitions


@pytest.fixture
def bot():
    return f"bot-{uuid.uuid4().hex[:10]}"


async def records_of(kafka, bot):
    """What the send topic has for a chatbot: (partition, message id) in order."""
    reader = make_reader(kafka, SEND)
    await reader.start()
    try:
        ends = await reader.end_offsets(list(reader.assignment()))
        found = []
        while not all([await reader.position(tp) >= end for tp, end in ends.items()]):
            for tp, records in (await reader.getmany(timeout_ms=200)).items():
                found += [
                    (tp.partition, read_headers(r.headers)["message-id"]) for r in records if r.key == bot.encode()
                ]
        return found
    finally:
        await reader.stop()


async def everywhere(database, bot, partitions):
    """Parked beyond the partitions and beside its own, and at home; the same scheduled."""
    home, beside = places(bot, partitions)
    parked = [waiting(bot, n, 99) for n in range(450)] + [waiting(bot, n, beside) for n in range(450, 500)]
    await database[PARKED.name].insert_many([*parked, waiting(bot, 900, home)])
    later = [waiting(bot, 1_000 + n, at, scheduled=True) for n, at in enumerate([99, beside, home])]
    await database[SCHEDULED.name].insert_many(later)


@pytest.mark.integration
async def test_parked_sends_go_back_in_order_and_scheduled_ones_change_their_partition(
    database, kafka, bot, partitions
):
    await everywhere(database, bot, partitions)
    home, beside = places(bot, partitions)
    topic = SendTopic(partitions, {home: 10_000, beside: 10_000})
    counted = await requeue.count(database, topic)
    assert (counted.parked, counted.scheduled, counted.left) == (500, 2, [])
    assert await records_of(kafka, bot) == []
    said = []
    moved = await requeue.requeue(database, kafka, topic, said.append)
    assert (moved.parked, moved.scheduled, moved.left) == (500, 2, [])
    assert said[-1] == "500 parked sends are on the topic again"
    found = await records_of(kafka, bot)
    assert {partition for partition, _ in found} == {home}
    first, second = ([f"m{n}" for n in part] for part in (range(450), range(450, 500)))
    names = [name for _, name in found]
    assert [name for name in names if name in first] == first
    assert [name for name in names if name in second] == second
    (left,) = await database[PARKED.name].find().to_list()
    assert left["offset"] == 900
    assert {one["partition"] async for one in database[SCHEDULED.name].find()} == {home}
    again = await requeue.requeue(database, kafka, topic, said.append)
    assert (again.parked, again.scheduled) == (0, 0)


@pytest.mark.integration
async def test_a_run_that_is_cut_off_goes_on_and_writes_the_same_sends(database, kafka, bot, partitions, monkeypatch):
    await everywhere(database, bot, partitions)
    topic = SendTopic(partitions, {}, everything=True)

    async def fails(*_):
        raise OSError("injected")

    with monkeypatch.context() as patch:
        patch.setattr(requeue, "remove", fails)
        with pytest.raises(OSError, match="injected"):
            await requeue.requeue(database, kafka, topic, lambda _: None)
    # They are on the topic, and still in the store: none is lost.
    assert await database[PARKED.name].count_documents({}) == 501
    assert (await requeue.requeue(database, kafka, topic, lambda _: None)).parked == 501
    names = [name for _, name in await records_of(kafka, bot)]
    assert len(set(names)) == 501 < len(names)


@pytest.mark.integration
async def test_what_was_parked_again_meanwhile_and_what_is_not_understood_stay(database, kafka, bot, partitions):
    stays = waiting(bot, 1, 99) | {"_id": "another"}
    await database[PARKED.name].insert_many([stays, waiting(bot, 2, 99)])
    topic = SendTopic(partitions, {})
    assert (await requeue.count(database, topic)).left == ["another"]
    await requeue.remove(database, [waiting(bot, 2, 99) | {"token": "of before"}])
    assert await database[PARKED.name].count_documents({}) == 2
    moved = await requeue.requeue(database, kafka, topic, lambda _: None)
    assert (moved.parked, moved.left) == (1, ["another"])
    assert [one["_id"] async for one in database[PARKED.name].find()] == ["another"]


@pytest.mark.integration
async def test_where_sends_are_parked_is_read_from_the_index_alone(database, bot):
    partitions = 4
    home, beside = places(bot, partitions)
    await everywhere(database, bot, partitions)
    with recorded() as commands:
        found = await parked_sends(database)
        assert await scheduled_beyond(database, partitions) == 1
    plans = [await explain(database.client, *command) for command in commands]
    assert [plan.documents for plan in plans] == [0, 0]
    assert not any({"COLLSCAN", "SORT"} & plan.stages for plan in plans)
    counts = {(one.partition, one.chatbot_id): (one.count, one.last) for one in found}
    assert counts == {(99, bot): (450, 449), (beside, bot): (50, 499), (home, bot): (1, 900)}


def test_each_parked_send_counts_for_one_thing():
    bot, partitions = "bot", 4
    at, beside = places(bot, partitions)
    ends = dict.fromkeys(range(partitions), 100)
    found = [Parked(9, bot, 3, 5), Parked(beside, bot, 2, 500), Parked(at, bot, 7, 100), Parked(at, bot, 1, 3)]
    assert astray(found, partitions, ends) == Astray(gone=3, moved=2, older=8)
    assert astray([Parked(at, bot, 7, 99)], partitions, ends) == Astray()
    assert older_partitions(found, ends) == {9, beside, at}
    assert older_partitions([Parked(at, bot, 7, 99)], ends) == frozenset()


def test_what_the_doctor_says_of_them():
    (well,) = judge_sends(Astray(), 0)
    assert well.level is Level.OK
    gone, moved, older, later = judge_sends(Astray(gone=1_234, moved=2, older=3), 4)
    assert (gone.level, moved.level, older.level, later.level) == (Level.PROBLEM, *[Level.WARNING] * 3)
    assert "1,234 are parked at partitions that do not exist" in gone.says
    assert all("wa sends requeue" in finding.fix for finding in (gone, moved, older, later))
