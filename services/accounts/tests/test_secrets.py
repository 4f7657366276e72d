"""Secrets of accounts on real Kafka and MongoDB: never in clear at rest, on the topic, or in an answer."""

import asyncio
import base64
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from accounts.app import build_apps
from accounts.core import SECRETS, AccountRequest, Keys, change_for
from accounts.renewal import PASS_SECONDS, DigestRenewal
from accounts.rewrap import rewrap
from accounts.settings import Settings
from accounts.store import AccountStore
from common.contracts.accounts import AccountChanged, TokenDigest
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.http.auth import digest
from common.kafka.consume.table import Table
from common.mongo import Mongo
from common.security.key_ring import SecretsError, place_of
from common.security.verify_tokens import digests_of

pytestmark = [pytest.mark.integration, pytest.mark.feature("accounts")]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
DIGEST_KEY = base64.b64encode(b"v" * 32).decode()
CLEAR = ("fake-access-token", "fake-verify-token")


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"accounts_{uuid.uuid4().hex[:10]}",
        accounts_keks={"old": OLD},
        verify_digest_keys={"v": DIGEST_KEY},
        api_keys=[{"name": "all", "sha256": digest("fake-key"), "scopes": ["accounts", "credentials"]}],
    )


def with_keys(settings, primary, **keks):
    return Settings(**{**settings.model_dump(), "accounts_keks": keks, "accounts_primary_kek": primary})


@pytest.fixture
async def store(settings):
    mongo = Mongo(settings)
    yield AccountStore(mongo)
    await mongo.client.drop_database(settings.mongodb_database)
    await mongo.close()


def request_of(bot, **more):
    given = {"accessToken": CLEAR[0], "webhookVerifyToken": CLEAR[1], **more}
    return {"chatbotId": bot, "phoneNumberId": str(uuid.uuid5(uuid.NAMESPACE_DNS, bot).int)[:15], **given}


def change_of(bot, settings, *, existing=False, **more):
    request = AccountRequest.model_validate(request_of(bot, **more))
    return change_for(request, Keys(settings.key_ring(), settings.digest_keys()), NOW, existing=existing)


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


def with_digests(settings, primary, **keys):
    return Settings(**{**settings.model_dump(), "verify_digest_keys": keys, "verify_digest_primary_key": primary})


async def told_of(settings, bot):
    return decode(decoder(AccountChanged), await records_of(settings, bot)).data


async def test_digests_are_renewed_after_an_upgrade_and_a_rotation_while_the_service_runs(settings, store, bot):
    """What ingress gets to know follows by itself; one account that does not open keeps none of the others."""
    collection = store._accounts
    names = [f"{bot}-{n}" for n in range(5)]
    async with serving(settings) as (public, _):
        for name in names:
            assert (await public.post("/whatsapp-cloud/account", json=request_of(name))).status_code == 200
        await public.post(f"/whatsapp-cloud/account/{names[4]}/deactivate")
    salted = {"salt": "00ff", "sha256": TokenDigest.of(CLEAR[1], "00ff").sha256}
    await collection.update_many({}, {"$set": {"verifyTokenDigest": salted}, "$unset": {"verifyDigest": ""}})
    await collection.update_one({"_id": names[0]}, {"$set": {"webhookVerifyToken.wrapped": b"fake"}})
    before = {name: (await store.get(name))["revision"] for name in names}

    async def renewed(key_id):
        documents = [await store.get(name) for name in names[1:]]
        return all(one.get("verifyDigest", {}).get("key") == key_id and "unpublished" not in one for one in documents)

    for number, current in enumerate((settings, with_digests(settings, "w", v=DIGEST_KEY, w=OLD)), start=1):
        async with serving(current.model_copy(update={"reconcile_seconds": 0.05})):
            async with asyncio.timeout(20):
                while not await renewed(current.digest_keys().primary):
                    await asyncio.sleep(0.05)
        for name in names[1:]:
            told, document = await told_of(settings, name), await store.get(name)
            digest = (told.verify_digest.key, told.verify_digest.hmac)
            assert digest in digests_of(current.digest_keys(), CLEAR[1])
            assert told.verify_token is None
            assert (told.revision, document["revision"]) == (before[name] + number,) * 2
            assert "verifyTokenDigest" not in document
    assert (await store.get(names[0]))["verifyTokenDigest"] == salted
    assert (await told_of(settings, names[4])).active is False


async def test_renewal_goes_on_in_small_rounds_and_rests_after_the_last(settings, store, bot):
    names = [f"{bot}-{n}" for n in range(5)]
    for name in names:
        await store.save(name, change_of(name, settings), NOW)
    clock = [1_000.0]
    rotated = with_digests(settings, "w", v=DIGEST_KEY, w=OLD)
    keys = Keys(rotated.key_ring(), rotated.digest_keys())
    renewal = DigestRenewal(store, keys, at_once=2, now=lambda: clock[0])
    assert [await renewal.round() for _ in range(4)] == [names[:2], names[2:4], names[4:], []]
    await store.save(names[0], change_of(names[0], settings, existing=True), NOW)  # by a process with the older key
    assert await renewal.round() == []
    clock[0] += PASS_SECONDS
    assert await renewal.round() == names[:1]


async def test_an_account_that_changes_while_its_digest_is_renewed_keeps_the_change(settings, store, bot, monkeypatch):
    await store.save(bot, change_of(bot, settings), NOW)
    rotated = with_digests(settings, "w", v=DIGEST_KEY, w=OLD)
    keys = Keys(rotated.key_ring(), rotated.digest_keys())
    find = AccountStore.with_other_digests

    async def changed_after(self, *given):
        found = await find(self, *given)
        await store.save(bot, change_of(bot, settings, existing=True, webhookVerifyToken="fake-newer"), NOW)
        return found

    monkeypatch.setattr(AccountStore, "with_other_digests", changed_after)
    assert await DigestRenewal(store, keys).round() == []
    stored = (await store.get(bot))["verifyDigest"]
    assert (stored["key"], stored["hmac"]) in digests_of(settings.digest_keys(), "fake-newer")
