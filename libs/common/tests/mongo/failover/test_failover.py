"""A real replica set of three, members of which stand still: what is asked goes on, and says how old it is.

Members are stopped with SIGSTOP: they keep their connections and answer nothing.
"""

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import AsyncMongoClient

from common.errors import NotFound, Unavailable
from common.mongo import Mongo, MongoSettings, or_unavailable
from common.mongo.failover.primary import PrimaryWatch, primary_of
from common.mongo.failover.waited_reads import WaitedReads, waited_for
from common.mongo.pymongo_patch import interrupt
from common.telemetry.outages import MONGODB
from local_stack import LocalStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

STALE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def members():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MONGODB_URI", raising=False)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")  # none is started
        with LocalStack(mongo_nodes=3) as stack:
            yield stack.mongo


@pytest.fixture
async def mongo(members):
    made = Mongo(MongoSettings(mongodb_uri=members.uri, mongodb_database=f"failover_{uuid.uuid4().hex[:10]}"))
    await made.database["things"].insert_one({"_id": "before"})
    await all_known(made)
    await all_copied(made)
    yield made
    for number in members.nodes:
        members.resume(number)
    await asyncio.to_thread(members.await_ready)
    await made.close()


async def until(condition, seconds=60):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def all_known(mongo):
    """The driver knows what each member is."""
    kinds = {"RSPrimary", "RSSecondary"}

    def known():
        servers = mongo.client.topology_description.server_descriptions().values()
        return len(servers) == 3 and all(server.server_type_name in kinds for server in servers)

    await until(known)


async def all_copied(mongo):
    """Each member has told that it has what was written so far."""
    async with mongo.client.start_session() as session:
        await mongo.client.admin.command("ping", session=session)
        moment = session.operation_time
    await until(lambda: not mongo.primary.behind(moment))


async def things(source):
    """What a listing reads: several queries."""
    with or_unavailable():
        ids = [document["_id"] async for document in source["things"].find({}).sort("_id", 1)]
        assert sorted(await source["things"].distinct("_id", {})) == ids
        counted = await source["things"].aggregate([{"$group": {"_id": None, "count": {"$sum": 1}}}], maxTimeMS=5_000)
        assert [row["count"] async for row in counted] == ([len(ids)] if ids else [])
    return ids


def primary_among(members, mongo):
    """The member that a majority has elected: one that was just resumed may still take itself for the primary."""
    _, port = primary_of(mongo.client.topology_description)
    return next(number for number in members.nodes if members.ports[number][0] == port)


async def end_copying(port):
    """End what other members read of this one's log. Those that run begin again."""
    async with AsyncMongoClient("127.0.0.1", port, directConnection=True) as member:
        found = await member.admin.aggregate([{"$currentOp": {}}, {"$match": {"ns": "local.oplog.rs"}}])
        for operation in [operation async for operation in found]:
            await member.admin.command("killOp", op=operation["opid"])


def standing_still(members, mongo, *, count):
    """Stop the primary, and others until `count` members stand still; which ones."""
    primary = primary_among(members, mongo)
    stopped = [primary, *(number for number in members.nodes if number != primary)][:count]
    for number in stopped:
        members.pause(number)
    return stopped


async def test_what_waits_for_a_primary_that_stands_still_is_asked_again_of_the_next_one(members, mongo):
    """The monitor of this client would take a quarter of an hour to give the member up."""
    client = AsyncMongoClient(
        members.uri,
        heartbeatFrequencyMS=900_000,
        event_listeners=[
            watch := PrimaryWatch(lambda: client.topology_description, lambda address: interrupt(client, address))
        ],
    )
    things = client[mongo.database.name]["things"]
    assert await things.find_one({"_id": "before"})
    await until(lambda: watch._primary is not None)
    before = primary_of(client.topology_description)
    standing_still(members, mongo, count=1)
    async with asyncio.timeout(60):
        assert await things.find_one({"_id": "before"})
        await things.insert_one({"_id": "after"})
    assert primary_of(client.topology_description) != before
    await client.close()


async def test_a_listing_is_shown_from_a_secondary_while_the_primary_stands_still(members, mongo):
    reads = WaitedReads(mongo, stale=STALE)
    assert await reads.read(things) == (["before"], None)
    began = datetime.now(UTC)
    standing_still(members, mongo, count=1)
    found, as_of = await reads.read(things)
    assert found == ["before"]
    assert began - timedelta(seconds=15) <= as_of <= datetime.now(UTC)  # an idle set writes a mark every ten seconds


async def test_without_a_majority_a_listing_is_as_of_the_moment_that_is_said(members, mongo):
    """What the last member had not copied is missing, and its moment says so."""
    primary = primary_among(members, mongo)
    behind, other = (number for number in members.nodes if number != primary)
    members.pause(behind)
    for number in (primary, other):
        await end_copying(members.ports[number][0])  # otherwise the write would be on its way to the third already
    cut = datetime.now(UTC)
    await until(lambda: datetime.now(UTC) - cut > timedelta(seconds=1))  # the moment has whole seconds
    writing = datetime.now(UTC).replace(microsecond=0)
    await mongo.database["things"].insert_one({"_id": "later"})
    written = datetime.now(UTC)
    for number in (primary, other):
        members.pause(number)
    members.resume(behind)
    reads = WaitedReads(mongo, stale=STALE)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                found, as_of = await reads.read(things)
                break
    # The third may have begun to read that log anew just before the write.
    assert (found, writing <= as_of <= written) in ((["before"], False), (["before", "later"], True))
    assert as_of <= written


async def test_an_answer_that_is_too_old_is_not_shown(members, mongo):
    reads = WaitedReads(mongo, stale=STALE, seconds=2.0, now=lambda: datetime.now(UTC) + STALE + timedelta(minutes=1))
    standing_still(members, mongo, count=2)
    with pytest.raises(Unavailable):
        await reads.read(things)


async def test_that_something_is_missing_is_believed_of_the_primary_only(members, mongo):
    async def missing(source):
        await things(source)
        raise NotFound("there is none")

    reads = WaitedReads(mongo, stale=STALE, seconds=2.0)
    with pytest.raises(NotFound):
        await reads.read(missing)
    standing_still(members, mongo, count=2)
    with pytest.raises(Unavailable):
        await reads.read(missing)


async def test_without_a_primary_for_long_a_caller_does_not_wait(members, mongo):
    """And an answer of a secondary does not say that MongoDB is back."""
    standing_still(members, mongo, count=2)
    with pytest.raises(Unavailable), or_unavailable():
        await mongo.database["things"].find_one({})
    await until(lambda: mongo.primary.lost_for() >= 5)
    asked = []
    with pytest.raises(Unavailable), waited_for(mongo, 5.0):
        asked.append(await mongo.database["things"].find_one({}))
    with pytest.raises(Unavailable):
        await WaitedReads(mongo, stale=timedelta(0)).read(asked.append)
    assert asked == []
    found, as_of = await WaitedReads(mongo, stale=STALE).read(things)
    assert (found, as_of is None) == (["before"], False)
    assert MONGODB.away


async def test_what_is_asked_within_a_limit_ends_with_it(members, mongo):
    """Of a primary that stands still, long before its monitor gives it up."""
    standing_still(members, mongo, count=2)
    assert mongo.primary.lost_for() == 0
    with pytest.raises(Unavailable), waited_for(mongo, 0.2):
        await mongo.database["things"].find_one({})
    assert mongo.primary.lost_for() == 0  # the monitor waits on
