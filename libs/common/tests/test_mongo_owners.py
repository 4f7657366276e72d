"""A successor ends what a dead predecessor has left open, on a real mongod."""

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
