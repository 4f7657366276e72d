"""Group commit: many small durable writes at the price of one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
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

    `run` takes a batch and returns one answer per item, in order. When it raises `Unavailable`, the same batch is
    tried again until it succeeds, so `run` must be harmless to repeat; any other error goes to all who wait for the
    batch. So a lone write is not delayed, and the batch grows with the load. A batch has its price, however small:
    where there is company, `interval` seconds are waited for more of it, from the beginning of a batch to the next.
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
        # The loop is asked for once: in Python 3.11 each asking is a system call (getpid).
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._pending.append((item, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drain(), name="group commit")
        return await future

    async def close(self) -> None:
        """Give up what is still waiting: whoever has not gone by then is cancelled."""
        await cancel([self._task])
        for _, future in self._pending:
            future.cancel()

    async def _drain(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._pending:
            began = clock()
            batch, self._pending = self._pending[: self._max_size], self._pending[self._max_size :]
            # Nobody waits for a cancelled item any more, and nobody may act on it.
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
                log.warning("a batch is tried again", extra={"items": len(items), "error": error.message})
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
