"""Who may call what: every route of the sender's real application, with every kind of key."""

from types import SimpleNamespace

import httpx
import pytest
from pydantic import SecretStr

from common.contracts.accounts import ACTIVE, AccountData
from common.contracts.journal import State
from common.http.auth import digest
from common.http.clients.accounts import Credentials
from sender.app import build_app
from sender.clock import utc_now
from sender.delivery.transitions import new_entry
from sender.service import Sender
from sender.settings import Settings

OURS, THEIRS = "our-bot", "their-bot"
KEYS = {
    "all": {"scopes": ["send"]},
    "ours": {"scopes": ["send"], "chatbots": [OURS]},
    "theirs": {"scopes": ["send"], "chatbots": [THEIRS]},
    "reader": {"scopes": ["read", "accounts", "credentials", "windows"]},
}
MESSAGE = {"to": "+4915112345678", "message": "hi"}


def body_for(bot):
    return {"json": {"chatbotId": bot, **MESSAGE}}


def query_for(bot):
    return {"params": {"chatbotId": bot}}


ROUTES = {
    ("POST", "/whatsapp-cloud/send"): ("/whatsapp-cloud/send", body_for),
    ("GET", "/whatsapp-cloud/send/{message_id:path}"): ("/whatsapp-cloud/send/m/1", query_for),
    ("DELETE", "/whatsapp-cloud/send/{message_id:path}"): ("/whatsapp-cloud/send/m/1", query_for),
    ("GET", "/whatsapp-cloud/numbers/{chatbot_id:str}"): ("/whatsapp-cloud/numbers/{bot}", lambda _bot: {}),
    ("POST", "/whatsapp-cloud/media"): (
        "/whatsapp-cloud/media",
        lambda bot: {**query_for(bot), "content": b"abc", "headers": {"content-type": "image/png"}},
    ),
}
BATCH = ("POST", "/whatsapp-cloud/send/batch")
OPEN = {("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics")}
"""These say nothing of any tenant's messages; the documents (below /docs) are the same."""


class World:
    """The application, with everything behind its routes in memory. `done` says what a call came to."""

    def __init__(self, monkeypatch):
        made = []

        class Kept(Sender):
            def __init__(self, settings):
                super().__init__(settings)
                made.append(self)

        monkeypatch.setattr("sender.app.Sender", Kept)
        monkeypatch.setattr("sender.service.JournalStore.load_one", self.load)
        monkeypatch.setattr("sender.service.Cancellation.cancel", self.cancel)
        monkeypatch.setattr("sender.service.NumberStore.of_chatbot", self.number)
        keys = [{"name": name, "sha256": digest(f"fake-{name}"), **reach} for name, reach in KEYS.items()]
        callback_keys = {"fake": "ZmZm" * 10 + "ZmY="}
        self.app = build_app(Settings(accounts_internal_key="x", api_keys=keys, callback_keys=callback_keys))
        (self.sender,) = made
        self.done = []
        for bot in (OURS, THEIRS):
            row = AccountData(chatbot_id=bot, phone_number_id="15", status=ACTIVE, revision=1)
            self.sender.accounts._rows[bot] = row
        monkeypatch.setattr(self.sender.publisher, "publish", self.publish)
        monkeypatch.setattr(self.sender.credentials, "get", self.credentials)
        monkeypatch.setattr(self.sender.media_client, "upload", self.upload)

    async def publish(self, records):
        self.done += [("publish", record.key) for record in records]

    async def credentials(self, chatbot, *, revision):
        self.done.append(("token", chatbot))
        return Credentials("15", SecretStr("fake"), revision)

    async def upload(self, _number, _token, chunks, **_named):
        async for _ in chunks:
            pass
        return "4711"

    async def load(self, journal_id):
        self.done.append(("load", journal_id))
        return new_entry("j", OURS, "m1", "+49", utc_now())

    async def cancel(self, chatbot, message_id):
        self.done.append(("cancel", chatbot))
        return SimpleNamespace(
            **{name: getattr(new_entry("j", chatbot, message_id, "+49", utc_now()), name) for name in FIELDS},
            state=State.CANCELLED,
        )

    async def number(self, chatbot):
        self.done.append(("number", chatbot))
        return {"chatbotId": chatbot}

    async def call(self, method, path, *, key, headers=None, **options):
        headers = {**(headers or {}), **({"authorization": f"Bearer fake-{key}"} if key else {})}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://s") as api:
            return await api.request(method, path, headers=headers, **options)

    async def close(self):
        for part in ("credentials", "media_client", "fetcher", "windows", "mongo", "graph"):
            await getattr(self.sender, part).close()
        await self.sender.throughput._client.close()


FIELDS = ("message_id", "chatbot_id", "attempt", "at", "created_at", "due", "wamid", "error", "failure", "failed_at")


@pytest.fixture
async def world(monkeypatch):
    made = World(monkeypatch)
    yield made
    await made.close()


def routes_of(app):
    """(method, path) of every route, other than what is made for browsers and documents."""
    return {
        (method, route.path)
        for route in app.routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS" and "/docs/" not in f"{route.path}/"
    }


async def test_every_route_has_its_entry_here(world):
    assert routes_of(world.app) == {*ROUTES, BATCH, *OPEN}


async def calls(world, route, key, bot=OURS):
    (method, _), (path, options) = route, ROUTES[route]
    world.done.clear()
    return await world.call(method, path.format(bot=bot), key=key, **options(bot))


REFUSED = [(None, 401), ("unknown", 401), ("reader", 403), ("theirs", 403)]


@pytest.mark.parametrize(
    ("key", "status"), REFUSED, ids=["no key", "a wrong key", "another scope", "another chatbot's"]
)
@pytest.mark.parametrize("route", sorted(ROUTES), ids=" ".join)
async def test_a_key_that_does_not_reach_is_refused_and_nothing_is_done(world, route, key, status):
    answer = await calls(world, route, key)
    assert (answer.status_code, world.done) == (status, [])


@pytest.mark.parametrize("key", ["all", "ours"])
@pytest.mark.parametrize("route", sorted(ROUTES), ids=" ".join)
async def test_a_key_that_reaches_is_served(world, route, key):
    answer = await calls(world, route, key)
    assert answer.status_code == 200, answer.text
    assert world.done


@pytest.mark.parametrize(("key", "status"), REFUSED[:3], ids=["no key", "a wrong key", "another scope"])
async def test_a_batch_is_refused_as_a_whole_without_a_key_of_the_scope(world, key, status):
    body = {"chatbotId": OURS, "messages": [MESSAGE]}
    answer = await world.call(*BATCH, key=key, json=body)
    assert (answer.status_code, world.done) == (status, [])


async def test_of_a_batch_only_what_the_key_reaches_is_enqueued(world):
    messages = [{"chatbotId": bot, **MESSAGE} for bot in (THEIRS, OURS, THEIRS)]
    answer = await world.call(*BATCH, key="ours", json={"messages": messages})
    results = answer.json()["data"]["results"]
    assert [result["success"] for result in results] == [False, True, False]
    assert {result["error"]["code"] for result in results if not result["success"]} == {"forbidden"}
    assert world.done == [("publish", OURS)]


async def test_a_batch_of_another_chatbot_is_not_enqueued(world):
    body = {"chatbotId": THEIRS, "messages": [MESSAGE]}
    answer = await world.call(*BATCH, key="ours", json=body)
    assert answer.json()["data"]["enqueued"] == 0
    assert world.done == []


@pytest.mark.parametrize("bot", ["", f"{OURS} ", OURS.upper(), f"{OURS}/x", "*", f"{OURS}\x00"])
@pytest.mark.parametrize("route", sorted(ROUTES), ids=" ".join)
async def test_a_name_that_only_looks_like_the_keys_chatbot_is_not_served(world, route, bot):
    if "{bot}" in ROUTES[route][0]:
        bot = bot.replace("/", "%2F").replace("\x00", "%00").replace(" ", "%20")
    answer = await calls(world, route, "ours", bot)
    assert 400 <= answer.status_code < 500
    assert world.done == []


async def test_what_is_open_says_nothing_of_a_tenant(world):
    for method, path in OPEN - {("GET", "/health/ready")}:  # that asks MongoDB and Kafka
        answer = await world.call(method, path, key=None)
        assert answer.status_code == 200
        assert OURS not in answer.text
