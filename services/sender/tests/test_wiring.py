"""What `Sender` makes of its settings: every setting reaches its place, and every client is as it has to be."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import TopicPartition
from pydantic import ValidationError
from pymongo import ReadPreference

from common.contracts import topics
from common.contracts.accounts import ACTIVE, AccountData
from common.contracts.contacts import Contact
from common.contracts.envelope import encode
from common.contracts.messages import MessageStatus, MetaError, StatusData
from common.http.auth import ApiKeySettings, digest
from common.http.clients.accounts import Credentials
from common.http.service.serve import HttpSettings
from common.kafka.consume.dlq_limit import DeadLetterSettings
from common.kafka.settings import KafkaSettings
from common.kafka.wire.membership import Membership
from common.meta.client import Answered, NotSent, Unclear
from sender import app as sender_app
from sender.app import build_app
from sender.clock import utc_now
from sender.service import Sender
from sender.settings import Settings

GIVEN = {
    "accounts_internal_key": "fake-key-for-accounts",
    "accounts_internal_url": "http://accounts.test:7001",
    "api_keys": [{"name": "k", "sha256": digest("fake-key"), "scopes": ["send"]}],
    "callback_accept_unsigned": True,
    "callback_keys": {"first": "ZmZm" * 10 + "ZmY=", "second": "c3Nz" * 10 + "c3M="},
    "callback_primary_key": "second",
    "conversation_internal_key": "fake-key-for-conversation",
    "conversation_internal_url": "http://conversation.test:7002",
    "credentials_ttl_seconds": 61.0,
    "dlq_limit": 501,
    "dlq_limit_share": 0.51,
    "fetch_plain_http": True,
    "fetch_private_addresses": True,
    "fetch_seconds": 62.0,
    "graph_base_url": "http://127.0.0.1:9",
    "graph_connect_seconds": 3.25,
    "graph_total_seconds": 10.5,
    "graph_upload_seconds": 63.0,
    "graph_version": "v99.0",
    "kafka_bootstrap_servers": "127.0.0.1:9",
    "kafka_session_timeout_ms": 12_345,
    "kafka_transaction_timeout_ms": 15_432,
    "metrics_tenants": 3,
    "mongodb_database": "wiring",
    "mongodb_uri": "mongodb://127.0.0.1:9/?replicaSet=rs0",
    "sender_batch_bytes": 9_000_001,
    "sender_group": "group of sends",
    "sender_hold_seconds": 86_401.0,
    "sender_in_doubt_policy": "fail",
    "sender_in_doubt_seconds": 31.0,
    "sender_journal_days": 29,
    "sender_max_in_flight": 777,
    "sender_messages_per_second": 17.0,
    "sender_pair_pace": False,
    "sender_park_seconds": 5.5,
    "sender_conversation_group": "group of conversation",
    "sender_pause_cap_seconds": 301.0,
    "sender_pause_seconds": 32.0,
    "sender_plan_weights": {"gold": 7.0, "tin": 2.0},
    "sender_read_ahead_bytes": 44_000_001,
    "sender_session_records": 2_200,
    "sender_spool_bytes": 300_000_001,
    "sender_status_group": "group of statuses",
    "sender_uploads": 13,
    "sender_uploads_of_chatbot": 5,
    "windows_timeout_seconds": 2.5,
}
"""Values that are no defaults, and no two the same."""


class Session(SimpleNamespace):
    """One that runs, as far as the worker knows."""

    __hash__ = object.__hash__


class Bench:
    """A sender of these settings, not started, and short ways to its parts."""

    def __init__(self, **changes):
        self.settings = Settings(**{**GIVEN, **changes})
        self.sender = Sender(self.settings)
        self.tools = self.sender.worker._parts
        self.rules = self.tools.delivery.rules

    async def close(self):
        for part in ("credentials", "media_client", "fetcher", "windows", "mongo", "graph"):
            await getattr(self.sender, part).close()
        await self.sender.throughput._client.close()

    def routed(self):
        """What the routes are made of, by name."""
        made = {}

        def keeping(real):
            def make(**parts):
                made.update(parts)
                return real(**parts)

            return make

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sender_app, "Sender", lambda _settings: self.sender)
            for name in ("media_route", "send_router"):
                patch.setattr(sender_app, name, keeping(getattr(sender_app, name)))
            build_app(self.settings)
        return SimpleNamespace(**made)

    def windows_client(self):
        return self.sender.windows._client

    def group_consumer(self):
        return self.sender.group._make_consumer(self.sender.group._group)

    def status_consumer(self):
        return self.sender.status_follower._make_consumer(self.sender.status_follower._group)

    def producer(self):
        membership = Membership(self.sender.group._group, 1, "member")
        return self.sender.group._assignment_parts.make_producer("group of sends-0", membership)


@pytest.fixture
async def bench():
    made = Bench()
    yield made
    await made.close()


def bearer(client):
    return client.headers["authorization"]


def is_all(found, value):
    return set(found) == {value}


PLACES = {
    "accounts_internal_key": lambda b: bearer(b.sender.credentials._client) == "Bearer fake-key-for-accounts",
    "accounts_internal_url": lambda b: b.sender.credentials._client.base_url.host == "accounts.test",
    "callback_accept_unsigned": lambda b: b.tools.delivery.callbacks._unsigned is True,
    "callback_keys": lambda b: b.tools.delivery.callbacks._keys.keys == {"first": b"f" * 32, "second": b"s" * 32},
    "callback_primary_key": lambda b: b.tools.delivery.callbacks._keys.primary == "second",
    "conversation_internal_key": lambda b: bearer(b.windows_client()._client) == "Bearer fake-key-for-conversation",
    "conversation_internal_url": lambda b: b.windows_client()._client.base_url.host == "conversation.test",
    "credentials_ttl_seconds": lambda b: b.sender.credentials._ttl == 61.0,
    "fetch_plain_http": lambda b: "http" in b.sender.fetcher._schemes,
    "fetch_private_addresses": lambda b: b.sender.fetcher._client._transport._pool._network_backend._private is True,
    "fetch_seconds": lambda b: b.sender.media._seconds == 62.0,
    "graph_base_url": lambda b: is_all([root.rpartition("/")[0] for root in roots(b)], "http://127.0.0.1:9"),
    "graph_version": lambda b: is_all([root.rpartition("/")[2] for root in roots(b)], "v99.0"),
    "graph_connect_seconds": lambda b: b.sender.media_client._client.timeout.connect == 3.25,
    "graph_total_seconds": lambda b: (
        is_all((b.sender.throughput._client._seconds, b.sender.throughput._client._client.timeout.read), 10.5)
        and (b.tools.limits.drain_seconds, b.sender.group._drain_seconds) == (12.5, 15.5)
    ),
    "graph_upload_seconds": lambda b: is_all((b.sender.media_client._seconds, b.routed().limits.seconds), 63.0),
    "kafka_bootstrap_servers": lambda b: b.sender.publisher._settings is b.settings,
    "metrics_tenants": lambda b: (
        (b.sender.tenants._most, b.tools.tenants, b.sender.gauges._tenants) == (3, b.sender.tenants, b.sender.tenants)
    ),
    "mongodb_database": lambda b: b.sender.mongo.database.name == "wiring",
    "mongodb_uri": lambda b: ("127.0.0.1", 9) in b.sender.mongo.client._topology_settings.seeds,
    "sender_batch_bytes": lambda b: b.routed().batches._room._most == 9_000_001,
    "sender_group": lambda b: b.sender.group._group == "group of sends",
    "sender_hold_seconds": lambda b: b.rules.hold_seconds == 86_401.0,
    "sender_in_doubt_policy": lambda b: b.rules.in_doubt_resend is False,
    "sender_in_doubt_seconds": lambda b: b.rules.in_doubt_seconds == 31.0,
    "sender_journal_days": lambda b: b.sender.store._retention == timedelta(days=29),
    "sender_max_in_flight": lambda b: (b.tools.limits.permits._free, b.sender.rate_limits.max_running) == (777, 388),
    "sender_messages_per_second": lambda b: (b.sender.rate_limits.rate, b.sender.throughput._default) == (17.0, 17.0),
    "sender_pair_pace": lambda b: b.sender.rate_limits.pairs is None,
    "sender_park_seconds": lambda b: b.tools.limits.bounds.long_seconds == 5.5,
    "sender_pause_cap_seconds": lambda b: b.rules.pause_cap_seconds == 301.0,
    "sender_pause_seconds": lambda b: b.rules.pause_seconds == 32.0,
    "sender_plan_weights": lambda b: b.sender.rate_limits.weights == {"gold": 7.0, "tin": 2.0},
    "sender_read_ahead_bytes": lambda b: b.tools.limits.read_ahead.most == 44_000_001,
    "sender_session_records": lambda b: (
        (
            b.tools.limits.bounds.total,
            b.tools.limits.bounds.tenant,
            b.tools.limits.bounds.lane,
        )
        == (2_200, 1_100, 110)
    ),
    "sender_conversation_group": lambda b: b.sender.doubt_clock._stages[0][0] == "group of conversation",
    "sender_status_group": lambda b: (
        b.sender.status_follower._group == b.sender.doubt_clock._stages[1][0] == "group of statuses"
    ),
    "sender_spool_bytes": lambda b: (
        is_all((b.sender.media._spool, b.routed().limits.spool), b.sender.spool)
        and (b.sender.spool._most, b.sender.spool._each) == (300_000_001, 150_000_000)
    ),
    "sender_uploads": lambda b: b.routed().limits.places._most == 13,
    "sender_uploads_of_chatbot": lambda b: b.routed().limits.places._each == 5,
    "windows_timeout_seconds": lambda b: is_all(
        (b.windows_client()._seconds, b.windows_client()._client.timeout.read), 2.5
    ),
}


def roots(bench):
    """Where each client of Meta's API posts to."""
    clients = (bench.sender.media_client._client, bench.sender.throughput._client._client)
    return [bench.sender.graph._root, *(str(client.base_url).rstrip("/") for client in clients)]


def test_every_setting_has_its_place_here():
    # `run_service` and `connection` alone read these: the tests of `common` are about them.
    elsewhere = {*HttpSettings.model_fields, *KafkaSettings.model_fields, *ApiKeySettings.model_fields}
    limits = set(DeadLetterSettings.model_fields)
    assert set(Settings.model_fields) - elsewhere - limits <= set(PLACES)
    assert set(PLACES) <= set(GIVEN)


@pytest.fixture(scope="module")
async def still():
    """One that no test changes: to make it takes long."""
    made = Bench()
    yield made
    await made.close()


@pytest.mark.parametrize("name", sorted(PLACES))
async def test_the_setting_reaches_its_place(still, name):
    assert PLACES[name](still)


async def test_the_limit_of_dead_letters_is_that_of_the_settings(monkeypatch):
    made = []

    def keep(settings, *_args, **_named):
        made.append(settings)
        return SimpleNamespace(note=lambda **_: None, probe=lambda: None)

    monkeypatch.setattr("sender.service.DeadLetterLimit", keep)
    bench = Bench()
    assert made == [bench.settings]
    letters, sender = bench.tools.dead_letters, bench.sender
    assert (letters._limit, letters._accounts, letters._tenants) == (
        sender.dead_letter_limit,
        sender.accounts,
        sender.tenants,
    )
    assert sender.group._on_probe == sender.dead_letter_limit.probe
    await bench.close()


async def test_the_driver_repeats_no_write_because_the_sender_does(still):
    assert not still.sender.mongo.client.options.retry_writes


async def test_what_is_given_here_is_no_default(still):
    plain = Settings(accounts_internal_key="x", callback_keys={"only": "ZmZm" * 10 + "ZmY="})
    assert [name for name in PLACES if getattr(still.settings, name) == getattr(plain, name)] == []


@pytest.mark.parametrize(("policy", "resend"), [("resend", True), ("fail", False)])
async def test_the_policy_in_doubt(policy, resend):
    made = Bench(sender_in_doubt_policy=policy)
    assert made.rules.in_doubt_resend is resend
    await made.close()


async def test_a_pace_per_recipient_is_kept_unless_that_is_switched_off():
    made = Bench(sender_pair_pace="learned")
    assert made.sender.rate_limits.pairs is not None
    assert not made.sender.rate_limits.pairs._strict
    await made.close()


@pytest.mark.parametrize("asked", ["strict", "true", "1", True])
async def test_a_pace_per_recipient_can_be_kept_for_all_messages(asked):
    made = Bench(sender_pair_pace=asked)
    assert made.sender.rate_limits.pairs._strict
    await made.close()


@pytest.mark.parametrize("asked", ["sometimes", "", None])
def test_a_pace_per_recipient_that_is_none_is_refused(asked):
    with pytest.raises(ValidationError, match="sender_pair_pace"):
        Bench(sender_pair_pace=asked)


@pytest.mark.parametrize(("asked", "begins"), [(80.0, 20.0), (5.0, 5.0)])
async def test_a_number_begins_at_the_slowest_pace_that_meta_gives(asked, begins):
    made = Bench(sender_messages_per_second=asked)
    assert (made.sender.rate_limits.rate, made.sender.throughput._default) == (begins, asked)
    await made.close()


async def test_without_an_address_for_windows_none_is_checked():
    made = Bench(conversation_internal_url=None, conversation_internal_key=None)
    assert made.windows_client() is None
    await made.close()


@pytest.mark.parametrize("known", [True, False])
async def test_each_status_tells_who_is_who_and_which_window_is_closed(known):
    made = Bench()
    status = StatusData(
        status="failed",
        delivery_status="failed",
        chatbot_id="bot" if known else None,
        phone_number_id="15",
        contact=Contact(user_id="DE.1", wa_id="4915112345678"),
        timestamp=utc_now(),
        error=MetaError(code=131047),
    )
    event = MessageStatus(
        id="e", type="message.status", version=1, occurred_at=utc_now(), recorded_at=utc_now(), correlation_id="c",
        data=status,
    )  # fmt: skip
    await made.sender.status_follower._handle([SimpleNamespace(value=encode(event), offset=1)])
    assert made.sender.rate_limits.persons.name_of("bot|u:DE.1") == ("bot|p:4915112345678" if known else "bot|u:DE.1")
    assert set(made.sender.windows._refused) == {"15|u:DE.1", "15|p:4915112345678"}
    await made.close()


async def test_the_consumers_read_what_is_committed_and_commit_nothing_by_themselves(still):
    for consumer, group, gather in (
        (still.group_consumer(), "group of sends", 20),
        (still.status_consumer(), "group of statuses", 100),
    ):
        assert consumer._isolation_level == "read_committed"
        assert consumer._group_id == group
        assert consumer._enable_auto_commit is False
        assert consumer._auto_offset_reset == "earliest"
        assert consumer._session_timeout_ms == 12_345
        assert consumer._fetch_max_wait_ms == gather
        assert consumer._client._bootstrap_servers == "127.0.0.1:9"
        consumer._closed = True  # it was never started


async def test_the_producer_of_a_member_is_the_one_of_its_name_and_generation(still):
    producer = still.producer()
    manager = producer._txn_manager
    assert (manager.transactional_id, manager.transaction_timeout_ms) == ("group of sends-0", 15_432)
    assert producer._sender._acks == -1
    assert producer._sender.membership.generation == 1
    producer._closed = True


async def test_a_rebalance_waits_for_the_calls_that_are_under_way(still):
    consumer = still.group_consumer()
    assert consumer._rebalance_timeout_ms == 1_000 * (still.sender.group._drain_seconds + 5)
    assert still.sender.group._drain_seconds > still.settings.graph_total_seconds
    consumer._closed = True


async def test_the_producers_of_the_release_before_are_known_by_their_ids(still):
    at = {TopicPartition(topic.name, number) for topic in topics.SEND_FAMILY for number in (3, 4)}
    assert still.sender.group._assignment_parts.former_ids(at) == {"group of sends-3", "group of sends-4"}


async def test_the_publisher_is_acknowledged_by_all_and_writes_once(bench, monkeypatch):
    monkeypatch.setattr("common.kafka.produce.publisher.CompressingProducer.start", _at_once)
    publisher = bench.sender.publisher
    producer = await publisher._connect()
    assert (producer._sender._acks, producer._txn_manager is not None) == (-1, True)
    assert producer._txn_manager.transactional_id is None
    assert producer.client._request_timeout_ms == 3_600
    producer._closed = True


async def _at_once(_self):
    return None


async def test_one_piece_of_work_is_a_partition_of_all_four_topics(still):
    group = still.sender.group
    assert group._topics == tuple(topic.name for topic in topics.SEND_FAMILY)
    assert {group._slot_of(SimpleNamespace(topic=name, partition=2)) for name in group._topics} == {"2"}
    assert group._parts.worker is still.sender.worker
    assert still.sender.status_follower._topics == (topics.MESSAGE_STATUS.name,)
    assert still.sender.dlq_depth._topic == topics.SEND_DLQ.name
    assert (still.sender.accounts._topic, still.sender.accounts._history) == (topics.ACCOUNTS.name, True)
    assert (still.sender.numbers._topic, still.sender.numbers._history) == (topics.NUMBERS.name, False)


async def test_a_step_works_with_the_parts_of_its_sender(still):
    sender, flow, tools = still.sender, still.tools.delivery, still.tools
    names = ("accounts", "credentials", "graph", "media", "windows", "transitions", "loads", "breaker")
    assert [name for name in names if getattr(flow, name) is not getattr(sender, name)] == []
    assert flow.on_rejected == sender.rejection_reports.report
    assert flow.silence == sender.doubt_clock.silence
    assert sender.doubt_clock._any_in_doubt is sender.doubt_watcher.any_in_doubt
    assert sender.doubt_clock._window.total_seconds() == still.rules.in_doubt_seconds
    assert (tools.doubt_watcher, tools.parking_writers, tools.rate_limits) == (
        sender.doubt_watcher,
        sender.parking_writers,
        sender.rate_limits,
    )
    assert tools.recent_sends._store is sender.store
    assert tools.virtual_clock.share_of == sender.rate_limits.share_of
    assert tools.scheduler_of == sender.schedule_writers.of_partition
    assert (sender.media._store, sender.media._client, sender.media._fetcher) == (
        sender.media_store,
        sender.media_client,
        sender.fetcher,
    )
    assert sender.throughput._store is sender.number_store
    assert sender.rate_limits.on_new == sender.throughput.ask


async def test_mongodb_is_written_with_majority_and_journal_and_read_from_the_primary(still):
    sender = still.sender
    stores = (
        sender.store,
        sender.parking_writers.store,
        sender.schedule_writers.store,
        sender.media_store,
        sender.number_store,
    )
    for database in (sender.mongo.database, *(store._database for store in stores)):
        assert database.write_concern.document == {"w": "majority", "j": True}
        assert database.read_concern.level == "majority"
        assert database.read_preference == ReadPreference.PRIMARY
    assert len({store._collection.name for store in stores}) == 5


async def test_internal_calls_go_through_no_proxy_and_follow_no_redirect(still):
    for client in (still.sender.credentials._client, still.windows_client()._client):
        assert (client.trust_env, client.follow_redirects) == (False, False)
    assert still.sender.fetcher._client.trust_env is False
    assert still.sender.media_client._client.follow_redirects is False
    assert still.sender.throughput._client._client.follow_redirects is False


async def test_calls_to_meta_end_in_time_and_follow_no_redirect():
    calls = []

    async def hang(_request):
        calls.append("hang")
        await hanging.wait()

    async def redirect(request):
        calls.append("redirect")
        raise web.HTTPTemporaryRedirect(str(request.url.with_path("/elsewhere")))

    async def elsewhere(_request):
        calls.append("elsewhere")
        return web.Response()

    hanging = asyncio.Event()
    asyncio.get_running_loop().call_later(8, hanging.set)
    app = web.Application()
    app.router.add_post("/v99.0/hang/messages", hang)
    app.router.add_post("/v99.0/redirect/messages", redirect)
    app.router.add_post("/elsewhere", elsewhere)
    async with TestServer(app) as server:
        made = Bench(graph_base_url=str(server.make_url("")).rstrip("/"), graph_total_seconds=0.3)
        async with asyncio.timeout(5):
            assert isinstance(await made.sender.graph.send("hang", "fake", b"{}"), Unclear)
        end = await made.sender.graph.send("redirect", "fake", b"{}")
        hanging.set()
        await made.close()
    assert isinstance(end, Answered)
    assert (end.status, calls) == (307, ["hang", "redirect"])


async def test_more_calls_than_are_allowed_wait_and_are_then_not_sent():
    release = asyncio.Event()

    async def hang(_request):
        await release.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/v99.0/1/messages", hang)
    async with TestServer(app) as server:
        made = Bench(
            graph_base_url=str(server.make_url("")).rstrip("/"), sender_max_in_flight=1, graph_connect_seconds=0.2
        )
        first = asyncio.create_task(made.sender.graph.send("1", "fake", b"{}"))
        await asyncio.sleep(0.05)
        assert isinstance(await made.sender.graph.send("1", "fake", b"{}"), NotSent)
        release.set()
        await first
        await made.close()


async def test_a_change_of_an_account_drops_its_token_asks_meta_and_releases_what_was_held(bench):
    sender, released = bench.sender, []
    row = AccountData(chatbot_id="b", phone_number_id="15", status=ACTIVE, revision=2, plan="gold")
    for chatbot in ("b", "other"):
        sender.credentials._kept[chatbot] = Credentials("15", SimpleNamespace(), 1)
        sender.throughput._due[chatbot] = 1e12
    sender.worker.sessions.add(Session(release=released.append))
    sender.accounts._rows["b"] = row
    sender.accounts._on_change("b", row)
    assert (list(sender.credentials._kept), released) == (["other"], ["b"])
    assert sender.throughput._due == {"b": 0.0, "other": 1e12}
    assert (sender._plan_of("b"), sender._plan_of("unknown")) == ("gold", "")
    assert (sender.rate_limits.share_of("b").weight, sender.rate_limits.share_of("unknown").weight) == (7.0, 2.0)


async def test_news_of_a_number_reach_its_pace(bench):
    heard = []
    bench.sender.throughput.heard = heard.append
    news = SimpleNamespace()
    bench.sender.numbers._on_change("15", news)
    bench.sender.numbers._on_change("15", None)
    assert heard == [news]


async def test_when_meta_is_back_every_session_goes_on(bench):
    woken = []
    for n in range(2):
        bench.sender.worker.sessions.add(Session(look_again=lambda n=n: woken.append(n)))
    bench.sender.breaker._until = 1.0
    bench.sender.breaker.ended("x", 1.0)
    bench.sender.breaker._close(2.0)
    assert sorted(woken) == [0, 1]


async def test_all_indexes_are_created(bench, monkeypatch):
    ensured = []

    async def ensure(_database, collection, **_options):
        ensured.append(collection.name)
        return []

    for module in ("journal.store", "waiting.parked_store", "waiting.scheduled_store", "media.store", "limits.store"):
        monkeypatch.setattr(f"sender.{module}.ensure_indexes", ensure)
    await bench.sender.indexes._ensure()
    assert sorted(ensured) == ["send_journal", "send_media", "send_numbers", "send_parked", "send_scheduled"]


async def test_what_reads_from_kafka_starts_last_and_stops_first(bench, monkeypatch):
    sender, told = bench.sender, []
    started = (
        "indexes",
        "accounts",
        "publisher",
        "throughput",
        "numbers",
        "doubt_watcher",
        "doubt_clock",
        "status_follower",
        "group",
    )
    started = (*started, "gauges", "waiting_counts", "dlq_depth")
    closed = (
        "mongo",
        "credentials",
        "graph",
        "transitions",
        "loads",
        "parking_writers",
        "schedule_writers",
        "rejection_reports",
        "media_client",
    )
    closed = (*closed, "fetcher", "media", "windows")
    for name in started:
        for verb in ("start", "stop"):
            monkeypatch.setattr(getattr(sender, name), verb, noting(told, f"{verb} {name}"))
    real = {name: getattr(sender, name).close for name in closed}
    for name in closed:
        monkeypatch.setattr(getattr(sender, name), "close", noting(told, f"close {name}"))
    lifespans = [lifespan(None) for lifespan in sender.lifespans()]
    for lifespan in lifespans:
        await lifespan.__aenter__()
    assert told == [f"start {name}" for name in started]
    for lifespan in reversed(lifespans):
        await lifespan.__aexit__(None, None, None)
    stops = told[len(started) :]
    assert sorted(stops) == sorted([f"stop {name}" for name in started] + [f"close {name}" for name in closed])
    # Sessions end with what they need still there: clients, the journal, and the producers' Kafka.
    at = {what: place for place, what in enumerate(stops)}
    for needed in (
        "stop status_follower",
        "stop doubt_watcher",
        "stop doubt_clock",
        "stop publisher",
        "stop accounts",
        *(f"close {n}" for n in closed),
    ):
        assert at["stop group"] < at[needed]
    assert stops[-1] == "close mongo"
    assert at["close media"] < at["close fetcher"] < at["close media_client"]
    monkeypatch.undo()
    for name in ("transitions", "loads", "parking_writers", "schedule_writers", "rejection_reports", "media"):
        await real[name]()


def noting(told, what):
    async def note():
        told.append(what)

    return note


@pytest.fixture
async def health(monkeypatch):
    """The application with a sender whose parts say what a test wants."""
    made = []

    class Kept(Sender):
        def __init__(self, settings):
            super().__init__(settings)
            made.append(self)

    monkeypatch.setattr("sender.app.Sender", Kept)
    app = build_app(Settings(**GIVEN))
    (sender,) = made
    flags = dict.fromkeys(("sends", "accounts", "statuses"), True)
    monkeypatch.setattr(type(sender.group), "ready", property(lambda _: flags["sends"]))
    monkeypatch.setattr(type(sender.accounts), "ready", property(lambda _: flags["accounts"]))
    monkeypatch.setattr(type(sender.status_follower), "ready", property(lambda _: flags["statuses"]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s") as api:
        yield SimpleNamespace(api=api, sender=sender, flags=flags)
    for part in ("credentials", "media_client", "fetcher", "windows", "mongo", "graph"):
        await getattr(sender, part).close()
    await sender.throughput._client.close()


@pytest.mark.parametrize("down", [None, "sends", "accounts", "statuses"])
async def test_ready_asks_each_part(health, down):
    if down:
        health.flags[down] = False
    health.sender.indexes._done.set()
    answer = await health.api.get("/health/ready")
    checks = answer.json()["checks"]
    # MongoDB and Kafka are away in this test.
    assert checks == {
        **dict.fromkeys(checks, True),
        "mongo": False,
        "publisher": False,
        **({down: False} if down else {}),
    }
    assert set(checks) >= {"mongo", "indexes", "publisher", "sends", "accounts", "statuses"}
    assert answer.status_code == 503


async def test_it_is_not_ready_before_its_indexes_are_there(health):
    assert (await health.api.get("/health/ready")).json()["checks"]["indexes"] is False


@pytest.mark.parametrize(("stuck", "status"), [(0.0, 200), (59.0, 200), (61.0, 503), (1_000.0, 503)])
async def test_it_lives_while_its_sessions_make_progress_or_try(health, stuck, status):
    health.sender.group.stuck_seconds = lambda: stuck
    health.sender.group.idle_seconds = lambda: 10_000.0  # an outage of MongoDB is no reason to restart
    assert (await health.api.get("/health/live")).status_code == status
