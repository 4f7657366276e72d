"""Secrets of accounts on real Kafka and MongoDB: never in clear at rest, on the topic, or in an answer."""

import asyncio
import base64
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from accounts.app import build_apps
from accounts.core import SECRETS, AccountRequest, change_for
from accounts.rewrap import rewrap
from accounts.settings import Settings
from accounts.store import AccountStore
from common.contracts.topics import ACCOUNTS
from common.http.auth import digest
from common.kafka.table import Table
from common.mongo import Mongo
from common.security.envelope import SecretsError, place_of

pytestmark = [pytest.mark.integration, pytest.mark.feature("accounts")]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
CLEAR = ("fake-access-token", "fake-verify-token")


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"accounts_{uuid.uuid4().hex[:10]}",
        accounts_keks={"old": OLD},
        api_keys=[{"name": "all", "sha256": digest("fake-key"), "scopes": ["accounts", "credentials"]}],
    )


def with_keys(settings, primary, **keks):
    return Settings(**{**settings.model_dump(), "accounts_keks": keks, "accounts_primary_kek": primary})


@pytest.fixture
async def store(settings):
    mongo = Mongo(settings)
    yield AccountStore(mongo.database)
    await mongo.client.drop_database(settings.mongodb_database)
    await mongo.close()


def request_of(bot, **more):
    given = {"accessToken": CLEAR[0], "webhookVerifyToken": CLEAR[1], **more}
    return {"chatbotId": bot, "phoneNumberId": str(uuid.uuid5(uuid.NAMESPACE_DNS, bot).int)[:15], **given}


def change_of(bot, settings, *, existing=False, **more):
    request = AccountRequest.model_validate(request_of(bot, **more))
    return change_for(request, settings.key_ring(), "00ff", NOW, existing=existing)


@pytest.fixture
def bot():
    return f"bot-{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def serving(settings):
    apps = build_apps(settings)
    headers = {"authorization": "Bearer fake-key"}
    transports = (httpx.ASGITransport(app) for app in (apps.public, apps.internal))
    public, internal = (httpx.AsyncClient(transport=t, base_url="http://test", headers=headers) for t in transports)
    async with apps.public.lifespan(), public, internal, asyncio.timeout(30):
        while (await public.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.05)
        yield public, internal


async def records_of(settings, bot):
    """The present record of `bot` on the topic, as its bytes."""
    table = Table(settings, ACCOUNTS.name, lambda value: value)
    await table.start()
    try:
        assert await table.catch_up(20)
        return table.get(bot)
    finally:
        await table.stop()


async def test_no_secret_is_stored_told_or_answered_in_clear(settings, store, bot):
    async with serving(settings) as (public, internal):
        answer = await public.post("/whatsapp-cloud/account", json=request_of(bot))
        credentials = await internal.get(f"/internal/accounts/{bot}/credentials")
    assert set(answer.json()) == {"success", "message", "data"}
    assert set(answer.json()["data"]) >= {"chatbotId", "phoneNumberId", "tokenStatus", "createdAt", "updatedAt"}
    assert credentials.json()["accessToken"] == CLEAR[0]
    record = await records_of(settings, bot)
    assert bot.encode() in record
    shown = (repr(await store.get(bot)), record.decode(), answer.text, credentials.text.replace(CLEAR[0], "", 1))
    assert [secret for secret in CLEAR for text in shown if secret in text] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"accesToken": CLEAR[0]},
        {"phoneNumberId": "x"},
        {"accessToken": CLEAR[0] * 300},
        {"webhookVerifyToken": CLEAR[1] * 300},
        {"accessToken": [CLEAR[0]]},
    ],
)
async def test_a_refusal_names_the_field_and_does_not_repeat_a_secret(settings, bot, wrong):
    async with serving(settings) as (public, _):
        answer = await public.post("/whatsapp-cloud/account", json=request_of(bot, **wrong))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"].startswith(next(iter(wrong)))
    assert [secret for secret in CLEAR if secret in answer.text] == []


async def test_an_update_activates_again_and_keeps_the_token(settings, bot):
    async with serving(settings) as (public, internal):
        await public.post("/whatsapp-cloud/account", json=request_of(bot))
        await public.post(f"/whatsapp-cloud/account/{bot}/deactivate")
        inactive = (await internal.get(f"/internal/accounts/{bot}/credentials")).json()
        kept = {"chatbotId": bot, "phoneNumberId": request_of(bot)["phoneNumberId"]}
        await public.post("/whatsapp-cloud/account", json=kept)
        active = (await internal.get(f"/internal/accounts/{bot}/credentials")).json()
    assert (inactive["status"], active["status"], active["revision"]) == ("deactivated", "active", 3)
    assert active["accessToken"] == CLEAR[0]


async def test_rewrapping_leaves_the_ciphertext_and_the_revision_alone(settings, store, bot):
    await store.save(bot, change_of(bot, settings), NOW)
    before = await store.get(bot)
    assert await rewrap(with_keys(settings, "new", old=OLD, new=NEW)) == (1, 1)
    after = await store.get(bot)
    assert {name for name in after if after[name] != before[name]} == set(SECRETS)
    assert [after[name]["ciphertext"] for name in SECRETS] == [before[name]["ciphertext"] for name in SECRETS]
    ring = with_keys(settings, "new", new=NEW).key_ring()
    assert tuple(ring.open(after[name], place_of(bot, name)) for name in SECRETS) == CLEAR


async def test_rewrapping_stops_at_an_account_that_no_key_opens(settings, store, bot):
    await store.save(bot, change_of(bot, settings), NOW)
    with pytest.raises(SecretsError, match="`old`, which is not configured"):
        await rewrap(with_keys(settings, "new", new=NEW))


async def test_a_secret_that_changes_while_rewrapping_does_not_hold_the_other_one_back(
    settings, store, bot, monkeypatch
):
    await store.save(bot, change_of(bot, settings), NOW)
    both = with_keys(settings, "new", old=OLD, new=NEW)
    all_accounts = AccountStore.all

    async def changing_after_the_read(self):
        async for document in all_accounts(self):
            changed = change_of(bot, both, existing=True, accessToken="fake-new-token", webhookVerifyToken=None)
            await store.save(bot, changed, NOW)
            yield document

    monkeypatch.setattr(AccountStore, "all", changing_after_the_read)
    await rewrap(both)
    after = await store.get(bot)
    ring = with_keys(settings, "new", new=NEW).key_ring()
    opened = tuple(ring.open(after[name], place_of(bot, name)) for name in SECRETS)
    assert opened == ("fake-new-token", "fake-verify-token")


async def test_a_number_belongs_to_one_active_account_even_when_two_ask_at_once(settings, bot):
    number = request_of(bot)["phoneNumberId"]
    async with serving(settings) as (public, _):
        requests = [request_of(f"{bot}-{n}", phoneNumberId=number) for n in range(4)]
        answers = await asyncio.gather(*(public.post("/whatsapp-cloud/account", json=body) for body in requests))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"number_taken"}


async def test_one_new_account_that_is_created_twice_at_once_is_one(settings, store, bot):
    async with serving(settings) as (public, _):
        posts = (public.post("/whatsapp-cloud/account", json=request_of(bot)) for _ in range(4))
        answers = await asyncio.gather(*posts)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert (await store.get(bot))["revision"] == 4


async def test_a_change_that_kafka_did_not_take_is_said_and_kept(settings, store, bot):
    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    apps = build_apps(away)
    transport = httpx.ASGITransport(apps.public)
    headers = {"authorization": "Bearer fake-key"}
    async with apps.public.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://test") as public:
        answer = await public.post("/whatsapp-cloud/account", json=request_of(bot), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "kafka_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert (await store.get(bot))["unpublished"] is True
