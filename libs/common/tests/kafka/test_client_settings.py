"""The settings that keep records, read from the real client objects: the drivers' own defaults lose some."""

from contextlib import asynccontextmanager

import pytest
from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from bson.codec_options import CodecOptions, TypeRegistry
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern

from common.kafka.clients import (
    connection,
    make_group_consumer,
    make_producer,
    make_reader,
    make_transactional_producer,
)
from common.kafka.settings import KafkaSettings
from common.kafka.wire.aiokafka_patch import HeedingCoordinator
from common.kafka.wire.partitioner import partitioner
from common.mongo.client import Mongo, MongoSettings

ALL_REPLICAS = -1
AWAY = "127.0.0.1:1"


@pytest.fixture
def settings():
    return KafkaSettings(
        kafka_bootstrap_servers=AWAY, kafka_transaction_timeout_ms=12_345, kafka_session_timeout_ms=7_000
    )


@asynccontextmanager
async def made(client):
    """The client, stopped in the end: one that is forgotten warns."""
    try:
        yield client
    finally:
        await client.stop()


async def test_a_producer_writes_to_all_replicas_once(settings):
    async with made(make_producer(settings)) as producer:
        assert producer._txn_manager is not None, "it is not idempotent: a retry writes twice"
        assert producer._txn_manager.transactional_id is None
        assert producer._sender._acks == ALL_REPLICAS
        assert producer._message_accumulator._linger_time == 0
        assert producer._partitioner is partitioner


async def test_a_producer_gives_up_when_its_caller_says(settings):
    async with made(make_producer(settings, request_timeout_ms=4_321)) as producer:
        assert producer._request_timeout_ms == 4_321


async def test_a_transactional_producer_is_the_one_of_its_partition(settings):
    async with made(make_transactional_producer(settings, "conversation.webhooks.3")) as producer:
        assert producer._txn_manager.transactional_id == "conversation.webhooks.3"
        assert producer._txn_manager.transaction_timeout_ms == 12_345
        assert producer._sender._acks == ALL_REPLICAS
        assert producer._partitioner is partitioner


async def test_both_producers_take_the_largest_record_of_any_topic(settings):
    for producer in (make_producer(settings), make_transactional_producer(settings, "any")):
        async with made(producer):
            assert producer._max_request_size >= 6 * 1024 * 1024


async def test_a_group_consumer_reads_what_is_committed_from_the_beginning_and_commits_nothing(settings):
    async with made(make_group_consumer(settings, "a-group", gather_ms=33)) as consumer:
        assert consumer._group_id == "a-group"
        assert consumer._isolation_level == "read_committed"
        assert consumer._enable_auto_commit is False
        assert consumer._auto_offset_reset == "earliest"
        assert consumer._fetch_max_wait_ms == 33


async def test_a_group_consumer_takes_a_coordinators_error_for_what_it_is(settings, monkeypatch):
    monkeypatch.setattr(aiokafka_consumer, "GroupCoordinator", None)
    async with made(make_group_consumer(settings, "any")):
        assert aiokafka_consumer.GroupCoordinator is HeedingCoordinator


async def test_equal_partitions_of_two_topics_come_to_one_member(settings):
    async with made(make_group_consumer(settings, "any")) as consumer:
        assert consumer._partition_assignment_strategy == (RangePartitionAssignor,)


async def test_a_member_is_given_up_as_late_as_the_setting_says_and_beats_three_times_before(settings):
    async with made(make_group_consumer(settings, "any")) as consumer:
        assert consumer._session_timeout_ms == 7_000
        assert consumer._heartbeat_interval_ms * 3 <= 7_000


async def test_a_reader_reads_what_is_committed_from_the_beginning_without_a_group(settings):
    async with made(make_reader(settings, "a", "b")) as consumer:
        assert consumer._group_id is None
        assert consumer._isolation_level == "read_committed"
        assert consumer._enable_auto_commit is False
        assert consumer._auto_offset_reset == "earliest"
        assert set(consumer._subscription.subscription.topics) == {"a", "b"}


@pytest.mark.parametrize(
    "make",
    [
        make_producer,
        lambda settings: make_transactional_producer(settings, "any"),
        lambda settings: make_group_consumer(settings, "any"),
        make_reader,
    ],
)
async def test_every_client_goes_where_the_settings_say(settings, make):
    async with made(make(settings)) as client:
        low = getattr(client, "client", None) or client._client
        assert low._bootstrap_servers == AWAY
        assert low._security_protocol == "PLAINTEXT"
        assert low._metadata_max_age_ms == 30_000


def test_a_password_goes_to_the_brokers_over_tls():
    given = connection(
        KafkaSettings(
            kafka_bootstrap_servers=AWAY,
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="a-user",
            kafka_sasl_password="not-a-secret",
        )
    )
    assert given["security_protocol"] == "SASL_SSL"
    assert given["ssl_context"].check_hostname
    assert (given["sasl_mechanism"], given["sasl_plain_username"]) == ("SCRAM-SHA-512", "a-user")
    assert given["sasl_plain_password"] == "not-a-secret"


async def test_mongodb_acknowledges_on_most_nodes_and_reads_what_they_have():
    mongo = Mongo(MongoSettings(mongodb_database="any"))
    try:
        assert mongo.database.name == "any"
        for part in (mongo.database, mongo.database["messages"]):
            assert part.write_concern == WriteConcern(w="majority", j=True)
            assert part.read_concern == ReadConcern("majority")
            assert part.read_preference == ReadPreference.PRIMARY
            assert part.codec_options.with_options(type_registry=TypeRegistry()) == CodecOptions(tz_aware=True)
        assert mongo.client.options.retry_writes
        assert mongo.client.options.server_selection_timeout <= 5
        assert mongo.client.options.pool_options.connect_timeout <= 5
        assert mongo.client.options.pool_options.socket_timeout <= 30
        assert mongo.client.options.heartbeat_frequency <= 2
    finally:
        await mongo.close()


async def test_a_service_whose_writes_may_all_be_repeated_does_that_itself():
    mongo = Mongo(MongoSettings(mongodb_database="any"), retry_writes=False)
    try:
        assert not mongo.client.options.retry_writes
        assert mongo.database.write_concern == WriteConcern(w="majority", j=True)
    finally:
        await mongo.close()
