"""One producer for many sessions: what is one transaction, how long a commit waits, and what a failure leaves."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from common.kafka.consume import committer as module
from common.kafka.consume.committer import Committer, StaleSession
from common.kafka.records import Outgoing

ONE, TWO = TopicPartition("in", 1), TopicPartition("in", 2)
GAP = 0.033
GRAIN = 0.005  # seconds; clocks and loops have theirs


class Producer:
    """Keeps its transactions and when each began. While `gate` is not set they wait; `error` fails them."""

    def __init__(self):
        self.transactions, self.began, self.ends = [], [], []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None

    @asynccontextmanager
    async def transaction(self):
        self.began.append(asyncio.get_running_loop().time())
        self.transactions.append(SimpleNamespace(values=[], offsets={}))
        await self.gate.wait()
        try:
            yield
        except BaseException:
            self.ends.append("abort")
            raise
        self.ends.append("commit")

    async def partitions_for(self, _topic):
        if self.error is not None:
            raise self.error
        return {0}

    def batch_for(self, _topic):
        values = []
        return SimpleNamespace(
            append=lambda **of: values.append(of["value"]) or 1, record_count=lambda: 1, values=values
        )

    async def send_batch(self, batch, _topic, *, partition):
        assert partition == 0
        self.transactions[-1].values.extend(batch.values)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def send_offsets_to_transaction(self, offsets, group):
        assert group == "g"
        self.transactions[-1].offsets = {tp: (each.offset, each.metadata) for tp, each in offsets.items()}

    @property
    def values(self):
        return [transaction.values for transaction in self.transactions]


@asynccontextmanager
async def rig(gap=GAP):
    producer, failures = Producer(), []
    made = Committer(producer, "a-name", "g", gap=gap, on_failure=lambda: failures.append(1))
    made.failures = failures
    try:
        yield producer, made
    finally:
        producer.gate.set()
        await made.close(1.0)


def of(*numbers):
    return [Outgoing("out", "k", b"%d" % number) for number in numbers]


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_asked_for_at_once_is_one_transaction_in_the_order_of_asking():
    async with rig() as (producer, committer):
        await asyncio.gather(
            committer.commit(of(1, 2), {ONE: 5}), committer.commit(of(3), {TWO: 8}), committer.commit(of(4), {})
        )
        assert producer.values == [[b"1", b"2", b"3", b"4"]]
        assert producer.transactions[0].offsets == {ONE: (5, "a-name"), TWO: (8, "a-name")}


async def test_a_later_offset_of_a_partition_counts():
    async with rig() as (producer, committer):
        await asyncio.gather(committer.commit([], {ONE: 5}), committer.commit([], {ONE: 6}))
        assert producer.transactions[0].offsets == {ONE: (6, "a-name")}


@pytest.mark.parametrize("failing", ["records", "offsets"])
async def test_a_transaction_ends_after_both_its_records_and_its_offsets(failing):
    """Also when one of them has failed: what is still on its way must not come into the next transaction."""
    async with rig() as (producer, committer):
        slow, order = asyncio.Event(), []

        async def part(name):
            if name == failing:
                order.append(f"{name} failed")
                raise KafkaError(name)
            await slow.wait()
            order.append(name)
            return {0}

        producer.partitions_for = lambda _topic: part("records")
        producer.send_offsets_to_transaction = lambda *_: part("offsets")
        committing = asyncio.create_task(committer.commit(of(1), {ONE: 5}))
        await turns()
        assert producer.ends == []
        slow.set()
        with pytest.raises(KafkaError, match=failing):
            await committing
        other = {"records": "offsets", "offsets": "records"}[failing]
        assert order == [f"{failing} failed", other]
        assert producer.ends == ["abort"]


async def test_records_alone_need_no_offsets():
    async with rig() as (producer, committer):
        await committer.commit(of(1), {})
        assert (producer.values, producer.transactions[0].offsets) == ([[b"1"]], {})


async def test_a_commit_after_a_silence_does_not_wait():
    async with rig() as (producer, committer):
        asked = asyncio.get_running_loop().time()
        await committer.commit(of(1), {})
        assert producer.began[0] - asked < GAP - GRAIN
        await asyncio.sleep(GAP + GRAIN)
        asked = asyncio.get_running_loop().time()
        await committer.commit(of(2), {})
        assert producer.began[1] - asked < GAP - GRAIN


async def test_transactions_begin_a_gap_apart_at_least():
    async with rig() as (producer, committer):
        for number in range(4):
            await committer.commit(of(number), {})
        apart = [later - before for before, later in zip(producer.began, producer.began[1:], strict=False)]
        assert min(apart) >= GAP - GRAIN


async def test_plenty_of_records_does_not_wait():
    async with rig(gap=3_600.0) as (producer, committer):
        await committer.commit(of(1), {})
        waiting = asyncio.create_task(committer.commit(of(2), {}))
        await turns()
        assert len(producer.transactions) == 1
        async with asyncio.timeout(5):
            await asyncio.gather(waiting, committer.commit(of(*range(module._PLENTY)), {}))
        assert len(producer.transactions) == 2


async def test_a_transaction_has_its_limit_and_what_is_left_follows_in_order(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    monkeypatch.setattr(module, "_PLENTY", 1)
    async with rig() as (producer, committer):
        await asyncio.gather(*(committer.commit(of(number, number), {}) for number in range(5)))
        assert [len(values) for values in producer.values] == [4, 4, 2]
        assert [value for values in producer.values for value in values] == [b"%d" % (n // 2) for n in range(10)]


async def test_what_comes_during_a_transaction_goes_with_the_next():
    async with rig() as (producer, committer):
        producer.gate.clear()
        first = asyncio.create_task(committer.commit(of(1), {}))
        await turns()
        others = [asyncio.create_task(committer.commit(of(number), {})) for number in (2, 3)]
        await turns()
        assert producer.values == [[]]
        producer.gate.set()
        await asyncio.gather(first, *others)
        assert producer.values == [[b"1"], [b"2", b"3"]]


async def test_a_failure_fails_all_who_wait_and_all_who_come_later():
    async with rig() as (producer, committer):
        producer.error = KafkaError("refused")
        producer.gate.clear()
        first = asyncio.create_task(committer.commit(of(1), {}))
        await turns()
        second = asyncio.create_task(committer.commit(of(2), {}))
        await turns()
        producer.gate.set()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert outcomes == [producer.error] * 2
        with pytest.raises(StaleSession):
            await committer.commit(of(3), {})
        assert not committer.usable
        assert committer.failures == [1]
        assert producer.values == [[]]  # one transaction, and nothing in it
        assert producer.ends == ["abort"]


async def test_a_commit_that_waits_is_not_written_when_its_caller_is_cancelled():
    async with rig() as (producer, committer):
        producer.gate.clear()
        first = asyncio.create_task(committer.commit(of(1), {}))
        await turns()
        cancelled = asyncio.create_task(committer.commit(of(2), {}))
        third = asyncio.create_task(committer.commit(of(3), {}))
        await turns()
        cancelled.cancel()
        await turns()
        producer.gate.set()
        await asyncio.gather(first, third)
        assert producer.values == [[b"1"], [b"3"]]


async def test_a_transaction_that_has_begun_goes_on_without_its_caller_and_is_waited_for():
    async with rig() as (producer, committer):
        producer.gate.clear()
        cancelled = asyncio.create_task(committer.commit(of(1), {ONE: 5}))
        await turns()
        cancelled.cancel()
        settled = asyncio.create_task(committer.settled())
        await turns()
        assert cancelled.cancelled()
        assert not settled.done()  # who reads the offsets now would work twice
        producer.gate.set()
        await settled
        assert producer.values == [[b"1"]]
        assert producer.ends == ["commit"]
        assert committer.usable


async def test_closing_waits_for_the_transaction_and_takes_nothing_more():
    async with rig() as (producer, committer):
        producer.gate.clear()
        first = asyncio.create_task(committer.commit(of(1), {}))
        await turns()
        closing = asyncio.create_task(committer.close(5.0))
        await turns()
        assert not closing.done()
        with pytest.raises(StaleSession):
            await committer.commit(of(2), {})
        producer.gate.set()
        await asyncio.gather(first, closing)
        assert producer.ends == ["commit"]


async def test_closing_cuts_a_transaction_off_that_does_not_end():
    async with rig() as (producer, committer):
        producer.gate.clear()
        first = asyncio.create_task(committer.commit(of(1), {}))
        await turns()
        await committer.close(0.01)
        with pytest.raises(StaleSession):
            await first
        assert producer.ends == []
