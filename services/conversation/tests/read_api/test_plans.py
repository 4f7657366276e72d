"""What MongoDB looks at for each page of the read API: no more than the page has, however much is stored."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient
from query_plans import explain, recorded

from common.mongo import Mongo, MongoSettings, schema
from common.mongo.indexes import ensure_indexes
from conversation.batch.documents import present
from conversation.read_api.documents import Documents
from conversation.read_api.message_filter import parse_filter
from conversation.read_api.queries import Reach, ReadQueries
from conversation.store import ConversationStore

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
BOTS = [f"bot-{n:03d}" for n in range(230)]  # more than MongoDB merges at once
EACH = 20
LIMIT = 7
"""Documents of each chatbot, and of a page."""

ALL, ONE, SOME, MANY = Reach(None), Reach(frozenset(BOTS[:1])), Reach(frozenset(BOTS[:5])), Reach(frozenset(BOTS))
EVENTS = [
    {"_id": f"whatsapp-cloud-webhooks/{n % 3}/{n // 3}", "receivedAt": NOW - timedelta(milliseconds=n // 100)}
    for n in range(5_000)
]
"""A hundred of each millisecond, as they are when Meta tells many statuses in one webhook."""


def stored(bot, number):
    at = NOW - timedelta(seconds=number // 2)  # two of the same time
    return present(_id=f"{bot}-{number:02d}", chatbotId=bot), at


@pytest.fixture(scope="module")
def settings(mongodb_uri):
    """Of a database with documents of every chatbot, and of none."""
    settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"plans_{uuid.uuid4().hex[:10]}")
    asyncio.run(with_indexes(settings))
    pairs = [stored(bot, number) for bot in (*BOTS, None) for number in range(EACH)]
    with MongoClient(mongodb_uri) as client:
        database = client[settings.mongodb_database]
        database["conversations"].insert_many({**d, "lastMessageAt": at} for d, at in pairs)
        database["usage_logs"].insert_many({**d, "at": at, "day": str(at.date())} for d, at in pairs)
        database["messages"].insert_many(of_a_thread(d, at, n) for n, (d, at) in enumerate(pairs))
        database["webhook_events"].insert_many(EVENTS)
        yield settings
        client.drop_database(settings.mongodb_database)


async def with_indexes(settings):
    mongo = Mongo(settings)
    await ConversationStore(mongo).ensure_indexes()
    await mongo.close()


def of_a_thread(document, at, number):
    status = "failed" if number % 2 else "read"
    thread = f"{document.get('chatbotId')}-00"
    return {
        **document,
        "conversationId": thread,
        "timestamp": at,
        "place": number,
        "deliveryStatus": status,
        "statusAt": at,
    }


@pytest.fixture
async def reads(settings):
    mongo = Mongo(settings)
    yield ReadQueries(Documents(mongo.database)), mongo.client
    await mongo.close()


LISTINGS = {
    "conversations": lambda reads, reach, bot, after: reads.conversations(reach, bot, after, LIMIT),
    "usage": lambda reads, reach, bot, after: reads.usage(reach, bot, after, LIMIT),
    "failed messages": lambda reads, reach, bot, after: reads.found(
        reach, bot, parse_filter("failed", None, None), after, LIMIT
    ),
    "failed messages of an hour": lambda reads, reach, bot, after: reads.found(
        reach, bot, parse_filter("failed", "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"), after, LIMIT
    ),
}


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize(
    ("reach", "bot", "chatbots"),
    [(ALL, BOTS[3], 1), (ONE, None, 1), (SOME, None, 5), (MANY, None, 230), (ALL, None, 231)],
)
async def test_a_page_is_read_and_nothing_else(reads, listing, reach, bot, chatbots):
    queries, client = reads
    after, seen = None, []
    for _ in range(4):
        with recorded() as commands:
            page = await LISTINGS[listing](queries, reach, bot, after)
        plans = [await explain(client, *command) for command in commands]
        assert not [
            (plan.command["filter"], plan.stages, plan.keys) for plan in plans if plan.stages & {"COLLSCAN", "SORT"}
        ]
        looked_at = sum(plan.documents for plan in plans)
        assert looked_at <= 2 * len(page.items) + 2, [(p.command, p.documents) for p in plans]
        assert sum(plan.keys for plan in plans) <= 10 * (chatbots + LIMIT)
        seen += page.items
        after = page.end
        if after is None:
            break
    ids = [document["_id"] for document in seen]
    assert len(ids) == len(set(ids)) == min(4 * LIMIT, (EACH if "messages" not in listing else EACH // 2) * chatbots)


async def test_a_thread_is_read_from_the_position_of_its_page(reads):
    queries, client = reads
    seen = await read_to_the_end(client, lambda after: queries.thread(ALL, "bot-007-00", after, LIMIT))
    ids = [document["_id"] for document in seen]
    assert ids == [f"bot-007-{n + m:02d}" for n in range(0, EACH, 2) for m in (1, 0)]  # by place within a second


async def read_to_the_end(client, page_of):
    """All documents, page by page, when each query reads what it returns."""
    after, seen = None, []
    while True:
        with recorded() as commands:
            page = await page_of(after)
        plans = [await explain(client, *command) for command in commands]
        assert all(plan.bounded for plan in plans), plans
        assert sum(plan.documents for plan in plans) <= len(page.items) + 2
        seen += page.items
        after = page.end
        if after is None:
            return seen


async def test_the_webhook_log_is_read_from_the_position_of_its_page(reads):
    queries, client = reads
    seen = await read_to_the_end(client, lambda after: queries.webhook_events(130, after))
    assert [(one["receivedAt"], one["_id"]) for one in seen] == sorted(
        ((one["receivedAt"], one["_id"]) for one in EVENTS), reverse=True
    )


async def test_an_index_of_the_version_before_gives_the_same_pages(reads, settings):
    """While the new index is built, and beside processes that do not know it, pages are slow and not wrong."""
    queries, client = reads
    events = client[settings.mongodb_database]["webhook_events"]
    first = await queries.webhook_events(130, None)
    await events.drop_index("by_time")
    second = await queries.webhook_events(130, first.end)
    await ensure_indexes(client[settings.mongodb_database], schema.WEBHOOK_EVENTS)
    assert [one["_id"] for one in second.items] == [
        one["_id"] for one in (await queries.webhook_events(130, first.end)).items
    ]
