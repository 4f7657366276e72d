"""What is remembered of uploads, on real MongoDB."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from common.errors import Unavailable
from common.mongo.client import Mongo, MongoSettings
from sender.clock import utc_now
from sender.media.store import COLLECTION, MARGIN, CachedUpload, MediaStore, key_of

pytestmark = pytest.mark.integration
LINK = "https://x.test/a?signature=secret"


@pytest.fixture
async def mongo(mongodb_uri):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"sender_test_{uuid.uuid4().hex[:12]}"))
    yield mongo
    await mongo.client.drop_database(mongo.database.name)
    await mongo.close()


@pytest.fixture
async def store(mongo):
    store = MediaStore(mongo.database)
    await store.ensure_indexes()
    await store.ensure_indexes()
    return store


def kept(media_id="1", at=None, life=timedelta(days=30)):
    at = at or utc_now()
    return CachedUpload(media_id, "image/png", at, at + life, "a.png")


async def test_an_upload_is_found_until_shortly_before_its_end(store):
    key, upload = key_of("15", LINK), kept()
    assert await store.load(key, upload.at) is None
    await store.put(key, upload)
    assert await store.load(key, upload.at) == upload
    assert await store.load(key, upload.expires_at - MARGIN - timedelta(seconds=1)) == upload
    assert await store.load(key, upload.expires_at - MARGIN) is None
    newer = replace(upload, media_id="2")
    await store.put(key, newer)
    assert await store.load(key, upload.at) == newer


async def test_an_upload_that_was_kept_before_names_were_has_none(store, mongo):
    key, upload = key_of("15", LINK), kept()
    await store.put(key, upload)
    await mongo.database[COLLECTION].update_one({"_id": key}, {"$unset": {"name": ""}})
    assert await store.load(key, upload.at) == replace(upload, name="")


async def test_each_number_has_its_own(store):
    await store.put(key_of("15", LINK), kept())
    assert await store.load(key_of("16", LINK), utc_now()) is None
    assert await store.load(key_of("15", LINK + "x"), utc_now()) is None


async def test_only_what_is_old_enough_is_forgotten(store):
    key, upload = key_of("15", LINK), kept()
    await store.put(key, upload)
    assert not await store.forget(key, upload.at)
    assert await store.load(key, upload.at) == upload
    assert await store.forget(key, upload.at + timedelta(seconds=1))
    assert not await store.forget(key, upload.at + timedelta(seconds=1))
    assert await store.load(key, upload.at) is None


async def test_mongodb_removes_what_has_expired_and_never_sees_a_link(store, mongo):
    await store.put(key_of("15", LINK), kept())
    indexes = await mongo.database[COLLECTION].index_information()
    assert [index["expireAfterSeconds"] for index in indexes.values() if index["key"] == [("expiresAt", 1)]] == [0]
    assert "secret" not in repr(await mongo.database[COLLECTION].find_one({}))


async def test_a_mongodb_that_is_away_is_told():
    mongo = Mongo(MongoSettings(mongodb_uri="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"))
    store = MediaStore(mongo.database)
    for call in (store.load("k", utc_now()), store.put("k", kept()), store.forget("k", utc_now())):
        with pytest.raises(Unavailable):
            await call
    await mongo.close()
