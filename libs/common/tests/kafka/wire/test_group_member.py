"""What the broker refuses, on real Kafka: offsets of a generation that is over, unstable offsets, ended producers."""

import asyncio
import sys
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.errors import (
    IllegalGenerationError,
    IncompatibleBrokerVersion,
    KafkaError,
    ProducerFenced,
    UnknownMemberIdError,
    kafka_errors,
)
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata

from common.contracts import topics
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_group_consumer, make_reader, make_transactional_producer
from common.kafka.settings import KafkaSettings
from common.kafka.wire.broker_errors import (
    FencedInstanceIdError,
    FencedProducerError,
    TransactionAbortableError,
    UnstableOffsetCommitError,
)
from common.kafka.wire.membership import Membership
from common.kafka.wire.offset_requests import OffsetFetch, TxnOffsetCommit

AT = TopicPartition("t", 0)
MEMBER = Membership("g", 1, "m")
PRIVATE = {
    aiokafka.AIOKafkaConsumer: {"_coordinator"},
    aiokafka.AIOKafkaProducer: {"_sender", "_txn_manager", "_message_accumulator"},
    GroupCoordinator: {
        "_do_fetch_commit_offsets",
        "_on_join_complete",
        "_retry_backoff_ms",
        "_send_req",
        "_subscription",
        "coordinator_dead",
        "ensure_coordinator_known",
    },
    CoordinatorGroupRebalance: {"perform_group_join"},
    Sender: {"_do_txn_offset_commit", "_find_coordinator"},
    TxnOffsetCommitHandler: {"create_request", "handle_response"},
    TransactionManager: {"_pending_txn_offsets"},
}
"""What `aiokafka_patch` and `group_member` take from aiokafka beside its public interface."""


def test_this_is_the_aiokafka_whose_private_parts_were_read():
    """With another version, read these parts again, run the tests of kafka and the fault suite, then change this."""
    assert aiokafka.__version__ == "0.14.0"
    for owner, names in PRIVATE.items():
        code = {
            name
            for function in vars(owner).values()
            if hasattr(function, "__code__")
            for name in function.__code__.co_names
        }
        assert names <= code | set(vars(owner)), owner


@pytest.mark.parametrize(
    ("request_", "key", "version"),
    [
        (TxnOffsetCommit("id", (1, 0), MEMBER, {AT: OffsetAndMetadata(1, "")}), 28, 3),
        (OffsetFetch("g", [AT], stable=True), 9, 7),
    ],
)
def test_a_broker_without_the_fence_is_refused_and_no_older_request_is_sent(request_, key, version):
    for versions in ({key: (0, version)}, {key: (version, 99)}):
        sent = request_.prepare(versions)
        assert (key, version) == (sent.API_KEY, sent.API_VERSION)
    for versions in ({key: (0, version - 1)}, {key: (version + 1, 99)}, {}):
        with pytest.raises(IncompatibleBrokerVersion):
            request_.prepare(versions)


def test_errors_that_aiokafka_does_not_know_are_registered():
    known = {
        82: FencedInstanceIdError,
        88: UnstableOffsetCommitError,
        90: FencedProducerError,
        120: TransactionAbortableError,
    }
    assert {code: kafka_errors[code] for code in known} == known
    assert UnstableOffsetCommitError.retriable
    assert issubclass(FencedProducerError, ProducerFenced)


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(
        kafka_bootstrap_servers=kafka_bootstrap, kafka_session_timeout_ms=6_000, kafka_transaction_timeout_ms=10_000
    )


@pytest.fixture
async def topic(settings):
    made = topics.Topic(f"in-{uuid.uuid4().hex}", "k", "test", "", partitions=2)
    await ensure_topics(settings, [made])
    return made.name


@asynccontextmanager
async def started(client):
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def member(settings, topic):
    """A member of a group, with all partitions of the topic."""
    async with started(make_group_consumer(settings, f"g-{topic}")) as consumer:
        consumer.subscribe(topics=[topic])
        async with asyncio.timeout(20):
            while not consumer.assignment():
                await asyncio.sleep(0.01)
        yield consumer


def producing(settings, membership, name=None):
    return started(make_transactional_producer(settings, name or f"p-{uuid.uuid4().hex}", membership))


async def commit(producer, group, offsets, value=None):
    async with producer.transaction():
        if value is not None:
            await producer.send_and_wait(next(iter(offsets)).topic, value, key=b"k")
        await producer.send_offsets_to_transaction(
            {tp: OffsetAndMetadata(n, "a-name") for tp, n in offsets.items()}, group
        )


async def values_of(settings, topic):
    async with started(make_reader(settings, topic)) as reader:
        ends = await reader.end_offsets(reader.assignment())
        found = []
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=100)).values():
                found += [record.value for record in records]
        return found


@pytest.mark.integration
async def test_a_member_commits_offsets_with_metadata_and_reads_them_in_one_answer(settings, topic):
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with member(settings, topic) as consumer, producing(settings, consumer.membership()) as producer:
        assert await consumer.offsets([one, two], stable=True) == {}
        await commit(producer, f"g-{topic}", {one: 0})
        for stable in (True, False):
            assert await consumer.offsets([one, two], stable=stable) == {one: OffsetAndMetadata(0, "a-name")}
        await consumer.confirm(consumer.membership())


@pytest.mark.integration
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"generation": 0}, IllegalGenerationError),
        ({"generation": 99}, IllegalGenerationError),
        ({"member_id": "another"}, UnknownMemberIdError),
    ],
)
async def test_another_generation_or_member_is_refused_and_leaves_nothing_behind(settings, topic, change, error):
    at = TopicPartition(topic, 0)
    async with member(settings, topic) as consumer:
        ours = consumer.membership()
        stranger = replace(ours, **change)
        async with producing(settings, ours) as producer:
            await commit(producer, ours.group, {at: 3})
        with pytest.raises(error):
            await consumer.confirm(stranger)
        async with producing(settings, stranger) as producer:
            with pytest.raises(error):
                await commit(producer, ours.group, {at: 1}, b"never")
            # The refusal has ended the transaction at the broker: nothing waits for a time-out.
            assert (await consumer.offsets([at], stable=True))[at].offset == 3
        assert await values_of(settings, topic) == []


@pytest.mark.integration
async def test_a_producer_without_a_membership_commits_no_offsets(settings, topic):
    async with member(settings, topic) as consumer:
        for membership in (None, replace(consumer.membership(), group="another")):
            async with producing(settings, membership) as producer:
                with pytest.raises(KafkaError):
                    await commit(producer, f"g-{topic}", {TopicPartition(topic, 0): 1})
        assert await consumer.offsets([TopicPartition(topic, 0)], stable=True) == {}


@pytest.mark.integration
async def test_offsets_of_an_open_transaction_are_waited_for_and_its_end_by_name_is_quick(settings, topic, capsys):
    at, name = TopicPartition(topic, 0), f"p-{uuid.uuid4().hex}"
    async with member(settings, topic) as consumer:
        ours = consumer.membership()
        async with producing(settings, ours, name) as dead, producing(settings, ours) as successor:
            await commit(dead, ours.group, {at: 1})
            await dead.begin_transaction()
            await dead.send_offsets_to_transaction({at: OffsetAndMetadata(2, "")}, ours.group)
            assert (await consumer.offsets([at], stable=False))[at].offset == 1
            stable = asyncio.create_task(consumer.offsets([at], stable=True))
            assert not (await asyncio.wait([stable], timeout=0.5))[0]
            began = time.monotonic()
            await successor.end([name])
            assert (await stable)[at].offset == 1
            with capsys.disabled():
                sys.stdout.write(f"\nan open transaction was ended by its name in {time.monotonic() - began:.2f} s\n")
            with pytest.raises(ProducerFenced):
                await dead.commit_transaction()


@pytest.mark.integration
async def test_an_unknown_name_and_one_that_has_nothing_open_are_ended_at_once(settings, topic):
    async with producing(settings, None) as producer, producing(settings, None) as other:
        other_name = other._txn_manager.transactional_id
        async with asyncio.timeout(10):
            await producer.end([f"never-{uuid.uuid4().hex}", other_name, *(f"n-{n}-{topic}" for n in range(24))])
        with pytest.raises(ProducerFenced):
            async with other.transaction():
                await other.send_and_wait(topic, b"v", key=b"k")
