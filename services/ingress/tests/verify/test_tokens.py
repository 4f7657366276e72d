"""Verify tokens as accounts tells them, on real Kafka: at once when they are new, and not when they are gone."""

import asyncio
import base64
import uuid
from datetime import UTC, datetime

import httpx
import pytest

from common.contracts.accounts import (
    ACTIVE,
    CHANGED,
    DEACTIVATED,
    AccountChanged,
    AccountData,
    KeyedDigest,
    TokenDigest,
)
from common.contracts.envelope import encode
from common.contracts.ids import random_id
from common.contracts.topics import ACCOUNTS
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.security.verify_tokens import sign_token
from ingress.app import build_app
from ingress.routes import PATH
from ingress.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.feature("verification")]

KEYS = {name: base64.b64encode(name.encode() * 16).decode() for name in ("v1", "v2")}


@pytest.fixture
def settings(kafka_bootstrap):
    return Settings(kafka_bootstrap_servers=kafka_bootstrap, verify_digest_keys=KEYS, verify_digest_primary_key="v1")


def keyed(settings, token):
    key_id, hmac = sign_token(settings.digest_keys(), token)
    return {"verify_digest": KeyedDigest(key=key_id, hmac=hmac)}


async def test_a_token_is_known_as_soon_as_it_is_told_and_for_as_long_as_its_account_is_active(settings):
    bot, token = f"bot-{uuid.uuid4().hex[:8]}", f"fake-{uuid.uuid4().hex}"
    rotated = Settings(**{**settings.model_dump(), "verify_digest_primary_key": "v2"})
    salted = {"verify_token": TokenDigest.of(token, "fake-salt")}
    steps = [
        (ACTIVE, salted, 200),
        (DEACTIVATED, salted, 403),
        (ACTIVE, keyed(settings, token), 200),
        (ACTIVE, keyed(rotated, token), 200),
        (ACTIVE, keyed(rotated, "fake-another"), 403),
        (ACTIVE, keyed(rotated, token), 200),
        (DEACTIVATED, keyed(rotated, token), 403),
    ]
    app, publisher, now = build_app(settings), Publisher(settings), datetime.now(UTC)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with app.lifespan(), client, asyncio.timeout(60):
        await publisher.start()
        try:
            while not await publisher.reachable():
                await asyncio.sleep(0.05)
            for revision, (status, digest, answer) in enumerate(steps, start=1):
                data = AccountData(chatbot_id=bot, phone_number_id="2", status=status, revision=revision, **digest)
                event_id = random_id()
                event = AccountChanged(
                    id=event_id,
                    type=CHANGED,
                    version=1,
                    occurred_at=now,
                    recorded_at=now,
                    correlation_id=event_id,
                    data=data,
                )
                await publisher.publish([Outgoing(ACCOUNTS.name, bot, encode(event), [])])
                # An unknown token has the topic read to its end: after that the change is known here for certain.
                await client.get(PATH, params={"hub.mode": "subscribe", "hub.verify_token": "fake-unknown"})
                params = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
                assert (await client.get(PATH, params=params)).status_code == answer, (revision, status)
        finally:
            await publisher.stop()
