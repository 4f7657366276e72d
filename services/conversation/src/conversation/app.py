"""Wiring of conversation: the one place that constructs its clients."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from common.contracts.topics import SEND_RESULTS, WEBHOOKS, WEBHOOKS_DLQ
from common.http.auth import require
from common.http.exception_handlers import exception_handlers
from common.http.openapi import documents
from common.http.request_metrics import measured
from common.http.service.health import health_routes
from common.http.service.internal_app import internal_app
from common.http.service.lifespans import closing, running
from common.kafka.clients import make_group_consumer, make_transactional_producer
from common.kafka.consume.dlq_limit import DeadLetterLimit
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.unfinished import UnfinishedSends
from common.kafka.dlq_depth import DeadLetterDepth
from common.mongo import Mongo
from common.mongo.indexes import Indexes
from common.telemetry.tenants import Tenants
from conversation.applying import Applying
from conversation.chatbot_directory import ChatbotDirectory
from conversation.handlers import ConversationWorker
from conversation.read_api.reads import Reads
from conversation.read_api.routes import internal_routes, read_routes
from conversation.settings import Settings
from conversation.store import ConversationStore
from conversation.upkeep.jobs import merges_job, retention_job
from conversation.upkeep.rules import Kept


@dataclass(frozen=True, slots=True)
class Apps:
    """The public application, which owns the clients, and the internal one beside it."""

    public: Litestar
    internal: Litestar


def build_apps(settings: Settings) -> Apps:
    """Both applications; they start without Kafka and MongoDB, and are ready when the partitions are being read."""
    mongo = Mongo(settings)
    store = ConversationStore(mongo, webhook_log_days=settings.webhook_log_days)
    indexes = Indexes(store.ensure_indexes)
    directory = ChatbotDirectory(settings)
    dead_letters = DeadLetterLimit(settings)
    applying = Applying(
        store,
        directory,
        dead_letters,
        tenants=Tenants(settings.metrics_tenants),
        callbacks=settings.callbacks(),
    )
    group = PartitionGroup(
        group=settings.consumer_group,
        topics=[WEBHOOKS.name, SEND_RESULTS.name],
        make_consumer=partial(make_group_consumer, settings),
        make_producer=partial(make_transactional_producer, settings),
        worker=ConversationWorker(applying, indexes, batch_records=settings.batch_records),
        on_probe=dead_letters.probe,
        slot_of=lambda _: "all",
    )

    kept = Kept(settings.messages_days, settings.conversations_days, settings.usage_log_days)
    upkeep = (retention_job(store, directory, indexes, kept), merges_job(mongo, store, indexes))
    unfinished = UnfinishedSends(settings, settings.sender_group)
    depth = DeadLetterDepth(settings, WEBHOOKS_DLQ.name)

    reads = Reads(mongo, stale=timedelta(seconds=settings.read_stale_seconds))
    health = _health(settings, mongo, indexes, directory, group)
    public = Litestar(
        route_handlers=[read_routes(reads, require("read", settings.api_keys), unfinished.find), *health],
        lifespan=[
            closing(mongo.close),
            running(indexes, directory.table, group, depth, *upkeep),
            closing(unfinished.close),
        ],
        middleware=[measured],
        exception_handlers=exception_handlers(),
        logging_config=None,
        openapi_config=documents("conversation"),
    )
    return Apps(public, internal_app(internal_routes(reads, require("windows", settings.api_keys)), health))


def build_app(settings: Settings) -> Litestar:
    """The public application alone, for its OpenAPI document."""
    return build_apps(settings).public


def _health(
    settings: Settings, mongo: Mongo, indexes: Indexes, directory: ChatbotDirectory, group: PartitionGroup
) -> list[HTTPRouteHandler]:
    async def partitions_read() -> bool:
        return group.ready

    async def accounts_read() -> bool:
        return directory.table.ready

    return health_routes(
        {
            "mongodb": mongo.reachable,
            "indexes": indexes.ready,
            "kafka": group.reachable,
            "partitions": partitions_read,
            "accounts": accounts_read,
        },
        alive=lambda: group.stuck_seconds() < settings.live_seconds,
    )
