"""Scheduled sends of partitions that do not exist: living owners take them over, on a real mongod."""

import asyncio
import json
import logging
import uuid
from types import SimpleNamespace

import pytest
from query_plans import explain, recorded

from common.contracts import ids, topics
from common.kafka.wire.partitioner import partition_of
from common.mongo import Mongo, MongoSettings
from sender.journal.forms import DATED, DatedIds
from sender.records.onward import released
from sender.waiting.adoption import Adoption, moved
from sender.waiting.parked_store import Parked, ParkStore
from sender.waiting.scheduled_store import Scheduled, ScheduleStore
from sender.waiting.stored_record import StoredRecord

SEND = topics.SEND.name


def scheduled(number, partition, *, named=True, dated_at=None, bot=None):
    bot = bot or f"bot-{number}"
    body = {"chatbotId": bot, "to": "+491510000001", "message": "hi", "sendAt": "2100-01-01T00:00:00Z"}
    message_id = f"m{number}" if named else ids.request_id(SEND, partition, number, dated_at)
    value = json.dumps(body | ({"messageId": message_id} if named else {})).encode()
    record = StoredRecord(
        partition=partition, topic=SEND, offset=number, headers={"x": "1"}, value=value, dated_at=dated_at
    )
    return Scheduled(id=ids.journal_id(bot, message_id), token=f"t{number}", record=record, due=4e9)


def parked(number, partition):
    record = scheduled(number, partition).record
    return Parked(
        id=f"p{number}",
        token="t",
        record=record,
        lane="l",
        group="bot",
        order=number,
        due=0.0,
        in_doubt=False,
        strikes=0,
    )


@pytest.mark.parametrize("dated_at", [None, 5_000])
@pytest.mark.parametrize("named", [True, False])
def test_a_send_that_is_taken_over_is_the_same_send(named, dated_at):
    send = scheduled(7, 11, named=named, dated_at=dated_at)
    taken = moved(send, 4)
    job = taken.record.read()
    assert taken.record.partition == partition_of("bot-7", 4)
    assert (job.journal_id, job.headers["x"]) == (send.id, "1")
    assert dict(released(job).headers)["message-id"].decode() == job.message_id


def test_what_cannot_be_read_is_taken_over_too():
    record = StoredRecord(partition=9, topic=SEND, offset=1, headers={}, value=b"no json")
    assert moved(Scheduled(id="x", token="t", record=record, due=1.0), 4).record.partition == 0


@pytest.fixture
async def mongo(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"adoption_{uuid.uuid4().hex[:10]}"))
    yield mongo
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


@pytest.fixture
async def stores(mongo):
    stores = ScheduleStore(mongo.database), ParkStore(mongo.database)
    for store in stores:
        await store.ensure_indexes()
    return stores


@pytest.mark.integration
async def test_scheduled_sends_beyond_the_partitions_go_to_their_chatbots(stores, mongo, caplog):
    schedule, parks = stores
    sends = [scheduled(number, number % 12) for number in range(1_200)]
    await schedule.put(sends)
    await parks.park([parked(1, 3)])
    with recorded() as commands:
        await Adoption(schedule, parks).look(4)
    plans = [await explain(mongo.client, *command) for command in commands if command[1].get("find")]
    assert len(plans) >= 3  # two pages and an empty one, and the look at what is parked
    assert all(plan.bounded for plan in plans)
    assert "are parked" not in caplog.text

    there = {document["_id"]: document async for document in mongo.database["send_scheduled"].find()}
    assert len(there) == len(sends)
    for send in sends:
        here = there[send.id]["partition"]
        home = partition_of(f"bot-{send.record.offset}", 4)
        assert here == (send.record.partition if send.record.partition < 4 else home)
    assert (await schedule.due_of(sends[11].id), there[sends[11].id]["token"]) == (4e9, "t11")


@pytest.mark.integration
async def test_a_send_that_was_stored_again_meanwhile_is_left_alone(stores):
    schedule, _ = stores
    await schedule.put([scheduled(7, 11)])
    (found,) = await schedule.beyond(4, 10)
    await schedule.put([Scheduled(id=found.id, token="later", record=found.record, due=1.0, again=True)])
    await schedule.move([moved(found, 4)])
    (still,) = await schedule.beyond(4, 10)
    assert still.token == "later"


@pytest.mark.integration
async def test_parked_sends_beyond_the_partitions_are_reported(stores, caplog):
    schedule, parks = stores
    await parks.park([parked(1, 3), parked(2, 9)])
    with caplog.at_level(logging.ERROR):
        await Adoption(schedule, parks).look(4)
    assert "wa sends requeue" in caplog.text


async def test_it_begins_when_the_partitions_are_known(monkeypatch):
    looked = asyncio.Queue()

    async def look(partitions):
        looked.put_nowait(partitions)

    monkeypatch.setattr("sender.waiting.adoption._EVERY_SECONDS", 0.01)
    adoption = Adoption(None, None)
    monkeypatch.setattr(adoption, "look", look)
    known = SimpleNamespace(count=None)
    running = asyncio.create_task(adoption.run(lambda: known.count))
    await asyncio.sleep(0.03)
    assert looked.empty()
    known.count = 4
    async with asyncio.timeout(5):
        assert await looked.get() == 4
    running.cancel()


@pytest.mark.integration
async def test_ids_are_dated_at_once_on_a_new_database_and_a_day_later_on_one_that_is_used(mongo):
    assert await DatedIds(mongo.database).since() == 0.0
    forms = mongo.database["stored_forms"]
    await forms.delete_many({})
    await mongo.database["send_journal"].insert_one({"_id": "x"})
    ids_of = DatedIds(mongo.database)
    since = await ids_of.since()
    assert since > 1e9
    assert (await forms.find_one({"_id": DATED}))["since"].timestamp() == pytest.approx(since, abs=0.01)
    # Every process says the same, and one asks once.
    assert await DatedIds(mongo.database).since() == pytest.approx(since, abs=0.01)
    await forms.delete_many({})
    assert await ids_of.since() == since
