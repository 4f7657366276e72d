"""Group commit: many small durable writes for the cost of one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from common.errors import Unavailable
from common.tasks import cancel

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

_FEW: Final = 4
_PAUSES: Final = (0.05, 0.2, 0.5, 1.0)  # seconds between tries while the store is away


class GroupCommit(Generic[K, V]):
    """Gathers concurrent `submit`s: while one batch is being written, the next one fills.

    A lone write is not delayed, and batches grow with the load. Under load, `interval` seconds pass between the starts
    of two batches, because each batch has a fixed cost.

    **Invariants:**

    - `run` takes a batch and returns one answer per item, in order.
    - When `run` raises `Unavailable`, the same batch is tried again until it succeeds, so `run` must be harmless to
      repeat. Any other error goes to all callers of the batch.
    """

    def __init__(
        self, run: Callable[[Sequence[K]], Awaitable[Sequence[V]]], *, max_size: int = 500, interval: float = 0.0
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._interval = interval
        self._pending: list[tuple[K, asyncio.Future[V]]] = []
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def submit(self, item: K) -> V:
        """The answer for `item`, once its batch is done."""
        return await self._put(item)

    def submit_all(self, items: Iterable[K]) -> "list[asyncio.Future[V]]":
        """The answers for many items, in order, without a task for each. Cancel those that are not wanted any more."""
        return [self._put(item) for item in items]

    async def close(self) -> None:
        """Cancel the writes that still wait, and their callers."""
        await cancel([self._task])
        for _, future in self._pending:
            future.cancel()

    def _put(self, item: K) -> "asyncio.Future[V]":
        # Get the loop once: in Python 3.11 each call of get_running_loop is a system call (getpid).
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._pending.append((item, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drain(), name="group commit")
        return future

    async def _drain(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._pending:
            began = clock()
            batch, self._pending = self._pending[: self._max_size], self._pending[self._max_size :]
            # A cancelled item has no caller, so it must not take effect.
            batch = [(item, future) for item, future in batch if not future.done()]
            if batch:
                await self._settle(batch)
            if len(batch) > _FEW and len(self._pending) < self._max_size:
                await asyncio.sleep(began + self._interval - clock())

    async def _settle(self, batch: list[tuple[K, "asyncio.Future[V]"]]) -> None:
        try:
            answers = await self._persist([item for item, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _persist(self, items: Sequence[K]) -> Sequence[V]:
        attempt = 0
        while True:
            try:
                return await self._run(items)
            except Unavailable as error:
                log.warning(
                    "a batch was not written; trying again", extra={"items": len(items), "error": error.message}
                )
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
