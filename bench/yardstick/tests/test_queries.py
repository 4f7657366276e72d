"""The list of queries: complete, whatever form a new one has; and each plan reads what it gives."""

import importlib.util
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pymongo import MongoClient

import sender.media.store
from common.mongo import Mongo, MongoSettings
from yardstick.queries.driver_calls import calls_in
from yardstick.queries.observing import Places, Watched, watching
from yardstick.queries.registry import EXEMPT, OTHERS, QUERIES, judge, places
from yardstick.queries.world import prepare, world_of
from yardstick.stored.year import Year
from yardstick.stored.year_filling import YearFilling

MESSAGES, WAITING = 4_000, 600


def names_of(calls):
    return [call.name for call in calls]


# What is found in the code

SPELLINGS = {
    "a call": ("return await self._collection.find_one({'x': 1})", "find_one"),
    "with the driver's other methods": ("return self._collection.find_raw_batches({})", "find_raw_batches"),
    "in several lines": ("return [d async for d in self._collection\n    .find({'x': 1})\n    .sort('x')]", "find"),
    "handed on": ("return partial(self._collection.update_many, {})", "update_many"),
    "in a lambda": ("return lambda: self._collection.distinct('x')", "distinct"),
    "a part of a bulk write": ("return [DeleteOne({'x': 1})]", "DeleteOne"),
    "a part that is handed on": ("return map(UpdateMany, ())", "UpdateMany"),
    "a part by its module": ("return [pymongo.UpdateOne({}, {})]", "UpdateOne"),
    "a part with another name": ("from pymongo import UpdateOne as Change", "UpdateOne"),
    "a command": ("return await self._database.command('find', 'x')", "command"),
    "by its name": ("return getattr(self._collection, 'aggregate')([])", "aggregate"),
    "by a name that comes from elsewhere": ("return getattr(self._collection, method)({})", "getattr"),
}
STORE = Path(sender.media.store.__file__)


@pytest.mark.parametrize(("written", "method"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_new_query_is_not_in_the_list_however_it_is_written(written, method):
    before = calls_in(STORE.read_text(), "store")
    body = "\n".join(f"        {line}" for line in written.splitlines())
    after = calls_in(f"{STORE.read_text()}\n\nclass New:\n    async def method(self, method):\n{body}\n", "store")
    verdict = judge(after, Watched(ran=set(before)), exempt={}, others=dict.fromkeys(names_of(before), "there"))
    assert verdict.unlisted == [f"store:New.method:{method}"]


def test_a_second_query_in_a_function_is_another_one():
    one = "def f(c):\n    return c.find_one({'x': 1})\n"
    assert names_of(calls_in(one, "m")) == ["m:f:find_one"]
    assert names_of(calls_in(f"{one}    c.find_one({{}})\n", "m")) == ["m:f:find_one", "m:f:find_one#2"]


def test_names_stay_when_lines_are_added_above():
    source = STORE.read_text()
    assert names_of(calls_in(f"\n\n{source}", "m")) == names_of(calls_in(source, "m"))


def test_types_and_other_names_are_no_queries():
    assert calls_in("def f(x: UpdateOne) -> UpdateOne:\n    y: DeleteOne = x.finder('find')\n    return y\n", "m") == []


# What MongoDB does for them

NEW = """
async def through_all(collection):
    return await collection.find({"nobody": 1}).to_list()


async def sorted_in_memory(collection):
    return await collection.find({"_id": {"$gt": 0}}).sort("x", 1).to_list()


async def reads_more_than_it_gives(collection):
    return await collection.find_one({"_id": {"$gt": 0}, "x": 40})


async def changes_without_index(collection):
    await collection.bulk_write([UpdateMany({"x": 7}, {"$set": {"y": 1}})])


async def values_without_index(collection):
    return await collection.distinct("x", {"_id": {"$gt": 0}})


async def by_id(collection):
    found = collection.find({"_id": {"$in": [1, 2]}})
    return await later(found)


async def later(found):
    return [document async for document in found]


async def does_not_ask(collection):
    if collection is None:
        await collection.find_one({"_id": 1})
"""
FAULTS = {
    "through_all:find": "COLLSCAN",
    "sorted_in_memory:find": "SORT",
    "reads_more_than_it_gives:find_one": "documents",
    "changes_without_index:bulk_write": "COLLSCAN",
    "values_without_index:distinct": "documents",
}


@pytest.mark.integration
async def test_a_query_that_reads_too_much_is_told(mongodb_uri, tmp_path):
    path = tmp_path / "new.py"
    path.write_text(f"from common.mongo import UpdateMany\n{NEW}")
    spec = importlib.util.spec_from_file_location("new", path)
    new = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(new)
    there = Places({path: calls_in(path.read_text(), "new")})
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"queries_{uuid.uuid4().hex[:10]}"))
    with MongoClient(mongodb_uri) as client, watching(there, client) as seen:
        collection = mongo.database["things"]
        await collection.insert_many([{"_id": n, "x": n} for n in range(50)])
        for name in (line.split("(")[0][10:] for line in NEW.splitlines() if line.startswith("async def")):
            if name != "later":
                await getattr(new, name)(collection)
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()
    verdict = judge(there.all, seen, exempt={}, others={})
    assert verdict.unlisted == ["new:does_not_ask:find_one"]
    assert len(verdict.unbounded) == len(FAULTS)
    for place, fault in FAULTS.items():
        (line,) = [told for told in verdict.unbounded if told.startswith(f"new:{place} ")]
        assert fault in line


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_every_query_is_in_the_list_and_reads_what_it_gives(mongodb_uri):
    """A new query fails here until something in `yardstick.queries` runs it.

    One that has to read more is in `EXEMPT`, with the reason.
    """
    name = f"year_{uuid.uuid4().hex[:10]}"
    there = places()
    with MongoClient(mongodb_uri) as client:
        filling = YearFilling(client, name, MESSAGES, lambda _: None)
        year = filling.start()
        assert filling.fill(year)
        async with world_of(mongodb_uri, name, year, WAITING) as world:
            await prepare(world)
            with watching(there, client) as seen:
                for query in QUERIES:
                    await query.run(world)
        client.drop_database(name)
        client.drop_database(f"{name}_filling")
    verdict = judge(there.all, seen)
    assert verdict.unlisted == []
    assert verdict.unbounded == []
    assert verdict.stale == []


def test_each_exemption_has_a_reason_and_each_query_a_name_of_its_own():
    assert all(len(one.because) > 10 for one in EXEMPT.values())
    assert all(len(text) > 5 for text in OTHERS.values())
    assert len({query.name for query in QUERIES}) == len(QUERIES)


# A year's data


def test_a_year_keeps_what_the_services_would():
    year = Year.of(MESSAGES, datetime(2026, 11, 30, tzinfo=UTC))
    assert (year.turns, year.people.count) == (2_000, 400)
    assert year.kept(0) == ["messages"]
    assert set(year.kept(year.turns - 1)) == {
        "messages",
        "webhook_events",
        "usage_logs",
        "send_journal",
        "conversations",
    }
    assert abs((year.turn(year.first_kept("webhook_events")).moment - year.until).days) == 30
    customers = [year.turn(n).customer for n in range(year.turns) if "conversations" in year.kept(n)]
    assert len(customers) == len(set(customers)) == year.people.count
    assert sum(document["count"] for document in year.counters()) == 2 * year.turns
