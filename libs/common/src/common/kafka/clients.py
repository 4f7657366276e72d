"""Kafka clients with every default that matters set by name, each with its reason.

aiokafka's own defaults acknowledge on the leader alone, start reading at the end, commit on a timer and wait 40 s for
a broker that is away; each of them loses or delays messages.
"""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from common.kafka.settings import KafkaSettings
from common.kafka.tls import broker_context
from common.kafka.wire.aiokafka_decoding_patch import patch_decoding
from common.kafka.wire.aiokafka_fetch_patch import patch_waits
from common.kafka.wire.aiokafka_patch import patch_offset_fetch
from common.kafka.wire.compression import CompressingProducer, patch_compression
from common.kafka.wire.fetch_pace import IDLE_SECONDS
from common.kafka.wire.group_member import MemberConsumer, MemberProducer
from common.kafka.wire.membership import Membership
from common.kafka.wire.partitioner import partitioner
from common.telemetry.outages import KAFKA

_MAX_REQUEST_BYTES = 7 * 1024 * 1024  # the largest record of any topic, and then some
_BATCH_BYTES = 256 * 1024  # of a partition in one transaction; below every topic's limit, which counts batches
_FETCH_BYTES = 64 * 1024
_FOLLOW_MS = round(IDLE_SECONDS * 1000)
_COMMON_REQUEST_TIMEOUT_MS = 10_000
_AFTER_DRAIN_SECONDS = 5.0

DRAIN_SECONDS: Final = 10.0
"""How long the work on partitions that are taken away may take to finish, unless a service says otherwise."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """The keyword arguments that every aiokafka client takes to reach the brokers.

    From then on, a line about an outage names these brokers.
    """
    KAFKA.place = f"{settings.kafka_bootstrap_servers}: check that Kafka runs, and KAFKA_BOOTSTRAP_SERVERS"
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        # A restarted broker should be found again quickly, and a new topic be noticed.
        "metadata_max_age_ms": 30_000,
        "retry_backoff_ms": 50,
    }
    if settings.kafka_security_protocol in ("SSL", "SASL_SSL"):
        arguments["ssl_context"] = broker_context(settings.kafka_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_sasl_username
        arguments["sasl_plain_password"] = password.get_secret_value() if password else None
    return arguments


def _compression(settings: KafkaSettings) -> str | None:
    """The codec of a producer, as aiokafka names it."""
    patch_compression()
    return None if settings.kafka_compression == "none" else settings.kafka_compression


def make_producer(
    settings: KafkaSettings, *, request_timeout_ms: int = _COMMON_REQUEST_TIMEOUT_MS
) -> CompressingProducer:
    """A producer whose acknowledged records are on all in-sync replicas, once, and in order."""
    return CompressingProducer(
        **connection(settings),
        compression_type=_compression(settings),
        enable_idempotence=True,  # implies acks=all; a retry after a lost answer writes nothing twice
        linger_ms=0,  # callers await each acknowledgement: waiting for more records would only add latency
        partitioner=partitioner,
        max_request_size=_MAX_REQUEST_BYTES,
        request_timeout_ms=request_timeout_ms,
    )


def make_transactional_producer(
    settings: KafkaSettings, transactional_id: str, membership: Membership | None = None
) -> MemberProducer:
    """A producer of transactions; opening it fences the process that held `transactional_id` before.

    It commits offsets as the member of a group that `membership` says, and without one it commits none.
    """
    patch_waits()
    return MemberProducer(
        membership,
        **connection(settings),
        compression_type=_compression(settings),
        transactional_id=transactional_id,
        transaction_timeout_ms=settings.kafka_transaction_timeout_ms,
        linger_ms=0,
        max_batch_size=_BATCH_BYTES,
        partitioner=partitioner,
        max_request_size=_MAX_REQUEST_BYTES,
        request_timeout_ms=_COMMON_REQUEST_TIMEOUT_MS,
    )


def make_group_consumer(
    settings: KafkaSettings, group: str, *, gather_ms: int = 20, drain_seconds: float = DRAIN_SECONDS
) -> MemberConsumer:
    """A consumer of `group` that commits nothing by itself: offsets travel in our transactions.

    In a rebalance the group waits for a member that finishes its work for `drain_seconds`, and 5 s longer. Without that
    it would wait for the session timeout alone, and then refuse the member's last commits.

    A fetch costs as much for one record as for hundreds, on both sides. So under load the broker gathers for
    `gather_ms`, unless there is plenty already. A lone record is fetched at once (`wire.fetch_pace`).
    """
    patch_waits()
    patch_offset_fetch()
    patch_decoding()
    return MemberConsumer(
        **connection(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # a record written before the group's first assignment counts too
        isolation_level="read_committed",  # never act on what a dead producer did not finish
        # Range gives partition i of equally partitioned topics to one member, which the sender relies on. (aiokafka's
        # sticky assignor keeps class-level state and has stopped production groups.)
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=settings.kafka_session_timeout_ms,
        rebalance_timeout_ms=max(
            settings.kafka_session_timeout_ms, int(1_000 * (drain_seconds + _AFTER_DRAIN_SECONDS))
        ),
        heartbeat_interval_ms=min(3_000, settings.kafka_session_timeout_ms // 3),
        max_poll_interval_ms=300_000,
        fetch_min_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=gather_ms,
        request_timeout_ms=_COMMON_REQUEST_TIMEOUT_MS,
    )


def make_group_reader(settings: KafkaSettings, group: str) -> AIOKafkaConsumer:
    """A consumer that can say what `group` has committed, and reads what it is assigned; it never joins the group.

    It reads what transactions have not committed yet, too: such a record stands before others that were acknowledged.
    """
    patch_decoding()
    patch_offset_fetch()
    return AIOKafkaConsumer(
        **connection(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_uncommitted",
        fetch_max_wait_ms=100,
        request_timeout_ms=_COMMON_REQUEST_TIMEOUT_MS,
    )


def make_reader(settings: KafkaSettings, *topics: str) -> AIOKafkaConsumer:
    """A consumer without a group that reads all partitions of `topics`: tables, replays, tests.

    Its `start` raises `UnknownTopicOrPartitionError` when one of them does not exist.
    """
    patch_decoding()
    return AIOKafkaConsumer(
        *topics,
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=_FOLLOW_MS,
        request_timeout_ms=_COMMON_REQUEST_TIMEOUT_MS,
    )
