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
    # What anybody meets who does not take the slot over.
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


async def test_a_transaction_that_takes_too_long_is_given_up_and_holds_nobody_up(mongo):
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
