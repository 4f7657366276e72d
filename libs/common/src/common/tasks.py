"""Background tasks: one that repeats a step, ending any, and the rest after a slice of long work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

log = logging.getLogger(__name__)


class Periodic:
    """Repeats `step` from `start` to `stop`, with a pause of `seconds` after each.

    A step handles the errors that it expects. Any other error is logged, and the next step comes all the same.
    """

    def __init__(self, step: Callable[[], Awaitable[None]], seconds: float, *, name: str) -> None:
        self._step = step
        self._seconds = seconds
        self._name = name
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with the first step; returns at once."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Cancel the step that runs, and wait until it has ended."""
        await cancel([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                log.exception("a background task failed; it tries again", extra={"task": self._name})
            await asyncio.sleep(self._seconds)


async def cancel(tasks: "Iterable[asyncio.Future[Any] | None]", *, again_seconds: float = 5.0) -> None:
    """Cancel all of them (`None`: never started) and wait until they have ended, with or without an error.

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
            task.exception()  # retrieved, so that asyncio does not report it


def pause(took: float, share: float) -> float:
    """Seconds to rest after a slice of work that took so many, so that the work has this share of the time. Pure."""
    return took * (1 - share) / share
