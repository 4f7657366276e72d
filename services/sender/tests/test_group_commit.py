"""Group commit: one write for many, none lost, none early."""

import asyncio

import pytest
import uvloop

from common.errors import Unavailable
from sender.group_commit import GroupCommit, Window


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


async def turns(count=20):
    for _ in range(count):
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


GRAIN = 0.005  # seconds; clocks and loops have theirs


def apart(seconds):
    """Batches begin so far apart, whatever they have."""
    return Window(shortest=seconds, longest=seconds)


def test_a_window_grows_with_the_batch_between_its_bounds():
    window = Window(shortest=0.02, longest=0.05, per_item=0.002)
    assert [window.after(items) for items in (0, 1, 10, 15, 25, 500)] == [0.02, 0.02, 0.02, 0.03, 0.05, 0.05]


async def test_writes_after_a_silence_are_not_delayed():
    store = Timed()
    group = GroupCommit(store.run, window=apart(FOREVER))
    async with asyncio.timeout(10):
        assert await group.submit(1) == 10
    group = GroupCommit(store.run, window=apart(0.05))
    await group.submit(2)
    await asyncio.sleep(0.06)
    loop = asyncio.get_running_loop()
    asked = loop.time()
    await group.submit(3, can_wait=True)
    assert store.began[-1] - asked < 0.05 - GRAIN


async def test_batches_begin_apart():
    store, seconds = Timed(), 0.1
    group = GroupCommit(store.run, window=apart(seconds))
    for _ in range(4):
        assert await asyncio.gather(*(group.submit(n) for n in range(5))) == [n * 10 for n in range(5)]
    assert [len(batch) for batch in store.batches] == [5] * 4
    between = [later - before for before, later in zip(store.began, store.began[1:], strict=False)]
    assert min(between) >= seconds - GRAIN


async def test_what_can_wait_goes_with_the_batch_of_another():
    store = Timed()
    group = GroupCommit(store.run, window=Window(shortest=0.0, longest=FOREVER))
    await group.submit(0)
    waiting = asyncio.create_task(group.submit(1, can_wait=True))
    await turns()
    assert store.batches == [[0]]
    async with asyncio.timeout(10):
        assert await asyncio.gather(group.submit(2), waiting) == [20, 10]
    assert store.batches == [[0], [1, 2]]


async def test_what_can_wait_begins_a_batch_after_the_longest_window():
    store, longest = Timed(), 0.1
    group = GroupCommit(store.run, window=Window(shortest=0.0, longest=longest))
    await group.submit(0)
    async with asyncio.timeout(10):
        assert await group.submit(1, can_wait=True) == 10
    assert store.began[1] - store.began[0] >= longest - GRAIN


async def test_what_is_left_of_a_batch_does_not_wait_like_what_can_wait():
    store = Timed()
    group = GroupCommit(store.run, max_size=3, window=Window(shortest=0.0, longest=FOREVER))
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(group.submit(n) for n in range(4))) == [0, 10, 20, 30]
    assert store.batches == [[0, 1, 2], [3]]


async def test_after_a_write_that_took_longer_the_next_one_begins_at_once():
    store = Store()
    group = GroupCommit(store.run)
    first = [asyncio.create_task(group.submit(n)) for n in range(5)]
    await reached(lambda: store.batches)
    late = asyncio.create_task(group.submit(5, can_wait=True))
    store.gate.release()
    store.gate.release()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*first, late) == [0, 10, 20, 30, 40, 50]
    assert store.batches == [[0, 1, 2, 3, 4], [5]]


async def test_what_fills_a_whole_batch_does_not_wait():
    store = Timed()
    group = GroupCommit(store.run, max_size=5, window=apart(FOREVER))
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(group.submit(n) for n in range(20))) == [n * 10 for n in range(20)]
    assert [len(batch) for batch in store.batches] == [5] * 4
    await group.close()


async def test_closing_while_it_waits_for_company_ends_it():
    store = Timed()
    group = GroupCommit(store.run, window=apart(0.05))
    await group.submit(0)
    waiting = asyncio.create_task(group.submit(1))
    await turns()
    timer = group._timer
    assert not timer.cancelled()
    await group.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert timer.cancelled()
    assert store.batches == [[0]]


async def test_many_items_are_answered_in_order_and_those_that_are_given_up_are_not_written():
    store = Store()
    group = GroupCommit(store.run, max_size=3)
    answers = group.submit_all(range(5))
    answers[3].cancel()
    for _ in range(2):
        store.gate.release()
    assert await asyncio.gather(*answers[:3], answers[4]) == [0, 10, 20, 40]
    assert store.batches == [[0, 1, 2], [4]]


def test_a_batch_that_is_due_within_half_a_millisecond_takes_another_item_on_uvloop():
    async def both():
        writes = GroupCommit(written, window=Window(shortest=0.0503, longest=0.0503))
        await writes.submit(1)
        loop = asyncio.get_running_loop()
        while loop.time() < writes._began + 0.0499:  # its clock has whole milliseconds: the batch is due in 0.3
            pass
        return await asyncio.gather(writes.submit(2), writes.submit(3))

    async def written(items):
        return list(items)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(both()) == [2, 3]
