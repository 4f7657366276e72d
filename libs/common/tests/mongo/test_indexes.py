"""The declared indexes on a real mongod: what is unique is refused twice, and what goes by itself has its time."""

import uuid
from datetime import timedelta

import pytest

from common.mongo import DuplicateKeyError, Mongo, MongoSettings, schema
from common.mongo.indexes import Standing, compare_indexes, ensure_indexes

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"indexes_{uuid.uuid4().hex[:10]}"))
    yield mongo.database
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


async def test_every_declared_index_is_made_as_declared_and_once(database):
    for collection in schema.ALL:
        assert await ensure_indexes(database, collection) == [index.name for index in collection.indexes]
        assert await ensure_indexes(database, collection) == []
        standing = await compare_indexes(database, collection)
        assert standing == {index.name: Standing.AS_DECLARED for index in collection.indexes}


REFUSED = {
    "an alias of two conversations of one account": (
        schema.CONVERSATIONS,
        {"chatbotId": "a", "aliases": ["1|u:DE.1", "1|p:49151"]},
        {"chatbotId": "a", "aliases": ["1|p:49152", "1|u:DE.1"]},
    ),
    "an alias of two conversations of no account": (
        schema.CONVERSATIONS,
        {"aliases": ["1|u:DE.1"]},
        {"aliases": ["1|u:DE.1"]},
    ),
    "a number of two active accounts": (
        schema.ACCOUNTS,
        {"phoneNumberId": "1", "status": "active"},
        {"phoneNumberId": "1", "status": "active"},
    ),
}
TAKEN = {
    "conversations without an alias": (schema.CONVERSATIONS, {"mergedInto": "c"}, {"mergedInto": "c"}),
    "merged conversations of one account": (
        schema.CONVERSATIONS,
        {"chatbotId": "a", "mergedInto": "c"},
        {"chatbotId": "a", "mergedInto": "c"},
    ),
    "an alias of two accounts": (
        schema.CONVERSATIONS,
        {"chatbotId": "a", "aliases": ["1|u:DE.1"]},
        {"chatbotId": "b", "aliases": ["1|u:DE.1"]},
    ),
    "a wamid of two numbers": (
        schema.MESSAGES,
        {"wamid": "wamid.1", "phoneNumberId": "1"},
        {"wamid": "wamid.1", "phoneNumberId": "2"},
    ),
    "messages without a wamid": (schema.MESSAGES, {"text": "1"}, {"text": "2"}),
    "a number of an account that has gone": (
        schema.ACCOUNTS,
        {"phoneNumberId": "1", "status": "deactivated"},
        {"phoneNumberId": "1", "status": "active"},
    ),
}


@pytest.mark.parametrize(("collection", "first", "second"), REFUSED.values(), ids=REFUSED)
async def test_what_may_be_there_once_is_refused_the_second_time(database, collection, first, second):
    await ensure_indexes(database, collection)
    await database[collection.name].insert_one(dict(first))
    with pytest.raises(DuplicateKeyError):
        await database[collection.name].insert_one(dict(second))


@pytest.mark.parametrize(("collection", "first", "second"), TAKEN.values(), ids=TAKEN)
async def test_what_may_be_there_twice_is_taken(database, collection, first, second):
    await ensure_indexes(database, collection)
    await database[collection.name].insert_many([dict(first), dict(second)])


async def seconds_of(database):
    indexes = await database[schema.WEBHOOK_EVENTS.name].index_information()
    return indexes["kept"]["expireAfterSeconds"]


async def test_the_log_is_kept_for_as_long_as_its_owner_says_and_that_may_change(database):
    await ensure_indexes(database, schema.WEBHOOK_EVENTS, keep=timedelta(days=3))
    assert await seconds_of(database) == 3 * 86_400
    await ensure_indexes(database, schema.WEBHOOK_EVENTS, keep=timedelta(days=1))
    assert await seconds_of(database) == 86_400


async def test_without_an_owners_word_the_time_that_is_there_stays(database):
    await ensure_indexes(database, schema.WEBHOOK_EVENTS, keep=timedelta(days=3))
    await ensure_indexes(database, schema.WEBHOOK_EVENTS)
    assert await seconds_of(database) == 3 * 86_400
