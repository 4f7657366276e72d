"""An erasure is confirmed when no member of the replica set shows the person any more."""

import asyncio
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from bson.timestamp import Timestamp

from common.mongo import Mongo, MongoSettings
from common.mongo.failover.primary import behind
from local_stack import LocalStack
from wa.erase import copies
from wa.erase.copies import await_copies

AT = Timestamp(100, 1)


def picture(**kinds):
    servers = {(name, 1): SimpleNamespace(server_type_name=kind) for name, kind in kinds.items()}
    return SimpleNamespace(server_descriptions=lambda: servers)


@pytest.mark.parametrize(
    ("kinds", "confirmed", "late"),
    [
        ({"a": "RSPrimary", "b": "RSSecondary"}, {"b": AT}, []),
        ({"a": "RSPrimary", "b": "RSSecondary"}, {"b": Timestamp(100, 0)}, ["b:1"]),
        ({"a": "RSPrimary", "b": "RSSecondary", "c": "RSSecondary"}, {"b": Timestamp(101, 0)}, ["c:1"]),
        ({"a": "RSPrimary", "b": "Unknown"}, {}, ["b:1"]),  # it may come back with what it had
        ({"a": "RSPrimary", "b": "RSOther"}, {}, ["b:1"]),  # it recovers, and will be a secondary
        ({"a": "RSPrimary", "b": "RSArbiter"}, {}, []),
    ],
)
def test_a_member_is_behind_until_it_has_said_that_a_majority_has_it(kinds, confirmed, late):
    assert behind(picture(**kinds), {(name, 1): moment for name, moment in confirmed.items()}, AT) == late


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_an_erasure_waits_for_a_member_that_stands_still(monkeypatch):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")  # none is started
    monkeypatch.setattr(copies, "_CLOCKS", timedelta(0))
    stack = await asyncio.to_thread(LocalStack(mongo_nodes=3).start)
    mongo = Mongo(MongoSettings(mongodb_uri=stack.mongodb_uri, mongodb_database=f"copies_{uuid.uuid4().hex[:10]}"))
    said = []
    try:
        await mongo.database["things"].insert_one({})
        assert await await_copies(mongo, timedelta(minutes=5), said.append) == []
        primary = await asyncio.to_thread(stack.mongo.primary)
        still = next(number for number in stack.mongo.nodes if number != primary)
        stack.mongo.pause(still)
        await mongo.database["things"].delete_many({})
        name = f"127.0.0.1:{stack.mongo.ports[still][0]}"
        for stale in (timedelta(0), timedelta(milliseconds=1)):  # conversation shows nothing of it any more
            assert name in await await_copies(mongo, stale, said.append)
        said.clear()
        seen, known = [], mongo.primary.behind
        monkeypatch.setattr(mongo.primary, "behind", lambda moment: seen.append(known(moment)) or seen[-1])
        waiting = asyncio.create_task(await_copies(mongo, timedelta(minutes=5), said.append))
        async with asyncio.timeout(60):
            while seen[-1:] != [[name]]:
                await asyncio.sleep(0.02)
        assert name in said[0]
        assert not waiting.done()
        stack.mongo.resume(still)
        async with asyncio.timeout(60):
            assert await waiting == []
    finally:
        await mongo.close()
        await asyncio.to_thread(stack.stop)
