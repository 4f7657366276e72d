"""Publishing while a partition hangs: each caller is told in time, and what was refused is not written later."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError

from common.errors import Unavailable
from common.kafka.produce import publisher as module
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings


class Batch:
    def __init__(self):
        self.values = []

    def append(self, *, timestamp, key, value, headers):  # noqa: ARG002  # as aiokafka calls it
        self.values.append(value)
        return SimpleNamespace()

    def record_count(self):
        return len(self.values)


class Producer:
    """Acknowledges at once, but for the partitions of `hanging`, where `send_batch` waits until it is let through."""

    def __init__(self):
        self.written = {}
        self.begun = []
        self.known = {"t": {0, 1, 2}}
        self.new = {}
        self.hanging = set()
        self.let_through = asyncio.Event()
        self.errors = []
        self.asked = 0
        self.client = SimpleNamespace(cluster=SimpleNamespace(partitions_for_topic=self.known.get))

    async def start(self):
        if self.errors:
            raise self.errors.pop(0)

    async def stop(self):
        self.let_through.set()

    async def partitions_for(self, topic):
        self.asked += 1
        await asyncio.sleep(0)
        self.known.update(self.new)
        return self.known.get(topic)

    def batch_for(self, _topic):
        return Batch()

    async def send_batch(self, batch, topic, *, partition):
        self.begun.append(partition)
        if partition in self.hanging:
            await self.let_through.wait()
        self.written.setdefault((topic, partition), []).extend(batch.values)
        confirmation = asyncio.get_running_loop().create_future()
        confirmation.set_result(None)
        return confirmation


@asynccontextmanager
async def publishing(monkeypatch, producer, seconds=20.0):
    monkeypatch.setattr(module, "make_producer", lambda *_, **__: producer)
    monkeypatch.setattr(module, "_RECONNECT_SECONDS", 0)
    publisher = Publisher(KafkaSettings(), timeout_seconds=seconds)
    await publisher.start()
    try:
        await reached(lambda: publisher.connected)
        yield publisher
    finally:
        await publisher.stop()


async def reached(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def one(value, partition):
    return [Outgoing("t", "k", value, partition=partition)]


async def test_a_partition_that_hangs_delays_no_other_and_its_callers_are_told(monkeypatch):
    producer = Producer()
    producer.hanging = {0}
    async with publishing(monkeypatch, producer, seconds=1.0) as publisher:
        hung = [asyncio.create_task(publisher.publish(one(b"%d" % n, 0))) for n in range(20)]
        both = asyncio.create_task(publisher.publish(one(b"a", 0) + one(b"b", 1)))
        await publisher.publish(one(b"c", 2))
        assert not any(task.done() for task in [*hung, both])
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*hung, both, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert (producer.written["t", 1], producer.written["t", 2]) == ([b"b"], [b"c"])


async def test_what_was_refused_while_it_waited_is_not_written_and_who_comes_later_is_served(monkeypatch):
    producer = Producer()
    producer.hanging = {0}
    async with publishing(monkeypatch, producer, seconds=1.0) as publisher:
        first = asyncio.create_task(publisher.publish(one(b"first", 0)))
        await reached(lambda: producer.begun)
        refused = [asyncio.create_task(publisher.publish(one(b"refused", 0))) for _ in range(3)]
        async with asyncio.timeout(10):
            answers = await asyncio.gather(first, *refused, return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        later = asyncio.create_task(publisher.publish(one(b"later", 0)))
        await reached(lambda: len(publisher._queues["t", 0]._waiting) > 3)
        producer.let_through.set()
        async with asyncio.timeout(10):
            await later
    assert producer.written["t", 0] == [b"first", b"later"]


async def test_a_caller_that_went_away_is_passed_over(monkeypatch):
    producer = Producer()
    producer.hanging = {0}
    async with publishing(monkeypatch, producer) as publisher:
        tasks = [asyncio.create_task(publisher.publish(one(b"first", 0)))]
        await reached(lambda: producer.begun)
        tasks += [asyncio.create_task(publisher.publish(one(value, 0))) for value in (b"gone", b"stays")]
        await reached(lambda: len(publisher._queues["t", 0]._waiting) == 2)
        tasks[1].cancel()
        await reached(tasks[1].done)
        producer.let_through.set()
        async with asyncio.timeout(10):
            await asyncio.gather(tasks[0], tasks[2])
    assert producer.written["t", 0] == [b"first", b"stays"]


@pytest.mark.parametrize("callers", [1, 3, 50])
async def test_each_caller_is_answered_whether_alone_or_in_company(monkeypatch, callers):
    producer = Producer()
    async with publishing(monkeypatch, producer) as publisher, asyncio.timeout(10):
        await asyncio.gather(*(publisher.publish(one(b"%d" % n, n % 3)) for n in range(callers)))
    written = [value for values in producer.written.values() for value in values]
    assert sorted(written) == sorted(b"%d" % n for n in range(callers))


async def test_a_topic_that_was_not_known_is_asked_for_and_keeps_its_order(monkeypatch):
    producer = Producer()
    producer.new = {"new": {0}}
    async with publishing(monkeypatch, producer) as publisher:
        await publisher.publish([Outgoing("new", "k", b"%d" % n) for n in range(10)])
    assert producer.written["new", 0] == [b"%d" % n for n in range(10)]
    assert producer.asked == 1


async def test_a_topic_without_partitions_is_unavailable(monkeypatch):
    async with publishing(monkeypatch, Producer()) as publisher:
        with pytest.raises(Unavailable):
            await publisher.publish([Outgoing("none", "k", b"v")])


async def test_to_publish_nothing_is_done_at_once(monkeypatch):
    async with publishing(monkeypatch, Producer()) as publisher, asyncio.timeout(10):
        await publisher.publish([])


async def test_a_kafka_that_is_away_at_first_is_tried_again(monkeypatch):
    producer = Producer()
    producer.errors = [KafkaConnectionError(), KafkaConnectionError()]
    async with publishing(monkeypatch, producer) as publisher:
        await publisher.publish(one(b"v", 1))
    assert producer.written["t", 1] == [b"v"]


async def test_late_callers_are_looked_for_often_only_while_there_are_callers(monkeypatch):
    publisher, pauses = Publisher(KafkaSettings(), timeout_seconds=20.0), []
    publisher._loop = asyncio.get_running_loop()

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError
        publisher._calls.add(module.Call(publisher._loop, 1, publisher._loop.time() + 20.0))

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=pause))
    with pytest.raises(asyncio.CancelledError):
        await publisher._watch()
    assert pauses == [1.0, 0.1, 0.1]


@pytest.mark.parametrize("seconds", [0.3, 1.0])
async def test_a_short_deadline_is_noticed_in_time_after_a_silence(monkeypatch, seconds):
    publisher, pauses = Publisher(KafkaSettings(), timeout_seconds=seconds), []
    publisher._loop = asyncio.get_running_loop()

    async def pause(for_seconds):
        pauses.append(for_seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=pause))
    with pytest.raises(asyncio.CancelledError):
        await publisher._watch()
    assert pauses == [seconds / 2]
