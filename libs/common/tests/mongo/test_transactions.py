"""What a transaction is asked for, which session an owner ends, and when indexes are there: without a server."""

import asyncio
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


async def test_a_transaction_reads_one_moment_and_is_on_most_nodes():
    session = Session()

    async def work(given):
        assert given is session
        return 7

    assert await transaction(SimpleNamespace(client_session=session), work) == 7
    assert session.options == {
        "read_concern": ReadConcern("snapshot"),
        "write_concern": WriteConcern(w="majority", j=True),
        "read_preference": ReadPreference.PRIMARY,
    }


async def test_a_transaction_has_its_time():
    async def hangs(_):
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await transaction(SimpleNamespace(client_session=Session()), hangs, seconds=0.01)


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
    """The collection, as far as it is asked; and the commands that end sessions."""

    def __init__(self, before):
        self.named, self.done = before, []
        self.client = SimpleNamespace(start_session=lambda: self.session, admin=SimpleNamespace(command=self.command))
        self.database = {"partition_owners": self}
        self.session = SimpleNamespace(session_id={"id": "mine"}, end_session=self.end_session)

    async def find_one_and_update(self, query, update, *, upsert):
        assert upsert
        before, self.named = self.named, update["$set"]["lsid"]
        self.done.append(f"name {query['_id']}")
        return before if before is None else {"lsid": before}

    async def delete_one(self, query):
        if query.get("lsid", self.named) == self.named:
            self.named = None
        self.done.append("unname")

    async def command(self, command):
        self.done.append(f"end {command['killSessions'][0]['id']}")

    async def end_session(self):
        self.done.append("give back")


async def test_an_owner_says_who_it_is_then_ends_its_predecessor_and_itself_in_the_end():
    owners = Owners("theirs")
    async with OwnedSession(owners, "g/slot") as owned:
        assert owned.client_session is owners.session
        assert owners.named == "mine"
    assert owners.done == ["name g/slot", "end theirs", "end mine", "unname", "give back"]
    assert owners.named is None


async def test_an_owner_without_a_predecessor_ends_none():
    owners = Owners(None)
    async with OwnedSession(owners, "g/slot"):
        assert owners.done == ["name g/slot"]


async def test_an_owner_whose_successor_has_come_leaves_its_name_alone():
    owners = Owners(None)
    async with OwnedSession(owners, "g/slot"):
        owners.named = "the successor's"
    assert owners.named == "the successor's"


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
