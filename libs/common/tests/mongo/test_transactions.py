"""What a transaction is asked for, which session an owner ends, and when indexes are there: without a server."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, NetworkTimeout
from pymongo.read_concern import ReadConcern

from common.errors import Unavailable
from common.mongo import indexes as module
from common.mongo import or_duplicate_key, transaction
from common.mongo.indexes import Indexes
from common.mongo.owned_session import OwnedSession


class Session:
    """Runs the work, and keeps the options."""

    async def with_transaction(self, work, **options):
        self.options = options
        return await work(self)


def owner_of(session):
    return SimpleNamespace(free_session=lambda: nullcontext(session))


async def test_a_transaction_reads_one_moment_and_is_on_most_nodes():
    session = Session()

    async def work(given):
        assert given is session
        return 7

    assert await transaction(owner_of(session), work) == 7
    assert session.options == {
        "read_concern": ReadConcern("snapshot"),
        "write_concern": WriteConcern(w="majority", j=True),
        "read_preference": ReadPreference.PRIMARY,
    }


async def test_a_transaction_has_its_time():
    async def hangs(_):
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await transaction(owner_of(Session()), hangs, seconds=0.01)


def refused(*codes):
    return BulkWriteError({"writeErrors": [{"code": code} for code in codes], "writeConcernErrors": []})


@pytest.mark.parametrize("codes", [(11000,), (1, 11000), (11000, 11000)])
def test_a_duplicate_is_told(codes):
    with pytest.raises(DuplicateKeyError), or_duplicate_key():
        raise refused(*codes)


@pytest.mark.parametrize("codes", [(), (2,), (10334,), (112, 50)])
def test_another_failure_is_no_duplicate(codes):
    with pytest.raises(BulkWriteError) as failed, or_duplicate_key():
        raise refused(*codes)
    assert not isinstance(failed.value, DuplicateKeyError)


class Owners:
    """The collection, as far as it is asked; and the commands that end sessions. `named` is by owner: [lsid, before]."""

    def __init__(self, **named):
        self.named, self.done, self.fails = {name: [lsid, set()] for name, lsid in named.items()}, [], None
        self.client = SimpleNamespace(start_session=self.start_session, admin=SimpleNamespace(command=self.command))
        self.database = {"partition_owners": self}
        self.sessions, self.started = ["mine", "mine too"], 0

    def start_session(self):
        self.started += 1
        return SimpleNamespace(session_id={"id": self.sessions[self.started - 1]}, end_session=self.end_session)

    async def bulk_write(self, updates, *, ordered):
        assert not ordered
        for update in updates:
            assert update._upsert
            named = update._doc[0]["$set"]
            mine, others = named["lsid"], named["before"]["$setDifference"][0]["$setUnion"][-1]
            lsid, before = self.named.get(update._filter["_id"], [mine, set()])
            self.named[update._filter["_id"]] = [mine, (before | {lsid} | set(others)) - {mine}]
        self.done.append(f"name {len(updates)}")

    def ours(self, query):
        return [one for one in query["_id"]["$in"] if one in self.named and self.named[one][0] == query["lsid"]]

    async def find(self, query):
        self.done.append("find")
        for name in self.ours(query):
            yield {"_id": name, "lsid": self.named[name][0], "before": sorted(self.named[name][1])}

    async def update_many(self, query, update):
        assert update in ({"$unset": {"before": ""}}, {"$set": {"before": ["mine too"]}})
        for name in self.ours(query):
            self.named[name][1] = set(update.get("$set", {}).get("before", ()))
        self.done.append("forget")

    async def delete_many(self, query):
        for name in self.ours(query):
            del self.named[name]
        self.done.append("unname")

    async def command(self, command):
        if self.fails is not None:
            raise self.fails
        self.done.append("end " + " ".join(sorted(one["id"] for one in command["killSessions"])))

    async def end_session(self):
        self.done.append("give back")


async def test_an_owner_says_who_it_is_then_ends_its_predecessor_and_itself_in_the_end():
    owners = Owners(a="theirs")
    async with OwnedSession(owners, "a") as owned:
        assert owned.client_session.session_id["id"] == "mine"
        assert owners.named == {"a": ["mine", set()]}
    assert owners.done == ["name 1", "find", "end theirs", "forget", "end mine", "unname", "give back"]
    assert owners.named == {}


async def test_many_partitions_cost_as_many_calls_as_one_and_each_session_is_ended_once():
    owners = Owners(**{f"p{n}": f"theirs-{n % 2}" for n in range(24)}, other="another's")
    async with OwnedSession(owners, *(f"p{n}" for n in range(24))):
        assert owners.done == ["name 24", "find", "end theirs-0 theirs-1", "forget"]
    assert owners.named == {"other": ["another's", set()]}


async def test_an_owner_of_two_sessions_names_both_from_the_beginning_and_ends_neither_by_itself():
    owners = Owners(a="theirs")
    async with OwnedSession(owners, "a", "b", sessions=2) as owned:
        assert owners.done == ["name 2", "find", "end theirs", "forget"]
        assert owners.named == {"a": ["mine", {"mine too"}], "b": ["mine", {"mine too"}]}
        with owned.free_session() as one, owned.free_session() as other:
            assert [each.session_id["id"] for each in (one, other)] == ["mine", "mine too"]
        with owned.free_session() as again:
            assert again is one
    assert owners.done[4:] == ["end mine mine too", "unname", "give back", "give back"]


async def test_an_owner_without_a_predecessor_ends_none():
    owners = Owners()
    async with OwnedSession(owners, "a", "b"):
        assert owners.done == ["name 2", "find"]


async def test_an_owner_whose_successor_has_come_leaves_its_name_alone():
    owners = Owners()
    async with OwnedSession(owners, "a", "b"):
        owners.named["a"] = ["the successor's", {"mine"}]
    assert owners.named == {"a": ["the successor's", {"mine"}]}


async def test_a_session_that_was_not_ended_is_still_named_to_the_next_owner():
    owners = Owners(a="theirs")
    owners.fails = NetworkTimeout("away")
    with pytest.raises(NetworkTimeout):
        await OwnedSession(owners, "a").__aenter__()
    assert owners.named == {"a": ["mine", {"theirs"}]}
    owners.fails = None
    owners.sessions[1] = "next"
    async with OwnedSession(owners, "a"):
        assert owners.done[-2:] == ["end mine theirs", "forget"]


async def test_indexes_are_tried_until_they_are_there(monkeypatch):
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)
    tries, go_on = [], asyncio.Event()

    async def ensure():
        tries.append(1)
        if len(tries) < 3:
            raise Unavailable("MongoDB is away") from NetworkTimeout()
        await go_on.wait()

    indexes = Indexes(ensure)
    await indexes.start()
    try:
        async with asyncio.timeout(5):
            while len(tries) < 3:
                await asyncio.sleep(0)
        assert (await indexes.ready(), indexes.tries) == (False, 2)
        go_on.set()
        async with asyncio.timeout(5):
            await indexes.wait()
        assert await indexes.ready()
    finally:
        await indexes.stop()
