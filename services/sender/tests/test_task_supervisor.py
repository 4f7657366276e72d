"""The tasks of a session."""

import asyncio

import pytest

from sender.task_supervisor import TaskSupervisor


async def cancelled_from_within():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def forever():
    await asyncio.Event().wait()


async def test_the_first_error_is_the_sessions():
    async def fails():
        raise RuntimeError("broken")

    crew = TaskSupervisor()
    crew.start(forever(), "other")
    crew.start(fails(), "one")
    with pytest.raises(RuntimeError, match="broken"):
        await crew.failed
    await crew.dismiss()


async def test_a_task_that_a_library_cancelled_has_failed():
    crew = TaskSupervisor()
    crew.start(cancelled_from_within(), "one")
    with pytest.raises(RuntimeError, match="one was cancelled from within"):
        await crew.failed


async def test_a_task_that_was_asked_to_end_has_not():
    crew = TaskSupervisor()
    crew.start(forever(), "one")
    await asyncio.sleep(0)
    await crew.dismiss()
    assert not crew.failed.done()
    crew.raise_failure()
