"""Background tasks: repeating a step, ending any, and resting after a slice of work."""

import asyncio

import pytest

from common.tasks import Periodic, cancel, pause


async def forever():
    await asyncio.Event().wait()


async def fails_when_cancelled():
    try:
        await forever()
    except asyncio.CancelledError:
        raise RuntimeError("while it closed") from None


async def test_all_have_ended_and_none_that_was_never_started_is_missed():
    tasks = [asyncio.create_task(forever()), asyncio.create_task(fails_when_cancelled()), None]
    await asyncio.sleep(0)
    await cancel(tasks)
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), RuntimeError)


async def test_a_task_that_loses_a_cancellation_ends_with_the_next():
    lost = []

    async def loses_two():
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                if len(lost) == 2:
                    raise
                lost.append(1)

    task = asyncio.create_task(loses_two())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel([task], again_seconds=0.01)
    assert task.cancelled()


async def test_a_task_has_time_to_close_what_it_holds():
    closed = []

    async def closes():
        try:
            await forever()
        finally:
            await asyncio.sleep(0.05)
            closed.append(1)

    task = asyncio.create_task(closes())
    await asyncio.sleep(0)
    await cancel([task])
    assert closed


async def test_who_cancels_can_be_cancelled():
    async def stubborn():
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    freed = asyncio.Event()
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await cancel([task], again_seconds=0.01)
    freed.set()
    await task


async def test_a_step_is_repeated_until_the_stop_and_an_error_does_not_end_it(caplog):
    steps = asyncio.Queue()

    async def step():
        steps.put_nowait(1)
        if steps.qsize() == 1:
            raise RuntimeError("the first one")

    periodic = Periodic(step, 0.001, name="count")
    await periodic.start()
    async with asyncio.timeout(5):
        while steps.qsize() < 3:
            await asyncio.sleep(0.001)
    await periodic.stop()
    done = steps.qsize()
    await asyncio.sleep(0.01)
    assert steps.qsize() == done
    assert [record.task for record in caplog.records] == ["count"]


async def test_a_step_that_runs_is_cancelled_by_the_stop():
    periodic = Periodic(forever, 0, name="wait")
    await periodic.stop()  # it was never started
    await periodic.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await periodic.stop()


@pytest.mark.parametrize(("took", "share", "rest"), [(1.0, 0.5, 1.0), (0.1, 0.1, 0.9), (0.0, 0.1, 0.0)])
def test_the_work_has_its_share_of_the_time(took, share, rest):
    assert pause(took, share) == pytest.approx(rest)
