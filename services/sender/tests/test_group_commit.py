"""Group commit: one write for many, none lost, none early."""

import asyncio

import pytest

from common.errors import Unavailable
from sender.group_commit import GroupCommit


class Store:
    """Records its batches; each write waits until it is let through."""

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Semaphore(0)
        self.errors = []

    async def run(self, items):
        self.batches.append(list(items))
        await self.gate.acquire()
        if self.errors:
            raise self.errors.pop(0)
        return [item * 10 for item in items]


async def reached(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_what_comes_during_a_write_goes_with_the_next():
    store = Store()
    group = GroupCommit(store.run, max_size=3)
    first = asyncio.create_task(group.submit(1))
    await reached(lambda: store.batches)
    others = [asyncio.create_task(group.submit(n)) for n in range(2, 7)]
    await asyncio.sleep(0)
    assert not first.done()
    for _ in range(3):
        store.gate.release()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50, 60]
    assert store.batches == [[1], [2, 3, 4], [5, 6]]


async def test_an_absent_store_is_tried_again_with_the_same_batch():
    store = Store()
    store.errors = [Unavailable("away"), Unavailable("away")]
    group = GroupCommit(store.run)
    for _ in range(3):
        store.gate.release()
    assert await group.submit(1) == 10
    assert store.batches == [[1], [1], [1]]


async def test_a_fault_goes_to_those_who_wait_and_the_next_batch_is_unharmed():
    store = Store()
    store.errors = [RuntimeError("bug")]
    group = GroupCommit(store.run)
    store.gate.release()
    with pytest.raises(RuntimeError, match="bug"):
        await group.submit(1)
    store.gate.release()
    assert await group.submit(2) == 20


async def test_what_no_caller_waits_for_any_more_is_not_written():
    store = Store()
    group = GroupCommit(store.run)
    first = asyncio.create_task(group.submit(1))
    await reached(lambda: store.batches)
    gone, kept = asyncio.create_task(group.submit(2)), asyncio.create_task(group.submit(3))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    store.gate.release()
    store.gate.release()
    assert (await first, await kept) == (10, 30)
    assert store.batches == [[1], [3]]


async def test_closing_gives_up_what_waits():
    store = Store()
    group = GroupCommit(store.run)
    waiting = asyncio.create_task(group.submit(1))
    await reached(lambda: store.batches)
    await group.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await GroupCommit(store.run).close()


async def test_where_there_is_company_the_next_batch_waits_for_more():
    store = Store()
    group = GroupCommit(store.run, interval=0.2)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        store.gate.release()
    began = loop.time()
    await group.submit(0)
    await asyncio.gather(*(group.submit(n) for n in range(1, 6)))  # a lone one before them delays no other
    assert loop.time() - began < 0.2
    await group.submit(6)
    assert loop.time() - began >= 0.2
    assert store.batches == [[0], [1, 2, 3, 4, 5], [6]]


class Timed(Store):
    """Writes at once, and knows when each write began."""

    def __init__(self):
        super().__init__()
        self.began = []

    async def run(self, items):
        self.began.append(asyncio.get_running_loop().time())
        self.gate.release()
        return await super().run(items)


FOREVER = 3_600.0


async def test_lone_writes_are_not_delayed():
    store = Timed()
    group = GroupCommit(store.run, interval=FOREVER)
    async with asyncio.timeout(10):
        for number in range(20):
            await group.submit(number)
        for _ in range(5):  # nor is little company
            await asyncio.gather(*(group.submit(n) for n in range(4)))
    assert [len(batch) for batch in store.batches] == [1] * 20 + [4] * 5


async def test_after_company_batches_begin_apart():
    store, interval = Timed(), 0.1
    group = GroupCommit(store.run, interval=interval)
    for _ in range(4):
        assert await asyncio.gather(*(group.submit(n) for n in range(5))) == [n * 10 for n in range(5)]
    assert [len(batch) for batch in store.batches] == [5] * 4
    between = [later - before for before, later in zip(store.began, store.began[1:], strict=False)]
    assert min(between) >= interval / 2  # a busy machine may see a batch late, and so the next one sooner after it


async def test_after_a_write_that_took_longer_the_next_one_begins_at_once():
    store = Store()
    group = GroupCommit(store.run, interval=0.0)
    first = [asyncio.create_task(group.submit(n)) for n in range(5)]
    await reached(lambda: store.batches)
    late = asyncio.create_task(group.submit(5))
    store.gate.release()
    store.gate.release()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*first, late) == [0, 10, 20, 30, 40, 50]
    assert store.batches == [[0, 1, 2, 3, 4], [5]]


async def test_what_fills_a_whole_batch_does_not_wait():
    store = Timed()
    group = GroupCommit(store.run, max_size=5, interval=FOREVER)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(group.submit(n) for n in range(20))) == [n * 10 for n in range(20)]
    assert [len(batch) for batch in store.batches] == [5] * 4
    await group.close()


async def test_closing_while_it_waits_for_company_ends_it():
    store = Timed()
    group = GroupCommit(store.run, interval=FOREVER)
    await asyncio.gather(*(group.submit(n) for n in range(5)))
    waiting = asyncio.create_task(group.submit(5))
    await asyncio.sleep(0)
    draining = group._task
    assert not draining.done()
    async with asyncio.timeout(4):
        await group.close()
    assert draining.done()
    assert store.batches == [[0, 1, 2, 3, 4]]
    waiting.cancel()  # its caller is gone


async def test_many_items_are_answered_in_order_and_those_that_are_given_up_are_not_written():
    store = Store()
    group = GroupCommit(store.run, max_size=3)
    answers = group.submit_all(range(5))
    answers[3].cancel()
    for _ in range(2):
        store.gate.release()
    assert await asyncio.gather(*answers[:3], answers[4]) == [0, 10, 20, 40]
    assert store.batches == [[0, 1, 2], [4]]
