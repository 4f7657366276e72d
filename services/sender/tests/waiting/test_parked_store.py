"""Parked sends on a real mongod: their order, their places, and what a stale hand may not do."""

import uuid
from dataclasses import replace

import pytest
from query_plans import explain, recorded

from common.mongo import Mongo, MongoSettings
from sender.waiting.parked_store import Parked, ParkStore, Waiting
from sender.waiting.stored_record import StoredRecord

pytestmark = pytest.mark.integration


def parked(name, order, lane="a", **more):
    fields = {"token": f"t-{name}", "group": "bot", "due": 0.0, "in_doubt": False, "strikes": 0}
    headers = {"x.own": "1", "$y": "2"}
    fields["record"] = StoredRecord(
        partition=1, topic="whatsapp-cloud-send", offset=order, headers=headers, value=b"{}"
    )
    return Parked(id=name, order=order, lane=lane, **(fields | more))


@pytest.fixture
async def mongo(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"parked_{uuid.uuid4().hex[:10]}"))
    yield mongo
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


@pytest.fixture
async def store(mongo):
    store = ParkStore(mongo.database)
    await store.ensure_indexes()
    return store


async def names(store, lane="a", after=-1, limit=10):
    return [send.id for send in await store.first(1, lane, after, limit)]


async def test_a_lane_comes_back_in_its_order_and_as_it_was(store):
    sends = [parked("c", 9), parked("a", 2), parked("b", 4), parked("x", 1, "other")]
    await store.park(sends)
    assert await names(store) == ["a", "b", "c"]
    assert await names(store, after=2, limit=1) == ["b"]
    assert (await store.first(1, "other", -1, 5)) == [sends[3]]
    assert await store.first(2, "a", -1, 5) == []


async def test_a_request_that_is_repeated_keeps_its_place(store):
    await store.park([parked("a", 2), parked("b", 4)])
    await store.park([parked("a", 900, token="again"), parked("c", 901)])
    assert await names(store) == ["a", "b", "c"]
    await store.park([parked("b", 4, token="later", strikes=3)])  # the same record, parked once more
    assert [(send.token, send.strikes) for send in await store.first(1, "a", 2, 1)] == [("later", 3)]


async def test_only_what_was_meant_is_removed_or_put_off(store):
    await store.park([parked("a", 2)])
    await store.park([replace(parked("a", 2), token="new")])
    await store.remove([("a", "t-a")])
    await store.postpone([("a", "t-a", 99.0, True)])
    (send,) = await store.first(1, "a", -1, 5)
    assert (send.token, send.due) == ("new", 0.0)
    await store.postpone([("a", "new", 99.0, True)])
    assert await store.waiting(1) == [Waiting("a", "bot", 99.0, in_doubt=True, last=2)]
    await store.remove([("a", "new")])
    assert await store.waiting(1) == []


async def test_a_lane_is_known_by_its_first_send(store):
    await store.park([parked("a", 2, due=50.0), parked("b", 4, due=10.0), parked("x", 3, "other", due=7.0)])
    found = sorted(await store.waiting(1), key=lambda waiting: waiting.lane)
    assert [(waiting.lane, waiting.due) for waiting in found] == [("a", 50.0), ("other", 7.0)]


async def test_the_names_in_lanes_of_another_name_are_told_once_each(store):
    named = {"lane": "bot|p:1", "named": "bot|u:DE.1"}
    await store.park([parked("a", 2, **named), parked("b", 3, backlog=True, **named), parked("c", 4), parked("d", 5)])
    assert await store.named(1) == [("bot|u:DE.1", "bot|p:1", "bot")]
    assert (await store.first(1, "bot|p:1", -1, 1))[0].named == "bot|u:DE.1"
    assert await store.named(2) == []


async def test_a_partition_is_taken_over_from_indexes_alone(store, mongo):
    named = {"lane": "bot|p:1", "named": "bot|u:DE.1"}
    await store.park([parked(f"{number}", number, f"lane {number % 7}") for number in range(300)])
    await store.park([parked(f"named {number}", number, **named) for number in range(50)])
    await store.park([parked(f"later {number}", number, backlog=True) for number in range(300)])
    with recorded() as commands:
        assert len(await store.waiting(1)) == 8
        assert await store.named(1) == [("bot|u:DE.1", "bot|p:1", "bot")]
    plans = [await explain(mongo.client, *command) for command in commands]
    assert [plan.documents for plan in plans] == [0, 0]
    assert not any(plan.stages & {"COLLSCAN", "SORT"} for plan in plans)
