"""Accounts that Meta is asked about first, with the Graph emulator as Meta."""

import asyncio
import base64
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp.test_utils import TestServer

from accounts.app import build_apps
from accounts.settings import Settings
from common.http.auth import digest
from graph_emulator.app import build_app
from graph_emulator.config import Config
from graph_emulator.emulator import Emulator
from graph_emulator.state.directory import Business

pytestmark = [pytest.mark.integration, pytest.mark.feature("accounts")]

WABA, TOKEN, OTHER_TOKEN = "100000000000001", "fake-token", "fake-token-of-somebody-else"
ACCOUNT = "/whatsapp-cloud/account"


@pytest.fixture
def names():
    """A chatbot and a number of this test's own."""
    return f"bot-{uuid.uuid4().hex[:8]}", str(uuid.uuid4().int)[:15]


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"accounts_{uuid.uuid4().hex[:10]}",
        graph_base_url="http://127.0.0.1:1",
        graph_total_seconds=2,
        accounts_keks={"k": base64.b64encode(b"k" * 32).decode()},
        verify_digest_keys={"v": base64.b64encode(b"v" * 32).decode()},
        api_keys=[{"name": "ops", "sha256": digest("fake-key"), "scopes": ["accounts"]}],
    )


@asynccontextmanager
async def meta(number):
    """The emulator with one number, which only `TOKEN` reaches; the address of its Graph API."""
    emulator = Emulator(Config(app_secret="fake-app-secret"))
    emulator.directory.add_business(Business(number, WABA, "15550001111"))
    emulator.directory.grant(TOKEN, WABA)
    emulator.directory.grant(OTHER_TOKEN, "100000000000002")
    async with TestServer(build_app(emulator)) as server:
        yield str(server.make_url(""))


@asynccontextmanager
async def serving(settings, **changes):
    public = build_apps(settings.model_copy(update=changes)).public
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(public), base_url="http://test", headers={"authorization": "Bearer fake-key"}
    )
    async with public.lifespan(), client, asyncio.timeout(30):
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.05)
        yield client


def account(names, **changes):
    bot, number = names
    given = {"phoneNumberId": number, "accessToken": TOKEN, "webhookVerifyToken": "fake-verify-token", "wabaId": WABA}
    return {"chatbotId": bot, **given, **changes}


async def test_what_meta_refuses_is_not_stored(settings, names):
    wrong = {
        "accessToken": [{"accessToken": "fake-token-nobody-issued"}],
        "phoneNumberId": [{"accessToken": OTHER_TOKEN}, {"phoneNumberId": "200000000000009"}],
        "wabaId": [{"wabaId": "100000000000002"}],
    }
    async with meta(names[1]) as url, serving(settings, graph_base_url=url) as client:
        for field, changes in ((field, changes) for field, several in wrong.items() for changes in several):
            answer = await client.post(ACCOUNT, params={"verify": "true"}, json=account(names, **changes))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "refused_by_meta")
            assert answer.json()["error"]["details"][0]["field"] == field
            assert "fake-" not in answer.text
        assert (await client.get(f"{ACCOUNT}/{names[0]}")).status_code == 404


async def test_what_meta_confirms_is_stored_and_an_update_is_checked_with_the_stored_token(settings, names):
    async with meta(names[1]) as url, serving(settings, graph_base_url=url) as client:
        created = await client.post(ACCOUNT, params={"verify": "true"}, json=account(names))
        assert (created.status_code, created.json()["message"]) == (200, "Account created")
        moved = {"chatbotId": names[0], "phoneNumberId": "200000000000009"}
        answer = await client.post(ACCOUNT, params={"verify": "true"}, json=moved)
        assert answer.json()["error"]["details"][0]["field"] == "phoneNumberId"
        assert (await client.get(f"{ACCOUNT}/{names[0]}")).json()["data"]["phoneNumberId"] == names[1]
        kept = {"chatbotId": names[0], "phoneNumberId": names[1], "plan": "premium"}
        assert (await client.post(ACCOUNT, params={"verify": "true"}, json=kept)).json()["data"]["plan"] == "premium"


async def test_a_setting_has_every_account_checked_and_without_meta_nothing_is_stored(settings, names):
    async with serving(settings, accounts_verify_with_meta=True) as client:
        answer = await client.post(ACCOUNT, json=account(names))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "meta_unavailable")
        assert (await client.get(f"{ACCOUNT}/{names[0]}")).status_code == 404


async def test_meta_is_not_asked_unless_requested(settings, names):
    async with serving(settings) as client:
        assert (await client.post(ACCOUNT, json=account(names))).status_code == 200
