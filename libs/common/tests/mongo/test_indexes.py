"""The declared indexes on a real mongod: what is unique is refused twice, and what goes by itself has its time."""

import asyncio
import uuid
from datetime import timedelta
from functools import partial

import pytest

from common.mongo import DuplicateKeyError, Mongo, MongoSettings, schema
from common.mongo.index_plan import Action, Standing, changes
from common.mongo.indexes import (
    Indexes,
    IndexesDiffer,
    compare_indexes,
    ensure_each,
    ensure_indexes,
    make_change,
    present_indexes,
)

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


# An index whose definition has changed


async def other_inbox(database):
    """The index of an inbox as another version may have declared it."""
    await database[schema.CONVERSATIONS.name].create_index([("chatbotId", 1)], name="inbox")


async def test_an_index_that_differs_is_named_with_its_remedy_and_all_others_are_made(database):
    await other_inbox(database)
    with pytest.raises(IndexesDiffer, match=r"conversations\.inbox; `wa indexes plan`") as differs:
        await ensure_indexes(database, schema.CONVERSATIONS)
    assert not differs.value.unique
    told = await compare_indexes(database, schema.CONVERSATIONS)
    assert told.pop("inbox") is Standing.OTHER
    assert set(told.values()) == {Standing.AS_DECLARED}


async def test_documents_that_stop_a_unique_index_do_not_look_like_an_outage(database):
    same = {"chatbotId": "a", "aliases": ["1|u:DE.1"]}
    await database[schema.CONVERSATIONS.name].insert_many([dict(same), dict(same)])
    with pytest.raises(IndexesDiffer, match=r"conversations\.aliases_of_account") as differs:
        await ensure_indexes(database, schema.CONVERSATIONS)
    assert differs.value.unique


async def test_all_that_differ_are_told_of_together(database):
    await other_inbox(database)
    await database[schema.USAGE_LOGS.name].create_index([("x", 1)], name="by_time")
    with pytest.raises(IndexesDiffer) as differs:
        await ensure_each(
            *(
                partial(ensure_indexes, database, one)
                for one in (schema.CONVERSATIONS, schema.USAGE_LOGS, schema.MESSAGES)
            )
        )
    assert differs.value.names == ["conversations.inbox", "usage_logs.by_time"]
    assert await ensure_indexes(database, schema.MESSAGES) == []


async def test_a_service_works_beside_a_slow_index_and_waits_for_a_unique_one(caplog):
    for unique in (False, True):
        tried = asyncio.Event()

        async def ensure(unique=unique, tried=tried):
            tried.set()
            raise IndexesDiffer(["things.plain"], unique=unique)

        indexes = Indexes(ensure)
        await indexes.start()
        async with asyncio.timeout(5):
            await tried.wait()
            if not unique:
                await indexes.wait()
        assert await indexes.ready() is not unique
        await indexes.stop()
    said = [record for record in caplog.records if record.message == "indexes are not as declared"]
    assert [record.works for record in said] == [True, False]
    assert all("wa indexes apply" in record.error for record in said)


async def test_a_replacement_is_built_before_the_old_one_goes_and_counts_from_then_on(database):
    await other_inbox(database)
    (change,) = [one for one in await wanted(database) if one.action is Action.REPLACE]
    await make_change(database, schema.CONVERSATIONS, change)
    told = await compare_indexes(database, schema.CONVERSATIONS)
    assert told["inbox.2"] is Standing.AS_DECLARED
    assert "inbox" not in told
    assert set(await ensure_indexes(database, schema.CONVERSATIONS)) == {"aliases_of_account", "absorbing"}
    assert await wanted(database) == []


async def wanted(database):
    return changes(schema.CONVERSATIONS, await present_indexes(database, schema.CONVERSATIONS))


async def stored(database, name):
    """How a collection and each of its indexes were created."""
    stats = await database.command("collStats", name)
    return stats["wiredTiger"]["creationString"], {
        index: details["creationString"] for index, details in stats["indexDetails"].items()
    }


@pytest.mark.parametrize("collection", [schema.MESSAGES, schema.WEBHOOK_EVENTS], ids=lambda one: one.name)
async def test_a_new_collection_and_all_of_its_indexes_are_packed(database, collection):
    await ensure_indexes(database, collection)
    await database[collection.name].create_index("later")
    documents, indexes = await stored(database, collection.name)
    assert "block_compressor=zstd" in documents
    assert ("leaf_page_max=64KB" in documents) is collection.written_once
    assert len(indexes) == len(collection.indexes) + 2
    assert all("block_compressor=zstd" in created for created in indexes.values())


async def test_a_collection_that_is_there_stays_as_it_is_stored(database):
    await database.create_collection(schema.MESSAGES.name)
    await ensure_indexes(database, schema.MESSAGES)
    documents, indexes = await stored(database, schema.MESSAGES.name)
    assert "zstd" not in documents
    assert not any("zstd" in created for created in indexes.values())


async def test_processes_that_start_together_create_a_collection_once(database):
    await asyncio.gather(*(ensure_indexes(database, schema.MESSAGES) for _ in range(4)))
    assert "zstd" in (await stored(database, schema.MESSAGES.name))[0]


async def test_a_server_that_refuses_the_options_stores_in_its_own_way(database, monkeypatch, caplog):
    monkeypatch.setattr(schema, "_PACKED", "block_compressor=unknown")
    made = await ensure_indexes(database, schema.MESSAGES)
    assert made == [index.name for index in schema.MESSAGES.indexes]
    assert "storage options" in caplog.text
