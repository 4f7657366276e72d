"""Following at least once, without a broker: commits come after the work, and say what is next."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from common.kafka.consume import at_least_once as module
from common.kafka.consume.at_least_once import Follower
from common.kafka.wire.unreadable import Unreadable

ONE, TWO = TopicPartition("t", 0), TopicPartition("t", 1)


class Consumer:
    """Gives its batches one after another, from the last commit on when it is started again."""

    def __init__(self, records, steps):
        self.records, self.steps, self.committed_to, self.at = records, steps, {}, {}

    async def start(self):
        self.at = dict(self.committed_to)

    async def stop(self):
        pass

    async def topics(self):
        return {"t"}

    def subscribe(self, topics):
        assert topics == ("t",)

    def assignment(self):
        return {ONE, TWO}

    def highwater(self, tp):
        return len(self.records.get(tp, ()))

    async def getmany(self, timeout_ms, max_records):  # noqa: ARG002  # as aiokafka has it
        await asyncio.sleep(0)
        found = {}
        for tp, records in self.records.items():
            if batch := records[self.at.get(tp, 0) :][:max_records]:
                found[tp], self.at[tp] = batch, batch[-1].offset + 1
        return found

    async def commit(self, offsets):
        self.steps.append(("commit", {tp.partition: offset for tp, offset in offsets.items()}))
        self.committed_to |= offsets


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)


@asynccontextmanager
async def following(records, handle=None, **options):
    steps = []
    consumer = Consumer({tp: [SimpleNamespace(offset=n) for n in range(count)] for tp, count in records.items()}, steps)

    async def note(batch):
        steps.append(("handle", [record.offset for record in batch]))
        if handle is not None:
            handle()

    follower = Follower(group="g", topics=["t"], make_consumer=lambda _: consumer, handle=note, **options)
    await follower.start()
    try:
        yield consumer
    finally:
        await follower.stop()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_batch_is_committed_when_it_is_handled_up_to_what_is_next():
    async with following({ONE: 3, TWO: 1}) as consumer:
        await until(lambda: len(consumer.steps) == 2)
    assert consumer.steps == [("handle", [0, 1, 2, 0]), ("commit", {0: 3, 1: 1})]


@pytest.mark.parametrize("count", [1, 3])
async def test_what_cannot_be_read_is_passed_over_and_committed(count):
    async with following({ONE: 0}) as consumer:
        lost = [Unreadable("t", 0, n, 0, 0, None, b"", None, -1, 0, (), n, "no") for n in (0, 2)]
        consumer.records[ONE] = [lost[0], SimpleNamespace(offset=1), lost[1]][:count]
        await until(lambda: consumer.committed_to.get(ONE) == count)
    assert consumer.steps == [*([("handle", [1])] if count > 1 else []), ("commit", {0: count})]


async def test_batches_have_their_bound():
    async with following({ONE: 5}, max_records=2) as consumer:
        await until(lambda: consumer.committed_to.get(ONE) == 5)
    assert [offsets for what, offsets in consumer.steps if what == "handle"] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("error", [OSError("MongoDB is away"), KafkaError("Kafka is away"), RuntimeError("a mistake")])
async def test_what_could_not_be_handled_comes_again_and_is_not_committed(error):
    tries = []

    def fails_twice():
        tries.append(1)
        if len(tries) < 3:
            raise error

    async with following({ONE: 2}, fails_twice) as consumer:
        await until(lambda: consumer.committed_to)
    assert consumer.steps == [("handle", [0, 1])] * 3 + [("commit", {0: 2})]
