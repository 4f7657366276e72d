"""`wa migrate`: documents of earlier versions are changed once, page by page, also after it was cut off."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.stored.versions import OF_MESSAGES, VERSION
from common.mongo import Mongo, MongoSettings, schema
from common.mongo.migrations import ALL
from conversation.read_api.documents import Documents
from conversation.read_api.queries import Reach, ReadQueries
from conversation.store import ConversationStore
from wa.__main__ import main
from wa.migrate import count, migrate

NOW = datetime(2026, 11, 1, 9, 30, 1, 500_000, tzinfo=UTC)
(TIMES,) = [one for one in ALL if one.name == "message-times"]


@pytest.fixture
async def mongo(mongodb_uri, monkeypatch):
    name = f"migrate_{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", name)
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=name))
    await ConversationStore(mongo).ensure_indexes()
    yield mongo
    await mongo.client.drop_database(name)
    await mongo.close()


def quiet(_):
    pass


async def stored(mongo, count=10):
    """Messages of one thread, as earlier versions stored some: every second one lacks its time."""
    times = [NOW + timedelta(minutes=n) for n in range(count)]
    await mongo.database["conversations"].insert_one({"_id": "c", "chatbotId": "bot", "lastMessageAt": NOW})
    await mongo.database["messages"].insert_many(
        {"_id": f"m{n}", "chatbotId": "bot", "conversationId": "c", "place": n, "createdAt": at}
        | ({"timestamp": at.replace(microsecond=0)} if n % 2 else {})
        for n, at in enumerate(times)
    )
    return times


@pytest.mark.integration
@pytest.mark.feature("migrations")
async def test_every_message_has_a_time_at_which_its_thread_shows_it(mongo):
    times = await stored(mongo)
    assert await count(mongo.database, TIMES, quiet) == 5
    assert await migrate(mongo.database, TIMES, quiet, page=3, share=1.0) == 5
    documents = {d["_id"]: d async for d in mongo.database["messages"].find({})}
    assert {name: d["timestamp"] for name, d in documents.items()} == {
        f"m{n}": at.replace(microsecond=0) for n, at in enumerate(times)
    }
    assert [name for name, d in sorted(documents.items()) if d.get(VERSION) == OF_MESSAGES] == [
        f"m{n}" for n in range(0, 10, 2)
    ]
    page = await ReadQueries(Documents(mongo.database)).thread(Reach(None), "c", None, 20)
    assert [d["_id"] for d in page.items] == [f"m{n}" for n in range(9, -1, -1)]
    assert await count(mongo.database, TIMES, quiet) == 0
    assert await migrate(mongo.database, TIMES, quiet) == 0


@pytest.mark.integration
async def test_an_erased_message_is_none_of_an_earlier_version(mongo):
    await mongo.database["messages"].insert_one({"_id": "gone", "direction": "inbound", "erasedAt": NOW})
    assert await count(mongo.database, TIMES, quiet) == 0
    assert await migrate(mongo.database, TIMES, quiet) == 0


@pytest.mark.integration
async def test_a_run_that_was_cut_off_goes_on_with_the_rest(mongo):
    await stored(mongo, 40)

    async def until_cut_off():
        await migrate(mongo.database, TIMES, quiet, page=4, share=0.01)

    running = asyncio.create_task(until_cut_off())
    async with asyncio.timeout(10):
        while await count(mongo.database, TIMES, quiet) == 20:
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    left = await count(mongo.database, TIMES, quiet)
    assert 0 < left < 20
    assert await migrate(mongo.database, TIMES, quiet) == left


@pytest.mark.integration
async def test_the_commands_say_what_they_would_do_and_have_done(mongo, capsys):
    await stored(mongo)
    assert await asyncio.to_thread(main, ["migrate", "plan"]) == 0
    assert "message-times: 5 documents of messages: messages without a time get" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["migrate", "apply", "--only", "message-times"]) == 0
    assert "message-times: 5 documents of messages changed" in capsys.readouterr().out
    noted = await mongo.database[schema.STORED_FORMS.name].find_one({"_id": "migration message-times"})
    assert noted["documents"] == 5


def test_a_migration_that_does_not_exist_is_refused_with_those_that_do(capsys):
    with pytest.raises(SystemExit):
        main(["migrate", "apply", "--only", "nothing"])
    assert "message-times" in capsys.readouterr().err
