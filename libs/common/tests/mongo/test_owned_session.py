"""A successor ends what a dead predecessor has left open, on a real mongod."""

import asyncio
import time
import uuid

import pytest
from pymongo.errors import OperationFailure

from common.mongo import Mongo, MongoSettings, OwnedSession, transaction

pytestmark = pytest.mark.integration


@pytest.fixture
async def mongo(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"owners_{uuid.uuid4().hex[:10]}"))
    yield mongo
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


async def count_up(mongo, owned):
    async def work(session):
        await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    await transaction(owned, work)


async def left_open(mongodb_uri, mongo, owner):
    """A client that has written in a transaction, and then says nothing any more."""
    dead = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=mongo.database.name))
    owned = await OwnedSession(dead, owner).__aenter__()
    await owned.client_session.start_transaction()
    await dead.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=owned.client_session)
    return dead, owned


async def test_a_successor_is_not_kept_by_a_transaction_that_was_left_open(mongo, mongodb_uri):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    dead, owned = await left_open(mongodb_uri, mongo, "group/slot-1")
    # What a process meets that does not take the slot over.
    async with mongo.client.start_session() as session:
        await session.start_transaction()
        with pytest.raises(OperationFailure, match=r"[Ww]rite.?[Cc]onflict"):
            await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
    began = time.monotonic()
    async with OwnedSession(mongo, "group/slot-1") as successor:
        await count_up(mongo, successor)
    assert time.monotonic() - began < 5
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 1
    with pytest.raises(OperationFailure):
        await owned.client_session.commit_transaction()
    await dead.close()


async def test_owners_of_other_slots_are_left_alone(mongo, mongodb_uri):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    other, owned = await left_open(mongodb_uri, mongo, "group/slot-2")
    async with OwnedSession(mongo, "group/slot-1"):
        await owned.client_session.commit_transaction()
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 1
    await other.close()


async def test_a_session_serves_one_transaction_after_another(mongo):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    async with OwnedSession(mongo, "group/slot-1") as owned:
        for _ in range(5):
            await count_up(mongo, owned)
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 5


async def test_who_has_left_a_slot_is_not_ended_with_it(mongo, mongodb_uri):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    successor = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=mongo.database.name))
    async with OwnedSession(mongo, "group/slot-1") as left:
        lsid = left.client_session.session_id
    async with OwnedSession(mongo, "group/slot-2") as owned:
        assert owned.client_session.session_id == lsid  # the driver uses it again
        await owned.client_session.start_transaction()
        await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=owned.client_session)
        async with OwnedSession(successor, "group/slot-1"):
            await owned.client_session.commit_transaction()
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 1
    await successor.close()


async def test_a_zombie_that_leaves_does_not_take_its_successors_name_away(mongo, mongodb_uri):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    zombie, owned = await left_open(mongodb_uri, mongo, "group/slot-1")
    second, left = await left_open(mongodb_uri, mongo, "group/slot-1")
    await owned.__aexit__(None, None, None)
    began = time.monotonic()
    async with OwnedSession(mongo, "group/slot-1") as third:
        await count_up(mongo, third)
    assert time.monotonic() - began < 5
    with pytest.raises(OperationFailure):
        await left.client_session.commit_transaction()
    await zombie.close()
    await second.close()


async def test_a_transaction_that_takes_too_long_is_given_up_and_delays_no_other(mongo):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})

    async def hangs(session):
        await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        await asyncio.Event().wait()

    async with OwnedSession(mongo, "group/slot-1") as owned:
        with pytest.raises(TimeoutError):
            await transaction(owned, hangs, seconds=0.5)
        async with asyncio.timeout(5):
            await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 10}})
        await count_up(mongo, owned)
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 11


async def test_conflicts_without_end_are_not_retried_without_end(mongo, mongodb_uri):
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    other, holder = await left_open(mongodb_uri, mongo, "group/slot-2")
    async with OwnedSession(mongo, "group/slot-1") as owned:

        async def work(session):
            await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

        with pytest.raises(TimeoutError):
            await transaction(owned, work, seconds=1)
        await holder.client_session.commit_transaction()
        await transaction(owned, work, seconds=5)
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 2
    await other.close()


SIX = [f"group/topic-{n}" for n in range(6)]


async def owners_of(mongo):
    return {one["_id"]: one async for one in mongo.database["partition_owners"].find()}


@pytest.fixture
async def others(mongo, mongodb_uri):
    """Clients of other processes on the same database."""
    made = []

    def another():
        made.append(Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=mongo.database.name)))
        return made[-1]

    yield another
    for one in made:
        await one.close()


async def begin(mongo, owned, number):
    """A transaction that has changed a document of this number and goes on."""
    await owned.client_session.start_transaction()
    await mongo.database["numbers"].update_one({"_id": number}, {"$inc": {"n": 1}}, session=owned.client_session)


async def test_one_session_has_many_partitions_and_two_successors_take_half_of_them_each(mongo, others):
    """Of a process that was killed. The one that comes later does not end the session of the one that came first."""
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    dead, left, right = others(), others(), others()
    owned = await OwnedSession(dead, *SIX).__aenter__()
    await begin(dead, owned, 1)
    async with OwnedSession(left, *SIX[:3]) as first:
        await begin(left, first, 1)  # not kept by the transaction that was left open
        async with OwnedSession(right, *SIX[3:]):
            await first.client_session.commit_transaction()
            named = await owners_of(mongo)
            assert [named[name]["lsid"] == named[SIX[0]]["lsid"] for name in SIX] == [True] * 3 + [False] * 3
            assert not [one for one in named.values() if "before" in one]
    with pytest.raises(OperationFailure):
        await owned.client_session.commit_transaction()
    assert await owners_of(mongo) == {}
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 1


async def test_two_processes_that_exchange_partitions_leave_each_other_alone(mongo, others):
    """After a rebalance each has another half. Both left before, as Kafka makes them."""
    await mongo.database["numbers"].insert_many([{"_id": 1, "n": 0}, {"_id": 2, "n": 0}])
    one, two = others(), others()
    for mine, theirs in ((SIX[:3], SIX[3:]), (SIX[3:], SIX[:3]), (SIX[::2], SIX[1::2])):
        async with OwnedSession(one, *mine) as first, OwnedSession(two, *theirs) as second:
            await begin(one, first, 1)
            await begin(two, second, 2)
            await first.client_session.commit_transaction()
            await second.client_session.commit_transaction()
    assert [one["n"] async for one in mongo.database["numbers"].find()] == [3, 3]


async def test_a_take_over_that_fails_half_way_leaves_nothing_that_its_successor_does_not_end(mongo, others):
    """It died between saying who it is and ending its predecessor."""
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    dead, half, last = others(), others(), others()
    owned = await OwnedSession(dead, *SIX).__aenter__()
    await begin(dead, owned, 1)
    failing = OwnedSession(half, *SIX)

    async def dies(_):
        raise ConnectionError("killed here")

    failing._end = dies
    with pytest.raises(ConnectionError):
        await failing.__aenter__()
    began = time.monotonic()
    async with OwnedSession(last, *SIX) as successor:
        await count_up(last, successor)
    assert time.monotonic() - began < 5
    assert await owners_of(mongo) == {}


async def test_partitions_of_many_owners_before_are_taken_over_together(mongo, others):
    """An earlier version has a session for each partition."""
    await mongo.database["numbers"].insert_many([{"_id": n, "n": 0} for n in range(3)])
    dead = others()
    for n in range(3):
        await begin(dead, await OwnedSession(dead, SIX[n]).__aenter__(), n)
    async with OwnedSession(mongo, *SIX) as successor:

        async def work(session):
            await mongo.database["numbers"].update_many({}, {"$inc": {"n": 10}}, session=session)

        await transaction(successor, work, seconds=5)
    assert [one["n"] async for one in mongo.database["numbers"].find()] == [10, 10, 10]


async def test_a_transaction_whose_session_is_ended_is_done_again(mongo, others):
    """A late take-over can end a session that its process uses again: the driver hands ids on."""
    await mongo.database["numbers"].insert_one({"_id": 1, "n": 0})
    tries = []
    async with OwnedSession(mongo, "group/topic-1") as owned:

        async def work(session):
            tries.append(1)
            await mongo.database["numbers"].update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            if len(tries) == 1:
                lsid = owned.client_session.session_id["id"]
                await others().client.admin.command({"killSessions": [{"id": lsid}]})

        await transaction(owned, work, seconds=5)
    assert len(tries) == 2
    assert (await mongo.database["numbers"].find_one({"_id": 1}))["n"] == 1


@pytest.mark.parametrize("sessions", [1, 2], ids=["an earlier version, with one", "with two"])
async def test_both_sessions_of_a_predecessor_are_ended_by_a_successor(mongo, others, sessions):
    """It was killed while each had a transaction open."""
    await mongo.database["numbers"].insert_many([{"_id": n, "n": 0} for n in range(2)])
    dead = others()
    owned = await OwnedSession(dead, *SIX, sessions=2).__aenter__()
    for number, session in enumerate(owned._sessions):
        await session.start_transaction()
        await mongo_numbers(dead).update_one({"_id": number}, {"$inc": {"n": 1}}, session=session)
    began = time.monotonic()
    async with OwnedSession(mongo, *SIX, sessions=sessions) as successor:

        async def work(session):
            await mongo_numbers(mongo).update_many({}, {"$inc": {"n": 10}}, session=session)

        await transaction(successor, work, seconds=5)
    assert time.monotonic() - began < 5
    assert [one["n"] async for one in mongo_numbers(mongo).find()] == [10, 10]
    assert await owners_of(mongo) == {}


async def test_two_transactions_of_an_owner_run_at_the_same_time(mongo):
    await mongo.database["numbers"].insert_many([{"_id": n, "n": 0} for n in range(2)])
    met = asyncio.Barrier(2)
    async with OwnedSession(mongo, "group/topic-1", sessions=2) as owned:

        async def one(number):
            async def work(session):
                await mongo_numbers(mongo).update_one({"_id": number}, {"$inc": {"n": 1}}, session=session)
                await met.wait()

            await transaction(owned, work, seconds=5)

        await asyncio.gather(one(0), one(1))
    assert [one["n"] async for one in mongo_numbers(mongo).find()] == [1, 1]


def mongo_numbers(mongo):
    return mongo.database["numbers"]
