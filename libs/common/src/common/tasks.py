"""Ending background tasks."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def cancel(tasks: "Iterable[asyncio.Future[Any] | None]", *, again_seconds: float = 5.0) -> None:
    """Cancel all of them (`None` stands for one never started) and wait until they have ended, however they do.

    A library may lose a cancellation that arrives together with the result it waits for (`asyncio.wait_for` does before
    Python 3.12, https://github.com/python/cpython/issues/86296), and a loop around it would then run for ever. So the
    cancellation is repeated every `again_seconds`, a time in which a task can close what it holds.
    """
    all_tasks = [task for task in tasks if task is not None]
    pending = {task for task in all_tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_seconds)
    for task in all_tasks:
        if not task.cancelled():
            task.exception()  # asked for, so that it is not reported as one that nobody saw
