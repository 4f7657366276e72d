"""One run of a piece of work for all callers that need it at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, Generic, TypeVar

V = TypeVar("V")

_REMEMBER_SECONDS: Final = 30.0


class SingleFlight(Generic[V]):
    """Runs work by key, in the background. A caller waits for `patience` seconds; the work goes on without it.

    A `lasting` failure is raised for all callers in the next 30 s; any other failure only for the first one.
    """

    def __init__(self, *, patience: float, lasting: Callable[[BaseException], bool]) -> None:
        self._patience = patience
        self._lasting = lasting
        self._tasks: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of `work`, or its error. Raises `TimeoutError` when it takes too long; the work then goes on."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work(), name="shared work")
            task.add_done_callback(partial(self._done, key))
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if not done:
            raise TimeoutError
        error = task.exception()
        if error is not None and not self._lasting(error):
            self._drop(key, task)
        return task.result()

    async def close(self) -> None:
        """Cancel the work that still runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _done(self, key: Hashable, task: asyncio.Task[V]) -> None:
        if task.cancelled() or task.exception() is None:
            self._drop(key, task)
        else:
            asyncio.get_running_loop().call_later(_REMEMBER_SECONDS, self._drop, key, task)

    def _drop(self, key: Hashable, task: asyncio.Task[V]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
