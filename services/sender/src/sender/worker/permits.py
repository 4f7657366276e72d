"""The permits for calls of a process: the session that is furthest behind its share gets the next free one."""

import asyncio
from collections.abc import Callable


class PrioritySemaphore:
    """A semaphore of `count`. When a permit becomes free, the waiter with the lowest urgency number gets it.

    `urgency` is called only then, because the waiting sends change meanwhile. Equal waiters go in order of `acquire`.

    While others wait, permits are given out one at a time: who got one may ask again before the next is given. So
    many that become free together go by urgency, and not one to each.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Callable[[], float], asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._giving = False

    async def acquire(self, urgency: Callable[[], float]) -> None:
        """Wait for a permit."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        loop = self._loop = self._loop or asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()
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
        self._free += 1
        if self._waiting and not self._giving and self._loop is not None:
            self._giving = True
            self._give()

    def _give(self) -> None:
        """Give one free permit to a waiter; the next when that waiter has gone on."""
        self._waiting = [waiter for waiter in self._waiting if not waiter[1].done()]
        if not self._waiting or not self._free or self._loop is None:
            self._giving = False
            return
        chosen = min(self._waiting, key=lambda waiter: waiter[0]())
        self._waiting.remove(chosen)
        self._free -= 1
        chosen[1].set_result(None)
        self._loop.call_soon(self._give)
