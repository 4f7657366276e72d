"""A session's steps in their order, without a broker: what fences, what seeks, what is one transaction."""

import asyncio
import re
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from common.kafka.consume import partition_slot
from common.kafka.consume.committer import Committer
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.consume.partition_session import Halted, PartitionSession
from common.kafka.records import Outgoing
from common.kafka.wire.membership import Membership

ONE, TWO = TopicPartition("fake", 0), TopicPartition("fake", 1)


class Consumer:
    """Writes down what it is asked. `committed` is the offset; `getmany` waits until it is cancelled or `records` come."""

    metadata = ""

    def __init__(self, steps, committed=7):
        self.steps, self.committed, self.records = steps, committed, None
        self.asked = asyncio.Event()

    def membership(self):
        return Membership("g", 4, "member")

    async def confirm(self, membership):
        assert membership == self.membership()
        self.steps.append("confirm")

    async def offsets(self, tps, *, stable):
        self.steps.append(f"{'committed' if stable else 'names'} {sorted(tp.partition for tp in tps)}")
        return {tp: OffsetAndMetadata(self.committed, self.metadata) for tp in tps if self.committed is not None}

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

    def __init__(self, steps, name="id", membership=None):
        self.steps, self.name, self.error, self.within = steps, name, None, False
        self.membership, self.ended, self.metadata = membership, [], set()

    async def start(self):
        self.steps.append("start")

    async def stop(self):
        self.steps.append("stop")

    async def end(self, ids):
        self.ended = sorted(ids)
        self.steps.append("end predecessors")

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

    def batch_for(self, _topic):
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
        self.metadata |= {each.metadata for each in offsets.values()}
        self.steps.append(f"offsets {sorted((tp.partition, each.offset) for tp, each in offsets.items())} of {group}")


class Room:
    """A group on fakes, which has joined; `steps` is what was done."""

    def __init__(self, worker, *, committed=7, **options):
        self.steps, self.producers = [], []
        self.consumer = Consumer(self.steps, committed)
        self.group = PartitionGroup(
            group="g", topics=(), make_consumer=lambda _: None, make_producer=self.producer, worker=worker, **options
        )
        self.group._consumer = self.consumer

    def producer(self, name, membership):
        self.producers.append(Producer(self.steps, name, membership))
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


@pytest.fixture
async def session(steps):
    producer = Producer(steps)
    committer = Committer(producer, "id", "g", gap=0.0, on_failure=lambda: None)
    session = PartitionSession("slot", frozenset({ONE}), "g", Consumer(steps), committer)
    session.producer = producer
    yield session
    await committer.close(1.0)


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
    opening = ["pause [0]", "names [0]", "confirm", "start", "end predecessors", "committed [0]"]
    assert room.steps[:6] == opening
    assert room.steps[6:] == [
        "begin",
        "offsets [(0, 7)] of g",
        "commit",
        "seek 0 to 7",
        "resume [0]",
        "work",
        "pause [0]",
        "stop",
    ]


async def test_where_nothing_is_committed_a_session_begins_at_the_beginning():
    async with (room := Room(waits, committed=None)):
        await until(lambda: room.group.assignment)
    assert "seek 0 to 3" in room.steps
    assert "offsets [(0, 3)] of g" in room.steps  # so that its name stands there, too


async def test_all_slots_share_a_producer_whose_name_is_new_with_each_assignment():
    async with (room := Room(waits)):
        await until(lambda: room.group.assignment)
        room.given = frozenset({ONE, TWO})
        await room.group.on_partitions_revoked([ONE])
        await room.group.on_partitions_assigned([ONE, TWO])
        await until(lambda: len(room.group.assignment) == 2)
        assert set(room.group._slots) == {"fake-0", "fake-1"}
    assert len({producer.name for producer in room.producers}) == len(room.producers) == 2
    assert all(re.fullmatch("g-[0-9a-f]{32}", producer.name) for producer in room.producers)
    assert room.steps.count("committed [0, 1]") == 1


async def test_partitions_of_one_name_share_a_session():
    room = Room(waits, slot_of=lambda _: "shared")
    room.given = frozenset({ONE, TWO})
    async with room:
        await until(lambda: len(room.group.assignment) == 2)
        assert set(room.group._slots) == {"shared"}


async def test_records_and_offsets_are_one_transaction(steps, session):
    await session.commit([Outgoing("out", "k", b"1"), Outgoing("out", "k", b"2")], {ONE: 8})
    assert steps == ["begin", "write out 0 [b'1', b'2']", "offsets [(0, 8)] of g", "commit"]
    assert session.committed == {ONE: 8}


async def test_offsets_alone_and_records_alone_are_transactions_and_nothing_is_none(steps, session):
    await session.commit([], {})
    assert steps == []
    await session.commit([], {ONE: 8})
    await session.commit([Outgoing("out", "k", b"1")], {})
    assert steps == ["begin", "offsets [(0, 8)] of g", "commit", "begin", "write out 0 [b'1']", "commit"]


async def test_of_a_transaction_that_fails_nothing_is_committed(steps, session):
    session.producer.error = KafkaError("refused")
    with pytest.raises(KafkaError):
        await session.commit([Outgoing("out", "k", b"1")], {ONE: 8})
    assert (steps[0], steps[-1]) == ("begin", "abort")
    assert session.committed == {}


async def test_a_session_reads_its_own_partitions(steps, session):
    session.consumer.records = {}
    await session.fetch(max_records=1)
    assert steps == ["fetch [0]"]


async def test_a_session_that_was_superseded_takes_nothing_new_on(steps, session):
    session.consumer.records = {ONE: [SimpleNamespace(offset=1)]}
    session.stop()
    assert await session.fetch(max_records=1) == {}
    assert steps == []


async def test_a_fetch_that_waits_ends_when_its_session_is_superseded(session):
    fetching = asyncio.create_task(session.fetch(max_records=1))
    await session.consumer.asked.wait()
    session.stop()
    done, _ = await asyncio.wait([fetching], timeout=2)
    assert done, "it waits for records that will not come"
    assert fetching.result() == {}


async def test_a_worker_that_is_cancelled_while_it_fetches_is_cancelled(session):
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


@pytest.mark.parametrize("error", [ProducerFenced, IllegalGenerationError])
async def test_who_was_fenced_comes_back_after_a_pause(error):
    begun = []

    async def worker(session):
        begun.append(asyncio.get_running_loop().time())
        if len(begun) == 1:
            raise error
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


async def test_a_session_that_fails_is_not_ready_and_begins_again_from_what_is_committed_by_then():
    begun, seen = [], []

    async def worker(session):
        begun.append(session)
        room.consumer.committed += 1
        if len(begun) < 3:
            raise OSError("MongoDB is away")
        await session.stopping.wait()

    async with (room := Room(worker)):
        await until(lambda: begun and not room.group.assignment)
        seen.append(room.group.ready)
        await until(lambda: room.group.ready)
    assert seen == [False]
    assert [step for step in room.steps if step.startswith("seek")] == ["seek 0 to 7", "seek 0 to 8", "seek 0 to 9"]
    assert room.steps.count("start") == room.steps.count("stop") == 1  # no transaction has failed


async def test_after_a_failed_transaction_all_sessions_begin_again_with_another_producer():
    begun = []

    async def worker(session):
        begun.append(session)
        if len(begun) == 2:  # the other one has nothing to commit
            room.producers[0].error = KafkaError("refused")
            await session.commit([Outgoing("out", "k", b"1")], {})
        await session.stopping.wait()

    room = Room(worker)
    room.given = frozenset({ONE, TWO})
    async with room:
        await until(lambda: len(begun) == 4 and len(room.group.assignment) == 2)
        first, second = room.producers
        assert first.name == second.name  # so the second ends what the first has open
        assert {session.slot for session in begun[2:]} == {"fake-0", "fake-1"}
        assert not begun[0].committer.usable
    assert [step for step in room.steps if step in ("start", "stop")] == ["start", "stop"] * 2
