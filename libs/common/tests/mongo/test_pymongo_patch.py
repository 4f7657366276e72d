import asyncio

import pymongo.lock
import pytest

from common.mongo import Mongo, MongoSettings


@pytest.fixture
async def mongo():
    mongo = Mongo(MongoSettings())
    yield mongo
    await mongo.close()


async def released(lock):
    """Whether the lock has a holder that no caller waits for; it is taken away, or the loop would never end."""
    held = False
    for _ in range(20):
        await asyncio.sleep(0)
        if lock.locked():
            held = True
            lock.release()
    return held


async def test_callers_that_are_cancelled_while_the_lock_is_taken_back_leave_no_holder_behind(mongo):
    lock = pymongo.lock._async_create_lock()
    condition = pymongo.lock._async_create_condition(lock)

    async def wait_for_a_server():
        async with lock:
            await pymongo.lock._async_cond_wait(condition, 0.01)

    callers = [asyncio.create_task(wait_for_a_server()) for _ in range(3)]
    async with asyncio.timeout(5):
        while len(condition._waiters) < len(callers):
            await asyncio.sleep(0)
    async with lock:  # it has a holder when the time is over
        async with asyncio.timeout(5):
            while len(lock._waiters or ()) < len(callers):
                await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.sleep(0)
    await asyncio.wait(callers)
    held = await released(lock)
    assert [caller.cancelled() for caller in callers] == [True] * len(callers)
    assert not held
