"""One run for all: who waits how long, and what is remembered of a failure."""

import asyncio

import pytest

from sender.media.single_flight import SingleFlight


class Work:
    """Counts its runs; each ends when it is told to."""

    def __init__(self):
        self.runs = 0
        self.ends = []

    async def __call__(self):
        self.runs += 1
        end = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        return await end


def shared(patience=5.0):
    return SingleFlight(patience=patience, lasting=lambda error: isinstance(error, LookupError))


async def begun(work, runs=1):
    while work.runs < runs:
        await asyncio.sleep(0)


async def test_all_who_ask_share_one_run():
    work, all_ = Work(), shared()
    asking = [asyncio.create_task(all_.get("k", work)) for _ in range(20)]
    other = asyncio.create_task(all_.get("other", work))
    await begun(work, 2)
    work.ends[0].set_result(1)
    work.ends[1].set_result(2)
    assert await asyncio.gather(*asking) == [1] * 20
    assert await other == 2
    assert work.runs == 2


async def test_a_run_outlives_those_who_wait_for_it():
    work, all_ = Work(), shared(patience=0.01)
    with pytest.raises(TimeoutError):
        await all_.get("k", work)
    given_up = asyncio.create_task(all_.get("k", work))
    await asyncio.sleep(0)
    given_up.cancel()
    work.ends[0].set_result("done")
    assert await all_.get("k", work) == "done"
    assert work.runs == 1


async def test_a_failure_that_no_caller_saw_is_told_once():
    work, all_ = Work(), shared(patience=0.01)
    with pytest.raises(TimeoutError):
        await all_.get("k", work)
    work.ends[0].set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await all_.get("k", work)
    with pytest.raises(TimeoutError):
        await all_.get("k", work)
    assert work.runs == 2
    await all_.close()


async def test_a_lasting_failure_is_told_to_all():
    work, all_ = Work(), shared()
    asking = asyncio.create_task(all_.get("k", work))
    await begun(work)
    work.ends[0].set_exception(LookupError("never"))
    with pytest.raises(LookupError):
        await asking
    for _ in range(3):
        with pytest.raises(LookupError):
            await all_.get("k", work)
    assert work.runs == 1


async def test_closing_ends_what_runs():
    work, all_ = Work(), shared()
    asking = asyncio.create_task(all_.get("k", work))
    await begun(work)
    await all_.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
