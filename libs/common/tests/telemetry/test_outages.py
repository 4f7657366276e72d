"""An outage of Kafka in the log: a line a minute, and one when it is over."""

import asyncio
import logging

import pytest
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from captured_lines import Lines, captured

from common.kafka.clients import connection
from common.kafka.consume.table import Table
from common.kafka.errors import is_away, note_failure
from common.kafka.produce.publisher import Publisher
from common.kafka.settings import KafkaSettings
from common.telemetry.outages import KAFKA, KafkaLines, Outage

log = logging.getLogger("common.kafka.test")


@pytest.fixture
def clock():
    return [1_000.0]


@pytest.fixture
def outage(clock):
    return Outage("Kafka", now=lambda: clock[0])


@pytest.fixture
def lines(outage, clock):
    with captured(KafkaLines(outage, now=lambda: clock[0])) as handler:
        yield handler


def test_an_outage_is_one_line_a_minute_and_one_at_its_end(outage, lines, clock):
    for _ in range(8 * 150):
        outage.failed(log, "Kafka is away", error="e")
        clock[0] += 1 / 8
    outage.back()
    outage.back()
    assert lines.said() == ["Kafka is away", "Kafka is away", "Kafka is away", "Kafka answers again"]
    assert [record.left_out for record in lines.records[:3]] == [0, 479, 479]
    assert lines.records[3].away_seconds == 150.0


def test_a_line_says_where_nothing_answers_and_what_to_check(outage, lines, clock):
    outage.place = "kafka.test:9092: check that Kafka runs, and KAFKA_BOOTSTRAP_SERVERS"
    outage.failed(log, "Kafka is away, trying again")
    clock[0] += 61
    logging.getLogger("aiokafka").error("Unable connect to node with id %s: %s", 1, KafkaConnectionError("refused"))
    assert all(said.endswith(f"; no answer from {outage.place}") for said in lines.said())
    assert len(lines.records) == 2


def test_every_client_says_where_its_brokers_are(monkeypatch):
    monkeypatch.setattr(KAFKA, "place", "")
    connection(KafkaSettings(kafka_bootstrap_servers="kafka.test:9092"))
    assert KAFKA.place == "kafka.test:9092: check that Kafka runs, and KAFKA_BOOTSTRAP_SERVERS"


def test_flapping_is_no_way_around_the_limit(outage, lines, clock):
    for _ in range(30):
        outage.failed(log, "away")
        clock[0] += 1
        outage.back()
        clock[0] += 1
    assert lines.said() == ["away", "Kafka answers again"]


def test_the_drivers_lines_share_the_limit(outage, lines, clock):
    client, coordinator = logging.getLogger("aiokafka"), logging.getLogger("aiokafka.consumer.group_coordinator")
    client.error("Unable connect to node with id %s: %s", 1, KafkaConnectionError("refused"))
    outage.failed(log, "Kafka is away")
    coordinator.error("Error sending %s to node %s [%s] -- marking coordinator dead", "HeartbeatRequest", 1, "x")
    coordinator.warning("Marking the coordinator dead (node %s)for group %s.", 1, "g")
    client.warning("Unable to request metadata from node with id %s: %r", 2, OSError("x"))
    assert lines.said() == [
        "Kafka is away, or one of its brokers: Unable connect to node with id 1: KafkaConnectionError: refused"
    ]
    clock[0] += 61
    coordinator.error("Heartbeat send request failed: %s. Will retry.", NodeNotReadyError())
    assert (len(lines.records), lines.records[-1].left_out) == (2, 4)
    outage.back()
    assert lines.said()[-1] == "Kafka answers again"


def test_what_the_driver_says_of_other_things_passes_and_repetitions_are_limited(lines, clock):
    cluster = logging.getLogger("aiokafka.cluster")
    for _ in range(5):
        cluster.error("Topic %s not found in cluster metadata", "a")
        cluster.error("Topic %s is not authorized for this client", "a")
        cluster.error("Topic %s not found in cluster metadata", "b")
        note_failure(log, "table is not followed", UnknownTopicOrPartitionError("a"), topic="a")
        note_failure(log, "table is not followed", UnknownTopicOrPartitionError("a"), topic="b")
    assert len(lines.records) == 5
    clock[0] += 61
    cluster.error("Topic %s not found in cluster metadata", "a")
    assert (len(lines.records), lines.records[-1].left_out) == (6, 4)


def test_what_a_broker_answered_is_no_lost_connection(outage, lines):
    coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
    for error in (GroupCoordinatorNotAvailableError(), NotCoordinatorForGroupError(), RequestTimedOutError()):
        coordinator.error("Group Coordinator Request failed: %s", error)
    assert [said.startswith("Kafka is away") for said in lines.said()] == [False, False, True]


def test_an_outage_that_only_the_driver_and_the_probes_notice_has_an_end_too(outage, lines, clock):
    logging.getLogger("aiokafka.consumer.fetcher").error("Failed fetch messages from %s: %s", 1, NodeNotReadyError())
    for _ in range(5):
        outage.lost()
        clock[0] += 5
    outage.back()
    assert [record.levelname for record in lines.records] == ["ERROR", "INFO"]
    assert lines.records[-1].away_seconds == 25.0


def test_an_outage_that_the_log_does_not_show_has_no_end_there(outage, lines):
    outage.lost()
    outage.back()
    assert lines.records == []


def test_other_loggers_are_not_limited(outage, lines):
    outage.failed(log, "away")
    for _ in range(3):
        logging.getLogger("sender").warning("something else")
    assert lines.said().count("something else") == 3


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (KafkaConnectionError(), True),
        (KafkaTimeoutError(), True),
        (NodeNotReadyError(), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (UnknownTopicOrPartitionError(), False),
        (TopicAuthorizationFailedError(), False),
        (MessageSizeTooLargeError(), False),
        (ValueError(), False),
    ],
)
def test_which_errors_mean_that_kafka_is_away(error, away):
    assert is_away(error) is away


async def test_real_clients_without_a_broker_log_one_line(monkeypatch):
    fresh, all_lines, shown = Outage("Kafka"), Lines(), Lines()
    for module in ("produce.publisher", "consume.table", "errors"):
        monkeypatch.setattr(f"common.kafka.{module}.KAFKA", fresh)
    shown.addFilter(KafkaLines(fresh))
    for handler in (all_lines, shown):
        logging.getLogger().addHandler(handler)
    tried = []
    monkeypatch.setattr(
        fresh, "failed", lambda *given, **fields: (tried.append(1), Outage.failed(fresh, *given, **fields))
    )
    settings = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1")
    publisher, table = Publisher(settings), Table(settings, "fake-topic", lambda value: value)
    try:
        await publisher.start()
        await table.start()
        async with asyncio.timeout(30):
            while len(tried) < 5:
                await asyncio.sleep(0.05)
    finally:
        await publisher.stop()
        await table.stop()
        for handler in (all_lines, shown):
            logging.getLogger().removeHandler(handler)
    assert len(shown.records) == 1
    assert len(all_lines.records) >= 5


@pytest.mark.integration
async def test_a_publisher_that_reaches_kafka_says_that_it_is_back(kafka_bootstrap, monkeypatch, lines):
    fresh = Outage("Kafka")
    monkeypatch.setattr("common.kafka.produce.publisher.KAFKA", fresh)
    fresh.failed(log, "away")
    publisher = Publisher(KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap))
    await publisher.start()
    try:
        async with asyncio.timeout(30):
            while not publisher.connected:
                await asyncio.sleep(0.02)
        assert not fresh.away
        assert "Kafka answers again" in lines.said()
    finally:
        await publisher.stop()
