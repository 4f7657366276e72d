"""With a backlog: batches that are worked on at the same time, each of partitions that no other one has."""

import asyncio
from collections.abc import Collection, Coroutine, Hashable
from types import TracebackType
from typing import Any, Final, Self

from common.tasks import cancel

MOST: Final = 3
"""Batches at the same time. While one waits for MongoDB or Kafka, another has the core (docs/decisions/0038)."""


class InFlight:
    """The batches of a session that have begun and not ended. Leaving it waits for all of them.

    A batch that fails is raised by whatever is called next. The others are not cut off: they are of other partitions.
    Only when the session itself is cancelled, all are.
    """

    def __init__(self) -> None:
        self._batches: dict[asyncio.Task[None], frozenset[Hashable]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        batches, self._batches = self._batches, {}
        if not batches:
            return
        try:
            if not isinstance(error, asyncio.CancelledError):
                await asyncio.wait(batches)
        finally:  # also where the session is cancelled only now
            await cancel(batches)
        failures = [failure for one in batches if not one.cancelled() and (failure := one.exception()) is not None]
        if error is None and failures:
            raise failures[0]

    @property
    def places(self) -> frozenset[Hashable]:
        """The partitions of these batches: none of them is read meanwhile."""
        return frozenset().union(*self._batches.values())

    @property
    def backlog(self) -> bool:
        """Whether there is more than one."""
        return len(self._batches) > 1

    async def room(self) -> None:
        """Wait until another batch may begin. Raises what a batch has raised."""
        while len(self._batches) >= MOST:
            await self.one()

    async def one(self) -> None:
        """Wait until one ends. Raises what it has raised."""
        done, _ = await asyncio.wait(self._batches, return_when=asyncio.FIRST_COMPLETED)
        for batch in done:
            await batch  # before it is forgotten: the one that is raised is not told a second time
            del self._batches[batch]

    def begin(self, places: Collection[Hashable], work: Coroutine[Any, Any, None]) -> None:
        """Begin to work on a batch of these partitions."""
        self._batches[asyncio.create_task(work, name="batch")] = frozenset(places)
