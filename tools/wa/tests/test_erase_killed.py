"""`wa erase` as a process that ends by kill -9, again and again: the run that may end leaves nothing of the person."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from erase_world import ADA_PHONE, ADA_USER, BOB, adas, filled_world, texts_of, wamid

from common.contracts.ids import journal_id
from common.contracts.journal import State
from common.mongo import schema

pytestmark = pytest.mark.integration

COPIES = 1_001
"""Of a document of hers in each collection, so that each step is two commands with a rest between them."""

COMMAND = ("erase", "--contact", f"+{ADA_PHONE}", "--by", "ann", "--because", "request 17", "--yes")
GONE = (schema.SEND_PARKED, schema.SEND_SCHEDULED)
ERASED = (schema.SEND_JOURNAL, schema.WEBHOOK_EVENTS, schema.USAGE_LOGS, schema.MESSAGES)


@pytest.fixture
async def world(mongodb_uri, monkeypatch):
    async with filled_world(mongodb_uri, monkeypatch) as world:
        yield world


async def multiply(world):
    """Many documents of hers in each collection; the ids of the sends among them that wait."""
    waiting = []
    for collection in (*GONE, *ERASED):
        documents = world.database[collection.name]
        whole = {} if collection is not schema.WEBHOOK_EVENTS else {"raw": {"$regex": ADA_PHONE}}
        of_hers = [one for one in await documents.find(whole).to_list() if is_hers(one)]
        copies = [copy_of(of_hers[0], collection, f"{number:05}") for number in range(COPIES)]
        await documents.insert_many(copies)
        waiting += [one["_id"] for one in copies if collection in GONE]
    return waiting


def is_hers(document):
    said = texts_of(document)
    return (ADA_PHONE in said or ADA_USER in said) and BOB.wa_id not in said


def copy_of(document, collection, number):
    copy = {**document, "_id": journal_id("bot", f"{collection.name}-{number}")}
    if "wamid" in document:
        copy["wamid"] = wamid(ADA_PHONE, f"{collection.name}-{number}")
    if "messageId" in document:
        copy["messageId"] = f"{document['messageId']}-{number}"
    return copy


def moments(world):
    """How far a run is, by name: each has a count that changes in that step."""
    there, database, done = {}, world.database, {"erasedAt": {"$exists": True}}
    for collection in (schema.ERASURES, *GONE, schema.CONVERSATIONS):
        there[collection.name] = lambda name=collection.name: database[name].count_documents({})
    for collection in ERASED:
        there[f"{collection.name} erased"] = lambda name=collection.name: database[name].count_documents(done)
    return there


async def killed_at(count):
    """A run that is killed as soon as `count` changes; its exit code, which is 0 when it was faster."""
    before = await count()
    program = [sys.executable, "-m", "wa", *COMMAND]
    process = subprocess.Popen(program, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        while process.poll() is None and await count() == before:
            await asyncio.sleep(0.001)
    finally:
        process.kill()
    return await asyncio.to_thread(process.wait)


@pytest.mark.feature("erase a person on request")
async def test_runs_that_are_killed_in_every_step_are_finished_by_the_next(world):
    before = await world.documents()
    waiting = await multiply(world)
    hers = adas(before)
    others = {key: document for key, document in before.items() if key not in hers and not about_her(document)}
    told = moments(world)
    assert await killed_at(told.pop(schema.ERASURES.name)) == -signal.SIGKILL
    last = told.pop(schema.CONVERSATIONS.name)
    conversations = await last()
    for name, count in told.items():
        assert await killed_at(count) == -signal.SIGKILL, name
        assert await last() == conversations, name  # they lead to the rest
    await killed_at(last)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "wa", *COMMAND], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    after = await world.documents()
    assert adas(after) == {}
    assert {key: after.get(key) for key in others} == others
    ends = await world.journal.load(waiting)
    assert [entry.state for entry in ends] == [State.CANCELLED] * len(waiting)
    (*_, ended) = await world.database[schema.ERASURES.name].find().sort("begunAt", 1).to_list()
    assert "endedAt" in ended


def about_her(document):
    """Of a message of hers, of which it has a derived id alone."""
    return document.get("kind") is not None
