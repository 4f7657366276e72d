"""`wa indexes plan` and `apply`: what is changed while the services run, and what an operator has to do before."""

import asyncio
import uuid

import pytest

from common.mongo import Mongo, MongoSettings, schema
from common.mongo.index_plan import Action, Change
from wa import index_changes
from wa.__main__ import main

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(mongodb_uri, monkeypatch):
    name = f"index_changes_{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", name)
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=name))
    yield mongo.database
    await mongo.client.drop_database(name)
    await mongo.close()


@pytest.fixture
def wa(capsys):
    async def run(verb):
        code = await asyncio.to_thread(main, ["indexes", verb])
        return code, capsys.readouterr().out

    return run


@pytest.mark.feature("indexes")
async def test_an_index_whose_definition_has_changed_is_replaced(database, wa):
    assert (await wa("ensure"))[0] == 0
    inboxes = database[schema.CONVERSATIONS.name]
    await inboxes.drop_index("inbox")
    await inboxes.create_index([("chatbotId", 1)], name="inbox")
    await inboxes.create_index([("aliases", 1)], name="aliases")  # of an earlier version
    code, told = await wa("plan")
    assert code == 0
    assert "build conversations.inbox.2, then drop conversations.inbox" in told
    assert "drop conversations.aliases, which this version does not use" in told
    assert told.endswith("2 changes: `wa indexes apply` makes them\n")
    assert (await wa("ensure"))[0] == 1  # it replaces nothing, and says what does
    assert (await wa("apply"))[0] == 0
    declared = {index.name for index in schema.CONVERSATIONS.indexes}
    assert set(await inboxes.index_information()) == {"_id_", "inbox.2", *declared - {"inbox"}}
    assert await wa("plan") == (0, "every index is as declared\n")
    assert (await wa("list"))[0] == 0
    assert (await wa("ensure"))[0] == 0


@pytest.mark.feature("indexes")
async def test_an_index_that_differs_keeps_none_of_another_collection_from_being_built(database, wa):
    await database[schema.CONVERSATIONS.name].create_index([("chatbotId", 1)], name="inbox")
    code, told = await wa("ensure")
    assert code == 1
    assert "messages.by_wamid" in told
    assert {"by_wamid", "thread_by_place"} <= set(await database[schema.MESSAGES.name].index_information())


@pytest.mark.feature("indexes")
async def test_documents_that_stop_a_unique_index_are_named_by_their_ids_alone(database, wa):
    same = {"chatbotId": "a", "aliases": ["1|p:491510000009", "1|u:DE.9"]}
    inboxes = database[schema.CONVERSATIONS.name]
    await inboxes.insert_many([{"_id": "c1", **same}, {"_id": "c2", "chatbotId": "a", "aliases": same["aliases"][:1]}])
    await inboxes.insert_many(
        [{"_id": "c3", "chatbotId": "b", "aliases": same["aliases"]}, {"_id": "c4"}, {"_id": "c5"}]
    )
    code, told = await wa("plan")
    assert code == 3
    assert "the same aliases and chatbotId: c1, c2\n" in told
    assert "c3" not in told
    assert "c4" not in told
    assert "491510000009" not in told
    code, told = await wa("apply")
    assert code == 3
    assert "left as it is: create conversations.aliases_of_account" in told
    assert "inbox" in await inboxes.index_information()
    await inboxes.delete_one({"_id": "c2"})
    code, told = await wa("apply")
    assert (code, told.splitlines()[-1]) == (0, "every index is as declared")
    assert (await wa("list"))[0] == 0


async def test_a_long_build_says_how_far_it_is(database, monkeypatch):
    told = asyncio.Queue()

    async def make(*_):
        assert await told.get() == "  1,000 of 2,000"

    async def progress(*_):
        return "1,000 of 2,000"

    monkeypatch.setattr(index_changes, "make_change", make)
    monkeypatch.setattr(index_changes, "_progress", progress)
    monkeypatch.setattr(index_changes, "PROGRESS_SECONDS", 0.01)
    async with asyncio.timeout(5):
        change = Change(Action.CREATE, "x")
        await index_changes.with_progress(database, schema.MESSAGES, change, told.put_nowait)
    assert await index_changes._progress(database, "messages")


async def test_a_user_who_may_not_see_operations_gets_no_progress_and_no_error(database):
    assert await index_changes._progress(database, "messages") is None
