"""The permits for calls of a process: the session that is furthest behind its share gets the next free one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_FRESH_SECONDS: Final = 0.005


@dataclass(eq=False, slots=True)
class _Waiter:
    urgency: Callable[[], float]
    granted: "asyncio.Future[None]"
    known: float = 0.0
    stale_at: float = float("-inf")

    def at(self, now: float) -> float:
        """Its urgency, which is asked for again after a few milliseconds."""
        if now >= self.stale_at:
            self.known, self.stale_at = self.urgency(), now + _FRESH_SECONDS
        return self.known


class PrioritySemaphore:
    """A semaphore of `count`. When a permit becomes free, the waiter with the lowest urgency number gets it.

    `urgency` is called only then, because the waiting sends change meanwhile. Its answer counts for 5 ms: it costs more
    than all else here, and every permit compares all waiters. Equal waiters go in order of `acquire`.

    While others wait, permits are given out one at a time: who got one may ask again before the next is given. So
    many that become free together go by urgency, and not one to each.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[_Waiter] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._giving = False

    async def acquire(self, urgency: Callable[[], float]) -> None:
        """Wait for a permit."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        loop = self._loop = self._loop or asyncio.get_running_loop()
        waiter = _Waiter(urgency, loop.create_future())
        self._waiting.append(waiter)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.granted.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a permit back."""
        self._free += 1
        if self._waiting and not self._giving and self._loop is not None:
            self._giving = True
            self._give()

    def _give(self) -> None:
        """Give one free permit to a waiter; the next when that waiter has gone on."""
        self._waiting = [waiter for waiter in self._waiting if not waiter.granted.done()]
        if not self._waiting or not self._free or self._loop is None:
            self._giving = False
            return
        now = self._loop.time()
        chosen = min(self._waiting, key=lambda waiter: waiter.at(now))
        self._waiting.remove(chosen)
        self._free -= 1
        chosen.granted.set_result(None)
        self._loop.call_soon(self._give)
