"""The account API on real Kafka and MongoDB."""

import asyncio
import base64
import json
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest

from accounts.announcer import Announcer
from accounts.app import build_apps
from accounts.rewrap import rewrap
from accounts.settings import Settings
from accounts.store import COLLECTION, AccountStore
from common.contracts.accounts import AccountChanged
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.http.auth import digest
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from common.mongo import Mongo
from common.security.verify_tokens import digests_of

pytestmark = pytest.mark.integration

CHANGES = decoder(AccountChanged)
KEY = base64.b64encode(b"k" * 32).decode()


def api_key(name, *scopes, chatbots=("*",)):
    return {"name": name, "sha256": digest(f"fake-{name}"), "scopes": scopes, "chatbots": chatbots}


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"accounts_{uuid.uuid4().hex[:10]}",
        reconcile_seconds=0.1,
        accounts_keks={"k": KEY},
        verify_digest_keys={"v": base64.b64encode(b"v" * 32).decode()},
        api_keys=[
            api_key("ops", "accounts"),
            api_key("sender", "credentials"),
            api_key("tenant", "accounts", "credentials", chatbots=("another-bot",)),
        ],
    )


class Api:
    def __init__(self, public, internal):
        self.public, self.internal = public, internal

    async def call(self, method, path, body=None, *, key="ops", internal=False):
        client = self.internal if internal else self.public
        headers = {"authorization": f"Bearer fake-{key}"} if key else {}
        return await client.request(method, path, json=body, headers=headers)

    async def save(self, chatbot, number, **more):
        account = {"chatbotId": chatbot, "phoneNumberId": number, **more}
        return await self.call("POST", "/whatsapp-cloud/account", account)


@asynccontextmanager
async def serving(settings):
    apps = build_apps(settings)
    async with (
        apps.public.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(apps.public), base_url="http://test") as public,
        httpx.AsyncClient(transport=httpx.ASGITransport(apps.internal), base_url="http://test") as internal,
    ):
        await until(lambda: ready(public))
        yield Api(public, internal)


async def ready(client):
    checks = (await client.get("/health/ready")).json()["checks"]
    return checks["mongodb"] and checks["indexes"]


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
async def api(settings):
    opened: asyncio.Future[Api] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def serve():  # a lifespan has to be left by the task that entered it, which a fixture does not promise
        async with serving(settings) as api:
            await until(lambda: kafka_ready(api))
            opened.set_result(api)
            await done.wait()

    task = asyncio.create_task(serve())
    await asyncio.wait([task, opened], return_when=asyncio.FIRST_COMPLETED)
    yield opened.result() if opened.done() else await task
    done.set()
    await task


async def kafka_ready(api):
    return (await api.public.get("/health/ready")).json()["ready"]


@pytest.fixture
def names():
    return f"bot-{uuid.uuid4().hex[:8]}", str(uuid.uuid4().int)[:15]


TOKENS = {"accessToken": "fake-access-token", "webhookVerifyToken": "fake-verify-token"}


@pytest.mark.feature("accounts")
async def test_create_update_get_and_deactivate(api, names):
    bot, number = names
    created = await api.save(bot, number, **TOKENS)
    assert created.status_code == 200
    assert created.json()["success"] is True
    assert created.json()["data"]["phoneNumberId"] == number
    updated = await api.save(bot, number, plan="premium")
    assert (updated.json()["data"]["plan"], updated.json()["data"]["revision"]) == ("premium", 2)
    got = await api.call("GET", f"/whatsapp-cloud/account/{bot}")
    deactivated = await api.call("POST", f"/whatsapp-cloud/account/{bot}/deactivate")
    assert deactivated.json()["data"]["status"] == "deactivated"
    for answer in (created, updated, got, deactivated):
        assert "fake-" not in answer.text


async def test_what_is_missing_taken_or_wrong_is_said(api, names):
    bot, number = names
    assert (await api.call("GET", f"/whatsapp-cloud/account/{bot}")).status_code == 404
    assert (await api.call("POST", f"/whatsapp-cloud/account/{bot}/deactivate")).status_code == 404
    no_secrets = await api.save(bot, number)
    assert no_secrets.status_code == 400
    assert "accessToken" in no_secrets.text
    bad = await api.save(bot, "not-a-number", **TOKENS)
    assert (bad.status_code, bad.json()["error"]["details"][0]["field"]) == (400, "phoneNumberId")
    await api.save(bot, number, **TOKENS)
    assert (await api.save(f"{bot}-2", number, **TOKENS)).status_code == 409
    await api.call("POST", f"/whatsapp-cloud/account/{bot}/deactivate")
    assert (await api.save(f"{bot}-2", number, **TOKENS)).status_code == 200  # a freed number may move


async def test_a_key_reaches_no_further_than_its_scope_and_chatbots(api, names):
    bot, number = names
    await api.save(bot, number, **TOKENS)
    path = f"/whatsapp-cloud/account/{bot}"
    assert (await api.call("GET", path, key=None)).status_code == 401
    assert (await api.call("GET", path, key="unknown")).status_code == 401
    assert (await api.call("GET", path, key="sender")).status_code == 403
    assert (await api.call("GET", path, key="tenant")).status_code == 403
    credentials = f"/internal/accounts/{bot}/credentials"
    assert (await api.call("GET", credentials, internal=True)).status_code == 403
    assert (await api.call("GET", credentials, key="tenant", internal=True)).status_code == 403
    mark, path = {"code": 190, "revision": 1}, f"/internal/accounts/{bot}/token-rejected"
    assert (await api.call("POST", path, mark, key="tenant", internal=True)).status_code == 403
    assert (await api.call("GET", credentials, key="sender")).status_code == 404  # not on the public listener
    given = await api.call("GET", credentials, key="sender", internal=True)
    assert (given.json()["accessToken"], given.json()["revision"]) == ("fake-access-token", 1)


async def test_a_rejected_token_is_marked_until_there_is_another(api, names):
    bot, number = names
    await api.save(bot, number, **TOKENS)
    path = f"/internal/accounts/{bot}/token-rejected"
    stale = await api.call("POST", path, {"code": 190, "revision": 7}, key="sender", internal=True)
    assert stale.json()["data"]["marked"] is False
    await api.call("POST", path, {"code": 190, "revision": 1}, key="sender", internal=True)
    data = (await api.call("GET", f"/whatsapp-cloud/account/{bot}")).json()["data"]
    assert (data["tokenStatus"], data["tokenRejectedCode"]) == ("rejected", 190)
    accepted = f"/internal/accounts/{bot}/token-accepted"
    for revision, cleared in ((2, False), (1, True), (1, False)):
        answer = await api.call("POST", accepted, {"revision": revision}, key="sender", internal=True)
        assert answer.json()["data"] == {"cleared": cleared}
    assert (await api.call("GET", f"/whatsapp-cloud/account/{bot}")).json()["data"]["tokenStatus"] == "unknown"
    await api.call("POST", path, {"code": 190, "revision": 1}, key="sender", internal=True)
    data = (await api.save(bot, number, accessToken="fake-new-token")).json()["data"]
    assert data["tokenStatus"] == "unknown"
    for mark in ({"code": 2**64, "revision": 1}, {"code": 190, "revision": 2**64}):
        assert (await api.call("POST", path, mark, key="sender", internal=True)).status_code == 400


async def test_every_change_is_on_the_topic_and_the_last_is_the_latest(api, settings, names):
    bot, number = names
    await api.save(bot, number, **TOKENS)
    await asyncio.gather(*(api.save(bot, number, plan=plan) for plan in ("free", "standard", "premium") * 3))
    last = (await api.call("GET", f"/whatsapp-cloud/account/{bot}")).json()["data"]
    table = Table(settings, ACCOUNTS.name, lambda value: decode(CHANGES, value).data)
    await table.start()
    try:
        assert await table.catch_up(20)
        told = table.get(bot)
    finally:
        await table.stop()
    assert (told.revision, told.plan) == (last["revision"], last["plan"]) == (10, last["plan"])
    digest = (told.verify_digest.key, told.verify_digest.hmac)
    assert digest in digests_of(settings.digest_keys(), "fake-verify-token")
    assert told.verify_token is None


async def test_a_change_that_kafka_did_not_take_is_published_later(settings, names):
    bot, number = names
    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with serving(away) as api:
        assert (await api.save(bot, number, **TOKENS)).status_code == 503
    mongo, publisher = Mongo(settings), Publisher(settings)
    store = AccountStore(mongo)
    announcer = Announcer(store, publisher, table_of(settings), reconcile_seconds=0.1)
    assert await store.unpublished() == [bot]
    await publisher.start()
    await announcer.start()
    try:

        async def published():
            return not await store.unpublished()

        await until(published)
    finally:
        await announcer.stop()
        await publisher.stop()
        await mongo.close()


@pytest.mark.parametrize("revision", [7, 1], ids=["the topic is older", "the store was restored and is older"])
async def test_another_state_on_the_topic_is_followed_by_the_present_one_after_a_start(settings, names, revision):
    bot, number = names
    async with serving(settings) as api:
        assert (await api.save(bot, number, **TOKENS)).status_code == 200
        assert (await api.save(bot, number, **TOKENS, plan="premium")).status_code == 200
    mongo = Mongo(settings)
    # As if the process had died after it had published the first state once more: nothing says so in the store.
    await mongo.database[COLLECTION].update_one({"_id": bot}, {"$set": {"revision": revision}})
    await mongo.close()
    table = table_of(settings)
    await table.start()
    try:
        async with serving(settings):

            async def mended():
                row = table.get(bot)
                return row is not None and row.revision == revision

            await until(mended)
    finally:
        await table.stop()


def table_of(settings):
    return Table(settings, ACCOUNTS.name, lambda value: decode(CHANGES, value).data)


async def test_an_account_that_cannot_be_told_of_does_not_keep_the_others(settings, names):
    bot, number = names
    mongo = Mongo(settings)
    # `a…` is found first; it lacks everything that an event needs.
    await mongo.database[COLLECTION].insert_one({"_id": f"a-{bot}", "unpublished": True})
    async with serving(settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})) as api:
        assert (await api.save(bot, number, **TOKENS)).status_code == 503
    store = AccountStore(mongo)

    async def told():
        return await store.unpublished() == [f"a-{bot}"]

    async with serving(settings) as api:
        await until(told)
    assert (await store.get(bot))["revision"] == 1
    await mongo.close()


async def test_rewrapping_moves_every_account_to_the_new_key(api, settings, names):
    bot, number = names
    await api.save(bot, number, **TOKENS)
    new = base64.b64encode(b"n" * 32).decode()
    both = Settings(**{**settings.model_dump(), "accounts_keks": {"k": KEY, "n": new}, "accounts_primary_kek": "n"})
    assert await rewrap(both) == (1, 1)
    assert await rewrap(both) == (1, 0)
    only_new = Settings(**{**both.model_dump(), "accounts_keks": {"n": new}})
    mongo = Mongo(settings)
    document = await AccountStore(mongo).get(bot)
    await mongo.close()
    assert "fake-access-token" not in repr(document)
    keys = only_new.key_ring()
    assert (
        json.loads(json.dumps(keys.open(document["accessToken"], f"{len(bot)}:{bot}/accessToken")))
        == "fake-access-token"
    )
