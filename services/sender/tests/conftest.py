"""A sender in this process, on real Kafka and MongoDB, with little servers in the places of Meta and accounts."""

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from common.contracts import accounts, ids, messages, reports, sends, topics
from common.contracts.envelope import decode, decoder, encode
from common.contracts.reports import IngressReport, ReportData
from common.http.auth import digest
from common.kafka.clients import make_group_consumer, make_reader
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing, read_headers
from common.security.callbacks import CallbackSettings
from sender.app import build_app
from sender.service import Sender
from sender.settings import Settings

CALLBACK_KEYS = {"test": base64.b64encode(b"c" * 32).decode()}
CALLBACKS = CallbackSettings(callback_keys=CALLBACK_KEYS).callbacks()
KEY = "wk_test_key"
RESULT = decoder(sends.SendResult)
ENDS = (sends.ACCEPTED, sends.FAILED, sends.EXPIRED, sends.CANCELLED, sends.IN_DOUBT)


class FakeGraph:
    """Takes messages as Meta does, and lets a test say what becomes of the nth call for a text."""

    def __init__(self):
        self.calls = []  # (phone number id, body, time)
        self.seen = Counter()
        self.answer = lambda _body, _nth: None
        self.delay = 0.0
        self.in_flight = 0
        self.peak = 0

    async def handle(self, request):
        body = await request.json()
        text = body.get("text", {}).get("body", body.get("status"))
        self.seen[text] += 1
        self.calls.append((request.match_info["phone"], body, time.time()))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            answer = self.answer(body, self.seen[text])
            if asyncio.iscoroutine(answer):
                answer = await answer
        finally:
            self.in_flight -= 1
        if answer == "lose":
            request.transport.abort()
            return web.Response()
        if answer is not None:
            code, status, *more = answer
            error = {"message": "no", "code": code, "fbtrace_id": "T", **({"error_subcode": more[0]} if more else {})}
            return web.json_response({"error": error}, status=status)
        wamid = f"wamid.{uuid.uuid4().hex}"
        recipient = {"wa_id": body["to"].lstrip("+")} if "to" in body else {"user_id": body.get("recipient")}
        return web.json_response({"messages": [{"id": wamid}], "contacts": [{"input": "x", **recipient}]})

    def texts(self):
        return [body["text"]["body"] for _, body, _ in self.calls]

    def times(self, text):
        return [at for _, body, at in self.calls if body["text"]["body"] == text]


class FakeAccounts:
    """The internal listener of accounts: one token for all callers."""

    def __init__(self):
        self.token = "EAAfake-first"
        self.rejected = []
        self.accepted = []
        self.fetched = 0
        self.away = False
        self.phones = {}
        self.revision = 1

    async def credentials(self, request):
        self.fetched += 1
        if self.away:
            return web.Response(status=503)
        chatbot = request.match_info["chatbot"]
        return web.json_response(
            {
                "chatbotId": chatbot,
                "phoneNumberId": self.phones[chatbot],
                "accessToken": self.token,
                "revision": self.revision,
                "status": "active",
                "tokenRejected": len(self.rejected) > len(self.accepted),
            }
        )

    async def token_rejected(self, request):
        self.rejected.append((request.match_info["chatbot"], await request.json()))
        return web.json_response({"success": True, "data": {}})

    async def token_accepted(self, request):
        self.accepted.append((request.match_info["chatbot"], await request.json()))
        return web.json_response({"success": True, "data": {}})


class World:
    """The pieces a test works with."""

    def __init__(self, settings, graph, accounts_api, publisher):
        self.settings = settings
        self.graph = graph
        self.accounts = accounts_api
        self.publisher = publisher

    async def account(self, *, status=accounts.ACTIVE, chatbot=None, revision=1):
        chatbot = chatbot or f"bot-{uuid.uuid4().hex[:10]}"
        phone = self.accounts.phones.setdefault(chatbot, str(uuid.uuid4().int)[:15])
        now = datetime.now(UTC)
        event = accounts.AccountChanged(
            id=ids.derive_id("account", chatbot, str(revision)),
            type=accounts.CHANGED,
            version=1,
            occurred_at=now,
            recorded_at=now,
            correlation_id=chatbot,
            data=accounts.AccountData(chatbot_id=chatbot, phone_number_id=phone, status=status, revision=revision),
        )
        await self.publisher.publish([Outgoing(topics.ACCOUNTS.name, chatbot, encode(event))])
        return chatbot

    async def send(self, chatbot, *requests):
        """Records on `whatsapp-cloud-send`, as any producer writes them: (to, text, message id) each."""
        await self.publisher.publish(
            [
                Outgoing(
                    topics.SEND.name,
                    chatbot,
                    json.dumps(
                        {"chatbotId": chatbot, "to": to, "message": text, **({"messageId": mid} if mid else {})}
                    ).encode(),
                )
                for to, text, mid in requests
            ]
        )

    async def status(self, chatbot, message_id, *, wamid, status="delivered", code=None):
        """What conversation says about one of our sends."""
        now = datetime.now(UTC)
        event = messages.MessageStatus(
            id=str(uuid.uuid4()),
            type=messages.STATUS,
            version=1,
            occurred_at=now,
            recorded_at=now,
            correlation_id="c",
            data=messages.StatusData(
                status=status,
                delivery_status=status,
                error=messages.MetaError(code=code) if code is not None else None,
                journal_id=ids.journal_id(chatbot, message_id),
                wamid=wamid,
                chatbot_id=chatbot,
                phone_number_id=self.accounts.phones[chatbot],
            ),
        )
        await self.publisher.publish([Outgoing(topics.MESSAGE_STATUS.name, chatbot, encode(event))])

    async def read(self, topic):
        """Every committed record of a topic: (headers, value)."""
        consumer = make_reader(self.settings, topic.name)
        await consumer.start()
        try:
            partitions = list(consumer.assignment())
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            records = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    records.extend(batch)
        finally:
            await consumer.stop()
        return [(read_headers(record.headers), record.value) for record in records]

    async def results(self, chatbot, kinds=ENDS):
        """The ends and doubts of a chatbot's sends, in the order of each partition; not that some wait."""
        # Other tests may have left anything on the topic.
        named = [value for _, value in await self.read(topics.SEND_RESULTS) if value and chatbot.encode() in value]
        events = [decode(RESULT, value) for value in named]
        return [event for event in events if event.data.chatbot_id == chatbot and event.type in kinds]

    async def letters(self, chatbot):
        """The dead letters that name a chatbot."""
        return [(h, v) for h, v in await self.read(topics.SEND_DLQ) if chatbot.encode() in v]

    async def until_results(self, chatbot, count, *kinds, seconds=30):
        """Wait for `count` different results of these types (of any end, and of doubts, by default); repeats are returned too."""
        found = []

        async def enough():
            found[:] = await self.results(chatbot, kinds or ENDS)
            return len({r.id for r in found}) >= count

        await eventually(enough, seconds)
        return found

    @asynccontextmanager
    async def ingress(self):
        """A replica of ingress that takes everything, and has done so for a minute."""
        replica = uuid.uuid4().hex
        now = datetime.now(UTC)
        past = [now - timedelta(seconds=second) for second in range(60, 0, -2)]
        await self.publisher.publish([report(ReportData(replica=replica), at) for at in past])
        reporter = asyncio.create_task(self._report(replica))
        try:
            yield
        finally:
            reporter.cancel()
            await self.publisher.publish([report(ReportData(replica=replica, leaving=True), datetime.now(UTC))])

    async def _report(self, replica):
        while True:
            await self.publisher.publish([report(ReportData(replica=replica), datetime.now(UTC))])
            await asyncio.sleep(0.2)

    async def conversation_reads_all(self):
        """Conversation has read everything that ingress has written."""
        await skip_to_end(self.settings, self.settings.sender_conversation_group, [topics.WEBHOOKS.name])

    @asynccontextmanager
    async def running(self, **changes):
        """A sender that works, with these settings changed."""
        sender = Sender(self.settings.model_copy(update=changes))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.ingress())
            for lifespan in sender.lifespans():
                await stack.enter_async_context(lifespan(None))
            await eventually(lambda: ready(sender))
            yield sender

    @asynccontextmanager
    async def api(self):
        """The HTTP API of a sender that works."""
        app = build_app(self.settings)
        transport = httpx.ASGITransport(app=app)
        headers = {"authorization": f"Bearer {KEY}"}
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://s", headers=headers) as api:

            async def healthy():
                return (await api.get("/health/ready")).status_code == 200

            await eventually(healthy)
            yield api


def report(data, at):
    """What ingress writes about itself."""
    event = IngressReport(
        id=uuid.uuid4().hex,
        type=reports.REPORT,
        version=1,
        occurred_at=at,
        recorded_at=at,
        correlation_id="c",
        data=data,
    )
    return Outgoing(topics.INGRESS_REPORTS.name, data.replica, encode(event))


async def ready(sender):
    return sender.group.ready and sender.accounts.ready and sender.status_follower.ready


async def eventually(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture(name="eventually")
def _eventually():
    return eventually


async def skip_to_end(settings, group, names):
    """Let a new group begin where the topics end now: what other tests wrote is not for it."""
    consumer = make_group_consumer(settings, group)
    await consumer.start()
    try:
        cluster = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(name, p) for name in names for p in cluster.partitions_for_topic(name)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit({tp: OffsetAndMetadata(end, "") for tp, end in ends.items()})
    finally:
        await consumer.stop()


@pytest.fixture
async def graph():
    fake = FakeGraph()
    app = web.Application()
    app.router.add_post("/{version}/{phone}/messages", fake.handle)
    async with TestServer(app) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
async def accounts_api():
    fake = FakeAccounts()
    app = web.Application()
    app.router.add_get("/internal/accounts/{chatbot}/credentials", fake.credentials)
    app.router.add_post("/internal/accounts/{chatbot}/token-rejected", fake.token_rejected)
    app.router.add_post("/internal/accounts/{chatbot}/token-accepted", fake.token_accepted)
    async with TestServer(app) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
def callbacks():
    """What makes the callback data of these tests' senders."""
    return CALLBACKS


@pytest.fixture
async def world(kafka_bootstrap, mongodb_uri, graph, accounts_api):
    name = uuid.uuid4().hex[:12]
    settings = Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        kafka_session_timeout_ms=6_000,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"sender_test_{name}",
        sender_group=f"sender-{name}",
        sender_status_group=f"sender-status-{name}",
        sender_conversation_group=f"conversation-{name}",
        graph_base_url=graph.url,
        accounts_internal_url=accounts_api.url,
        accounts_internal_key="wk_fake_internal",
        callback_keys=CALLBACK_KEYS,
        sender_pause_seconds=1.0,
        api_keys=[{"name": "test", "sha256": digest(KEY), "scopes": ["send"]}],
    )
    await skip_to_end(settings, settings.sender_group, [topic.name for topic in topics.SEND_FAMILY])
    await skip_to_end(settings, settings.sender_status_group, [topics.MESSAGE_STATUS.name])
    await skip_to_end(settings, settings.sender_conversation_group, [topics.WEBHOOKS.name])
    publisher = Publisher(settings)
    await publisher.start()

    async def connected():
        return publisher.connected

    await eventually(connected)
    yield World(settings, graph, accounts_api, publisher)
    await publisher.stop()
    sender = Sender(settings)
    await sender.mongo.client.drop_database(settings.mongodb_database)
    await sender.mongo.close()
