"""The permits for calls of a process: the session that is furthest behind its share gets the next free one."""

import asyncio
from collections.abc import Callable


class PrioritySemaphore:
    """A semaphore of `count`. When a permit becomes free, the waiter with the lowest urgency number gets it.

    `urgency` is called only then, because the waiting sends change meanwhile. Equal waiters go in order of `acquire`.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Callable[[], float], asyncio.Future[None]]] = []

    async def acquire(self, urgency: Callable[[], float]) -> None:
        """Wait for a permit."""
        if self._free > 0:
            self._free -= 1
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((urgency, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release()
            else:
                self._waiting = [waiter for waiter in self._waiting if waiter[1] is not granted]
            raise

    def release(self) -> None:
        """Give a permit back."""
        waiting = [waiter for waiter in self._waiting if not waiter[1].done()]
        if not waiting:
            self._waiting = []
            self._free += 1
            return
        chosen = min(waiting, key=lambda waiter: waiter[0]())
        waiting.remove(chosen)
        self._waiting = waiting
        chosen[1].set_result(None)
