"""The calls that a process may have under way: whoever is furthest behind its share gets the next free one."""

import asyncio
from collections.abc import Callable


class PrioritySemaphore:
    """A semaphore of `count` whose waiters say how urgent they are when one becomes free: the least number wins.

    It is asked then and not before, for what waits changes meanwhile. Equals go in the order of their asking.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Callable[[], float], asyncio.Future[None]]] = []

    async def acquire(self, urgency: Callable[[], float]) -> None:
        """Wait for one."""
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
        """Give one back."""
        waiting = [waiter for waiter in self._waiting if not waiter[1].done()]
        if not waiting:
            self._waiting = []
            self._free += 1
            return
        chosen = min(waiting, key=lambda waiter: waiter[0]())
        waiting.remove(chosen)
        self._waiting = waiting
        chosen[1].set_result(None)
