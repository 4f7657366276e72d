"""Records of callers who wait, by partition: none lost, none late, none waiting for another partition."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from common.kafka.partitioner import partition_of, partitioner
from common.kafka.queues import Call, PartitionQueue
from common.kafka.records import Outgoing
from common.kafka.writing import batches_of, by_partition

FULL = 3


class Batch:
    """As aiokafka's: takes its first record whatever it is, and refuses one when it is full."""

    def __init__(self):
        self.values = []

    def append(self, *, timestamp, key, value, headers):  # noqa: ARG002  # as aiokafka calls it
        assert isinstance(headers, list)  # aiokafka's C code takes nothing else
        if len(self.values) >= FULL:
            return None
        self.values.append(value)
        return SimpleNamespace()

    def record_count(self):
        return len(self.values)


class Producer:
    """Batches wait in `sent` until the test confirms them."""

    def __init__(self):
        self.sent = []
        self.error = None

    def create_batch(self):
        return Batch()

    async def send_batch(self, batch, topic, *, partition):  # noqa: ARG002  # the same
        if self.error is not None:
            raise self.error
        confirmation = asyncio.get_running_loop().create_future()
        self.sent.append((partition, batch.values, confirmation))
        return confirmation

    def confirm(self, number):
        self.sent[number][2].set_result(None)


def record(value, partition=None):
    return Outgoing("t", "k", value, partition=partition)


def queue_of(producer, partition=0):
    return PartitionQueue(asyncio.get_running_loop(), producer, "t", partition)


def call(records=1, seconds=5.0):
    loop = asyncio.get_running_loop()
    return Call(loop, records, loop.time() + seconds)


async def reached(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_what_comes_during_a_write_goes_with_the_next():
    producer = Producer()
    queue, calls = queue_of(producer), [call() for _ in range(4)]
    for number, waiting in enumerate(calls):
        queue.add(record(b"%d" % number), waiting)
        await reached(lambda: producer.sent)
    assert [values for _, values, _ in producer.sent] == [[b"0"]]
    producer.confirm(0)
    await reached(lambda: len(producer.sent) == 2)
    assert calls[0].told.done()
    assert producer.sent[1][1] == [b"1", b"2", b"3"]
    producer.confirm(1)
    await asyncio.gather(*(waiting.told for waiting in calls))


async def test_a_call_is_told_when_all_of_its_records_are_there():
    producer, both = Producer(), call(records=2)
    for partition in (0, 1):
        queue_of(producer, partition).add(record(b"v"), both)
    await reached(lambda: len(producer.sent) == 2)
    producer.confirm(1)  # and a partition that hangs holds up nobody else
    await asyncio.sleep(0)
    assert not both.told.done()
    producer.confirm(0)
    await both.told


@pytest.mark.parametrize("error", [KafkaError("away"), TypeError("a mistake")])
async def test_a_failure_is_told_to_those_whom_it_meets(error):
    producer, unlucky, lucky = Producer(), call(), call()
    queue = queue_of(producer)
    producer.error = error
    queue.add(record(b"1"), unlucky)
    with pytest.raises(type(error)):
        await unlucky.told
    producer.error = None
    queue.add(record(b"2"), lucky)
    await reached(lambda: producer.sent)
    producer.confirm(0)
    await lucky.told


async def test_an_acknowledgement_that_does_not_come_ends_with_the_deadline():
    producer, late, next_one = Producer(), call(seconds=0.05), call()
    queue = queue_of(producer)
    queue.add(record(b"1"), late)
    with pytest.raises(TimeoutError):
        await late.told
    queue.add(record(b"2"), next_one)
    await reached(lambda: len(producer.sent) == 2)
    producer.confirm(1)
    await next_one.told


async def test_what_was_refused_while_it_waited_is_not_written():
    producer = Producer()
    queue, first, gone, stays = queue_of(producer), call(), call(), call()
    queue.add(record(b"1"), first)
    await reached(lambda: producer.sent)
    queue.add(record(b"2"), gone)
    queue.add(record(b"3"), stays)
    gone.told.cancel()
    producer.confirm(0)
    await reached(lambda: len(producer.sent) == 2)
    assert producer.sent[1][1] == [b"3"]


def test_batches_hold_all_records_in_order():
    batches = batches_of(Producer(), [record(b"%d" % n) for n in range(7)])
    assert [(batch.values, count) for batch, count in batches] == [
        ([b"0", b"1", b"2"], 3),
        ([b"3", b"4", b"5"], 3),
        ([b"6"], 1),
    ]


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from([None, 0, 2]))))
def test_partitions_keep_the_order_and_a_place_that_was_chosen(given_records):
    records = [
        Outgoing("t", key.encode("utf-8", "replace").decode(), b"%d" % n, partition=place)
        for n, (key, place) in enumerate(given_records)
    ]
    found = by_partition(records, {"t": 6})
    assert sorted(int(one.value) for ones in found.values() for one in ones) == list(range(len(records)))
    for (_, partition), ones in found.items():
        assert [int(one.value) for one in ones] == sorted(int(one.value) for one in ones)
        assert all(
            partition == (one.partition if one.partition is not None else partition_of(one.key, 6)) for one in ones
        )


@given(st.binary(max_size=40), st.integers(1, 50))
def test_the_partition_of_a_key_is_kafkas(key, count):
    everywhere = list(range(count))
    assert partitioner(key, everywhere, everywhere) == DefaultPartitioner()(key, everywhere, everywhere)
