"""Compare-and-set in bulk on a real mongod: one winner, and the others see what stands."""

import uuid

import pytest

from common.errors import Unavailable
from common.mongo import Mongo, MongoSettings
from common.mongo.compare_and_set import _MANY, Swap, find_all, swap_all

pytestmark = pytest.mark.integration

FEW_AND_MANY = [1, _MANY, _MANY + 1, 3 * _MANY]  # upserts and inserts


@pytest.fixture
async def collection(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"swaps_{uuid.uuid4().hex[:10]}"))
    yield mongo.database["things"]
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


def document(number, token):
    return {"_id": f"d{number}", "token": token, "text": f"of {token}"}


def swaps(count, token, expected=None):
    return [Swap(document(number, token), expected) for number in range(count)]


async def standing(collection):
    return {found["_id"]: found async for found in collection.find()}


@pytest.mark.parametrize("count", FEW_AND_MANY)
async def test_what_is_new_is_written_and_to_repeat_it_is_a_success(collection, count):
    wished = [swap.document for swap in swaps(count, "mine")]
    for _ in range(3):
        assert await swap_all(collection, swaps(count, "mine")) == wished
    assert await standing(collection) == {one["_id"]: one for one in wished}


@pytest.mark.parametrize("count", FEW_AND_MANY)
async def test_where_another_token_stands_what_is_new_is_refused_and_sees_it(collection, count):
    first = [swap.document for swap in swaps(count, "first")]
    await swap_all(collection, swaps(count, "first"))
    assert await swap_all(collection, swaps(count, "second")) == first
    assert await standing(collection) == {one["_id"]: one for one in first}


@pytest.mark.parametrize("count", FEW_AND_MANY)
async def test_one_that_is_refused_does_not_harm_its_neighbours(collection, count):
    await swap_all(collection, swaps(1, "first"))
    found = await swap_all(collection, swaps(count + 1, "second"))
    assert found == [document(0, "first"), *(document(number, "second") for number in range(1, count + 1))]


@pytest.mark.parametrize("count", FEW_AND_MANY)
async def test_what_was_read_is_replaced_once(collection, count):
    await swap_all(collection, swaps(count, "a"))
    after = [swap.document for swap in swaps(count, "b")]
    assert await swap_all(collection, swaps(count, "b", expected="a")) == after
    assert await swap_all(collection, swaps(count, "b", expected="a")) == after  # its acknowledgement was lost
    assert await swap_all(collection, swaps(count, "c", expected="a")) == after  # another writer was faster
    assert await standing(collection) == {one["_id"]: one for one in after}


@pytest.mark.parametrize("count", FEW_AND_MANY)
async def test_new_and_old_go_together(collection, count):
    await swap_all(collection, [Swap(document("x", "a"), None), Swap(document("y", "a"), None)])
    wanted = [
        *swaps(count, "b"),
        Swap(document("x", "b"), "a"),
        Swap(document("y", "b"), "of long ago"),
        Swap(document("z", "b"), "gone"),
    ]
    found = await swap_all(collection, wanted)
    assert found == [*(swap.document for swap in wanted[: count + 1]), document("y", "a"), None]
    assert "dz" not in await standing(collection)  # what has gone is not put back


async def test_none_is_none(collection):
    await swap_all(collection, swaps(1, "a"))
    assert await find_all(collection, ["d0", "d1", "d0"]) == [document(0, "a"), None, document(0, "a")]


async def test_an_error_that_is_no_duplicate_is_unavailable_and_quotes_no_document(collection, caplog):
    await collection.create_index("text", unique=True)
    await collection.database.command("collMod", collection.name, validator={"token": {"$ne": "refused"}})
    with pytest.raises(Unavailable):
        await swap_all(collection, swaps(2, "refused"))
    assert "of refused" not in caplog.text
    assert await standing(collection) == {}
