"""Records of callers who wait, by partition: none lost, none late, none waiting for another partition."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from common.kafka.produce.batches import batches_of, by_partition
from common.kafka.produce.publish_queue import Call, PartitionQueue
from common.kafka.records import Outgoing
from common.kafka.wire.partitioner import partition_of, partitioner

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

    def batch_for(self, _topic):
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
    producer.confirm(1)  # and a partition that hangs holds up no other
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


@given(st.text(max_size=20), st.integers(1, 50))
def test_the_partition_of_a_text_is_kafkas(text, count):
    key, everywhere = text.encode("utf-8", "replace"), list(range(count))
    assert partition_of(key.decode(), count) == DefaultPartitioner()(key, everywhere, everywhere)


@given(st.binary(max_size=40), st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True), st.data())
def test_which_partitions_are_available_does_not_move_a_key(key, everywhere, data):
    available = data.draw(st.lists(st.sampled_from(everywhere), unique=True))
    assert partitioner(key, everywhere, available) == DefaultPartitioner()(key, everywhere, available)


async def test_a_batch_that_fails_fails_no_record_of_another():
    producer, calls = Producer(), [call() for _ in range(5)]
    across = call(records=2)
    queue = queue_of(producer)
    queue.add(record(b"before"), blocking := call())
    await reached(lambda: producer.sent)
    for number, waiting in enumerate([*calls[:2], across, across, *calls[2:]]):  # the third batch has one
        queue.add(record(b"%d" % number), waiting)
    producer.confirm(0)
    await reached(lambda: len(producer.sent) == 2)
    producer.sent[1][2].set_exception(KafkaError("away"))
    for number in (2, 3):
        await reached(lambda number=number: len(producer.sent) == number + 1)
        producer.confirm(number)
    await asyncio.gather(blocking.told, *(waiting.told for waiting in calls[2:]))
    for unlucky in (*calls[:2], across):
        with pytest.raises(KafkaError):
            await unlucky.told
    assert [values for _, values, _ in producer.sent] == [[b"before"], [b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6"]]


async def test_a_mistake_is_told_to_all_who_had_not_been_told_and_the_queue_goes_on():
    producer, first, calls, later = Producer(), call(), [call() for _ in range(FULL + 1)], call()
    queue = queue_of(producer)
    queue.add(record(b"first"), first)
    await reached(lambda: producer.sent)
    for number, waiting in enumerate(calls):  # two batches
        queue.add(record(b"%d" % number), waiting)
    producer.confirm(0)
    await reached(lambda: len(producer.sent) == 2)
    queue.add(record(b"later"), later)
    producer.sent[1][2].set_exception(TypeError("a mistake"))
    for waiting in calls:
        with pytest.raises(TypeError):
            await waiting.told
    await reached(lambda: len(producer.sent) == 3)
    producer.confirm(2)
    await asyncio.gather(first.told, later.told)
    assert producer.sent[2][1] == [b"later"]


async def test_who_waits_behind_a_write_that_hangs_is_served_when_its_time_is_over():
    producer, late, next_one = Producer(), call(seconds=0.05), call(seconds=30)
    queue = queue_of(producer)
    queue.add(record(b"late"), late)
    await reached(lambda: producer.sent)
    queue.add(record(b"next"), next_one)
    with pytest.raises(TimeoutError):
        await late.told
    await reached(lambda: len(producer.sent) == 2)
    producer.confirm(1)
    await next_one.told
    assert producer.sent[0][2].cancelled()


async def test_of_a_batch_the_most_patient_caller_decides_how_long_it_may_take():
    producer, hasty, patient = Producer(), call(seconds=-1), call(seconds=30)
    queue = queue_of(producer)
    queue.add(record(b"first"), first := call())
    await reached(lambda: producer.sent)
    queue.add(record(b"hasty"), hasty)
    queue.add(record(b"patient"), patient)
    producer.confirm(0)
    await reached(lambda: len(producer.sent) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not patient.told.done()
    producer.confirm(1)
    await asyncio.gather(first.told, patient.told)


async def test_a_queue_whose_callers_have_all_gone_takes_the_next():
    producer = Producer()
    queue, first, gone, later = queue_of(producer), call(), call(), call()
    queue.add(record(b"first"), first)
    await reached(lambda: producer.sent)
    queue.add(record(b"gone"), gone)
    gone.told.cancel()
    producer.confirm(0)
    await first.told
    await reached(lambda: queue._writing is None)
    queue.add(record(b"later"), later)
    await reached(lambda: len(producer.sent) == 2)
    producer.confirm(1)
    await later.told
    assert producer.sent[1][1] == [b"later"]


async def test_a_partition_that_hangs_does_not_delay_another():
    producer, hung, served = Producer(), call(), [call() for _ in range(5)]
    queue_of(producer, 0).add(record(b"hung"), hung)
    other = queue_of(producer, 1)
    for number, waiting in enumerate(served):
        other.add(record(b"%d" % number), waiting)
        await reached(lambda number=number: len(producer.sent) == number + 2)
        producer.confirm(number + 1)
        await waiting.told
    assert not hung.told.done()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_call_in_two_partitions_waits_for_the_second_whichever_that_is(order):
    producer, both = Producer(), call(records=3)
    queues = [queue_of(producer, partition) for partition in (0, 1)]
    for partition, queue in enumerate(queues):
        queue.add(record(b"%d" % partition), both)
        await reached(lambda partition=partition: len(producer.sent) == partition + 1)
    queues[order[0]].add(record(b"2"), both)  # one more where the first answer comes from
    producer.confirm(order[0])
    await reached(lambda: len(producer.sent) == 3)
    producer.confirm(2)
    await reached(lambda: queues[order[0]]._writing is None)
    assert not both.told.done()
    producer.confirm(order[1])
    await both.told


async def test_who_was_told_is_not_told_again():
    refused = call(records=3)
    refused.told.set_exception(TimeoutError("late"))
    for error in (None, KafkaError("away"), None):
        refused.settle(error)
    with pytest.raises(TimeoutError):
        await refused.told
