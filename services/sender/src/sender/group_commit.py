"""Group commit: many small durable writes for the cost of one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from common.errors import Unavailable
from common.tasks import cancel

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

_PAUSES: Final = (0.05, 0.2, 0.5, 1.0)  # seconds between tries while the store is away


@dataclass(frozen=True, slots=True)
class Window:
    """How far apart two batches begin, in seconds: at least `shortest`, and `per_item` for each item of the first.

    It is `longest` at most. A batch for items that can wait begins after `longest`, whatever the first had.
    """

    shortest: float = 0.0
    longest: float = 0.0
    per_item: float = 0.0

    def after(self, items: int) -> float:
        """From the beginning of a batch of so many items to the next one."""
        return min(self.longest, max(self.shortest, items * self.per_item))


class GroupCommit(Generic[K, V]):
    """Gathers concurrent `submit`s: while one batch is being written, the next one fills.

    A write after a silence is not delayed. Batches begin as far apart as `window` says, because each has a fixed cost.
    Items that can wait go with a batch that others begin, and begin one themselves after the longest window.

    **Invariants:**

    - `run` takes a batch and returns one answer per item, in order.
    - When `run` raises `Unavailable`, the same batch is tried again until it succeeds, so `run` must be harmless to
      repeat. Any other error goes to all callers of the batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[K]], Awaitable[Sequence[V]]],
        *,
        max_size: int = 500,
        window: Window = Window(),  # it is immutable
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._window = window
        self._pending: list[tuple[K, asyncio.Future[V]]] = []
        self._urgent = False  # whether one of them cannot wait
        self._began, self._size = float("-inf"), 0  # of the last batch
        # uvloop gives a handle without a time for what is due within half a millisecond.
        self._timer: asyncio.Handle | None = None
        self._timed_for = 0.0
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def submit(self, item: K, *, can_wait: bool = False) -> V:
        """The answer for `item`, once its batch is done."""
        return await self._put(item, can_wait=can_wait)

    def submit_all(self, items: Iterable[K]) -> "list[asyncio.Future[V]]":
        """The answers for many items, in order, without a task for each. Cancel those that are not wanted any more."""
        return [self._put(item) for item in items]

    async def close(self) -> None:
        """Cancel the writes that still wait, and their callers."""
        if self._timer is not None:
            self._timer.cancel()
        await cancel([self._task])
        for _, future in self._pending:
            future.cancel()

    def _put(self, item: K, *, can_wait: bool = False) -> "asyncio.Future[V]":
        # Get the loop once: in Python 3.11 each call of get_running_loop is a system call (getpid).
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._pending.append((item, future))
        self._urgent = self._urgent or not can_wait
        if self._task is None or self._task.done():
            self._schedule(loop)
        return future

    def _opens_at(self) -> float:
        """When the next batch begins."""
        if len(self._pending) >= self._max_size:
            return self._began
        return self._began + (self._window.after(self._size) if self._urgent else self._window.longest)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        opens_at = self._opens_at()
        if self._timer is not None:
            if self._timed_for <= opens_at:
                return
            self._timer.cancel()
            self._timer = None
        if opens_at <= loop.time():
            self._begin()
        else:
            self._timer, self._timed_for = loop.call_at(opens_at, self._begin), opens_at

    def _begin(self) -> None:
        assert self._loop is not None  # noqa: S101  # `_put` has set it
        self._timer = None
        self._task = self._loop.create_task(self._write(self._loop), name="group commit")

    async def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._pending = self._pending[: self._max_size], self._pending[self._max_size :]
        self._urgent = bool(self._pending)  # what is left has waited
        # A cancelled item has no caller, so it must not take effect.
        batch = [(item, future) for item, future in batch if not future.done()]
        if batch:
            self._began, self._size = loop.time(), len(batch)
            await self._settle(batch)
        self._task = None
        if self._pending:
            self._schedule(loop)

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
