"""Creating indexes at start-up, in the background, for as long as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from common.errors import Unavailable
from common.tasks import cancel

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


class Indexes:
    """Runs `ensure` until it succeeds. The unique indexes carry promises, so a service is not ready before."""

    def __init__(self, ensure: Callable[[], Awaitable[None]]) -> None:
        self._ensure = ensure
        self._task: asyncio.Task[None] | None = None
        self._done = asyncio.Event()

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name="ensure indexes")

    async def stop(self) -> None:
        """Give up, if it is not done."""
        await cancel([self._task])

    async def ready(self) -> bool:
        """Whether the indexes are there."""
        return self._done.is_set()

    async def wait(self) -> None:
        """Return when the indexes are there."""
        await self._done.wait()

    async def _run(self) -> None:
        while not self._done.is_set():
            try:
                await self._ensure()
                self._done.set()
            except Unavailable as error:
                log.warning("MongoDB is away, trying again", extra={"error": error.message})
                await asyncio.sleep(_RETRY_SECONDS)
