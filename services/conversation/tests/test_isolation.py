"""Two tenants and every route of the read API, on a real MongoDB: who sees what, and page after page of it."""

import base64
import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from conversation_builders import message, read, status
from litestar import Litestar

from common.contracts.contacts import Contact
from common.contracts.ids import inbound_message_id, outbound_message_id
from common.http.auth import ApiKey, digest, require
from common.http.exception_handlers import exception_handlers
from common.mongo import Mongo, MongoSettings, OwnedSession
from conversation.batch.core import keys_of, plan
from conversation.read_api.reads import Reads
from conversation.read_api.routes import read_routes
from conversation.store import ConversationStore

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)
NUMBERS = {"1001": "shop", "2002": "cafe"}
PEOPLE = 3
PRICING = {"pricing_model": "PMP", "type": "regular", "category": "service"}


def api_key(name, *chatbots):
    return ApiKey(
        name=name, sha256=digest(f"fake-{name}"), scopes=frozenset({"read"}), chatbots=frozenset(chatbots or {"*"})
    )


KEYS = [api_key("shop", "shop"), api_key("cafe", "cafe"), api_key("both", "shop", "cafe"), api_key("all")]
REACH = {"shop": {"shop"}, "cafe": {"cafe"}, "both": {"shop", "cafe"}, "all": {"shop", "cafe"}}


def records_of(number):
    """Three people who write twice, and who were each sent a message that Meta priced. Many times are equal."""
    for n in range(PEOPLE):
        contact = Contact(user_id=f"DE.{n}")
        at = NOW - n // 2 * SECOND
        for m in range(2):
            yield message(f"wamid.{number}.{n}.{m}", text=f"{number} {n}", contact=contact, number=number, at=at)
        sent = f"wamid.OUT.{number}.{n}"
        yield status("sent", wamid=sent, number=number, contact=contact, ours=False, at=at, pricing=PRICING)


NEEDED = {"/messages": {"status": "sent"}}
"""What a call has to ask for."""


class Room:
    def __init__(self, mongodb_uri):
        self.mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"reads_{uuid.uuid4().hex[:10]}"))
        self.store = ConversationStore(self.mongo)
        app = Litestar(
            [read_routes(Reads(self.mongo, stale=timedelta(0)), require("read", KEYS), self.nowhere)],
            exception_handlers=exception_handlers(),
            logging_config=None,
            openapi_config=None,
        )
        self.app = app
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/whatsapp-cloud")

    async def apply(self, *records):
        facts = [read(record) for record in records]
        async with OwnedSession(self.mongo, "test") as owned:
            await self.store.apply(owned, keys_of(facts, NUMBERS), lambda known: plan(facts, known, NUMBERS, NOW))

    @staticmethod
    async def nowhere(_chatbot_id, _message_id):
        """No send waits on Kafka."""

    async def get(self, path, key, **query):
        query = NEEDED.get(path, {}) | query
        return await self.client.get(path, params=query, headers={"authorization": f"Bearer fake-{key}"})

    async def data(self, path, key, **query):
        answer = await self.get(path, key, **query)
        assert answer.status_code == 200, (path, key, query, answer.text)
        return answer.json()["data"]

    async def pages(self, path, key, limit):
        """All items, page by page."""
        found, cursor = [], None
        for _ in range(40):
            answer = (await self.get(path, key, limit=limit, **({"cursor": cursor} if cursor else {}))).json()
            found.append(answer["data"])
            cursor = answer["cursor"]
            if cursor is None:
                return found
        raise AssertionError("the pages do not end")


@pytest.fixture(scope="module")
async def room(mongodb_uri):
    room = Room(mongodb_uri)
    await room.store.ensure_indexes()
    for number in NUMBERS:
        await room.apply(*records_of(number))
    yield room
    await room.client.aclose()
    await room.mongo.client.drop_database(room.mongo.database.name)
    await room.mongo.close()


async def conversations_of(room, chatbot):
    return await room.data("/conversations", "all", chatbotId=chatbot)


LISTS = ("/conversations", "/messages", "/usage", "/usage/summary")
BY_ID = ("/conversations/{id}", "/conversations/{id}/messages", "/messages/{id}")
ROUTES = {*LISTS, *BY_ID, "/webhook-events"}


def items_of(data):
    return data["rows"] if isinstance(data, dict) and "rows" in data else data


def test_every_route_is_in_these_tables(room):
    paths = {route.path for route in room.app.routes if route.path.startswith("/whatsapp-cloud")}
    named = {
        path.removeprefix("/whatsapp-cloud")
        .replace("{conversation_id:str}", "{id}")
        .replace("{message_id:path}", "{id}")
        for path in paths
    }
    assert named == ROUTES


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("key", REACH)
async def test_a_list_shows_what_the_key_reaches_and_all_of_it(room, path, key):
    items = items_of(await room.data(path, key))
    assert {item["chatbotId"] for item in items} == REACH[key]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("key", "asked"), [*itertools.product(REACH, ["shop", "cafe", "*", "", "nobody", "SHOP"])])
async def test_naming_a_chatbot_does_not_widen_the_reach(room, path, key, asked):
    items = items_of(await room.data(path, key, chatbotId=asked))
    assert {item["chatbotId"] for item in items} == REACH[key] & {asked}


@pytest.mark.parametrize("key", REACH)
async def test_a_conversation_and_its_thread_are_shown_to_their_tenant_alone(room, key):
    for chatbot in NUMBERS.values():
        for one in await conversations_of(room, chatbot):
            for path in (f"/conversations/{one['id']}", f"/conversations/{one['id']}/messages"):
                answer = await room.get(path, key)
                if chatbot in REACH[key]:
                    assert answer.status_code == 200
                    assert answer.json()["data"]
                else:
                    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_conversation")


@pytest.mark.parametrize("key", REACH)
@pytest.mark.parametrize("asked", [None, "shop", "cafe"])
async def test_a_message_is_shown_to_its_tenant_alone_however_it_is_named(room, key, asked):
    for number, chatbot in NUMBERS.items():
        heard, sent = f"wamid.{number}.0.0", f"wamid.OUT.{number}.0"
        ids = {heard: inbound_message_id(number, heard), sent: outbound_message_id(number, chatbot, sent)}
        for wamid, message_id in ids.items():
            for name in (wamid, message_id):
                answer = await room.get(f"/messages/{name}", key, **({"chatbotId": asked} if asked else {}))
                if chatbot in REACH[key] and asked in (None, chatbot):
                    assert answer.json()["data"]["wamid"] == wamid
                else:
                    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_message")


@pytest.mark.parametrize(("key", "status"), [("shop", 403), ("cafe", 403), ("both", 403), ("all", 200)])
async def test_the_webhook_log_is_for_keys_that_reach_every_chatbot(room, key, status):
    for limit in (1, 50, 100):
        assert (await room.get("/webhook-events", key, limit=limit)).status_code == status


async def thread_of(room):
    return f"/conversations/{(await conversations_of(room, 'shop'))[0]['id']}/messages"


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("path", ["/conversations", "thread", "/usage", "/webhook-events"])
async def test_the_pages_of_a_list_are_the_list(room, path, limit):
    if path == "thread":
        path = await thread_of(room)
    whole = await room.data(path, "all", limit=100)
    assert len(whole) >= 3
    pages = await room.pages(path, "all", limit)
    assert [item for page in pages for item in page] == whole
    assert len(pages) == -(-len(whole) // limit)
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("path", ["/conversations", "/usage"])
async def test_a_cursor_of_another_tenant_shows_nothing_of_that_tenant(room, path):
    for key, other in (("shop", "cafe"), ("cafe", "shop"), ("shop", "all")):
        foreign = (await room.get(path, other, limit=1)).json()["cursor"]
        answer = (await room.get(path, key, limit=100, cursor=foreign)).json()
        assert {item["chatbotId"] for item in answer["data"]} <= {key}


async def test_a_cursor_that_was_made_up_shows_nothing_of_another_tenant(room):
    for item in await conversations_of(room, "cafe"):
        moment = datetime.fromisoformat(item["lastMessageAt"]).timestamp()
        for last in (item["id"], "", "~"):
            made = base64.urlsafe_b64encode(json.dumps([moment + 1, last]).encode()).decode()
            shown = await room.data("/conversations", "shop", cursor=made, limit=100)
            assert {one["chatbotId"] for one in shown} == {"shop"}
    foreign = (await conversations_of(room, "cafe"))[0]["id"]
    made = base64.urlsafe_b64encode(json.dumps([2e9, "~"]).encode()).decode()
    assert (await room.get(f"/conversations/{foreign}/messages", "shop", cursor=made)).status_code == 404


NO_CURSORS = ["", "x", "!!!", "bm90IGpzb24", "W10", "WzFd", "WzEsMiwzXQ", "eyJhIjoxfQ", "bnVsbA", "WyJub3ciLCJhIl0"]


@pytest.mark.parametrize("cursor", NO_CURSORS)
@pytest.mark.parametrize("path", ["/conversations", "thread", "/usage", "/webhook-events"])
async def test_what_is_no_cursor_is_refused(room, path, cursor):
    if path == "thread":
        path = await thread_of(room)
    answer = await room.get(path, "all", cursor=cursor)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", [0, -1, 101, 10_000, "many"])
@pytest.mark.parametrize("path", ["/conversations", "thread", "/usage", "/webhook-events"])
async def test_a_page_has_its_bounds(room, path, limit):
    if path == "thread":
        path = await thread_of(room)
    assert (await room.get(path, "all", limit=limit)).status_code == 400


async def test_what_is_ours_is_not_shown(room):
    paths = ["/conversations", await thread_of(room), "/usage", "/webhook-events", "/messages/wamid.OUT.1001.0"]
    for path in paths:
        data = await room.data(path, "all")
        for item in data if isinstance(data, list) else [data]:
            assert {"_id", "origin", "aliases", "deliveryRank"}.isdisjoint(item)
            assert item["id"]
            assert all({"key", "origin", "priced"}.isdisjoint(entry) for entry in item.get("statuses", ()))
