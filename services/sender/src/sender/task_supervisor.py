"""The tasks of one session. The first failure of any task ends the session."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from common.tasks import cancel

log = logging.getLogger(__name__)


class TaskSupervisor:
    """Starts tasks and keeps the first error in `failed`, a future that never has a result."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run `work` in a task of its own."""
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def dismiss(self) -> None:
        """Cancel all tasks that still run."""
        await cancel(self._tasks)

    def raise_failure(self) -> None:
        """Raise the first error, if there was one."""
        if self.failed.done():
            self.failed.result()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = _error_of(task)
        if error is None:
            return
        if self.failed.done():
            log.warning("another task failed too", extra={"task": task.get_name(), "error": repr(error)})
        else:
            self.failed.set_exception(error)


def _error_of(task: "asyncio.Task[None]") -> BaseException | None:
    if not task.cancelled():
        return task.exception()
    # If no caller cancelled the task, a library's own cancellation came through. Then the work failed, as by an error.
    return None if task.cancelling() else RuntimeError(f"{task.get_name()} was cancelled from within")
