"""The read API and the internal one on a real MongoDB, with documents as batches write them."""

import asyncio
import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from conversation_builders import ADA, BOT, CALLBACK_KEYS, NUMBER, FakeRecord, again, message, read, result, status
from litestar import Litestar
from query_plans import explain

from common.contracts import sends
from common.contracts.contacts import Contact
from common.contracts.ids import journal_id, message_id_before
from common.contracts.messages import MetaError
from common.contracts.stored.usage import COUNTED
from common.errors import Unavailable
from common.http.auth import digest, require
from common.http.clients.conversation import MAX_PAIRS, WindowsClient, WindowsSettings
from common.http.exception_handlers import exception_handlers
from common.kafka.consume.unfinished import Unfinished
from common.mongo import Mongo, OwnedSession, schema
from conversation.app import build_apps
from conversation.batch.core import keys_of, plan
from conversation.read_api.reads import Reads
from conversation.read_api.routes import internal_routes, read_routes
from conversation.read_api.usage import days_of, of_counters, of_log
from conversation.settings import Settings
from conversation.store import ConversationStore

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
AD = {"source_type": "ad", "source_id": "1"}


def api_key(name, *scopes, chatbots=("*",)):
    return {"name": name, "sha256": digest(f"fake-{name}"), "scopes": scopes, "chatbots": chatbots}


KEYS = [
    api_key("reader", "read"),
    api_key("tenant", "read", chatbots=("other-bot",)),
    api_key("sender", "windows"),
    api_key("everything-else", "read", "send", "accounts", "credentials"),
]


class Room:
    """The documents, and both listeners over them."""

    def __init__(self, mongodb_uri):
        self.settings = Settings(
            mongodb_uri=mongodb_uri,
            mongodb_database=f"conversation_{uuid.uuid4().hex[:10]}",
            kafka_bootstrap_servers="127.0.0.1:9",  # nothing listens there, and no test here needs it
            api_keys=KEYS,
            callback_keys=CALLBACK_KEYS,
        )
        self.mongo = Mongo(self.settings)
        self.sought, self.unfinished = [], None  # what was looked for on Kafka, and what is there
        self.store = ConversationStore(self.mongo)
        reads, keys = Reads(self.mongo, stale=timedelta(0)), self.settings.api_keys
        self.public = self.listener(read_routes(reads, require("read", keys), self.find))
        self.internal = self.listener(internal_routes(reads, require("windows", keys)))

    async def find(self, chatbot_id, message_id):
        self.sought.append((chatbot_id, message_id))
        return self.unfinished

    @staticmethod
    def listener(routes):
        app = Litestar([routes], exception_handlers=exception_handlers(), logging_config=None, openapi_config=None)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def apply(self, *records, chatbots=BOT):
        facts = [read(record) for record in records]
        async with OwnedSession(self.mongo, "test") as owned:
            await self.store.apply(owned, keys_of(facts, chatbots), lambda known: plan(facts, known, chatbots, NOW))

    async def get(self, path, key="reader", **query):
        return await self.public.get(
            f"/whatsapp-cloud{path}", params=query, headers={"authorization": f"Bearer fake-{key}"}
        )

    async def windows(self, body, key="sender"):
        headers = {"authorization": f"Bearer fake-{key}"} if key else {}
        return await self.internal.post("/internal/windows", json=body, headers=headers)

    async def summary(self, key="reader", **query):
        answer = (await self.get("/usage/summary", key, **query)).json()
        return answer["data"]["rows"]


@pytest.fixture
async def room(mongodb_uri):
    room = Room(mongodb_uri)
    await room.store.ensure_indexes()
    yield room
    await room.public.aclose()
    await room.internal.aclose()
    await room.mongo.client.drop_database(room.settings.mongodb_database)
    await room.mongo.close()


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.feature("windows")
async def test_each_conversation_shows_its_window(room):
    await room.apply(message("wamid.1", at=NOW - 25 * HOUR, referral=AD), result(to="+491510000009"))
    shown = (await room.get("/conversations")).json()["data"]
    windows = {c["contact"]["waId"]: c["window"] for c in shown}
    assert windows == {
        ADA.wa_id: {"open": False, "until": iso(NOW - HOUR), "freeEntryUntil": iso(NOW + 47 * HOUR)},
        "491510000009": {"open": False},
    }
    await room.apply(message("wamid.2", at=NOW - HOUR))
    (ada,) = [c for c in (await room.get("/conversations")).json()["data"] if "inboundCount" in c]
    one = (await room.get(f"/conversations/{ada['id']}")).json()["data"]
    assert one["window"] == ada["window"]
    assert (one["window"]["open"], one["window"]["until"]) == (True, iso(NOW + 23 * HOUR))


@pytest.mark.feature("windows")
async def test_windows_are_told_in_order_by_number_and_by_bsuid(room):
    await room.apply(message("wamid.1", at=NOW), message("wamid.2", at=NOW - HOUR, contact=Contact(user_id="FR.7")))
    asked = [(NUMBER, "FR.7"), (NUMBER, "+49 151 0000001"), (NUMBER, "DE.404"), ("15", "FR.7"), (NUMBER, "DE.1001")]
    pairs = [{"phoneNumberId": number, "to": to} for number, to in asked]
    answer = await room.windows({"pairs": [*pairs, {"phoneNumberId": NUMBER, "to": "nobody"}]})
    ada = {"lastInboundAt": iso(NOW), "until": iso(NOW + 24 * HOUR)}
    seven = {"lastInboundAt": iso(NOW - HOUR), "until": iso(NOW + 23 * HOUR)}
    never = {"lastInboundAt": None, "until": None}
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "data": [seven, ada, never, never, ada, never]}


async def test_who_was_only_written_to_has_no_window(room):
    await room.apply(result(to="+491510000009"))
    answer = await room.windows({"pairs": [{"phoneNumberId": NUMBER, "to": "491510000009"}]})
    assert answer.json()["data"] == [{"lastInboundAt": None, "until": None}]


async def test_a_merged_conversation_answers_under_all_its_names(room):
    await room.apply(message("wamid.1", at=NOW, contact=Contact(wa_id=ADA.wa_id)))
    await room.apply(message("wamid.2", at=NOW - HOUR, contact=Contact(user_id=ADA.user_id)))
    await room.apply(message("wamid.3", at=NOW - 2 * HOUR))
    pairs = [{"phoneNumberId": NUMBER, "to": to} for to in (ADA.wa_id, ADA.user_id)]
    answer = await room.windows({"pairs": pairs})
    assert [told["lastInboundAt"] for told in answer.json()["data"]] == [iso(NOW), iso(NOW)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"pairs": "all"},
        {"pairs": [{"to": "DE.1"}]},
        {"pairs": [{"phoneNumberId": NUMBER}]},
        {"pairs": [{"phoneNumberId": "", "to": "DE.1"}]},
        {"pairs": [{"phoneNumberId": NUMBER, "to": "4" * 151}]},
        {"pairs": [{"phoneNumberId": NUMBER, "to": "DE.1"}] * (MAX_PAIRS + 1)},
    ],
)
async def test_a_question_of_another_form_is_refused(room, body):
    answer = await room.windows(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(("key", "code"), [(None, 401), ("unknown", 401), ("reader", 403), ("everything-else", 403)])
async def test_windows_are_told_to_the_internal_key_alone(room, key, code):
    assert (await room.windows({"pairs": []}, key=key)).status_code == code


async def test_the_client_asks_the_service(room):
    await room.apply(message("wamid.1", at=NOW))
    settings = WindowsSettings(conversation_internal_url="http://test", conversation_internal_key="fake-sender")
    client = WindowsClient(settings)
    room.internal.headers = client._client.headers
    await client.close()
    client._client = room.internal
    asked = [(NUMBER, f"DE.{n}") for n in range(MAX_PAIRS)]
    assert await client.ask([*asked, (NUMBER, ADA.user_id)]) == [None] * MAX_PAIRS + [NOW + 24 * HOUR]
    room.internal.headers["authorization"] = "Bearer fake-reader"
    with pytest.raises(Unavailable):
        await client.ask(asked)


async def test_windows_are_found_by_the_index(room):
    await room.apply(*[message(f"wamid.{n}", contact=Contact(user_id=f"DE.{n}")) for n in range(50)])
    query = {"aliases": {"$in": [f"{NUMBER}|u:DE.{n}" for n in range(5)]}}
    explained = await room.store.conversations.find(query).explain()
    assert explained["executionStats"]["totalDocsExamined"] == 5


async def test_the_internal_listener_is_another_one(room):
    apps = build_apps(room.settings)
    public, internal = [{route.path for route in app.routes} for app in (apps.public, apps.internal)]
    async with apps.public.lifespan():  # closes what was made
        pass
    assert "/internal/windows" not in public
    assert internal == {"/internal/windows", "/health/live", "/health/ready", "/metrics"}


def priced(n, at, **said):
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service", **said}
    return status("sent", wamid=f"wamid.{n}", message_id=f"m{n}", at=at, pricing=pricing)


@pytest.mark.feature("usage summary")
async def test_usage_is_summed_by_chatbot_day_and_category(room):
    records = [
        priced(1, NOW),
        priced(2, NOW),
        priced(3, NOW, type="free_customer_service"),
        priced(4, NOW, type="free_entry_point", category="referral_conversion", billable=False),
        priced(5, NOW - 48 * HOUR, category="marketing"),
    ]
    await room.apply(*records)
    await room.apply(status("sent", wamid="wamid.9", number="15", ours=False, at=NOW, pricing={"category": "utility"}))
    day = NOW.date().isoformat()
    common = {"chatbotId": "bot", "kind": "pricing", "pricingModel": "PMP"}
    rows = [
        {"day": day, "kind": "pricing", "category": "utility", "count": 1},
        {**common, "day": day, "category": "referral_conversion", "pricingType": "free_entry_point", "count": 1},
        {**common, "day": day, "category": "service", "pricingType": "free_customer_service", "count": 1},
        {**common, "day": day, "category": "service", "pricingType": "regular", "count": 2},
    ]
    earlier = (NOW - 48 * HOUR).date().isoformat()
    marketing = {**common, "day": earlier, "category": "marketing", "pricingType": "regular", "count": 1}
    assert await room.summary() == [*rows, marketing]
    assert await room.summary(chatbotId="bot") == [*rows[1:], marketing]
    assert await room.summary(**{"from": day}) == rows
    assert await room.summary(to=earlier) == [marketing]


@pytest.mark.feature("usage summary")
async def test_what_comes_again_is_counted_once(room):
    pricing = {"pricing_model": "PMP", "type": "regular", "category": "service"}
    sent, accepted = status("sent", at=NOW, pricing=pricing), result()
    read_ = status("read", at=NOW + 24 * HOUR, pricing=pricing)  # the next day, and it is still the same price
    for records in ((sent,), (sent, again(sent)), (accepted, again(sent)), (accepted, again(accepted)), (read_,)):
        await room.apply(*records)
    sums = await room.summary(**{"from": "2026-10-15", "to": (NOW + 48 * HOUR).date().isoformat()})
    assert [(row["kind"], row["count"]) for row in sums] == [("pricing", 1), ("send", 1)]


@pytest.mark.feature("usage summary")
async def test_a_key_sums_its_own_chatbots(room):
    await room.apply(priced(1, NOW))
    await room.apply(priced(2, NOW), chatbots={NUMBER: "other-bot"})
    assert [row["chatbotId"] for row in await room.summary("tenant")] == ["other-bot"]
    assert await room.summary("tenant", chatbotId="bot") == []
    assert [row["chatbotId"] for row in await room.summary()] == ["bot", "other-bot"]


async def test_the_days_of_a_summary_are_named(room):
    data = (await room.get("/usage/summary", **{"from": "2026-10-01", "to": "2026-10-31"})).json()["data"]
    assert data == {"from": "2026-10-01", "to": "2026-10-31", "rows": []}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "soon"}, "invalid_date"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, "invalid_range"),
        ({"from": "2020-01-01", "to": "2026-10-01"}, "invalid_range"),
    ],
)
async def test_days_that_cannot_be_are_refused(room, query, code):
    answer = await room.get("/usage/summary", **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("chatbots", "count"), [({}, 10), ({"chatbotId": "bot-3"}, 1), ({"chatbotId": {"$in": ["bot-3", "bot-7"]}}, 2)]
)
async def test_a_summary_reads_its_days_alone(room, chatbots, count):
    days = [(NOW - n * 24 * HOUR) for n in range(60)]
    entries = [
        {"kind": "send", "chatbotId": f"bot-{n}", "day": str(at.date()), "at": at} for n in range(10) for at in days
    ]
    await room.store.usage_logs.insert_many(entries)
    await room.store.usage_days.insert_many({**entry, "_id": str(n)} for n, entry in enumerate(entries))
    asked = days_of(str(days[20].date()), str(days[19].date()), NOW.date())
    for collection, stages in (("usage_logs", of_log(chatbots, asked)), ("usage_days", of_counters(chatbots, asked))):
        command = {"aggregate": collection, "pipeline": stages, "cursor": {}}
        plan = await explain(room.mongo.client, room.settings.mongodb_database, command)
        assert plan.documents == 2 * count
        assert plan.keys <= 5 * count  # two, and where to go on for the next chatbot; of sixty


async def test_days_before_the_counters_are_counted_in_the_log(room):
    await room.apply(priced(1, NOW), priced(2, NOW - 48 * HOUR), priced(3, NOW - 48 * HOUR))
    before = await room.summary()
    forms = room.mongo.database[schema.STORED_FORMS.name]
    for since in (NOW - 72 * HOUR, NOW - 24 * HOUR, NOW + 24 * HOUR):
        await forms.update_one({"_id": COUNTED}, {"$set": {"since": since}})
        assert await room.summary() == before
    assert [row["count"] for row in before] == [1, 2]


# Tenants: every read is limited to the chatbots of the caller's key, in its own query

HEIR = {NUMBER: "other-bot"}  # the chatbot that the key `tenant` is limited to


@pytest.fixture
async def passed_on(room):
    """A number whose first account has a thread and usage, and which has another account since."""
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
    await room.apply(message("wamid.OURS", text="secret of bot"), result(), status("read", pricing=pricing))
    (ours,) = (await room.get("/conversations")).json()["data"]
    await room.apply(message("wamid.THEIRS", text="for the heir"), chatbots=HEIR)
    return room, ours["id"]


@pytest.mark.feature("tenants")
async def test_the_present_owner_of_a_number_reads_nothing_of_the_former_one(passed_on):
    room, ours = passed_on
    shown = (await room.get("/conversations", "tenant")).json()["data"]
    assert [one["chatbotId"] for one in shown] == ["other-bot"]
    assert shown[0]["id"] != ours
    (one,) = (await room.get(f"/conversations/{shown[0]['id']}/messages", "tenant")).json()["data"]
    assert one["text"] == "for the heir"
    everything = [c["id"] for c in (await room.get("/conversations")).json()["data"]]
    assert sorted(everything) == sorted([ours, shown[0]["id"]])


async def test_no_name_of_another_s_documents_leads_a_tenant_to_them(passed_on):
    room, ours = passed_on
    (text, sent) = sorted(
        (await room.get(f"/conversations/{ours}/messages")).json()["data"], key=lambda m: "request" in m
    )
    cursor = (await room.get(f"/conversations/{ours}/messages", limit=1)).json()["cursor"]
    paths = [f"/conversations/{ours}", f"/conversations/{ours}/messages"]
    paths += [f"/messages/{name}" for m in (text, sent) for name in (m["id"], m["wamid"])]
    for path in paths:
        assert (await room.get(path, "tenant")).status_code == 404
        assert (await room.get(path)).status_code == 200
    assert (await room.get(f"/conversations/{ours}/messages", "tenant", cursor=cursor)).status_code == 404
    for name in ("m1", text["id"], sent["id"]):
        assert (await room.get(f"/messages/{name}", "tenant", chatbotId="bot")).status_code == 404
    for path in ("/conversations", "/usage"):
        everything = (await room.get(path, "tenant", chatbotId="bot")).json()
        assert (everything["data"], everything["cursor"]) == ([], None)
        assert "secret of bot" not in str((await room.get(path, "tenant", cursor=cursor)).json())
    assert await room.summary("tenant", chatbotId="bot") == []
    assert (await room.get("/webhook-events", "tenant")).status_code == 403


async def test_a_message_of_another_in_a_thread_is_not_shown(room):
    """Earlier versions passed a conversation on with its number: what is in it is judged message by message."""
    await room.apply(message("wamid.1", text="of bot"), message("wamid.2", text="of heir"))
    await room.store.conversations.update_one({}, {"$set": {"chatbotId": "other-bot"}})
    await room.store.messages.update_one({"wamid": "wamid.2"}, {"$set": {"chatbotId": "other-bot"}})
    (one,) = (await room.get("/conversations", "tenant")).json()["data"]
    thread = (await room.get(f"/conversations/{one['id']}/messages", "tenant")).json()["data"]
    assert [m["text"] for m in thread] == ["of heir"]


async def test_the_window_belongs_to_the_number_and_not_to_its_owner(passed_on):
    room, _ = passed_on
    await room.apply(message("wamid.3", at=NOW - HOUR), chatbots=HEIR)
    await room.apply(message("wamid.4", at=NOW + HOUR))
    answer = await room.windows({"pairs": [{"phoneNumberId": NUMBER, "to": ADA.user_id}]})
    assert answer.json()["data"][0]["lastInboundAt"] == iso(NOW + HOUR)


def cursor_of(text):
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


CURSORS = [
    *("", "x", "%", "ü", "===", "a" * 30_000, cursor_of(""), cursor_of("[]"), cursor_of("{}"), cursor_of("[1]")),
    *(cursor_of(f'[{number}, "a"]') for number in ("NaN", "Infinity", "-Infinity", "1e300", "-1e300", "1e400")),
    *(cursor_of(f'[{number}, "a"]') for number in ("true", '"1"', "[1]", "1" * 400, "253402300800")),
    *(cursor_of(f"[1, {name}]") for name in ("1", "null", '{"$gt": ""}', '"\\ud83d"', '"\ud83d"', '["a"]')),
    cursor_of("[" * 20_000),
    cursor_of('[1, "a", 2]'),
]


@pytest.mark.parametrize("path", ["/conversations", "/conversations/{id}/messages", "/usage", "/webhook-events"])
async def test_a_cursor_that_the_api_cannot_have_given_is_refused(room, path):
    await room.apply(message())
    (one,) = (await room.get("/conversations")).json()["data"]
    for cursor in CURSORS:
        answer = await room.get(path.format(id=one["id"]), cursor=cursor)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_cursor"), cursor[:80]


async def test_a_cursor_goes_on_where_the_page_before_has_ended(room):
    await room.apply(*(message(f"wamid.{n}", text=str(n), at=NOW + timedelta(seconds=n // 2)) for n in range(7)))
    (one,) = (await room.get("/conversations")).json()["data"]
    seen, cursor = [], None
    while True:
        page = (
            await room.get(f"/conversations/{one['id']}/messages", limit=2, **({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [m["text"] for m in page["data"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [str(n) for n in reversed(range(7))]


@pytest.mark.feature("automatic conversation")
async def test_a_thread_is_complete_and_in_the_order_of_arrival_within_a_second(room):
    said = [message(f"wamid.{n}", text=str(n), at=NOW) for n in range(50)]
    for start in range(0, 50, 5):
        foreign = status("delivered", wamid=f"wamid.THEIRS{start}", ours=False, at=NOW)
        await room.apply(*said[start : start + 3], foreign, *said[start + 3 : start + 5])
    (one,) = (await room.get("/conversations")).json()["data"]
    seen, more = [], {}
    while more is not None:
        page = (await room.get(f"/conversations/{one['id']}/messages", limit=7, **more)).json()
        seen += page["data"]
        more = {"cursor": page["cursor"]} if page["cursor"] else None
    assert len(seen) == len({m["id"] for m in seen}) == 60
    assert [int(m["text"]) for m in seen if "text" in m] == list(reversed(range(50)))
    assert [m["wamid"] for m in seen if "text" not in m] == [f"wamid.THEIRS{n}" for n in range(45, -1, -5)]
    assert seen[-4]["wamid"] == "wamid.THEIRS0"


@pytest.mark.parametrize("path", ["/conversations", "/usage/summary", "/messages/wamid.1", "/webhook-events"])
async def test_a_filter_that_does_not_exist_is_refused(room, path):
    answer = await room.get(path, chatbot="bot")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")


# Indexes of earlier versions


async def test_what_an_earlier_version_kept_unique_is_not_any_more(room):
    await room.store.conversations.create_index([("aliases", 1)], name="aliases", unique=True, sparse=True)
    partly = {"wamid": {"$exists": True}}
    await room.store.messages.create_index([("wamid", 1)], name="wamid", unique=True, partialFilterExpression=partly)
    await asyncio.gather(room.store.ensure_indexes(), room.store.ensure_indexes())
    for collection, old, new in (
        (room.store.conversations, "aliases", "aliases_of_account"),
        (room.store.messages, "wamid", "by_wamid"),
    ):
        there = await collection.index_information()
        assert old not in there
        assert new in there
    await room.apply(message(), result())
    await room.apply(message(), result(), chatbots=HEIR)


async def test_what_an_earlier_version_stored_is_known_again(room):
    """Its ids had no number in them. A repetition by Meta is none the less one, and a late status finds its message."""
    record, late = message("wamid.EARLIER"), status("read", wamid="wamid.APP", ours=False)
    await room.apply(record, status("sent", wamid="wamid.APP", ours=False))
    for wamid in ("wamid.EARLIER", "wamid.APP"):
        stored = await room.store.messages.find_one_and_delete({"wamid": wamid})
        await room.store.messages.insert_one({**stored, "_id": message_id_before(wamid)})
    await room.apply(again(record), late)
    assert await room.store.messages.count_documents({}) == 2
    assert (await room.store.messages.find_one({"wamid": "wamid.APP"}))["deliveryStatus"] == "read"


# What has failed: by status, in the order of coming to be in it


@pytest.fixture
async def ended(room):
    """Of three chatbots and of no account forty messages each, a tenth of which has failed."""
    bots = ("bot-1", "bot-2", "other-bot", None)
    await room.store.messages.insert_many(
        {
            "_id": f"{bot}-{n:02d}",
            **({"chatbotId": bot} if bot else {}),
            "direction": "outbound",
            "deliveryStatus": "failed" if n % 10 == 0 else "read",
            "statusAt": NOW + n * HOUR,
            "createdAt": NOW,
        }
        for bot in bots
        for n in range(40)
    )
    return room


async def found_ids(room, key="reader", **query):
    """All pages of a question, two on each."""
    ids, cursor = [], {}
    while True:
        answer = await room.get("/messages", key, status="failed", limit=2, **query, **cursor)
        assert answer.status_code == 200, answer.text
        ids += [item["id"] for item in answer.json()["data"]]
        if answer.json()["cursor"] is None:
            return ids
        cursor = {"cursor": answer.json()["cursor"]}


async def test_what_has_failed_is_listed_newest_first_page_by_page(ended):
    assert await found_ids(ended, chatbotId="bot-1") == ["bot-1-30", "bot-1-20", "bot-1-10", "bot-1-00"]
    everything = await found_ids(ended)
    assert len(everything) == len(set(everything)) == 16
    assert {id_[-2:] for id_ in everything[:4]} == {"30"}
    since, until = (NOW + 10 * HOUR).isoformat(), (NOW + 30 * HOUR).isoformat()
    assert await found_ids(ended, chatbotId="bot-2", since=since, until=until) == ["bot-2-20", "bot-2-10"]
    assert (await ended.get("/messages", status="failed", since="yesterday")).status_code == 400
    assert (await ended.get("/messages")).status_code == 400
    assert (await ended.get("/messages/bot-1-30")).json()["data"]["deliveryStatus"] == "failed"


async def test_what_has_failed_is_for_its_tenant_alone(ended):
    own = [f"other-bot-{n}" for n in ("30", "20", "10", "00")]
    assert await found_ids(ended, "tenant") == await found_ids(ended, "tenant", chatbotId="other-bot") == own
    assert await found_ids(ended, "tenant", chatbotId="bot-1") == []
    assert (await ended.get("/messages", "sender", status="failed")).status_code == 403


@pytest.mark.parametrize("chatbots", ["bot-1", {"$in": ["bot-1", "bot-2", None]}], ids=["one", "several"])
async def test_what_has_failed_is_found_by_the_index(ended, chatbots):
    query = {"deliveryStatus": "failed", "chatbotId": chatbots, "statusAt": {"$gte": NOW}}
    found = ended.store.messages.find(query).sort([("statusAt", -1), ("_id", -1)]).limit(2)
    stats = (await found.explain())["executionStats"]
    assert stats["totalDocsExamined"] == 2
    assert stats["totalKeysExamined"] <= 6


async def test_a_status_that_changes_nothing_leaves_the_time_of_the_one_that_counts(room):
    await room.apply(result(), status("delivered"))
    first = (await room.get("/messages", status="delivered")).json()["data"]
    await room.apply(status("sent"))
    assert (await room.get("/messages", status="delivered")).json()["data"][0]["statusAt"] == first[0]["statusAt"]


# What waits to be sent


def waiting(message_id="m1", **more):
    return result(
        sends.QUEUED, message_id, wamid=None, attempts=0, due=NOW + HOUR, error=MetaError(reason="scheduled"), **more
    )


async def test_a_send_that_waits_is_queued_until_it_is_sent(room):
    await room.apply(waiting())
    shown = (await room.get("/messages/m1", chatbotId="bot")).json()["data"]
    assert (shown["deliveryStatus"], shown["reason"]) == ("queued", "scheduled")
    assert datetime.fromisoformat(shown["due"]) == NOW + HOUR
    assert len((await room.get("/messages", status="queued")).json()["data"]) == 1
    await room.apply(result())
    shown = (await room.get("/messages/m1", chatbotId="bot")).json()["data"]
    assert shown["deliveryStatus"] == "accepted"
    assert not {"due", "reason", "error"} & shown.keys()
    assert (await room.get("/messages", status="queued")).json()["data"] == []


async def test_a_send_that_only_kafka_knows_is_queued_for_its_tenant_alone(room):
    room.unfinished = Unfinished(NOW)
    shown = (await room.get("/messages/m/1", chatbotId="bot")).json()["data"]
    assert (shown["messageId"], shown["deliveryStatus"], shown["reason"]) == ("m/1", "queued", "not_taken_up")
    assert datetime.fromisoformat(shown["due"]) == NOW
    assert (await room.get("/messages/m/1", "tenant", chatbotId="bot")).status_code == 404
    assert (await room.get("/messages/m/1")).status_code == 404
    assert room.sought == [("bot", "m/1")]
    room.unfinished = None
    assert (await room.get("/messages/m/1", chatbotId="bot")).status_code == 404


async def test_a_send_behind_one_of_its_conversation_that_waits_says_so(room):
    room.unfinished = Unfinished(NOW, (journal_id("bot", "m1"),))

    async def reason():
        return (await room.get("/messages/m/1", chatbotId="bot")).json()["data"]["reason"]

    assert await reason() == "behind_others"  # of the first nothing has been told yet
    await room.apply(waiting())
    assert await reason() == "behind_others"
    await room.apply(result())
    assert await reason() == "not_taken_up"


# Metadata comes back as it was given


def deep(levels):
    value = 1
    for _ in range(levels):
        value = {"in": value}
    return value


ODD = {
    "a.b": {"": 1, ".": 2, "$set": {"deliveryStatus": "read"}, "$where": "1", "__proto__": {}, "_id": {"$oid": 1}},
    "numbers": [2**63 - 1, -(2**63), 2**31, 2**53 + 1, 1e308, -0.0, 5e-324, 1.0, 0, True],
    "empty": [{}, [], None, "", "a\0b"],
    "deep": deep(97),
}


def odd_result(kind):
    record = result(kind, "odd", wamid="wamid.odd")
    return FakeRecord(record.value.replace(b'{"orderId":17}', msgspec.json.encode(ODD)), topic=record.topic)


@pytest.mark.parametrize("first", [sends.ACCEPTED, sends.QUEUED], ids=["inserted", "updated"])
async def test_what_can_be_stored_comes_back_unchanged_in_events_and_reads(room, first):
    events = []

    async def apply(record):
        facts = [read(record)]
        async with OwnedSession(room.mongo, "test") as owned:
            done = await room.store.apply(owned, keys_of(facts, BOT), lambda known: plan(facts, known, BOT, NOW))
        events.extend(json.loads(pending.record(NOW).value)["data"] for pending in done.events)

    for record in (odd_result(first), odd_result(sends.ACCEPTED), status("read", "wamid.odd", "odd")):
        await apply(record)
    given = json.dumps(ODD)  # as text, `-0.0` and `1.0` are told from `0` and `1`
    assert [json.dumps(event["metadata"]) for event in events] == [given] * len(events)
    assert events[-1]["status"] == "read"
    shown = (await room.get("/messages/odd", chatbotId="bot")).json()["data"]
    (listed,) = (await room.get(f"/conversations/{shown['conversationId']}/messages")).json()["data"]
    for found in (shown, listed):
        assert json.dumps(found["metadata"]) == json.dumps(found["request"]["metadata"]) == given
