"""Timers that can be counted and forgotten all at once."""

import asyncio
from collections.abc import Callable
from typing import Any


class Timers:
    """Functions to be called later, on the running event loop."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()

    @property
    def pending(self) -> int:
        """How many have not been called yet."""
        return len(self._handles)

    def later(self, delay_ms: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function(*arguments)` after `delay_ms`; 0 means in the next turn of the loop."""

        def call() -> None:
            self._handles.discard(handle)
            function(*arguments)

        handle = asyncio.get_running_loop().call_later(delay_ms / 1000, call)
        self._handles.add(handle)

    def clear(self) -> None:
        """Call none of them."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
