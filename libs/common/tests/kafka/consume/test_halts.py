"""A member that has halted: it leaves its group, stays ready, and comes back by a probe."""

import asyncio
import logging
import uuid
from functools import partial

import pytest
from aiokafka import TopicPartition
from idle_member import IdleConsumer, IdleProducer
from prometheus_client import REGISTRY

from common.contracts import topics
from common.kafka.admin import ensure_topics
from common.kafka.clients import make_group_consumer, make_reader, make_transactional_producer
from common.kafka.consume.dlq_limit import DeadLetterLimit, DeadLetterSettings
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.partition_session import Halted
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings

SLOTS = [TopicPartition("fake", 0), TopicPartition("fake", 1)]


class FakeConsumer(IdleConsumer):
    """Is given both partitions a moment after it has subscribed."""

    def __init__(self, made):
        super().__init__("fake-halts")
        made.append(self)
        self.stopped = False

    async def start(self):
        pass

    async def stop(self):
        self.stopped = True

    async def topics(self):
        return {"fake"}

    def subscribe(self, *, topics, listener):
        assert topics
        self.assigning = asyncio.create_task(listener.on_partitions_assigned(SLOTS))

    def assignment(self):
        return set()


def fake_group(worker, made, **options):
    return PartitionGroup(
        group="fake-halts",
        topics=("fake",),
        make_consumer=lambda _: FakeConsumer(made),
        make_producer=lambda *_: IdleProducer(),
        worker=worker,
        **options,
    )


async def until(condition, seconds=10):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


def gauge(group="fake-halts"):
    return REGISTRY.get_sample_value("whatsapp_consumer_halted", {"group": group})


async def halts(session):
    if session.slot == "fake-0":
        raise Halted("most tenants fail")
    await session.stopping.wait()


async def test_a_halted_member_has_left_is_ready_and_not_stuck():
    made = []
    group = fake_group(halts, made, halt_seconds=60)
    await group.start()
    await until(lambda: made and made[0].stopped)
    assert group.halted
    assert group.ready
    assert await group.reachable()
    assert (group.assignment, group.stuck_seconds(), gauge()) == (frozenset(), 0, 1)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert {task.get_name() for task in others} == {"member of fake-halts"}
    async with asyncio.timeout(1):  # far less than the pause
        await group.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert gauge() is None


async def test_each_halt_doubles_the_pause_up_to_its_cap(caplog):
    caplog.set_level(logging.CRITICAL)
    made, probes = [], []
    group = fake_group(halts, made, halt_seconds=0.01, halt_cap_seconds=0.03, on_probe=lambda: probes.append(1))
    await group.start()
    await until(lambda: len(made) > 4)
    await group.stop()
    pauses = [record.seconds for record in caplog.records if record.message.startswith("halted: leaving")]
    assert pauses[:4] == [0.01, 0.02, 0.03, 0.03]
    assert len(probes) == len(made) - 1
    assert all(consumer.stopped for consumer in made)


async def test_a_probe_that_goes_well_goes_on_and_the_next_halt_waits_as_the_first_did(caplog):
    caplog.set_level(logging.CRITICAL)
    made, bad = [], [True, True]

    async def worker(session):
        while not session.stopping.is_set():
            if bad:
                bad.pop()
                raise Halted("most tenants fail")
            await asyncio.sleep(0.001)

    group = fake_group(worker, made, halt_seconds=0.02, halt_cap_seconds=0.05)
    await group.start()
    await until(lambda: len(made) >= 2 and not group.halted)
    assert group.ready
    assert len(group.assignment) == 2
    assert gauge() == 0
    await asyncio.sleep(0.06)  # works for longer than the longest pause
    bad.append(True)
    await until(lambda: group.halted)
    await until(lambda: not group.halted)
    await group.stop()
    pauses = [record.seconds for record in caplog.records if record.message.startswith("halted: leaving")]
    assert pauses[-1] == 0.02


async def test_stopping_and_revocation_while_it_leaves_wait_for_the_workers():
    made, release, ended = [], asyncio.Event(), []

    async def worker(session):
        if session.slot == "fake-0":
            await until(lambda: len(group.assignment) == 2)
            raise Halted("most tenants fail")
        await session.stopping.wait()
        await release.wait()
        ended.append(session.slot)

    group = fake_group(worker, made, halt_seconds=60)
    await group.start()
    await until(lambda: group.halted and not group._slots)
    revoking = asyncio.create_task(group.on_partitions_revoked(SLOTS))
    stopping = asyncio.create_task(group.stop())
    done, _ = await asyncio.wait([revoking, stopping], timeout=0.05)
    assert not done
    await group.on_partitions_assigned(SLOTS)  # the rebalance ends while the member leaves
    assert not group._slots
    release.set()
    async with asyncio.timeout(2):
        await asyncio.gather(revoking, stopping)
    assert ended == ["fake-1"]
    assert made[0].stopped
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def settings(kafka_bootstrap):
    return KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap, kafka_session_timeout_ms=6_000)


@pytest.fixture
async def pair(settings):
    name = uuid.uuid4().hex
    names = [f"{kind}-{name}" for kind in ("in", "out")]
    await ensure_topics(settings, [topics.Topic(each, "k", "test", "", partitions=3) for each in names])
    return names


@pytest.fixture
async def publisher(settings):
    publisher = Publisher(settings)
    await publisher.start()
    await until(lambda: publisher.connected)
    yield publisher
    await publisher.stop()


def copier(target, limit, broken):
    """Copies records; while `broken` is set, all become dead letters of their key's tenant, which go nowhere."""

    async def worker(session):
        while not session.stopping.is_set():
            for tp, records in (await session.fetch(max_records=20, timeout_ms=200)).items():
                bad = broken.is_set()
                for record in records:
                    limit.note(letters=int(bad), now=0.0, tenant=record.key.decode())
                out = [Outgoing(target, r.key.decode(), r.value) for r in records]
                await session.commit([] if bad else out, {tp: records[-1].offset + 1})

    return worker


def member(settings, source, target, broken, **options):
    limit = DeadLetterLimit(DeadLetterSettings(dlq_limit=5))
    return PartitionGroup(
        group=f"g-{target}",
        topics=[source],
        make_consumer=partial(make_group_consumer, settings),
        make_producer=partial(make_transactional_producer, settings),
        worker=copier(target, limit, broken),
        on_probe=limit.probe,
        **options,
    )


async def write(publisher, topic, first, count):
    records = [Outgoing(topic, f"k{n % 17}", str(n).encode()) for n in range(first, first + count)]
    await publisher.publish(records)


async def copied(settings, target):
    consumer = make_reader(settings, target)
    await consumer.start()
    try:
        await consumer.seek_to_beginning(*consumer.assignment())
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(int(record.value) for record in batch)
        return sorted(found)
    finally:
        await consumer.stop()


async def until_copied(settings, target, numbers, seconds=40):
    async with asyncio.timeout(seconds):
        while not set(numbers) <= set(await copied(settings, target)):
            await asyncio.sleep(0.05)


@pytest.mark.integration
async def test_a_halted_member_leaves_its_partitions_to_another_and_comes_back_by_its_probe(settings, pair, publisher):
    source, target = pair
    broken = asyncio.Event()
    broken.set()
    sick = member(settings, source, target, broken, halt_seconds=3.0)
    well = member(settings, source, target, asyncio.Event())
    await sick.start()
    await until(lambda: sick.ready and sick.assignment, 30)
    await write(publisher, source, 0, 60)
    await until(lambda: sick.halted, 30)
    await until(lambda: not sick.assignment, 30)
    assert sick.ready
    await well.start()
    try:
        await until(lambda: len(well.assignment) == 3, 30)
        broken.clear()
        await write(publisher, source, 60, 60)
        await until_copied(settings, target, range(60, 120))
        await until(lambda: not sick.halted and sick.assignment and well.assignment and well.ready and sick.ready, 30)
        assert not sick.assignment & well.assignment
        await write(publisher, source, 120, 60)
        await until_copied(settings, target, range(60, 180))
    finally:
        await sick.stop()
        await well.stop()
    found = await copied(settings, target)
    assert len(found) == len(set(found))


@pytest.mark.integration
async def test_a_probe_that_still_fails_halts_again_and_what_was_not_finished_is_done_after_the_fix(
    settings, pair, publisher
):
    source, target = pair
    broken = asyncio.Event()
    broken.set()
    alone = member(settings, source, target, broken, halt_seconds=0.2, halt_cap_seconds=0.4)
    failures = {"group": f"g-{target}", "reason": "halted"}
    await alone.start()
    try:
        await until(lambda: alone.ready and alone.assignment, 30)
        await write(publisher, source, 0, 400)
        await until(lambda: REGISTRY.get_sample_value("whatsapp_session_failures_total", failures) >= 3, 40)
        broken.clear()
        await until(lambda: not alone.halted and alone.ready, 30)
        await write(publisher, source, 400, 60)
        await until_copied(settings, target, range(400, 460))
    finally:
        await alone.stop()
    found = await copied(settings, target)
    assert len(found) == len(set(found))
    assert len([number for number in found if number < 400]) >= 300  # few were lost to the probes
