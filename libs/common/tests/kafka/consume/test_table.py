"""A table in memory, without a broker: what it holds, when it is ready, what it waits for."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from common.errors import InvalidInput
from common.kafka.consume import table as module
from common.kafka.consume.table import Table
from common.kafka.settings import KafkaSettings
from common.kafka.wire.unreadable import Unreadable

ONE, TWO = TopicPartition("t", 0), TopicPartition("t", 1)


class Consumer:
    """Two partitions. `written` is what they hold; what is below `readable` comes with the next fetch."""

    def __init__(self):
        self.written = {ONE: [], TWO: []}
        self.at, self.readable, self.error = {ONE: 0, TWO: 0}, {ONE: 0, TWO: 0}, None
        self.stopped = 0

    def write(self, key, value, tp=ONE, *, readable=True):
        self.written[tp].append(SimpleNamespace(key=key, value=value))
        if readable:
            self.readable[tp] = len(self.written[tp])

    def read_on(self):
        self.readable = {tp: len(records) for tp, records in self.written.items()}

    async def start(self):
        if self.error is not None:
            raise self.error

    async def stop(self):
        self.stopped += 1

    def assignment(self):
        return {ONE, TWO}

    async def end_offsets(self, tps):
        if self.error is not None:
            raise self.error
        return {tp: len(self.written[tp]) for tp in tps}

    async def seek_to_beginning(self, *tps):
        self.at |= dict.fromkeys(tps, 0)

    def seek(self, tp, offset):
        self.at[tp] = offset

    async def position(self, tp):
        return self.at[tp]

    async def getmany(self, timeout_ms):  # noqa: ARG002  # as aiokafka has it
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        found = {}
        for tp, end in self.readable.items():
            if end > self.at[tp]:
                found[tp], self.at[tp] = self.written[tp][self.at[tp] : end], end
        return found


def text_of(value):
    if value == b"bad":
        raise InvalidInput("not understood", code="undecodable_record")
    return value.decode()


@pytest.fixture
def consumer(monkeypatch):
    consumer = Consumer()
    monkeypatch.setattr(module, "make_reader", lambda *_: consumer)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)
    return consumer


@asynccontextmanager
async def following(**options):
    changes = []
    table = Table(KafkaSettings(), "t", text_of, lambda *change: changes.append(change), **options)
    table.changes = changes
    await table.start()
    try:
        yield table
    finally:
        await table.stop()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def turns(count=50):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_is_ready_when_every_partition_is_read_and_not_before(consumer):
    consumer.write(b"a", b"1")
    consumer.write(b"b", b"2", TWO, readable=False)
    async with following() as table:
        await until(lambda: table.get("a"))
        await turns()
        assert not table.ready
        consumer.read_on()
        await until(lambda: table.ready)
        assert (table.get("b"), sorted(table.values())) == ("2", ["1", "2"])


async def test_it_catches_up_with_what_was_there_when_it_was_asked(consumer):
    async with following() as table:
        await until(lambda: table.ready)
        consumer.write(b"a", b"1", readable=False)
        asked = asyncio.create_task(table.catch_up(5))
        await turns()
        assert not asked.done()
        consumer.read_on()
        assert await asked
        assert table.get("a") == "1"


async def test_it_does_not_wait_longer_than_it_was_told(consumer):
    async with following() as table:
        await until(lambda: table.ready)
        consumer.write(b"a", b"1", readable=False)
        assert not await table.catch_up(0.05)


async def test_it_cannot_catch_up_while_kafka_is_away(consumer):
    async with following() as table:
        await until(lambda: table.ready)
        consumer.error = KafkaError("away")
        assert not await table.catch_up(0.05)


async def test_the_last_of_a_key_counts_and_what_was_deleted_is_gone(consumer):
    for value in (b"1", b"2", None):
        consumer.write(b"gone", value)
    consumer.write(b"kept", b"1")
    consumer.write(b"kept", b"2")
    async with following() as table:
        await until(lambda: table.ready)
        assert (table.get("gone"), table.get("kept")) == (None, "2")
        assert table.changes == [("gone", "1"), ("gone", "2"), ("gone", None), ("kept", "1"), ("kept", "2")]


async def test_a_record_that_is_not_understood_is_passed_over(consumer):
    consumer.write(b"a", b"bad")
    consumer.write(b"b", b"1")
    async with following() as table:
        await until(lambda: table.ready)
        assert (table.get("a"), table.get("b")) == (None, "1")
        assert not consumer.stopped


async def test_what_cannot_be_read_is_no_row(consumer):
    consumer.written[ONE] = [Unreadable("t", 0, 0, 0, 0, None, b"batch", None, -1, 5, (), 0, "no")]
    consumer.write(b"b", b"1")
    async with following() as table:
        await until(lambda: table.ready)
        assert (table.values(), table.changes) == (["1"], [("b", "1")])


@pytest.mark.parametrize("error", [KafkaError("away"), RuntimeError("a mistake")])
async def test_after_an_error_it_is_read_again(consumer, error):
    consumer.write(b"a", b"1")
    consumer.error = error
    async with following() as table:
        await until(lambda: consumer.stopped > 2)
        assert not table.ready
        consumer.error = None
        await until(lambda: table.ready)
        assert table.get("a") == "1"


async def test_without_history_what_was_there_is_left_out(consumer):
    consumer.write(b"old", b"1")
    async with following(history=False) as table:
        await until(lambda: table.ready)
        consumer.write(b"new", b"1")
        assert await table.catch_up(5)
        assert (table.get("old"), table.get("new")) == (None, "1")
