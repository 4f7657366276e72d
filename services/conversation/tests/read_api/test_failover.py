"""The read API on a replica set of three, while the primary stands still: listings are shown, and say as of when."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from conversation_builders import ADA, BOT, CALLBACK_KEYS, message, read
from litestar import Litestar

from common.http.auth import digest, require
from common.http.exception_handlers import exception_handlers
from common.mongo import Mongo, OwnedSession
from common.mongo.failover.primary import primary_of
from conversation.batch.core import keys_of, plan
from conversation.read_api.reads import Reads
from conversation.read_api.routes import read_routes
from conversation.settings import Settings
from conversation.store import ConversationStore
from local_stack import LocalStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

NOW = datetime.now(UTC).replace(microsecond=0)
KEYS = [{"name": "reader", "sha256": digest("fake-reader"), "scopes": ("read",), "chatbots": ("*",)}]


@pytest.fixture(scope="module")
def members():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MONGODB_URI", raising=False)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")  # none is started
        with LocalStack(mongo_nodes=3) as stack:
            yield stack.mongo


class Room:
    """A conversation of five messages, and the read API over it."""

    def __init__(self, members, **settings):
        self.members = members
        self.settings = Settings(
            mongodb_uri=members.uri,
            mongodb_database=f"failover_{uuid.uuid4().hex[:10]}",
            kafka_bootstrap_servers="127.0.0.1:9",
            api_keys=KEYS,
            callback_keys=CALLBACK_KEYS,
            **settings,
        )
        self.mongo = Mongo(self.settings)
        self.store = ConversationStore(self.mongo)
        self.clients = []

    def api(self, **stale):
        reads = Reads(self.mongo, stale=timedelta(**stale))
        app = Litestar(
            [read_routes(reads, require("read", self.settings.api_keys), self.nowhere)],
            exception_handlers=exception_handlers(),
            logging_config=None,
            openapi_config=None,
        )
        headers = {"authorization": "Bearer fake-reader"}
        base = "http://test/whatsapp-cloud"
        self.clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base, headers=headers))
        return self.clients[-1]

    async def nowhere(self, _chatbot_id, _message_id):
        return None

    async def fill(self):
        await self.store.ensure_indexes()
        facts = [read(message(f"wamid.{n}", contact=ADA, at=NOW + timedelta(seconds=n))) for n in range(5)]
        async with OwnedSession(self.mongo, "test") as owned:
            await self.store.apply(owned, keys_of(facts, BOT), lambda known: plan(facts, known, BOT, NOW))

    async def close(self):
        for client in self.clients:
            await client.aclose()
        for number in self.members.nodes:
            self.members.resume(number)
        await asyncio.to_thread(self.members.await_ready)
        await self.mongo.close()


@pytest.fixture
async def room(members):
    room = Room(members)
    await room.fill()
    yield room
    await room.close()


def primary_stands_still(room, count=1):
    """The one that a majority has elected: another that was just resumed may still take itself for the primary."""
    members, (_, port) = room.members, primary_of(room.mongo.client.topology_description)
    primary = next(number for number in members.nodes if members.ports[number][0] == port)
    for number in [primary, *(number for number in members.nodes if number != primary)][:count]:
        members.pause(number)


async def test_a_thread_goes_on_where_the_primary_has_left_off(room, members):
    """A cursor is a position, so a page of a secondary follows a page of the primary."""
    api = room.api(minutes=5)
    found = (await api.get("/conversations")).json()["data"]
    path = f"/conversations/{found[0]['id']}/messages"
    first = await api.get(path, params={"limit": 2})
    assert "x-data-as-of" not in first.headers
    primary_stands_still(room)
    pages, asked = [first.json()], []
    while (cursor := pages[-1]["cursor"]) is not None:
        answer = await api.get(path, params={"limit": 2, "cursor": cursor})
        assert answer.status_code == 200
        pages.append(answer.json())
        asked.append(answer.headers.get("x-data-as-of"))
    shown = [entry["wamid"] for page in pages for entry in page["data"]]
    assert shown == [f"wamid.{n}" for n in (4, 3, 2, 1, 0)]
    assert asked[0] is not None
    moment = datetime.fromisoformat(asked[0])
    assert NOW - timedelta(seconds=20) <= moment <= datetime.now(UTC)


async def test_without_a_majority_listings_are_shown_and_what_decides_is_refused(room, members):
    api = room.api(minutes=5)
    conversation = (await api.get("/conversations")).json()["data"][0]["id"]
    primary_stands_still(room, count=2)
    async with asyncio.timeout(60):
        while not room.mongo.primary.lost_for():
            await asyncio.sleep(0.02)
    for path in (
        "/conversations",
        f"/conversations/{conversation}/messages",
        "/usage",
        "/usage/summary",
        "/webhook-events",
    ):
        answer = await api.get(path)
        assert (answer.status_code, "x-data-as-of" in answer.headers) == (200, True), path
    for path in (
        f"/conversations/{conversation}",
        "/messages/wamid.1",
        "/messages?status=sent",
        "/conversations/unknown/messages",
    ):
        answer = await api.get(path)
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), path
        assert answer.json()["error"]["code"] == "mongo_unavailable"


async def test_switched_off_no_secondary_is_shown(room, members):
    api = room.api(seconds=0)
    assert (await api.get("/conversations")).status_code == 200
    primary_stands_still(room, count=2)
    assert (await api.get("/conversations")).status_code == 503
