"""How `wa erase` goes through a whole collection: each document that matches once, in answers that are not far apart."""

import uuid

import pytest
from query_plans import recorded

from common.mongo import Mongo, MongoSettings
from wa.erase import sweep

pytestmark = pytest.mark.integration

COUNT = 3_000


@pytest.fixture
async def place(mongodb_uri, monkeypatch):
    monkeypatch.setattr(sweep, "_SHARE", 0.9)
    settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"sweep_{uuid.uuid4().hex[:10]}")
    mongo = Mongo(settings)
    rng = (uuid.uuid5(uuid.NAMESPACE_OID, str(n)) for n in range(COUNT))
    await mongo.database["things"].insert_many({"_id": str(id_), "n": n} for n, id_ in enumerate(rng))
    yield mongo.database
    await mongo.client.drop_database(settings.mongodb_database)
    await mongo.close()


@pytest.mark.parametrize(
    ("query", "count"), [({}, COUNT), ({"n": {"$gte": 1_000}}, COUNT - 1_000), ({"n": 7}, 1), ({"n": -1}, 0)]
)
async def test_each_document_that_matches_comes_once(place, query, count):
    found = [document["n"] async for document in sweep.matching(place, "things", query, {"n": 1}, print)]
    assert len(found) == len(set(found)) == count
    assert sorted(found) == sorted([d["n"] async for d in place["things"].find(query)])


async def test_milestones_are_there(place):
    assert await place["things"].count_documents({"_id": {"$regex": "00$"}}) > 5


async def test_mongodb_answers_often_although_nothing_matches(place, monkeypatch):
    monkeypatch.setattr(sweep, "_BATCH", 2)
    with recorded() as commands:
        assert [d async for d in sweep.matching(place, "things", {"n": -1}, None, print)] == []
    milestones = await place["things"].count_documents({"_id": {"$regex": "00$"}})
    looked = [
        command["filter"]["$and"][0]["_id"]["$in"]
        for _, command in commands
        if "hint" not in command and "find" in command
    ]
    assert sum(map(len, looked)) == milestones
    assert len(looked) >= milestones / 2


async def test_how_far_it_is_goes_to_the_operator(place, monkeypatch):
    monkeypatch.setattr("wa.connection.PROGRESS_SECONDS", 0.0)
    said = []
    assert [d async for d in sweep.matching(place, "things", {"n": -1}, None, said.append)] == []
    assert said[0].startswith("things: about ")
    assert said[0].endswith("3,000 documents")
