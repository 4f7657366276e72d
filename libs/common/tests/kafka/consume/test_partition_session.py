"""A session's steps in their order, without a broker: what fences, what seeks, what is one transaction."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from common.kafka.consume import partition_slot
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.partition_session import Halted, PartitionSession
from common.kafka.records import Outgoing

ONE, TWO = TopicPartition("fake", 0), TopicPartition("fake", 1)


class Consumer:
    """Writes down what it is asked. `offsets` are committed; `getmany` waits until it is cancelled or `records` come."""

    def __init__(self, steps, offsets=7):
        self.steps, self.offsets, self.records = steps, offsets, None
        self.asked = asyncio.Event()

    async def committed(self, tp):
        self.steps.append(f"committed {tp.partition}")
        return self.offsets

    async def beginning_offsets(self, tps):
        return dict.fromkeys(tps, 3)

    async def end_offsets(self, tps):
        return dict.fromkeys(tps, 99)

    def seek(self, tp, offset):
        self.steps.append(f"seek {tp.partition} to {offset}")

    def pause(self, *tps):
        self.steps.append(f"pause {sorted(tp.partition for tp in tps)}")

    def resume(self, *tps):
        self.steps.append(f"resume {sorted(tp.partition for tp in tps)}")

    async def getmany(self, *tps, timeout_ms, max_records):  # noqa: ARG002  # as aiokafka has it
        self.steps.append(f"fetch {sorted(tp.partition for tp in tps)}")
        self.asked.set()
        if self.records is None:
            await asyncio.Event().wait()
        return self.records


class Batch:
    def __init__(self):
        self.values = []

    def append(self, *, timestamp, key, value, headers):  # noqa: ARG002  # as aiokafka calls it
        self.values.append(value)
        return SimpleNamespace()

    def record_count(self):
        return len(self.values)


class Producer:
    """Writes down what it is told, and whether that is within a transaction. `error` fails what is sent."""

    def __init__(self, steps, name="id"):
        self.steps, self.name, self.error, self.within = steps, name, None, False

    async def start(self):
        self.steps.append(f"start {self.name}")

    async def stop(self):
        self.steps.append(f"stop {self.name}")

    @asynccontextmanager
    async def transaction(self):
        self.steps.append("begin")
        self.within = True
        try:
            yield
        except BaseException:
            self.steps.append("abort")
            raise
        finally:
            self.within = False
        self.steps.append("commit")

    async def partitions_for(self, _topic):
        return {0}

    def create_batch(self):
        return Batch()

    async def send_batch(self, batch, topic, *, partition):
        assert self.within, "written outside the transaction"
        if self.error is not None:
            raise self.error
        self.steps.append(f"write {topic} {partition} {batch.values}")
        confirmed = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    async def send_offsets_to_transaction(self, offsets, group):
        assert self.within, "committed outside the transaction"
        self.steps.append(f"offsets {sorted((tp.partition, offset) for tp, offset in offsets.items())} of {group}")


class Room:
    """A group on fakes, which has joined; `steps` is what was done."""

    def __init__(self, worker, *, offsets=7, **options):
        self.steps, self.producers = [], []
        self.consumer = Consumer(self.steps, offsets)
        self.group = PartitionGroup(
            group="g", topics=(), make_consumer=lambda _: None, make_producer=self.producer, worker=worker, **options
        )
        self.group._consumer = self.consumer

    def producer(self, name):
        self.producers.append(Producer(self.steps, name))
        return self.producers[-1]

    async def __aenter__(self):
        await self.group.on_partitions_assigned(sorted(self.given))
        return self

    async def __aexit__(self, *_):
        await self.group.on_partitions_revoked(self.given)

    given = frozenset({ONE})


@pytest.fixture
def steps():
    return []


def session_of(steps, **more):
    return PartitionSession("slot", frozenset({ONE}), "g", Consumer(steps), Producer(steps), **more)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def waits(session):
    await session.stopping.wait()


async def test_a_session_fences_then_seeks_to_what_is_committed_then_works(steps):
    async def worker(session):
        room.steps.append("work")
        await session.stopping.wait()

    async with (room := Room(worker)):
        await until(lambda: "work" in room.steps)
    assert room.steps[:6] == ["pause [0]", "start g-fake-0", "committed 0", "seek 0 to 7", "resume [0]", "work"]
    assert room.steps[-1] == "stop g-fake-0"


async def test_where_nothing_is_committed_a_session_begins_at_the_beginning():
    async with (room := Room(waits, offsets=None)):
        await until(lambda: room.group.assignment)
    assert "seek 0 to 3" in room.steps


async def test_each_slot_has_a_producer_of_its_own_and_those_of_one_name_share_it():
    async with (room := Room(waits)):
        room.given = frozenset({ONE, TWO})
        await room.group.on_partitions_revoked([ONE])
        await room.group.on_partitions_assigned([ONE, TWO])
        await until(lambda: len(room.group.assignment) == 2)
        assert {producer.name for producer in room.producers} == {"g-fake-0", "g-fake-1"}
    shared = Room(waits, slot_of=lambda _: "shared")
    shared.given = frozenset({ONE, TWO})
    async with shared:
        await until(lambda: len(shared.group.assignment) == 2)
    assert [producer.name for producer in shared.producers] == ["g-shared"]


async def test_records_and_offsets_are_one_transaction(steps):
    session = session_of(steps)
    await session.commit([Outgoing("out", "k", b"1"), Outgoing("out", "k", b"2")], {ONE: 8})
    assert steps == ["begin", "write out 0 [b'1', b'2']", "offsets [(0, 8)] of g", "commit"]
    assert session.committed == {ONE: 8}


async def test_offsets_alone_and_records_alone_are_transactions_and_nothing_is_none(steps):
    session = session_of(steps)
    await session.commit([], {})
    assert steps == []
    await session.commit([], {ONE: 8})
    await session.commit([Outgoing("out", "k", b"1")], {})
    assert steps == ["begin", "offsets [(0, 8)] of g", "commit", "begin", "write out 0 [b'1']", "commit"]


async def test_of_a_transaction_that_fails_nothing_is_committed(steps):
    session = session_of(steps)
    session.producer.error = KafkaError("refused")
    with pytest.raises(KafkaError):
        await session.commit([Outgoing("out", "k", b"1")], {ONE: 8})
    assert steps == ["begin", "abort"]
    assert session.committed == {}


async def test_a_session_reads_its_own_partitions(steps):
    session = session_of(steps)
    session.consumer.records = {}
    await session.fetch(max_records=1)
    assert steps == ["fetch [0]"]


async def test_a_session_that_was_superseded_takes_nothing_new_on(steps):
    session = session_of(steps)
    session.consumer.records = {ONE: [SimpleNamespace(offset=1)]}
    session.stop()
    assert await session.fetch(max_records=1) == {}
    assert steps == []


async def test_a_fetch_that_waits_ends_when_its_session_is_superseded(steps):
    session = session_of(steps)
    fetching = asyncio.create_task(session.fetch(max_records=1))
    await session.consumer.asked.wait()
    session.stop()
    done, _ = await asyncio.wait([fetching], timeout=2)
    assert done, "it waits for records that will not come"
    assert fetching.result() == {}


async def test_a_worker_that_is_cancelled_while_it_fetches_is_cancelled(steps):
    session = session_of(steps)
    fetching = asyncio.create_task(session.fetch(max_records=1))
    await session.consumer.asked.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


async def test_partitions_are_given_back_when_the_running_batch_is_done():
    batch, ended = asyncio.Event(), []

    async def worker(session):
        await session.stopping.wait()
        await batch.wait()
        ended.append(session)

    room = Room(worker)
    await room.__aenter__()
    await until(lambda: room.group.assignment)
    revoking = asyncio.create_task(room.group.on_partitions_revoked([ONE]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not revoking.done()
    batch.set()
    await revoking
    assert ended
    assert not room.group.assignment


async def test_a_worker_that_does_not_end_in_time_is_cancelled():
    cancelled = []

    async def worker(_session):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with Room(worker, drain_seconds=0.05) as room:
        await until(lambda: room.group.assignment)
    assert cancelled
    assert not room.group.assignment


async def test_nothing_begins_while_the_group_is_left():
    begun = []

    async def worker(session):
        begun.append(session)
        await session.stopping.wait()

    room = Room(worker)
    await room.group.start()
    room.consumer.stop = waits_not
    await room.group.stop()
    await room.group.on_partitions_assigned([ONE])
    for _ in range(20):
        await asyncio.sleep(0)
    assert not begun
    assert not room.producers
    assert not room.group._slots  # nothing that would try again for ever


async def waits_not():
    pass


async def test_who_was_fenced_comes_back_after_a_pause():
    begun = []

    async def worker(session):
        begun.append(asyncio.get_running_loop().time())
        if len(begun) == 1:
            raise ProducerFenced
        await session.stopping.wait()

    async with Room(worker, fenced_pause_seconds=0.5):
        await until(lambda: len(begun) == 2)
    assert begun[1] - begun[0] >= 0.5


async def test_what_has_halted_does_not_begin_again_at_once_and_is_ready_all_the_same(monkeypatch):
    monkeypatch.setattr(partition_slot, "PAUSES", (0.0,))
    begun = []

    async def worker(session):
        begun.append(session)
        raise Halted("too many dead letters")

    async with (room := Room(worker)):
        await until(lambda: begun and not room.group.assignment)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(begun) == 1
        assert room.group.halted
        assert room.group.ready  # it is away on purpose


async def test_a_session_that_fails_is_not_ready_closes_its_producer_and_begins_again():
    begun, seen = [], []

    async def worker(session):
        begun.append(session)
        if len(begun) < 3:
            raise OSError("MongoDB is away")
        await session.stopping.wait()

    async with (room := Room(worker)):
        await until(lambda: begun and not room.group.assignment)
        seen.append(room.group.ready)
        await until(lambda: room.group.ready)
    assert seen == [False]
    assert len(begun) == 3
    assert room.steps.count("start g-fake-0") == room.steps.count("stop g-fake-0") == 3
    assert room.steps.count("seek 0 to 7") == 3
